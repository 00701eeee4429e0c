//! Policy `grace_session`: the code of a login counts for local services of its own session, and for nothing else.

use harness::logins::{
    ASK_CODE, ASK_NEW_DEVICE, ASK_PASSWORD, Phone, enrolled, logged, machine, policy,
};
use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD, Pty, Sshd};

/// Says of sudo and su which are open with the password alone.
const PROBE: &str = "sh /usr/local/bin/probe";

const NONE: &str = "sudo:asked self:asked bob:asked root:asked";
const OWN: &str = "sudo:open self:open bob:asked root:asked";

/// A machine with three users who have a phone; alice may use sudo.
fn desk(keys: &str) -> (Machine, Phone) {
    let machine = machine();
    let alice = enrolled(&machine, "alice");
    enrolled(&machine, "bob");
    harness::logins::enroll(&machine, "root", &[]);
    machine.allow_sudo("alice");
    policy(&machine, keys, "");
    let script = format!(
        "try() {{ name=$1; shift; if echo '{PASSWORD}' | \"$@\" >/dev/null 2>&1; then echo \"$name:open\"; \
         else echo \"$name:asked\"; fi; }}\n\
         echo probed: $(try sudo sudo -S -k true; try self su alice -c true; try bob su bob -c true; try root su root -c true) .\n"
    );
    machine.write_file("/usr/local/bin/probe", script, 0o755);
    (machine, alice)
}

const ON: &str = "grace_session = 300";

/// The output of [`PROBE`].
fn probed(shown: &str) -> &str {
    let found = shown.rsplit_once("probed: ");
    found
        .and_then(|(_, rest)| rest.split_once(" ."))
        .map_or(shown, |(found, _)| found)
}

/// The probe in a session over ssh that begins with this code.
fn over_ssh(sshd: &Sshd<'_>, answers: &[&str]) -> String {
    let login = sshd.login("alice").remote(PROBE);
    let session = login.answers(&[&[PASSWORD], answers].concat()).run();
    probed(&session.stdout).to_owned()
}

#[test]
fn the_code_counts_in_its_own_session_over_ssh() {
    let (machine, phone) = desk(ON);
    let sshd = machine.sshd("");
    assert_eq!(over_ssh(&sshd, &[&phone.code()]), OWN);
    let begun = logged(&machine, "sshd:session");
    let id = begun[0]
        .split_once("result=session-grace session=")
        .unwrap()
        .1;
    let id = id.split_once(' ').unwrap().0;
    assert_eq!(begun.len(), 1);
    let used = logged(&machine, "sudo:auth");
    let line = format!(" session={id}");
    assert!(
        used[0].contains("result=grace left=") && used[0].ends_with(&line),
        "{used:?}"
    );
    // The command shows it as long as it runs.
    let status = machine.command(&["status", "alice", "--json"]).ok().stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let sessions = &status["users"][0]["grace_sessions"];
    assert_eq!(sessions[0]["session"].to_string(), id);
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    let text = machine.command(&["status", "alice"]).ok().stdout;
    assert!(text.contains(&format!(
        "Not asked for a code: in audit session {id} until "
    )));
}

#[test]
fn without_the_setting_every_service_asks() {
    let (machine, phone) = desk("");
    let sshd = machine.sshd("");
    assert_eq!(over_ssh(&sshd, &[&phone.code()]), NONE);
    assert!(logged(&machine, "sshd:session").is_empty());
}

#[test]
fn another_session_of_the_user_is_asked() {
    let (machine, phone) = desk(ON);
    let key = machine.add_key("alice");
    let sshd = machine.sshd("");
    assert_eq!(over_ssh(&sshd, &[&phone.code()]), OWN);
    let by_key = |command: &str| {
        let session = sshd.login("alice").key(&key).remote(command).run();
        probed(&session.stdout).to_owned()
    };
    assert_eq!(by_key(PROBE), NONE);
    // What a user puts into the environment grants nothing.
    let forged = "SSH_AUTH_INFO_0=keyboard-interactive/pam TWOFACTOR_NOTICE=-,1 XDG_SESSION_ID=1";
    machine.write_file(
        "/home/alice/.pam_environment",
        forged.replace(' ', "\n"),
        0o644,
    );
    assert_eq!(by_key(&format!("env {forged} {PROBE}")), NONE);
    // Nor does sudo, which opens its session within that of its caller.
    let recovery = &phone.recovery[0];
    let sudo = format!("printf '%s\\n' '{PASSWORD}' {recovery} | sudo -S -k echo is-root; {PROBE}");
    let session = sshd.login("alice").key(&key).remote(&sudo).run();
    assert!(session.stdout.contains("is-root"), "{session:?}");
    assert_eq!(probed(&session.stdout), NONE);
    let su = format!(
        "printf '%s\\n' '{PASSWORD}' {} | su alice -c '{PROBE}'",
        phone.recovery[1]
    );
    let session = sshd.login("alice").key(&key).remote(&su).run();
    assert_eq!(probed(&session.stdout), NONE, "{session:?}");
    assert_eq!(logged(&machine, "sshd:session").len(), 1);
}

