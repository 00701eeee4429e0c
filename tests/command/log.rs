//! The lines that the command writes to the system log.

use std::fs;
use std::os::unix::net::UnixDatagram;

use harness::desk::{begin, caller, desk, desk_on, finish, json, strings, terminal};

#[test]
fn r33_the_log_names_every_change_and_no_secret() {
    let machine = desk_on();
    let (uid, _) = caller(&machine);
    machine.forget_log();
    let mut secret = Vec::new();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    let app = shown.totp();
    app.settle(10);
    let code = app.code();
    pty.send_line(&code);
    secret.extend([shown.key, code, app.code_after(1)]);
    secret.extend(
        finish(pty)
            .shown
            .lines()
            .flat_map(|line| line.split("    "))
            .map(str::to_owned)
            .filter(|word| word.len() == 19 && word.is_ascii()),
    );
    machine
        .twofactor(&["verify", "alice"])
        .input(secret[2].as_str())
        .run()
        .ok();
    machine
        .twofactor(&["verify", "alice"])
        .input("918273")
        .run()
        .exits(1);
    for option in ["--secret", "--uri", "--qr=utf8"] {
        machine.command(&["show", "alice", option]).ok();
    }
    machine.command(&["bypass", "alice", "--for=0"]).ok();
    secret.push(
        json(machine.command(&["renew", "alice", "--no-confirm", "--json"]))["secret"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    secret.extend(strings(
        &json(machine.command(&["recovery-codes", "alice", "--yes", "--json"]))["recovery_codes"],
    ));
    machine.command(&["unlock", "alice"]).ok();
    machine
        .command(&["policy", "set", "prompt", "Code = ", "--yes"])
        .ok();
    machine.command(&["disable", "--yes"]).ok();
    machine.command(&["unset", "alice", "--yes"]).ok();
    let lines = machine.log();
    let ours: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    let by = format!("by={uid}");
    let expected = [
        "changed user=alice action=enroll device=phone confirmed=yes",
        "verified user=alice result=accepted",
        "verified user=alice result=wrong",
        "revealed user=alice device=phone",
        "revealed user=alice device=phone",
        "revealed user=alice device=phone",
        "changed user=alice action=bypass until=withdrawn",
        "changed user=alice action=renew device=phone confirmed=no",
        "changed user=alice action=recovery-codes",
        "changed user=alice action=unlock",
        "changed action=policy key=prompt value=Code\\x20\\x3d\\x20",
        "changed action=policy key=enabled value=false",
        "changed user=alice action=unset device=all",
    ];
    assert_eq!(ours, expected.map(|line| format!("{line} {by}")));
    let origin =
        |line: &harness::SyslogLine| (line.facility.clone(), line.severity, line.program.clone());
    assert!(
        lines
            .iter()
            .all(|line| origin(line) == ("authpriv".into(), "notice", "twofactor".into()))
    );
    assert_eq!(secret.len(), 3 + 10 + 1 + 10);
    for secret in secret.iter().map(String::as_str).chain(["918273"]) {
        assert!(
            ours.iter()
                .all(|line| !line.contains(secret) && !line.contains(&secret.replace('-', "")))
        );
    }
}

#[test]
fn an_unread_log_stops_nothing() {
    let machine = desk();
    fs::remove_file("/dev/log").unwrap();
    let run = machine.command(&["enroll", "alice", "--no-confirm"]).ok();
    assert_eq!(run.stderr, "");
    assert_eq!(
        terminal(&machine, &["show", "alice", "--secret"])
            .end()
            .code,
        Some(0)
    );
    // A socket that is full is waited for once.
    let _deaf = UnixDatagram::bind("/dev/log").unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", "/dev/log").is_ok() {}
    machine.command(&["unlock", "alice"]).ok();
}
