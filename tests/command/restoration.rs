//! `backup` and `restore`: logins after a restoration, on the same machine and on another one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk::{desk, desk_on, give, give_phone, is_asked, json, lets_in, parse};
use harness::enrolled::record_path;
use harness::hotp;
use serde_json::Value;

use super::init::STATE;
use super::interruption::{hold_lock, interrupted};

pub const FILE: &str = "/root/backup";
pub fn back_up(machine: &Machine) -> Vec<u8> {
    machine.command(&["backup", "--output", FILE]).ok();
    std::fs::read(FILE).unwrap()
}

pub fn restore(machine: &Machine, options: &[&str], code: i32) -> Value {
    let call = [&["restore", FILE, "--yes", "--json"], options].concat();
    parse(&machine.command(&call).exits(code).stdout)
}

pub fn results(report: &Value) -> Vec<(&str, &str)> {
    let rows = report["users"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["user"].as_str().unwrap(),
            row["result"].as_str().unwrap(),
        )
    })
    .collect()
}

#[test]
fn a_backup_is_one_private_new_file() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let bytes = back_up(&machine);
    assert!(bytes.starts_with(b"twofactor-backup 1\nmade "));
    let mode = std::fs::metadata(FILE).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let again = machine.command(&["backup", "--output", FILE]).exits(1);
    assert!(again.stderr.contains("exists already"), "{again:?}");
    assert_eq!(std::fs::read(FILE).unwrap(), bytes);
    for call in [&["backup"][..], &["backup", "--output", "-"]] {
        let run = machine.command(call).ok();
        assert!(run.stdout.starts_with("twofactor-backup 1\n"), "{run:?}");
        assert!(run.stdout.contains("user = \"alice\"") && !run.stderr.contains("secret"));
    }
    let shown = machine.twofactor(&["backup"]).pty().end();
    assert_eq!(shown.code, Some(2));
    assert!(
        !shown.shown.contains("twofactor-backup 1"),
        "{}",
        shown.shown
    );
    machine.command(&["backup", "--json"]).exits(2);
    machine.wait_for_log("revealed action=backup users=1 to=/root/backup by=");
}

#[test]
fn a_user_who_cannot_be_read_is_named() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine.write_file(record_path("bob"), "not a record", 0o600);
    let call = ["backup", "--output", FILE, "--json"];
    let report = parse(&machine.command(&call).exits(1).stdout);
    assert_eq!(
        (&report["users"], &report["failed"][0]["user"]),
        (&1.into(), &"bob".into())
    );
    assert_eq!(report["failed"][0]["kind"], "invalid-record");
    assert!(machine.read(FILE).contains("alice"));
    // So is one whose record is gone.
    std::fs::remove_file(record_path("alice")).unwrap();
    let call = ["backup", "--output", "/root/other", "--json"];
    let report = parse(&machine.command(&call).exits(1).stdout);
    assert_eq!(report["users"], 0);
    let failed = report["failed"].as_array().unwrap().iter();
    let names: Vec<&str> = failed.map(|one| one["user"].as_str().unwrap()).collect();
    assert_eq!(names, ["bob", "alice"]);
}

/// With a clock that is behind, steps that were used come once more.
#[test]
fn a_backup_of_the_future_is_refused() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let text = String::from_utf8(back_up(&machine)).unwrap();
    let (_, rest) = text.split_once("made ").unwrap();
    let (made, rest) = rest.split_once('\n').unwrap();
    let later = made.parse::<u64>().unwrap() + 3600;
    let (body, _) = rest.rsplit_once("end ").unwrap();
    let body = format!("twofactor-backup 1\nmade {later}\n{body}");
    let sum = machine.program("sha256sum").input(body.clone()).run().ok();
    let sum = sum.stdout.split_whitespace().next().unwrap();
    machine.write_file(FILE, format!("{body}end 1 {sum}\n"), 0o600);
    let run = machine
        .command(&["restore", FILE, "--replace", "--yes"])
        .exits(1);
    assert!(run.stderr.contains("Set the clock right"), "{run:?}");
}

