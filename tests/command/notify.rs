//! The program of `notify`: what it gets from the command, which programs are refused, and what it cannot hold up.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use harness::Machine;
use harness::desk::{caller, desk_on, give, json, parse};
use serde_json::{Value, json};

const PROGRAM: &str = "/usr/local/sbin/factor-changed";
const TOLD: &str = "/run/told";
const POLICY: &str = "enabled = true\nnotify = \"/usr/local/sbin/factor-changed\"\n";
/// The beginning of what the command says of a program that did not get a change.
const SAID: &str = "The change is made, but the program of notify did not get it: ";

/// A machine whose policy names a program with these lines.
fn told(lines: &str) -> Machine {
    let machine = desk_on();
    machine.policy(POLICY);
    machine.write_file(PROGRAM, format!("#!/bin/sh\n{lines}\n"), 0o755);
    machine
}

/// The input of the program since this was asked last.
fn changes() -> Vec<Value> {
    let text = fs::read_to_string(TOLD).unwrap_or_default();
    let _ = fs::remove_file(TOLD);
    text.lines().map(parse).collect()
}

/// The lines about changes that the program did not get, without their authors.
fn undelivered(machine: &Machine) -> Vec<String> {
    let lines = machine.log_with("result=not-notified");
    let cut = |line: String| line.rsplit_once(" by=").unwrap().0.to_owned();
    lines.into_iter().map(cut).collect()
}

#[test]
fn each_change_is_told_once() {
    let machine = told(&format!("cat >>{TOLD}"));
    let (uid, _) = caller(&machine);
    let began = harness::otp::unix_time();
    let (rfc, codes) = (harness::enrolled::SECRET, hotp_codes());
    machine.write_file(
        "/root/uris",
        format!("otpauth://hotp/x?secret={rfc}&counter=0\n"),
        0o600,
    );
    let alice = "alice";
    let mut runs: Vec<(Vec<&str>, Value)> = vec![
        (
            vec!["enroll", alice, "--no-confirm"],
            json!({"event": "enroll", "device": "phone", "confirmed": false}),
        ),
        (
            vec!["renew", alice, "--no-confirm", "--yes"],
            json!({"event": "renew", "device": "phone", "confirmed": false}),
        ),
        (
            vec!["recovery-codes", alice, "--yes"],
            json!({"event": "recovery-codes"}),
        ),
        (
            vec!["bypass", alice],
            json!({"event": "bypass", "until": 0}),
        ),
        (
            vec!["bypass", alice, "--for=0"],
            json!({"event": "bypass", "withdrawn": true}),
        ),
        (vec!["unlock", alice], json!({"event": "unlock"})),
        (vec!["backup", "--output", "/root/backup"], Value::Null),
        (
            vec!["unset", alice, "--yes"],
            json!({"event": "unset", "device": "all"}),
        ),
        (
            vec!["restore", "/root/backup", "--yes"],
            json!({"event": "restore"}),
        ),
        (
            vec!["unset", alice, "--yes"],
            json!({"event": "unset", "device": "all"}),
        ),
        (
            vec!["import", "uri", "/root/uris", "--user", alice, "--yes"],
            json!({"event": "import", "device": "x", "from": "uri"}),
        ),
        (vec!["status", alice], Value::Null),
        (vec!["policy", "set", "window", "2", "--yes"], Value::Null),
    ];
    let mut resync = vec!["resync", alice];
    resync.extend(codes.iter().map(String::as_str));
    runs.push((resync, json!({"event": "resync", "device": "x"})));
    for (arguments, expected) in runs {
        let run = machine.command(&arguments).ok();
        assert!(!run.stderr.contains(SAID), "{}", run.stderr);
        let mut got = changes();
        if expected.is_null() {
            assert_eq!(got, Vec::<Value>::new(), "{arguments:?}");
            continue;
        }
        assert_eq!(got.len(), 1, "{arguments:?}: {got:?}");
        let mut got = got.remove(0);
        assert!(got["time"].as_u64().unwrap() >= began, "{got}");
        assert_eq!(got["by"]["uid"], uid);
        assert_eq!(got["by"]["service"], "twofactor");
        if expected["event"] == "import" {
            // The label of the device and the name of the format are import's.
            assert!(
                got["device"].is_string() && got["from"].is_string(),
                "{got}"
            );
            got["device"] = json!("x");
            got["from"] = json!("uri");
        }
        if expected["event"] == "resync" {
            assert!(got["device"].is_string(), "{got}");
            got["device"] = json!("x");
        }
        if expected["until"].is_number() {
            assert!(got["until"].as_u64().unwrap() > began, "{got}");
            got["until"] = json!(0);
        }
        let mut whole = expected.clone();
        whole["user"] = json!(alice);
        whole["by"] = got["by"].clone();
        whole["time"] = got["time"].clone();
        assert_eq!(got, whole, "{arguments:?}");
    }
    assert_eq!(undelivered(&machine), Vec::<String>::new());
}

