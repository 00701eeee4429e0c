//! The users that the policy asks over ssh: switches, enforcement, exemptions, grace, and a policy that cannot be used.

use std::os::unix::fs::{PermissionsExt, chown};

use harness::logins::{ASK_CODE, ASK_PASSWORD, dialogue, enrolled, logged, machine, policy, told};
use harness::{Machine, PASSWORD, Sshd};

const FILE: &str = "/etc/security/twofactor.toml";

/// Logs in with the password alone; the client hangs up when more is asked.
fn with_password<'a>(sshd: &'a Sshd<'_>, user: &str) -> harness::SshLogin<'a> {
    sshd.login(user).answer(PASSWORD)
}

#[test]
fn r26_r15_r16_the_unenrolled_need_the_password_only() {
    let machine = machine();
    machine.add_user("bob");
    let sshd = machine.sshd("");
    let session = with_password(&sshd, "bob").run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD]));
    // A command is not told about devices: scripts read its output.
    assert_eq!(session.stderr, "");
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=bob rhost=127.0.0.1 result=unenrolled"]
    );
}

#[test]
fn r15_a_session_is_told_once_of_a_possible_device() {
    let machine = machine();
    machine.add_user("bob");
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let note = "Two-factor login is available for your account. To set it up, ask your\n\
                administrator for \"twofactor enroll bob\".\n";
    let mut terminal = sshd.login("bob").shell().pty();
    terminal.answer(ASK_PASSWORD, PASSWORD).answer("$ ", "exit");
    let ended = terminal.end();
    assert_eq!(
        (ended.code, ended.shown.matches(note).count()),
        (Some(0), 1),
        "{}",
        ended.shown
    );
    assert_eq!(ended.shown.matches("wo-factor").count(), 1);

    let mut terminal = sshd.login("alice").shell().pty();
    terminal
        .answer(ASK_PASSWORD, PASSWORD)
        .answer(ASK_CODE, &phone.code());
    terminal.answer("$ ", "exit");
    assert!(!terminal.end().shown.contains("wo-factor"));

    machine.policy("enabled = true\n");
    let mut terminal = sshd.login("bob").shell().pty();
    terminal.answer(ASK_PASSWORD, PASSWORD).answer("$ ", "exit");
    assert!(!terminal.end().shown.contains("wo-factor"));
}

#[test]
fn r17_mandatory_refuses_and_says_so() {
    let machine = machine();
    policy(&machine, "enforcement = \"mandatory\"", "");
    machine.add_user("bob");
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let session = with_password(&sshd, "bob").answer("").run();
    let why = "Two-factor login is required here, and it is not set up for your account yet.\n\
               Ask your administrator to do that.";
    let told = told(why);
    assert_eq!(dialogue(&session), (false, vec![ASK_PASSWORD, &told]));
    assert_eq!(
        session.stderr,
        "bob@127.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n"
    );
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=bob rhost=127.0.0.1 result=device-required"]
    );
    assert!(
        with_password(&sshd, "alice")
            .answer(phone.code())
            .run()
            .is_in()
    );
}

#[test]
fn uniform_prompt_hides_which_users_have_a_device() {
    let machine = machine();
    policy(
        &machine,
        "enforcement = \"mandatory\"\nuniform_prompt = true",
        "",
    );
    let wrong = enrolled(&machine, "alice").wrong_code();
    machine.add_user("carl5");
    let sshd = machine.sshd("");
    let answers = [PASSWORD, &wrong, &wrong, &wrong];
    let mut with = sshd.login("alice").attempts(3).answers(&answers).run();
    let without = sshd.login("carl5").attempts(3).answers(&answers).run();
    assert_eq!(with.prompts.len(), 4);
    with.stderr = with.stderr.replace("alice@", "carl5@");
    assert_eq!(with, without);

    policy(&machine, "uniform_prompt = true", "");
    let session = with_password(&sshd, "carl5").answer(wrong).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
}

#[test]
fn r22_sshd_needs_both_switches() {
    let machine = machine();
    // The settings of that sshd, where the command looks for them.
    machine.write_file(
        "/etc/ssh/sshd_config.d/01-twofactor.conf",
        "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n",
        0o644,
    );
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    for off in [
        "enabled = true\n",
        "enabled = true\n[services]\ndefault = true\n",
        "enabled = true\n[services]\nsshd = false\n",
        "enabled = false\n[services]\nsshd = true\n",
    ] {
        machine.policy(off);
        let session = with_password(&sshd, "alice").run();
        assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD]), "{off}");
        assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
    }
    machine.policy("enabled = true\n[services]\nsshd = true\n");
    let session = with_password(&sshd, "alice").answer(phone.code()).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
    machine
        .command(&["disable", "--service", "sshd", "--yes"])
        .ok();
    assert!(with_password(&sshd, "alice").run().is_in());
    machine
        .command(&["enable", "--service", "sshd", "--yes"])
        .ok();
    let session = with_password(&sshd, "alice")
        .answer(phone.code_after(1))
        .run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
}