#[test]
fn the_password_method_gives_it_for_password_and_code() {
    let (machine, phone) = desk(ON);
    machine.install_stack_as("sshd-password-and-code-in-one-field", "sshd");
    let key = machine.add_key("alice");
    let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication no");
    let both = format!("{PASSWORD}{}", phone.code());
    let login = sshd.login("alice").answer(&*both).remote(PROBE);
    assert_eq!(probed(&login.run().stdout), OWN);
    // A right code after a wrong password, and then a key in the same connection.
    let wrong = format!("wrong{}", phone.code_after(1));
    let methods = "PreferredAuthentications=password,publickey";
    let login = sshd
        .login("alice")
        .option(methods)
        .key(&key)
        .answer(&*wrong);
    let session = login.remote(PROBE).run();
    assert_eq!(probed(&session.stdout), NONE, "{session:?}");
}

/// A shell of alice's after a login with the code, on a terminal.
fn shell(machine: &Machine, answer: &str) -> Pty {
    let mut login = machine.pty("login", &[]);
    login
        .answer("login: ", "alice")
        .answer(ASK_PASSWORD, PASSWORD)
        .answer(ASK_CODE, answer);
    login
}

fn probe_in(shell: &mut Pty) -> String {
    shell.send_line(PROBE);
    let shown = shell.expect(" .");
    probed(&(shown + " .")).to_owned()
}

#[test]
fn a_console_login_counts_until_something_ends_it() {
    let (machine, phone) = desk(ON);
    let sshd = machine.sshd("");
    let wrong = phone.wrong_code();
    let ends: [&dyn Fn(); 4] = [
        &|| policy(&machine, "grace_session = 400", ""),
        &|| {
            machine
                .command(&["renew", "alice", "--no-confirm", "--yes"])
                .ok();
        },
        &|| {
            for round in 0..5 {
                let guess = format!("{:06}", (wrong.parse::<u32>().unwrap() + round) % 1_000_000);
                sshd.login("alice").answers(&[PASSWORD, &guess]).run();
            }
            assert!(!machine.log_with("result=throttled").is_empty());
            machine.command(&["unlock", "alice"]).ok();
        },
        // With a device again, the user is asked for its code.
        &|| {
            machine.command(&["unset", "alice", "--yes"]).ok();
            harness::logins::enroll(&machine, "alice", &[]);
        },
    ];
    for (round, end) in ends.into_iter().enumerate() {
        let mut shell = shell(&machine, &phone.recovery[round]);
        shell.answer(ASK_NEW_DEVICE, "").expect("$ ");
        assert_eq!(probe_in(&mut shell), OWN, "{round}");
        end();
        assert_eq!(probe_in(&mut shell), NONE, "{round}");
        shell.send_line("exit");
        shell.end();
    }
}

#[test]
fn what_runs_outside_of_the_session_is_asked() {
    let (machine, phone) = desk(ON);
    let sshd = machine.sshd("");
    assert_eq!(over_ssh(&sshd, &[&phone.code()]), OWN);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid = uid.trim();
    // pam_loginuid(8) begins a new audit session for cron and user services; a system service has none.
    for session in [uid, "4294967295"] {
        let begin = format!(
            "echo {session} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups {PROBE}"
        );
        let run = machine.run("sh", &["-c", &begin]).ok();
        assert_eq!(probed(&run.stdout), NONE, "{session}");
    }
}