/// Codes by which a device with counters is learned anew.
fn hotp_codes() -> Vec<String> {
    harness::otp::hotp_codes(harness::enrolled::SECRET, 5, 2, 6)
}

#[test]
fn several_users_and_moves_are_told_each() {
    let machine = told(&format!("cat >>{TOLD}"));
    machine.command(&["invite", "alice", "bob"]).ok();
    let users: Vec<Value> = changes().iter().map(|it| it["user"].clone()).collect();
    assert_eq!(users, ["alice", "bob"]);
    machine.command(&["invite", "alice", "--for=0"]).ok();
    assert_eq!(changes()[0]["withdrawn"], true);
    give(&machine, "alice", &[]);
    changes();
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    machine.remove_user("alice");
    machine.add_user_with_id("anna", uid.trim().parse().unwrap());
    machine.command(&["rename", "alice", "anna", "--yes"]).ok();
    let moved = changes();
    assert_eq!(moved.len(), 1);
    let words = ["event", "user", "from"].map(|key| moved[0][key].clone());
    assert_eq!(words, ["rename", "anna", "alice"]);
    machine.remove_user("anna");
    machine.add_user("anna");
    machine.command(&["adopt", "anna", "--force", "--yes"]).ok();
    let moved = changes();
    assert_eq!((moved.len(), &moved[0]["event"]), (1, &json!("adopt")));
}

