//! Tickets: a login in the same audit session is the proof for changes of users who have no code yet, and of all that is theirs.

use std::os::unix::fs::MetadataExt as _;

use harness::enrolled::change_record;
use harness::logins::{ASK_CODE, enrolled, machine, policy};
use harness::twofactord::SOCKET;
use harness::{Machine, PASSWORD};
use serde_json::{Value, json};

const TICKETS: &str = "/run/twofactor/tickets";

/// A call of alice's in a new audit session, before or after she has become herself by su, which asks for these answers.
fn in_session(machine: &Machine, calls: &[(&str, Value)], answers: &[(&str, &str)]) -> Vec<Value> {
    let uid = uid(machine);
    let mut script = String::new();
    for (position, (method, rest)) in calls.iter().enumerate() {
        let mut parameters = json!({"user": "alice"});
        for (key, value) in rest.as_object().unwrap() {
            parameters[key] = value.clone();
        }
        let call = json!({"method": method, "parameters": parameters});
        let file = format!("/tmp/call-{position}");
        machine.write_file(&file, format!("{call}\0"), 0o644);
        script.push_str(&format!(
            "/usr/local/bin/daemonask {SOCKET} < {file}; echo; "
        ));
    }
    machine.write_file("/tmp/calls", script, 0o644);
    let su = if answers.is_empty() {
        "sh /tmp/calls"
    } else {
        "exec su alice -c 'sh /tmp/calls'"
    };
    // pam_loginuid(8) writes there at a login.
    let begin = format!(
        "echo {uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups sh -c \"{su}\""
    );
    let mut pty = machine.program("sh").args(&["-c", &begin]).pty_of(200, 50);
    for (prompt, answer) in answers {
        pty.answer(prompt, answer);
    }
    let ended = pty.end();
    let replies = ended.shown.lines().filter(|line| line.starts_with('{'));
    let replies: Vec<Value> = replies
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .map(|reply: Value| reply["parameters"]["change"]["result"].clone())
        .collect();
    assert_eq!(replies.len(), calls.len(), "{}", ended.shown);
    replies
}

fn uid(machine: &Machine) -> String {
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    uid.trim().to_owned()
}

fn begin() -> (&'static str, Value) {
    ("io.twofactor.Begin", json!({}))
}

#[test]
fn a_password_in_the_session_admits_the_first_device() {
    let machine = machine();
    machine.add_user("alice");
    let _daemon = machine.daemon();
    assert_eq!(in_session(&machine, &[begin()], &[]), ["login_required"]);
    let password = [("Password: ", PASSWORD)];
    assert_eq!(in_session(&machine, &[begin()], &password), ["pending"]);
    let ticket = format!("{TICKETS}/{}", uid(&machine));
    let file = std::fs::metadata(&ticket).unwrap();
    assert_eq!((file.uid(), file.mode() & 0o7777), (0, 0o600));
    let directory = std::fs::metadata(TICKETS).unwrap();
    assert_eq!((directory.uid(), directory.mode() & 0o7777), (0, 0o700));
    // It is no ticket of another session.
    assert_eq!(in_session(&machine, &[begin()], &[]), ["login_required"]);
}

#[test]
fn r13_a_first_device_is_begun_while_it_is_disabled() {
    let machine = machine();
    machine.add_user("alice");
    let _daemon = machine.daemon();
    machine.policy("enabled = false\n[throttle]\ndelay = 0\n");
    let password = [("Password: ", PASSWORD)];
    assert_eq!(in_session(&machine, &[begin()], &[]), ["login_required"]);
    assert_eq!(in_session(&machine, &[begin()], &password), ["pending"]);
    // A device ends that: with one, each change takes a code.
    harness::logins::enroll(&machine, "alice", &[]);
    let second = ("io.twofactor.Begin", json!({"device": "second"}));
    let calls = [second, ("io.twofactor.Unset", json!({}))];
    assert_eq!(
        in_session(&machine, &calls, &password),
        ["code_required", "code_required"]
    );
}

