//! Help when a device is lost: a second one, and recovery codes on paper.

use std::os::unix::fs::MetadataExt;

use harness::Machine;
use harness::desk;
use harness::desk::{ASK, BACKUP, Shown, begin, desk_on, give, give_phone, json, lets_in, strings};
use harness::enrolled::record_path;

/// Names of a user's devices.
fn devices(machine: &Machine, user: &str) -> Vec<String> {
    let report = json(machine.command(&["show", user, "--json"]));
    let devices = report["devices"].as_array().unwrap().iter();
    let name = |device: &serde_json::Value| device["name"].as_str().unwrap().to_owned();
    devices.map(name).collect()
}

/// The codes on a sheet or a screen.
fn codes(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    let is_code = |word: &&str| {
        word.len() == 19 && word.split('-').all(|part| part.len() == 4) && word.is_ascii()
    };
    words.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn r36_a_first_enrollment_offers_a_second_device() {
    let machine = desk_on();
    let (mut pty, phone) = begin(&machine, &["enroll", "alice"]);
    pty.send_line(&phone.totp().code());
    // The recovery codes are shown before, so that a user who leaves here does not miss them.
    let before = pty.expect(BACKUP);
    assert_eq!(codes(&before).len(), 10);
    pty.send_line("y");
    let backup = Shown::read(&pty.expect(ASK));
    pty.send_line(&backup.totp().code());
    let ended = pty.end();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.shown.matches(BACKUP).count(), 1, "{}", ended.shown);
    assert_eq!(devices(&machine, "alice"), ["phone", "backup"]);
    assert!(lets_in("alice", &phone.totp().code_after(1)));
    assert!(lets_in("alice", &backup.totp().code_after(1)));

    // Enter, or an end of the input, means no; the first device stays.
    for skip in [&b"\r"[..], b"n\r", b"\x04", b"twofactor setup\r"] {
        let user = format!("skip{}", skip.len() * 10 + usize::from(skip[0] % 10));
        machine.add_user(&user);
        let (mut pty, phone) = begin(&machine, &["enroll", &user]);
        pty.send_line(&phone.totp().code());
        pty.expect(BACKUP);
        pty.send(skip);
        let ended = pty.end();
        assert_eq!(ended.code, Some(0));
        let later = format!("For one later: twofactor enroll {user} --device backup\n");
        assert!(ended.shown.ends_with(&later), "{}", ended.shown);
        assert_eq!(devices(&machine, &user), ["phone"]);
    }

    // Nothing typed for the second: it is not stored, and that is no failure of the first.
    let (mut pty, phone) = begin(&machine, &["enroll", "bob", "--device", "backup"]);
    pty.send_line(&phone.totp().code());
    pty.answer(BACKUP, "y").answer(ASK, "");
    let ended = pty.end();
    assert_eq!(ended.code, Some(0));
    let told = "no code was typed, so nothing was stored\n\
                The first device is stored, and works alone. For a second one later: twofactor enroll bob --device backup-2\n";
    assert!(ended.shown.ends_with(told), "{}", ended.shown);
    assert_eq!(devices(&machine, "bob"), ["backup"]);
}

#[test]
fn r36_a_second_device_is_offered_once_on_a_terminal() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let (mut pty, tablet) = begin(&machine, &["enroll", "alice", "--device", "tablet"]);
    pty.send_line(&tablet.totp().code());
    assert!(!pty.end().shown.contains(BACKUP));
    machine.add_user("a");
    let (mut pty, phone) = begin(&machine, &["enroll", "a", "--yes"]);
    pty.send_line(&phone.totp().code());
    let ended = pty.end();
    assert!(ended.code == Some(0) && !ended.shown.contains("second device"));
    let run = machine.command(&["enroll", "bob", "--no-confirm"]).ok();
    assert!(!run.stdout.contains("second device"));
    let mut pty = machine.twofactor(&["enroll", "root", "--no-confirm"]).pty();
    pty.expect("Stored: ");
    assert!(!pty.end().shown.contains("second device"));
}