#[test]
fn the_program_gets_nothing_but_the_message() {
    let machine = told(
        "cat >/dev/null\n{ echo \"$#\"; pwd; /usr/bin/env; ls /proc/$$/fd; readlink /proc/$$/fd/1 /proc/$$/fd/2; cat /proc/$$/stat; } >/run/around",
    );
    // The command gets a descriptor and a variable of its caller.
    let line = "exec 9</etc/passwd; SECRET=1 exec /usr/local/bin/twofactor unlock alice";
    give(&machine, "alice", &[]);
    machine.run("sh", &["-c", line]).ok();
    let around = machine.read("/run/around");
    let lines: Vec<&str> = around.lines().collect();
    assert_eq!(&lines[..2], ["0", "/"]);
    assert!(lines.contains(&"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    assert!(!around.contains("SECRET"), "{around}");
    // 10 and the like are the shell's own, for its script.
    assert!(!lines.contains(&"9"), "{around}");
    let stat: Vec<&str> = lines.last().unwrap().split(' ').collect();
    assert_eq!(stat[0], stat[4], "a group of its own: {around}");
}

#[test]
fn a_program_that_others_can_change_is_not_run() {
    let machine = told(&format!("cat >>{TOLD}"));
    give(&machine, "alice", &[]);
    changes();
    let refused = |cause: &str| {
        let run = machine.command(&["unlock", "alice"]).ok();
        assert_eq!(run.stderr, format!("{SAID}{cause}\n"));
        assert_eq!(changes(), Vec::<Value>::new(), "{cause}");
        let line = format!("user=alice result=not-notified action=unlock error=\"{cause}\"");
        assert_eq!(undelivered(&machine).last(), Some(&line));
        let quiet = machine.command(&["unlock", "alice", "--json"]).ok();
        assert_eq!(quiet.stderr, "");
        let check = json(machine.command(&["policy", "check", "--json"]));
        assert!(
            check["warnings"][0].as_str().unwrap().starts_with(cause),
            "{check}"
        );
        let doctor = parse(&machine.command(&["doctor", "--json"]).stdout);
        let findings = doctor["findings"].as_array().unwrap().clone();
        let found = findings.iter().find(|it| it["check"] == "notify").unwrap();
        assert_eq!(found["level"], "warning");
        assert!(
            found["cause"].as_str().unwrap().starts_with(cause),
            "{found}"
        );
    };
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    for writable in [0o775, 0o757] {
        mode(PROGRAM, writable);
        refused(&format!("{PROGRAM}: is writable by others than root"));
    }
    mode(PROGRAM, 0o644);
    refused(&format!("{PROGRAM}: is not executable"));
    mode(PROGRAM, 0o755);
    chown(PROGRAM, Some(1000), None).unwrap();
    refused(&format!("{PROGRAM}: does not belong to root"));
    fs::remove_file(PROGRAM).unwrap();
    refused(&format!(
        "{PROGRAM}: No such file or directory (os error 2)"
    ));
    symlink("/bin/cat", PROGRAM).unwrap();
    refused(&format!("{PROGRAM}: is a symbolic link"));
    fs::remove_file(PROGRAM).unwrap();
    fs::create_dir(PROGRAM).unwrap();
    refused(&format!(
        "{PROGRAM}: is neither a directory nor, at the end, a program"
    ));
    // Directories on the way.
    let inner = format!("{PROGRAM}/tell");
    machine.write_file(&inner, format!("#!/bin/sh\ncat >>{TOLD}\n"), 0o755);
    machine.policy(&POLICY.replace("factor-changed", "factor-changed/tell"));
    machine.command(&["unlock", "alice"]).ok();
    assert_eq!(changes().len(), 1);
    mode(PROGRAM, 0o1777);
    refused(&format!("{PROGRAM}: is writable by others than root"));
    mode(PROGRAM, 0o755);
    symlink("factor-changed", "/usr/local/sbin/link").unwrap();
    machine.policy(&POLICY.replace("factor-changed", "link/tell"));
    refused("/usr/local/sbin/link: is a symbolic link");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_group() {
    let machine = told(&format!(
        "echo $$ >>{TOLD}\nsleep 1000 &\necho $! >>{TOLD}\nwait"
    ));
    let run = machine.command(&["invite", "alice", "bob"]).ok();
    let cause = format!("{PROGRAM}: did not end within 10 s, and was killed");
    assert_eq!(run.stderr, format!("{SAID}{cause}\n"));
    // Once: for bob it is not run again.
    let pids = fs::read_to_string(TOLD).unwrap();
    assert_eq!(pids.lines().count(), 2, "{pids}");
    for pid in pids.lines() {
        let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_over = || matches!(state(), it if it.is_empty() || it.contains(") Z "));
        // One that is killed ends when it has the processor next.
        let mut looks = 0..1000;
        while !is_over() && looks.next().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(is_over(), "{}", state());
    }
    let line =
        |user: &str| format!("user={user} result=not-notified action=invite error=\"{cause}\"");
    assert_eq!(undelivered(&machine), [line("alice"), line("bob")]);
}

#[test]
fn a_failing_or_deaf_program_holds_up_nothing() {
    let machine = told(&format!(
        "exec <&-\nhead -c 1000000 /dev/zero\nhead -c 1000000 /dev/zero >&2\necho 1 >>{TOLD}"
    ));
    give(&machine, "alice", &[]);
    assert_eq!(changes().len(), 1);
    assert_eq!(undelivered(&machine), Vec::<String>::new());
    machine.write_file(PROGRAM, "#!/bin/sh\nexit 3\n", 0o755);
    let run = machine.command(&["invite", "alice", "bob"]).ok();
    let cause = format!("{PROGRAM}: exit status: 3");
    assert!(
        run.stderr.ends_with(&format!("{SAID}{cause}\n")),
        "{}",
        run.stderr
    );
    let line = format!("user=bob result=not-notified action=invite error=\"{cause}\"");
    assert_eq!(undelivered(&machine), [line]);
    // A policy that cannot be read does not tell the program; the change is made.
    machine.policy("enabled = maybe\n");
    let run = machine.command(&["unset", "alice", "--yes"]).ok();
    assert!(
        run.stderr
            .contains(&format!("{SAID}the policy does not tell the program: ")),
        "{}",
        run.stderr
    );
    assert_eq!(undelivered(&machine).len(), 2);
}