/// The login is refused after the right password, for one reason in the log; returns that.
fn refused(machine: &Machine, sshd: &Sshd<'_>, user: &str) -> String {
    machine.forget_log();
    let session = with_password(sshd, user).answer("").run();
    let why = "Two-factor login does not work because of an error on this machine, so this\n\
               login is refused. Tell your administrator.";
    let told = told(why);
    assert_eq!(dialogue(&session), (false, vec![ASK_PASSWORD, &told]));
    let plain =
        format!("{user}@127.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n");
    assert_eq!(session.stderr, plain);
    let lines = logged(machine, "sshd:auth");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start = format!("user={user} rhost=127.0.0.1 result=error error=");
    lines[0].strip_prefix(&start).unwrap().to_owned()
}

#[test]
fn an_unusable_policy_refuses_all_users() {
    let machine = machine();
    enrolled(&machine, "alice");
    machine.add_user("bob");
    let sshd = machine.sshd("");
    let why = |user| refused(&machine, &sshd, user);
    for user in ["alice", "bob"] {
        machine.policy("enabled = true\nwindow = 11\n");
        assert_eq!(
            why(user),
            "\"/etc/security/twofactor.toml: line 2, column 10: window is 11; allowed: 0 to 10\" \
             hint=\"twofactor policy check shows the error\""
        );
        std::fs::remove_file(FILE).unwrap();
        assert_eq!(
            why(user),
            "\"/etc/security/twofactor.toml: open: No such file or directory (os error 2)\" \
             hint=\"twofactor doctor says what to do\""
        );
        for (mode, shown) in [(0o666, "0666"), (0o664, "0664")] {
            machine.write_file(FILE, "enabled = false\n", mode);
            let line = format!("\"{FILE}: is accessible to others (mode {shown})\"");
            assert_eq!(why(user), line);
        }
        policy(&machine, "", "");
        chown(FILE, Some(60_000), None).unwrap();
        assert_eq!(why(user), format!("\"{FILE}: is not owned by root\""));
        std::fs::remove_file(FILE).unwrap();
        std::os::unix::fs::symlink("/dev/null", FILE).unwrap();
        assert_eq!(
            why(user),
            format!("\"{FILE}: is a link or not of the right type\"")
        );
        std::fs::remove_file(FILE).unwrap();
    }
}

#[test]
fn a_record_that_cannot_be_used_refuses_its_user_only() {
    let machine = machine();
    enrolled(&machine, "alice");
    machine.add_user("bob");
    let sshd = machine.sshd("");
    let file = "/var/lib/twofactor/users/alice.toml";
    let record = machine.read(file);
    let why = || refused(&machine, &sshd, "alice");
    machine.write_file(file, "format = 1\nsecret = oops\n", 0o600);
    assert_eq!(
        why(),
        format!("\"{file}: is not a valid record (line 2, column 10)\"")
    );
    machine.write_file(file, &record, 0o644);
    assert_eq!(
        why(),
        format!("\"{file}: is accessible to others (mode 0644)\"")
    );
    machine.write_file(file, record.replace("format = 1", "format = 2"), 0o600);
    assert_eq!(
        why(),
        format!(
            "\"{file}: has format 2, written by twofactor {}; this program reads format 1\"",
            twofactor_core::VERSION
        )
    );
    machine.write_file(file, &record, 0o600);
    let state = "/var/lib/twofactor/state/alice";
    std::fs::write(state, [0; 100]).unwrap();
    assert!(why().starts_with(&format!("\"{state}: ")));
    std::fs::remove_file(state).unwrap();
    assert_eq!(
        why(),
        format!(
            "\"{state}: is missing beside a record\" hint=\"twofactor unlock USER makes a new state\""
        )
    );
    assert!(with_password(&sshd, "bob").run().is_in());
    std::fs::set_permissions("/var/lib/twofactor/users", PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(
        refused(&machine, &sshd, "bob"),
        "\"/var/lib/twofactor/users: is accessible to others (mode 0755)\""
    );
}

#[test]
fn exempted_networks_are_not_asked_and_all_others_are() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    for address in ["192.0.2.7", "198.51.100.7", "2001:db8::7"] {
        machine.add_address(address);
    }
    policy(
        &machine,
        "window = 10",
        "[[exempt]]\nnetworks = [\"198.51.100.0/24\"]\n[[exempt]]\nnetworks = [\"192.0.2.0/28\", \"::1\"]",
    );
    let sshd = machine.sshd("");
    for (address, entry) in [("192.0.2.7", 2), ("::1", 2), ("198.51.100.7", 1)] {
        machine.forget_log();
        let session = with_password(&sshd, "alice")
            .from(address)
            .to(address)
            .run();
        assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD]));
        assert_eq!(
            logged(&machine, "sshd:auth"),
            [format!(
                "user=alice rhost={address} result=exempt entry={entry}"
            )]
        );
    }
    for (steps, address) in (0..).zip(["127.0.0.1", "2001:db8::7"]) {
        let login = with_password(&sshd, "alice").from(address).to(address);
        let session = login.answer(phone.code_after(steps)).run();
        assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
    }
    // A wrong password is refused from everywhere.
    let login = sshd.login("alice").from("192.0.2.7").to("192.0.2.7");
    assert!(!login.answer("guess").run().is_in());
}