#[test]
fn r39_recovery_codes_go_to_a_private_file() {
    let machine = desk_on();
    let place = machine.scratch();
    let path = |name: &str| place.join(name).display().to_string();
    let (first, second) = (path("first"), path("second"));

    let (mut pty, phone) = begin(&machine, &["enroll", "alice", "--recovery-file", &first]);
    pty.send_line(&phone.totp().code());
    let ended = desk::finish(pty);
    let told = format!(
        "Recovery codes, for when the device is not at hand: {first} (only root can read it).\n"
    );
    assert!(ended.shown.contains(&told), "{}", ended.shown);
    assert_eq!(codes(&ended.shown), [""; 0]);
    let about = std::fs::metadata(&first).unwrap();
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o600, 0));
    let sheet = machine.read(&first);
    for line in [
        "User: alice\n",
        "Host: box\n",
        "Made: 20",
        "Each works once. ",
    ] {
        assert!(sheet.contains(line), "{sheet}");
    }
    assert_eq!(codes(&sheet).len(), 10);
    assert!(lets_in("alice", &codes(&sheet)[9]));

    let report = json(machine.command(&[
        "recovery-codes",
        "alice",
        "--yes",
        "--json",
        "--recovery-file",
        &second,
    ]));
    assert_eq!(strings(&report["recovery_codes"]), [""; 0]);
    assert_eq!(report["recovery_file"], second);
    let new = codes(&machine.read(&second));
    assert!(!lets_in("alice", &codes(&sheet)[0]) && lets_in("alice", &new[0]));

    // A file that is in the way changes nothing, and is found before the user has to type.
    let taken = machine
        .command(&[
            "recovery-codes",
            "alice",
            "--yes",
            "--recovery-file",
            &second,
        ])
        .exits(1);
    assert!(
        taken
            .stderr
            .contains("exists already, and is not overwritten\n")
    );
    assert!(lets_in("alice", &new[1]));
    machine
        .command(&["enroll", "bob", "--no-confirm", "--recovery-file", &second])
        .exits(1);
    assert!(!record_path("bob").exists());
}

#[test]
fn r39_codes_that_do_not_count_leave_no_file() {
    let machine = desk_on();
    let file = machine.scratch().join("codes");
    let name = file.display().to_string();
    let (mut pty, _) = begin(&machine, &["enroll", "alice", "--recovery-file", &name]);
    pty.send_line("");
    assert_eq!(pty.end().code, Some(1));
    assert!(!file.exists());

    give(&machine, "alice", &[]);
    let run = machine.command(&["enroll", "alice", "--device=b", "--recovery-file", &name]);
    assert_eq!(
        run.exits(1).stderr,
        "twofactor: alice has recovery codes already\n\
         Leave --recovery-file out. For new codes: twofactor recovery-codes alice --recovery-file FILE\n"
    );
    let mut pty = desk::terminal(
        &machine,
        &["recovery-codes", "alice", "--recovery-file", &name],
    );
    pty.answer("Replace the recovery codes of alice? [y/N] ", "n");
    assert_eq!(pty.end().code, Some(1));
    assert!(!file.exists());
}

#[test]
fn r39_status_shows_last_use_and_codes_left() {
    let machine = desk_on();
    let report = give(&machine, "alice", &[]);
    let phone = harness::Totp::new(report["secret"].as_str().unwrap());
    give(&machine, "alice", &["--device", "tablet"]);
    let recovery = strings(&report["recovery_codes"]);
    assert!(lets_in("alice", &phone.code()) && lets_in("alice", &recovery[0]));
    let report = json(machine.command(&["status", "alice", "--json"]));
    let user = &report["users"][0];
    assert_eq!(user["recovery_codes_left"], 9);
    assert!(user["devices"][0]["last_used"].is_string());
    assert!(user["devices"][1]["last_used"].is_null());
    let used = desk::minute(&user["devices"][0]["last_used"]);
    let text = desk::in_utc(&machine, &["status", "alice"]);
    let line = |name: &str| {
        let found = text.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    assert!(line("alice ").contains(" 9 "), "{text}");
    assert!(line("phone ").ends_with(&used), "{text}");
    assert!(line("tablet ").ends_with("never"), "{text}");
}

#[test]
fn r39_a_bypass_code_works_once_within_a_day() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine.forget_log();
    let report = json(machine.command(&["bypass", "alice", "--json"]));
    let expires = report["expires"].as_str().unwrap();
    let seconds = |arguments: &[&str]| -> u64 {
        let run = machine.run("date", &[&["-u", "+%s"], arguments].concat());
        run.ok().stdout.trim().parse().unwrap()
    };
    let left = seconds(&["-d", expires]) - seconds(&[]);
    assert!((86_300..=86_400).contains(&left), "{left}");
    let given = format!("changed user=alice action=bypass until={expires} ");
    assert_eq!(machine.log_with(&given).len(), 1);
    let typed = report["code"].as_str().unwrap();
    assert!(lets_in("alice", typed) && !lets_in("alice", typed));
    assert_eq!(machine.log_with("result=accepted device=bypass").len(), 1);
    assert_eq!(machine.log_with("result=spent").len(), 1);
}

#[test]
fn the_log_tells_a_bypass_code_for_a_new_device() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine
        .command(&["bypass", "alice", "--new-device", "--json"])
        .ok();
    let issued = machine.log_with("changed user=alice action=bypass until=");
    assert_eq!(issued.len(), 1, "{issued:?}");
    assert!(issued[0].contains(" scope=new-device "), "{issued:?}");
}