#[test]
fn used_codes_stay_used_after_a_restoration() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    phone.settle(5);
    let code = phone.code();
    back_up(&machine);
    assert!(lets_in("alice", &code));
    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    assert!(!is_asked("alice"));
    let report = restore(&machine, &[], 0);
    assert_eq!(results(&report), [("alice", "restored")]);
    assert!(is_asked("alice") && !lets_in("alice", &code));
    let text = machine.command(&["show", "alice", "--json"]).ok().stdout;
    assert_eq!(parse(&text)["recovery_codes"], Value::Null, "{text}");
}

#[test]
fn a_token_needs_its_counter_on_a_new_server() {
    let machine = desk_on();
    let key = give(&machine, "alice", &["--hotp"])["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    back_up(&machine);
    assert!(lets_in("alice", &hotp(&key, 0, 6)));
    // The same server knows what was used.
    restore(&machine, &["--replace"], 0);
    assert!(!lets_in("alice", &hotp(&key, 0, 6)));
    assert!(lets_in("alice", &hotp(&key, 1, 6)));
    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    let report = restore(&machine, &[], 0);
    assert!(
        report["users"][0]["notes"].to_string().contains("resync"),
        "{report}"
    );
    assert!(!lets_in("alice", &hotp(&key, 2, 6)));
    let codes = [hotp(&key, 7, 6), hotp(&key, 8, 6)];
    machine
        .command(&["resync", "alice", &codes[0], &codes[1]])
        .ok();
    assert!(lets_in("alice", &hotp(&key, 9, 6)));
}

#[test]
fn recovery_codes_are_kept_on_request_only() {
    let machine = desk_on();
    let given = give(&machine, "alice", &[]);
    let codes = harness::desk::strings(&given["recovery_codes"]);
    back_up(&machine);
    for (options, works) in [(&[][..], false), (&["--one-time-codes", "keep"], true)] {
        machine
            .command(&["unset", "alice", "--yes", "--force"])
            .ok();
        restore(&machine, options, 0);
        assert_eq!(lets_in("alice", &codes[0]), works);
    }
    assert!(!lets_in("alice", &codes[0]) && lets_in("alice", &codes[1]));
    // A restoration over what is there knows which were used.
    restore(&machine, &["--replace"], 0);
    assert!(!lets_in("alice", &codes[1]) && lets_in("alice", &codes[2]));
}

#[test]
fn a_record_that_is_there_is_kept() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    back_up(&machine);
    let token = give(&machine, "bob", &["--hotp"]);
    let before = std::fs::read(record_path("alice")).unwrap();
    let report = restore(&machine, &[], 1);
    assert_eq!(results(&report), [("alice", "kept")]);
    assert_eq!(report["users"][0]["kind"], "exists");
    let dry = restore(&machine, &["--replace", "--dry-run"], 0);
    assert_eq!(dry["stage"], "planned");
    assert_eq!(dry["users"][0]["kind"], Value::Null);
    assert_eq!(results(&dry), [("alice", "replaced")]);
    assert_eq!(std::fs::read(record_path("alice")).unwrap(), before);
    // Users who are not in the backup stay as they are.
    restore(&machine, &["--replace"], 0);
    assert!(lets_in(
        "bob",
        &hotp(token["secret"].as_str().unwrap(), 0, 6)
    ));
    let asked = machine.command(&["restore", FILE, "--replace"]).exits(2);
    assert!(asked.stdout.contains("would be restored"), "{asked:?}");
}