#[test]
fn networks_match_addresses_and_never_names() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    policy(&machine, "", "[[exempt]]\nnetworks = [\"127.0.0.0/8\"]");
    let sshd = machine.sshd("UseDNS yes");
    let session = with_password(&sshd, "alice").answer(phone.code()).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=localhost result=accepted device=phone offset=0"]
    );
}

#[test]
fn users_and_groups_are_exempted_by_their_own_entries() {
    let machine = machine();
    machine.add_group("robots");
    for user in ["robot", "backup1", "alice"] {
        enrolled(&machine, user);
    }
    machine.add_to_group("robot", "robots");
    machine.add_to_group("alice", "robots");
    policy(
        &machine,
        "",
        "[[exempt]]\ngroups = [\"robots\"]\nusers = [\"robot\"]\n[[exempt]]\nusers = [\"backup1\"]\nservices = [\"sshd\"]",
    );
    let sshd = machine.sshd("");
    for (user, asked) in [("robot", false), ("backup1", false), ("alice", true)] {
        let session = with_password(&sshd, user).run();
        assert_eq!(session.prompts.len() == 2, asked, "{user}");
        assert_eq!(session.is_in(), !asked, "{user}");
    }
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=robot rhost=127.0.0.1 result=exempt entry=1",
            "user=backup1 rhost=127.0.0.1 result=exempt entry=2"
        ]
    );
}

#[test]
fn grace_holds_for_the_address_of_the_login_only() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    policy(&machine, "grace = 3600", "");
    for address in ["192.0.2.7", "192.0.2.8"] {
        machine.add_address(address);
    }
    let sshd = machine.sshd("");
    let at = |address: &str| with_password(&sshd, "alice").from(address).to("192.0.2.7");
    let first = at("192.0.2.7").answer(phone.code()).run();
    assert_eq!(dialogue(&first), (true, vec![ASK_PASSWORD, ASK_CODE]));
    machine.forget_log();
    let second = at("192.0.2.7").run();
    assert_eq!(dialogue(&second), (true, vec![ASK_PASSWORD]));
    let lines = logged(&machine, "sshd:auth");
    let left = lines[0].strip_prefix("user=alice rhost=192.0.2.7 result=grace left=");
    assert!(
        (3500..=3600).contains(&left.unwrap().parse().unwrap()),
        "{lines:?}"
    );
    let other = at("192.0.2.8").run();
    assert_eq!(dialogue(&other), (false, vec![ASK_PASSWORD, ASK_CODE]));
    // All who come by way of this machine have its loopback address.
    let local = || with_password(&sshd, "alice");
    let code = phone.code_after(1);
    assert!(local().answer(code).run().is_in());
    assert_eq!(
        dialogue(&local().run()),
        (false, vec![ASK_PASSWORD, ASK_CODE])
    );
    // Grace is not a password.
    assert!(!sshd.login("alice").answer("guess").run().is_in());
    // A policy that has changed ends it.
    policy(&machine, "grace = 3601", "");
    let third = at("192.0.2.7").run();
    assert_eq!(dialogue(&third), (false, vec![ASK_PASSWORD, ASK_CODE]));
}
