//! State files of google-authenticator, made and used by the program itself and its module.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use harness::desk::{desk_on, keys, lets_in, peer_lets_in, terminal};
use harness::enrolled::{SERVICE, add_stack, login, record_path, run, state_of};
use harness::pam::code;
use harness::{Machine, Totp, hotp};

use super::{GOOGLE, import, items, partial, state_file, status_of, write_state_file};

/// Has the real program make the state file of a user; returns the key and the scratch codes.
fn real_file(machine: &Machine, user: &str, kind: &[&str]) -> (String, Vec<String>) {
    let usual = [
        "--force",
        "--quiet",
        "--qr-mode=NONE",
        "--no-confirm",
        "--rate-limit=3",
        "--rate-time=30",
    ];
    let program = machine.program(GOOGLE).args(&usual).args(kind);
    let home = format!("/home/{user}");
    program.user(user).env("HOME", home).run().ok();
    let text = machine.read(state_file(user));
    let codes = text
        .lines()
        .filter(|line| line.len() == 8 && !line.starts_with('"'));
    (
        text.lines().next().unwrap().to_owned(),
        codes.map(str::to_owned).collect(),
    )
}

#[test]
fn a_real_google_authenticator_file_logs_in() {
    let machine = desk_on();
    let (key, scratch) = real_file(
        &machine,
        "alice",
        &["--time-based", "--disallow-reuse", "--window-size=3"],
    );
    assert_eq!(scratch.len(), 5);
    let report = import(&machine, &[GOOGLE, "--user", "alice"]);
    assert_eq!(
        keys(&report),
        [
            "already_there",
            "dry_run",
            "format",
            "items",
            "old_lines",
            "refused",
            "replaced",
            "taken",
            "unlisted",
            "warnings"
        ]
    );
    assert_eq!(
        (&report["taken"], &report["refused"]),
        (&1.into(), &0.into())
    );
    assert_eq!(report["items"][0]["scratch_codes"], 5);
    let status = status_of(&machine, "alice");
    assert_eq!(status["recovery_codes_left"], 5);
    assert_eq!(status["devices"][0]["name"], GOOGLE);
    assert!(status["devices"][0]["last_used"].is_null());
    let phone = Totp::new(&key);
    phone.settle(5);
    assert!(lets_in("alice", &phone.code()) && !lets_in("alice", &phone.code()));
    for (used, typed) in scratch.iter().enumerate() {
        assert!(lets_in("alice", typed), "{typed}");
        assert!(!lets_in("alice", typed), "{typed} again");
        let left = status_of(&machine, "alice")["recovery_codes_left"].clone();
        assert_eq!(left, 4 - used);
    }
    let record = machine.read(record_path("alice"));
    assert!(
        scratch.iter().all(|typed| !record.contains(typed)),
        "hashed"
    );
    // Stronger ones replace them.
    machine.command(&["recovery-codes", "alice", "--yes"]).ok();
    assert_eq!(status_of(&machine, "alice")["recovery_codes_left"], 10);
}

#[test]
fn codes_used_at_google_authenticator_stay_used() {
    let machine = desk_on();
    let (key, scratch) = real_file(
        &machine,
        "alice",
        &["--time-based", "--disallow-reuse", "--window-size=3"],
    );
    let phone = Totp::new(&key);
    phone.settle(10);
    let used = phone.code();
    let module = "pam_google_authenticator.so";
    assert!(peer_lets_in(&machine, module, "alice", &used));
    assert!(peer_lets_in(&machine, module, "alice", &scratch[0]));
    let report = import(&machine, &[GOOGLE, "--user", "alice"]);
    assert_eq!(report["items"][0]["scratch_codes"], 4);
    assert!(!lets_in("alice", &used));
    assert!(!lets_in("alice", &scratch[0]));
    assert!(lets_in("alice", &phone.code_after(1)));
    assert!(lets_in("alice", &scratch[1]));

    let (key, _) = real_file(&machine, "bob", &["--counter-based", "--window-size=3"]);
    assert!(peer_lets_in(&machine, module, "bob", &hotp(&key, 2, 6)));
    import(&machine, &[GOOGLE, "--user", "bob"]);
    assert!(!lets_in("bob", &hotp(&key, 1, 6)) && !lets_in("bob", &hotp(&key, 2, 6)));
    assert!(lets_in("bob", &hotp(&key, 3, 6)));
}

/// If google-authenticator did not forbid it, a code that it may have seen does not count.
#[test]
fn only_codes_after_the_possibly_used_ones_count() {
    let machine = desk_on();
    let (key, _) = real_file(
        &machine,
        "alice",
        &["--time-based", "--allow-reuse", "--window-size=3"],
    );
    let phone = Totp::new(&key);
    phone.settle(10);
    assert!(peer_lets_in(
        &machine,
        "pam_google_authenticator.so",
        "alice",
        &phone.code_after(1)
    ));
    let report = import(&machine, &[GOOGLE, "--user", "alice"]);
    let notes = report["items"][0]["notes"].to_string();
    assert!(notes.contains("could be used twice"), "{notes}");
    for steps in [-1, 0, 1] {
        assert!(!lets_in("alice", &phone.code_after(steps)));
    }
    let next = state_of("alice").devices[0].next;
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    assert!((now / 30 + 1..=now / 30 + 2).contains(&next), "{next}");
}