#[test]
fn a_code_in_the_session_admits_one_change() {
    let machine = machine();
    let alice = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let new_codes = |code: &String| {
        let proof = json!({"code": code});
        ("io.twofactor.NewRecoveryCodes", proof)
    };
    let recovery = &alice.recovery[0];
    assert_eq!(
        in_session(&machine, &[new_codes(recovery)], &[]),
        ["login_required"]
    );
    let (code, next) = (alice.code(), alice.code_after(1));
    let answers = [("Password: ", PASSWORD), (ASK_CODE, code.as_str())];
    // A recovery code is no proof for others, and stays as it is. The code of the login was used there.
    let none = ("io.twofactor.NewRecoveryCodes", json!({}));
    let [used, right, again] = [&code, &next, &next].map(new_codes);
    let calls = [none, new_codes(recovery), used, right, again];
    let results = in_session(&machine, &calls, &answers);
    let expected = [
        "code_required",
        "wrong",
        "used",
        "replaced",
        "login_required",
    ];
    assert_eq!(results, expected);
    let status = machine.command(&["status", "alice", "--json"]).ok().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["users"][0]["recovery_codes_left"], 10);
}

#[test]
fn the_last_device_takes_a_code_and_a_login() {
    let machine = machine();
    let alice = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let unset = ("io.twofactor.Unset", json!({"code": alice.recovery[0]}));
    let code = alice.code();
    let answers = [("Password: ", PASSWORD), (ASK_CODE, code.as_str())];
    let without = ("io.twofactor.Unset", json!({}));
    let results = in_session(&machine, &[without, unset], &answers);
    assert_eq!(results, ["code_required", "removed"]);
    let status = machine.command(&["status", "alice", "--json"]).ok().stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["users"][0]["devices"], json!([]));
}

#[test]
fn all_devices_go_only_as_they_were_shown() {
    let machine = machine();
    let alice = enrolled(&machine, "alice");
    harness::logins::enroll(&machine, "alice", &["--device", "tablet"]);
    let _daemon = machine.daemon();
    let code = alice.code();
    let answers = [("Password: ", PASSWORD), (ASK_CODE, code.as_str())];
    let unset = |shown: Value, proof: &str| {
        let parameters = json!({"all": shown, "code": proof});
        ("io.twofactor.Unset", parameters)
    };
    let [proof, recovery] = [0, 1].map(|place: usize| alice.recovery[place].as_str());
    let calls = [
        unset(json!(["phone"]), proof),
        unset(json!(["phone", "tablet", "watch"]), proof),
        unset(json!([]), proof),
        unset(json!(["phone", "tablet"]), proof),
        unset(json!(["phone", "tablet"]), recovery),
    ];
    let results = in_session(&machine, &calls, &answers);
    // No proof was looked at before: it still counts.
    let expected = ["changed", "changed", "changed", "removed", "unenrolled"];
    assert_eq!(results, expected);
}