/// A lost record refuses its user; a restoration is the cure that the error names.
#[test]
fn a_lost_record_is_asked_for_again() {
    let machine = desk_on();
    let key = give(&machine, "alice", &["--hotp"])["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    back_up(&machine);
    assert!(lets_in("alice", &hotp(&key, 0, 6)));
    std::fs::remove_file(record_path("alice")).unwrap();
    restore(&machine, &[], 0);
    assert!(!lets_in("alice", &hotp(&key, 0, 6)));
    assert!(lets_in("alice", &hotp(&key, 1, 6)));
}

/// Another server: alice has another user id, bob is the same, and carol's is another person's.
#[test]
fn a_backup_moves_to_another_server() {
    let file = {
        let machine = desk_on();
        machine.add_user_with_id("alice", 60_901);
        machine.add_user_with_id("bob", 60_902);
        machine.add_user_with_id("carol", 60_903);
        machine.add_user_with_id("gone", 60_904);
        for user in ["alice", "bob", "carol", "gone"] {
            give(&machine, user, &["--hotp"]);
        }
        back_up(&machine)
    };
    let machine = desk();
    machine.policy("enabled = true\n[throttle]\ndelay = 0\n");
    machine.add_user_with_id("alice", 60_801);
    machine.add_user_with_id("bob", 60_902);
    machine.add_user_with_id("carol", 60_802);
    machine.add_user_with_id("mallory", 60_903);
    machine.write_file(FILE, &file, 0o600);
    let report = restore(&machine, &[], 1);
    let expected = [
        ("alice", "restored"),
        ("bob", "restored"),
        ("carol", "failed"),
        ("gone", "restored"),
    ];
    assert_eq!(results(&report), expected);
    let reason = report["users"][2]["notes"].to_string();
    assert!(reason.contains("is that of mallory here"), "{reason}");
    assert!(is_asked("bob") && !is_asked("carol") && !is_asked("mallory"));
    let text = machine.command(&["verify", "alice"]).exits(3).stderr;
    assert!(text.contains("twofactor adopt alice"), "{text}");
    machine
        .command(&["adopt", "alice", "--force", "--yes"])
        .ok();
    assert!(is_asked("alice"));
    let report = restore(&machine, &["--adopt"], 1);
    assert_eq!(results(&report)[2], ("carol", "restored"));
    assert!(is_asked("carol") && !is_asked("mallory"));
}

#[test]
fn nothing_is_restored_of_a_backup_that_is_not_whole() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give_phone(&machine, "bob");
    let whole = back_up(&machine);
    for user in ["alice", "bob"] {
        machine.command(&["unset", user, "--yes", "--force"]).ok();
    }
    let listing = || {
        std::fs::read_dir(Path::new(STATE).join("users"))
            .unwrap()
            .count()
    };
    let before = listing();
    let cut = &whole[..whole.len() - 1];
    let twice = [&whole[..], &whole[..]].concat();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for content in [cut, &twice, &changed, b"", b"otpauth://totp/x"] {
        machine.write_file(FILE, content, 0o600);
        let run = machine.command(&["restore", FILE, "--yes"]).exits(3);
        assert!(run.stderr.contains("Nothing was changed."), "{run:?}");
        assert_eq!(listing(), before);
    }
    // Of another user, writable by others, or a link: it is not even read.
    machine.write_file(FILE, &whole, 0o666);
    machine.command(&["restore", FILE, "--yes"]).exits(1);
    machine.write_file(FILE, &whole, 0o600);
    std::os::unix::fs::symlink(FILE, "/root/link").unwrap();
    machine
        .command(&["restore", "/root/link", "--yes"])
        .exits(1);
    assert_eq!(listing(), before);
    let run = machine
        .twofactor(&["restore", "-", "--yes", "--json"])
        .input(whole)
        .run();
    assert_eq!(json(run)["users"].as_array().unwrap().len(), 2);
    assert!(is_asked("alice") && is_asked("bob"));
}

#[test]
fn a_backup_goes_to_no_file_of_others() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let shell = |line: &str| machine.program("sh").args(&["-c", line]).run();
    let run = shell("umask 022; twofactor backup >/root/open").exits(1);
    assert!(run.stderr.contains("that other users can open"), "{run:?}");
    assert_eq!(machine.read("/root/open"), "");
    shell("umask 077; twofactor backup >/root/closed").ok();
    assert!(machine.read("/root/closed").contains("user = \"alice\""));
    shell("twofactor backup | cat >/root/piped").ok();
    assert!(machine.read("/root/piped").contains("user = \"alice\""));
}

/// The command waits for the lock of a user when it is ended.
#[test]
fn an_interrupted_backup_leaves_no_file() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give_phone(&machine, "bob");
    let holder = hold_lock(&machine, "alice");
    let command = machine.twofactor(&["backup", "--output", FILE]).start();
    while !Path::new(FILE).exists() {}
    let run = interrupted(command, holder);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("interrupted"), "{run:?}");
    assert!(!Path::new(FILE).exists());
    back_up(&machine);
}