#[test]
fn a_tree_is_shown_before_it_is_imported() {
    let machine = desk_on();
    let good = "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n12345678\n";
    write_state_file(&machine, "alice", good);
    for user in ["fifo", "link", "foreign", "broken", "open", "large", "none"] {
        machine.add_user(user);
    }
    machine
        .run("mkfifo", &["/home/fifo/.google_authenticator"])
        .ok();
    symlink(state_file("alice"), state_file("link")).unwrap();
    write_state_file(&machine, "foreign", good);
    chown(state_file("foreign"), Some(1), None).unwrap();
    write_state_file(&machine, "broken", good.replace("S3EJ", "0$EJ"));
    write_state_file(&machine, "open", good);
    std::fs::set_permissions(state_file("open"), PermissionsExt::from_mode(0o666)).unwrap();
    write_state_file(&machine, "large", good.repeat(2000));

    let dry = machine
        .command(&["import", GOOGLE, "--all", "--dry-run"])
        .exits(1);
    assert!(
        dry.stdout.contains("to be taken, with 1 scratch code\n"),
        "{}",
        dry.stdout
    );
    assert!(!record_path("alice").exists());
    // There is no terminal to ask on, so nothing is done.
    machine.command(&["import", GOOGLE, "--all"]).exits(2);
    let mut pty = terminal(&machine, &["import", GOOGLE, "--all"]);
    pty.answer("Import 1 device? [y/N] ", "n");
    assert_eq!(pty.end().code, Some(1));
    assert!(!record_path("alice").exists());
    let mut pty = terminal(&machine, &["import", GOOGLE, "--all"]);
    pty.answer("Import 1 device? [y/N] ", "y");
    let ended = pty.end();
    assert_eq!(ended.code, Some(1), "something was not taken");
    assert!(lets_in("alice", "12345678"));

    let report = partial(&machine, &[GOOGLE, "--all"]);
    let mut found = items(&report);
    found.sort();
    let refused = |user: &str, line, reason: &str| {
        (
            user.to_owned(),
            line,
            "refused".to_owned(),
            reason.to_owned(),
        )
    };
    assert_eq!(
        found,
        [
            (
                "alice".to_owned(),
                1,
                "already there".to_owned(),
                String::new()
            ),
            refused(
                "broken",
                1,
                "is not a state file: the first line is no key (base32)"
            ),
            refused("fifo", 0, "is a link or no regular file"),
            refused(
                "foreign",
                0,
                "belongs to uid 1, neither to the user nor to root"
            ),
            refused("large", 0, "is larger than 64 KiB"),
            refused("link", 0, "is a link or no regular file"),
            refused("open", 0, "can be written by others (mode 0666)"),
        ]
    );
}

#[test]
fn a_pattern_finds_files_in_other_places() {
    let machine = desk_on();
    let text = "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n\" HOTP_COUNTER 5\n";
    for user in ["alice", "bob"] {
        machine.write_file(format!("/var/ga/{user}"), text, 0o400);
    }
    let none = machine
        .command(&["import", GOOGLE, "--all", "--yes"])
        .exits(1);
    assert!(none.stderr.contains("--secret"), "{}", none.stderr);
    let report = import(&machine, &[GOOGLE, "--all", "--secret", "/var/ga/${USER}"]);
    assert_eq!(report["taken"], 2);
    assert!(lets_in(
        "bob",
        &hotp("S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J", 5, 6)
    ));
    machine
        .command(&["import", GOOGLE, "--all", "--secret", "/etc/shadow"])
        .exits(2);
    machine.command(&["import", GOOGLE]).exits(2);
    machine
        .command(&["import", GOOGLE, "--all", "--user", "alice"])
        .exits(2);
    // One file for one user.
    machine.write_file("/root/backup", text.replace("S3EJ", "S3EK"), 0o600);
    let named = ["import", GOOGLE, "/root/backup", "--user", "alice", "--yes"];
    let kept = machine.command(&named).exits(1);
    assert!(kept.stdout.contains("--replace"), "{}", kept.stdout);
}

#[test]
fn a_scratch_code_works_in_one_field() {
    let machine = desk_on();
    write_state_file(
        &machine,
        "alice",
        "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n\" HOTP_COUNTER 1\n12345678\n",
    );
    import(&machine, &[GOOGLE, "--user", "alice"]);
    add_stack(&machine, SERVICE, "forward_pass");
    let typed = |text: &str| run(login("alice").answer(text)).auth == code::SUCCESS;
    assert!(!typed("my password2345678"));
    assert!(typed("my password12345678"));
    assert!(!typed("my password12345678"));
}