/// sudo and su leave the audit session and the loginuid as they are: what another user runs in the session has both.
#[test]
fn another_users_process_in_the_session_is_asked() {
    let (machine, phone) = desk(ON);
    let sshd = machine.sshd("");
    let as_user = |user: &str, script: &str| {
        machine.write_file("/usr/local/bin/inside", script, 0o755);
        format!("echo '{PASSWORD}' | sudo -S -k -u {user} sh /usr/local/bin/inside")
    };
    let sudo = as_user("bob", &format!("cat /proc/self/loginuid >&2; {PROBE}"));
    let login = sshd.login("alice").remote(&sudo);
    let session = login.answers(&[PASSWORD, &phone.code()]).run();
    assert_eq!(probed(&session.stdout), NONE, "{session:?}");
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    assert!(session.stderr.contains(uid.trim()), "{session:?}");
    let graced = machine.log_with("result=grace");
    assert_eq!(graced.len(), 1, "{graced:?}");
}

/// saslauthd, started by hand with sudo, has the audit session of its starter, and names no remote host.
#[test]
fn a_daemon_started_in_the_session_is_asked() {
    let (machine, phone) = desk(ON);
    machine.stack(
        "imap",
        "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n\
         auth requisite pam_unix.so use_first_pass nodelay\naccount required pam_permit.so\n",
    );
    let ask = |password: &str| format!("testsaslauthd -s imap -u alice -p '{password}'");
    let script = format!(
        "PATH=/usr/sbin:/usr/bin\nmkdir /run/saslauthd\nsaslauthd -a pam -n 1 -d -m /run/saslauthd >/dev/null 2>&1 &\n\
         for round in $(seq 600); do [ -S /run/saslauthd/mux ] && break; sleep 0.05; done\n\
         echo session $(cat /proc/$!/sessionid) .\n{}\n{}\nkill -KILL $!\n",
        ask(PASSWORD),
        ask(&format!("{PASSWORD}{}", phone.recovery[0])),
    );
    machine.write_file("/usr/local/bin/serve", script, 0o755);
    let sshd = machine.sshd("");
    let sudo = format!("echo '{PASSWORD}' | sudo -S -k sh /usr/local/bin/serve");
    let login = sshd.login("alice").remote(&sudo);
    let shown = login.answers(&[PASSWORD, &phone.code()]).run().stdout;
    let graced = &logged(&machine, "sudo:auth")[0];
    let id = graced.rsplit_once(" session=").unwrap().1;
    assert!(shown.contains(&format!("session {id} .")), "{shown}");
    let (refused, let_in) = (shown.find("NO \""), shown.find("OK \"Success.\""));
    assert!(refused.is_some() && refused < let_in, "{shown}");
    let asked = logged(&machine, "imap:auth");
    assert!(
        asked.iter().all(|line| !line.contains("result=grace")),
        "{asked:?}"
    );
}

#[test]
fn only_the_process_of_the_login_claims_and_once() {
    let (machine, phone) = desk(ON);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let in_session = format!("echo {} > /proc/self/loginuid && exec \"$@\"", uid.trim());
    let through = ["sh", "-c", &in_session, "sh"];
    let drive = |phases: &str| {
        let drive = Drive::installed()
            .service("login")
            .user("alice")
            .tty("tty9");
        drive.phases(phases)
    };
    let asked = drive("auth,acct")
        .answer(PASSWORD)
        .answer(phone.code())
        .run();
    assert_eq!(asked.auth, code::SUCCESS);
    // Another process opens a session of the same user, while that of the login is awaited.
    let opened = drive("open").through(&through).run();
    assert_eq!(opened.open, code::SUCCESS);
    assert!(logged(&machine, "login:session").is_empty());
    // One process, and two sessions: the stack's pam_loginuid begins the first.
    let recovery = &phone.recovery[0];
    let whole = drive("auth,acct,open,open")
        .answer(PASSWORD)
        .answer(recovery)
        .answer("")
        .run();
    assert_eq!(
        (whole.auth, whole.open),
        (code::SUCCESS, code::SUCCESS),
        "{whole:?}"
    );
    let claimed = logged(&machine, "login:session");
    assert_eq!(claimed.len(), 1, "{claimed:?}");
}

#[test]
fn where_no_session_is_assigned_there_is_no_grace() {
    let (machine, phone) = desk(ON);
    let stack = machine.read("/etc/pam.d/sshd");
    machine.stack(
        "sshd",
        &stack.replace("session    required     pam_loginuid.so", ""),
    );
    let sshd = machine.sshd("");
    assert_eq!(over_ssh(&sshd, &[&phone.code()]), NONE);
    assert!(logged(&machine, "sshd:session").is_empty());
}