/// A login alone is enough, so a code that is given besides changes nothing.
#[test]
fn a_login_counts_beside_an_expired_invitation() {
    let machine = machine();
    machine.add_user("alice");
    policy(&machine, "", "");
    let _daemon = machine.daemon();
    let invite = machine.command(&["--json", "invite", "alice"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    change_record("alice", |record| {
        record.invite.as_mut().unwrap().expires = harness::otp::unix_time();
    });
    let begin = ("io.twofactor.Begin", json!({"code": invite["code"]}));
    let password = [("Password: ", PASSWORD)];
    assert_eq!(in_session(&machine, &[begin], &password), ["pending"]);
}

#[test]
fn where_no_ticket_is_wanted_none_is_written() {
    let machine = machine();
    machine.add_user("alice");
    let _daemon = machine.daemon();
    let password = [("Password: ", PASSWORD)];
    for (keys, tables, result) in [
        ("enroll_needs_invite = true", "", "invitation_required"),
        (
            "",
            "[self_service]\nfirst_device = \"invite\"",
            "invitation_required",
        ),
    ] {
        policy(&machine, keys, tables);
        assert_eq!(in_session(&machine, &[begin()], &password), [result]);
        assert!(!std::fs::exists(TICKETS).unwrap(), "{keys}{tables}");
    }
}

#[test]
fn a_ticket_that_cannot_be_written_refuses_no_login() {
    let machine = machine();
    machine.add_user("alice");
    let uid = uid(&machine);
    let login = format!(
        "echo {uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups su alice -c 'echo this is $(id -un)'"
    );
    let is_in = || {
        let mut su = machine.program("sh").args(&["-c", &login]).pty();
        su.answer("Password: ", PASSWORD);
        su.end().shown.contains("this is alice")
    };
    // Without a daemon, with something in the way, and with a directory that is not root's alone.
    let told = || machine.log_with("result=no-ticket").len();
    assert!(is_in());
    assert_eq!(told(), 0);
    machine.run("install", &["-d", "/run/twofactor"]).ok();
    machine.write_file(TICKETS, "", 0o600);
    assert!(is_in());
    std::fs::remove_file(TICKETS).unwrap();
    machine.run("install", &["-d", "-m", "0777", TICKETS]).ok();
    assert!(is_in());
    assert_eq!(std::fs::read_dir(TICKETS).unwrap().count(), 0);
    assert_eq!(told(), 2);
    // No audit session, no ticket.
    std::fs::remove_dir(TICKETS).unwrap();
    let login = format!(
        "echo 4294967295 > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups su alice -c 'cat /proc/self/sessionid'"
    );
    let mut su = machine.program("sh").args(&["-c", &login]).pty();
    su.answer("Password: ", PASSWORD);
    let ended = su.end();
    assert!(ended.shown.ends_with("4294967295"), "{}", ended.shown);
    assert!(!std::fs::exists(TICKETS).unwrap());
}

#[test]
fn a_login_in_another_users_session_gives_no_ticket() {
    let machine = machine();
    machine.add_user("alice");
    let _daemon = machine.daemon();
    let uid = uid(&machine);
    for (login_uid, is_given) in [("0", false), (uid.as_str(), true)] {
        let login = format!(
            "echo {login_uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups su alice -c 'echo this is $(id -un)'"
        );
        let mut su = machine.program("sh").args(&["-c", &login]).pty();
        su.answer("Password: ", PASSWORD);
        assert!(su.end().shown.contains("this is alice"));
        let is_there = std::fs::exists(format!("{TICKETS}/{uid}")).unwrap();
        assert_eq!(is_there, is_given, "{login_uid}");
    }
}

#[test]
fn a_wrong_password_before_a_key_gives_no_ticket() {
    let machine = machine();
    machine.add_user("alice");
    let uid = uid(&machine);
    let stack = "auth required pam_unix.so nodelay\n\
                 auth [success=ok ignore=ignore default=die] pam_twofactor.so\n\
                 account required pam_unix.so\n\
                 account [success=ok ignore=ignore default=die] pam_twofactor.so\n\
                 session required pam_loginuid.so\n\
                 session optional pam_twofactor.so\n";
    machine.stack("sshd", stack);
    let key = machine.add_key("alice");
    let _daemon = machine.daemon();
    let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication no");
    // The client tries the password first, and the key after it.
    let login = sshd.login("alice").key(key);
    let login = login.option("PreferredAuthentications=password,publickey");
    let login = login.remote("cat /proc/self/loginuid && echo it-is-in");
    let session = login.answer("wrong password").run();
    assert!(session.is_in(), "{session:?}");
    assert_eq!(session.prompts.len(), 1, "{session:?}");
    // There was an audit session that a ticket could have been for.
    assert!(session.stdout.starts_with(&uid), "{session:?}");
    assert!(sshd.log().contains("Failed password for alice"));
    assert_eq!(machine.log_with("result=unenrolled").len(), 1);
    assert!(!std::fs::exists(format!("{TICKETS}/{uid}")).unwrap());
}
