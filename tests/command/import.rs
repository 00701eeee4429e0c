//! Devices from other programs: taken from the programs themselves, used there before and here afterwards.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use harness::desk::{desk_on, give_phone, json, keys, lets_in, parse, terminal};
use harness::enrolled::{SECRET, SERVICE, add_stack, login, record_path, run, state_of};
use harness::pam::{Drive, code};
use harness::{Machine, Totp, hotp};
use serde_json::Value;

/// `SECRET` as users files write it.
const HEX: &str = "3132333435363738393031323334353637383930";
const GOOGLE: &str = "google-authenticator";

/// Where the state file of a user is.
fn state_file(user: &str) -> PathBuf {
    Path::new("/home").join(user).join(".google_authenticator")
}

/// Writes a state file as the user's own.
fn write_state_file(machine: &Machine, user: &str, content: impl AsRef<[u8]>) {
    let path = state_file(user);
    machine.write_file(&path, content, 0o600);
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path.parent().unwrap()).unwrap());
    chown(&path, Some(owner), Some(owner)).unwrap();
}

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

/// Whether another program's module lets a user in.
fn peer_lets_in(machine: &Machine, module: &str, user: &str, typed: &str) -> bool {
    machine.stack("peer", &format!("auth required {module}\n"));
    let outcome = Drive::installed()
        .service("peer")
        .user(user)
        .answer(typed)
        .run();
    outcome.auth == code::SUCCESS
}

fn import(machine: &Machine, arguments: &[&str]) -> Value {
    json(machine.command(&[&["import"], arguments, &["--yes", "--json"]].concat()))
}

/// The report of an import that did not take everything.
fn partial(machine: &Machine, arguments: &[&str]) -> Value {
    let all = [&["import"], arguments, &["--yes", "--json"]].concat();
    parse(&machine.command(&all).exits(1).stdout)
}

/// User, line, result and reason of each item.
fn items(report: &Value) -> Vec<(String, u64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = report["items"].as_array().unwrap().iter();
    let row = |item: &Value| {
        (
            text(&item["user"]),
            item["line"].as_u64().unwrap(),
            text(&item["result"]),
            text(&item["reason"]),
        )
    };
    items.map(row).collect()
}

fn status_of(machine: &Machine, user: &str) -> Value {
    json(machine.command(&["status", user, "--json"]))["users"][0].clone()
}

#[test]
fn a_file_of_the_real_google_authenticator_logs_in_and_its_scratch_codes_work_once_each() {
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
            "unlisted"
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
fn a_code_used_at_google_authenticator_does_not_work_after_the_move() {
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

/// Where google-authenticator did not forbid it, a code that it may have seen does not count.
#[test]
fn where_codes_could_be_used_twice_only_later_ones_count() {
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
fn a_code_used_at_pam_oath_does_not_work_after_the_move() {
    let machine = desk_on();
    let text = format!("HOTP/T30\talice\t-\t{HEX}\nHOTP/E/6\tbob\t-\t{HEX}\n");
    machine.write_file("/etc/users.oath", text, 0o600);
    let module = "pam_oath.so usersfile=/etc/users.oath window=5 digits=6";
    let phone = Totp::new(SECRET);
    phone.settle(10);
    let used = phone.code();
    assert!(peer_lets_in(&machine, module, "alice", &used));
    assert!(peer_lets_in(&machine, module, "bob", &hotp(SECRET, 3, 6)));
    let report = import(&machine, &["users-oath", "/etc/users.oath"]);
    assert_eq!(report["taken"], 2);
    assert!(!lets_in("alice", &used));
    assert!(lets_in("alice", &phone.code_after(1)));
    assert!(!lets_in("bob", &hotp(SECRET, 3, 6)));
    assert!(lets_in("bob", &hotp(SECRET, 4, 6)));
}

#[test]
fn a_whole_tree_is_shown_first_and_what_cannot_be_taken_is_told() {
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
    // Nobody can be asked, so nothing is done.
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
fn files_elsewhere_are_found_by_the_pattern_of_pam_google_authenticator() {
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
fn every_line_of_a_users_file_stands_for_itself() {
    let machine = desk_on();
    for user in ["carol", "dave"] {
        machine.add_user(user);
    }
    let mut text = machine.read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/users.oath"
    ));
    text.push_str(&format!(
        "HOTP nobody-here - {HEX}\nHOTP/T99999 alice - {HEX}\nnonsense\n"
    ));
    machine.write_file("/root/users.oath", text, 0o600);
    let report = partial(&machine, &["users-oath", "/root/users.oath"]);
    let rows = items(&report);
    let taken: Vec<(&str, u64)> = rows
        .iter()
        .filter(|row| row.2 == "taken")
        .map(|row| (row.0.as_str(), row.1))
        .collect();
    assert_eq!(taken, [("alice", 1), ("bob", 2), ("carol", 3), ("dave", 4)]);
    let mut refused: Vec<u64> = rows
        .iter()
        .filter(|row| row.2 == "refused")
        .map(|row| row.1)
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [5, 6, 7]);
    assert!(report["items"][1]["notes"].to_string().contains("PIN"));
    assert!(lets_in("alice", &hotp(SECRET, 0, 6)));
    assert!(!lets_in("dave", &hotp(SECRET, 7, 6)) && lets_in("dave", &hotp(SECRET, 8, 6)));
    let again = partial(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(
        (&again["taken"], &again["already_there"]),
        (&0.into(), &4.into())
    );
    assert!(
        !lets_in("alice", &hotp(SECRET, 0, 6)),
        "an import again revives nothing"
    );
    let text = machine
        .command(&["import", "users-oath", "/root/users.oath", "--yes"])
        .exits(1)
        .stdout;
    assert!(
        text.contains("  /root/users.oath:5: there is no user nobody-here\n"),
        "{text}"
    );
}

#[test]
fn uris_come_from_files_and_standard_input_only() {
    let machine = desk_on();
    let uri = format!(
        "otpauth://hotp/Example:alice?secret={}&counter=7&issuer=Example",
        SECRET.to_lowercase()
    );
    let typed = machine
        .command(&["import", "uri", &uri, "--user", "alice", "--yes"])
        .exits(2);
    assert!(
        !typed.stderr.contains("gezd") && typed.stdout.is_empty(),
        "{}",
        typed.stderr
    );
    let stdin = machine
        .twofactor(&["import", "uri", "--yes", "--json"])
        .input(format!("{uri}\n"));
    let report = json(stdin.run());
    assert_eq!(report["items"][0]["device"], "Example");
    assert!(!lets_in("alice", &hotp(SECRET, 6, 6)) && lets_in("alice", &hotp(SECRET, 7, 6)));

    let other = "otpauth://totp/x%40y:somebody?secret=GEZDGNBVGY3TQOJQ===";
    machine.write_file("/root/uris", format!("{other}\nnonsense\n{uri}\n"), 0o600);
    let report = partial(&machine, &["uri", "/root/uris", "--user", "bob"]);
    let rows: Vec<(u64, String)> = items(&report)
        .into_iter()
        .map(|row| (row.1, row.2))
        .collect();
    assert_eq!(
        rows,
        [
            (1, "taken".into()),
            (3, "taken".into()),
            (2, "refused".into())
        ]
    );
    let names: Vec<&str> = (0..2)
        .map(|n| report["items"][n]["device"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["x-y", "Example"]);
    // A label that names nobody here.
    let report = partial(&machine, &["uri", "/root/uris"]);
    let reason = report["items"].to_string();
    assert!(
        reason.contains("names no user of this machine (somebody)"),
        "{reason}"
    );
    machine.command(&["import", "uri", "--yes"]).exits(1);
}

/// Two devices, exported by the app: SHA1, six digits, TOTP `alice` and HOTP `bob` with counter 4.
#[test]
fn an_export_of_the_app_is_taken_whole() {
    let machine = desk_on();
    let device = |name: &str, tail: &[u8]| {
        let key = b"12345678901234567890";
        let mut inner = [
            &[0x0a, 20][..],
            key,
            &[0x12, name.len() as u8],
            name.as_bytes(),
        ]
        .concat();
        inner.extend_from_slice(&[0x20, 1, 0x28, 1]);
        inner.extend_from_slice(tail);
        [&[0x0a, inner.len() as u8][..], &inner].concat()
    };
    let mut payload = device("alice", &[0x30, 2]);
    payload.extend(device("bob", &[0x30, 1, 0x38, 4]));
    payload.extend([0x10, 1, 0x18, 1, 0x20, 0]);
    machine.write_file("/root/payload", &payload, 0o600);
    let base64 = machine.run("base64", &["-w0", "/root/payload"]).ok().stdout;
    let data = base64
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    machine.write_file(
        "/root/uri",
        format!("otpauth-migration://offline?data={data}\n"),
        0o600,
    );
    let report = import(&machine, &["uri", "/root/uri"]);
    assert_eq!(report["taken"], 2);
    let phone = Totp::new(SECRET);
    phone.settle(5);
    assert!(lets_in("alice", &phone.code()));
    assert!(lets_in("bob", &hotp(SECRET, 4, 6)));
}

#[test]
fn a_device_is_replaced_only_when_told_to() {
    let machine = desk_on();
    let line = |key: &str| format!("HOTP alice - {key}\n");
    let other = HEX.replace('1', "9");
    machine.write_file("/root/one", line(HEX), 0o600);
    machine.write_file("/root/two", line(&other), 0o600);
    import(&machine, &["users-oath", "/root/one"]);
    let before = std::fs::read(record_path("alice")).unwrap();
    let report = partial(&machine, &["users-oath", "/root/two"]);
    assert!(items(&report)[0].3.contains("--replace"));
    assert_eq!(std::fs::read(record_path("alice")).unwrap(), before);
    let report = import(&machine, &["users-oath", "/root/two", "--replace"]);
    assert_eq!(report["replaced"], 1);
    assert!(!lets_in("alice", &hotp(SECRET, 0, 6)));
    // A device from elsewhere stands beside one that was enrolled here, and its recovery codes stay.
    let phone = give_phone(&machine, "bob");
    write_state_file(
        &machine,
        "bob",
        "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n\" HOTP_COUNTER 1\n12345678\n",
    );
    let report = partial(&machine, &[GOOGLE, "--user", "bob"]);
    assert_eq!(
        (&report["taken"], &report["refused"]),
        (&1.into(), &1.into())
    );
    assert!(
        items(&report)[1]
            .3
            .contains("recovery codes, which are stronger")
    );
    assert!(!lets_in("bob", "12345678"));
    phone.settle(5);
    assert!(lets_in("bob", &phone.code()));
    assert!(lets_in(
        "bob",
        &hotp("S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J", 1, 6)
    ));
}

/// What was used here since a first import stays used when the same file is imported again.
#[test]
fn replacing_a_device_by_itself_revives_nothing() {
    let machine = desk_on();
    write_state_file(
        &machine,
        "alice",
        "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n\" HOTP_COUNTER 1\n12345678\n87654321\n",
    );
    let key = "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J";
    import(&machine, &[GOOGLE, "--user", "alice"]);
    assert!(lets_in("alice", &hotp(key, 1, 6)) && lets_in("alice", "12345678"));
    let report = import(&machine, &[GOOGLE, "--user", "alice", "--replace"]);
    assert_eq!(
        (&report["replaced"], &report["items"][0]["scratch_codes"]),
        (&1.into(), &1.into())
    );
    assert!(!lets_in("alice", &hotp(key, 1, 6)) && !lets_in("alice", "12345678"));
    assert!(lets_in("alice", &hotp(key, 2, 6)) && lets_in("alice", "87654321"));
}

#[test]
fn a_scratch_code_behind_the_password_in_one_field_works() {
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

#[test]
fn nobody_gets_more_devices_than_there_is_room_for() {
    let machine = desk_on();
    let lines: String = (10..19)
        .map(|n| format!("HOTP alice - {HEX}{n}\n"))
        .collect();
    machine.write_file("/root/users.oath", lines, 0o600);
    let report = partial(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(
        (&report["taken"], &report["refused"]),
        (&7.into(), &2.into())
    );
    let rows = items(&report);
    assert_eq!((rows[7].1, rows[7].3.contains("7 devices")), (8, true));
    // All seven at once in the place of all seven.
    let lines: String = (20..27)
        .map(|n| format!("HOTP alice - {HEX}{n}\n"))
        .collect();
    machine.write_file("/root/users.oath", lines, 0o600);
    let report = import(&machine, &["users-oath", "/root/users.oath", "--replace"]);
    assert_eq!(report["replaced"], 7);
    assert_eq!(
        status_of(&machine, "alice")["devices"]
            .as_array()
            .unwrap()
            .len(),
        7
    );
}

#[test]
fn many_users_are_enrolled_in_batches() {
    let machine = desk_on();
    let passwd = machine.read("/etc/passwd");
    let users: Vec<String> = (0..850).map(|n| format!("many{n}")).collect();
    let more: String = users
        .iter()
        .zip(200_000..)
        .map(|(user, uid)| format!("{user}:x:{uid}:{uid}::/nonexistent:/bin/sh\n"))
        .collect();
    machine.write_file("/etc/passwd", passwd + &more, 0o644);
    // In the middle of the file somebody who has a device already.
    give_phone(&machine, "alice");
    let mut lines: Vec<String> = users
        .iter()
        .map(|user| format!("HOTP {user} - {HEX}"))
        .collect();
    lines.insert(420, format!("HOTP alice - {HEX}"));
    machine.write_file("/root/users.oath", lines.join("\n"), 0o600);
    let report = import(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(report["taken"], 851);
    for user in ["many0", "many399", "many400", "many849", "alice"] {
        assert!(lets_in(user, &hotp(SECRET, 0, 6)), "{user}");
    }
    let status = json(machine.command(&["status", "--json"]));
    assert_eq!(status["users"].as_array().unwrap().len(), 851);
    let again = import(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(again["already_there"], 851);
}

#[test]
fn each_import_is_logged_without_keys() {
    let machine = desk_on();
    machine.write_file("/root/users.oath", format!("HOTP alice - {HEX}\n"), 0o600);
    machine.forget_log();
    machine
        .command(&["import", "users-oath", "/root/users.oath", "--dry-run"])
        .ok();
    assert!(machine.log_with("import").is_empty());
    let run = machine
        .command(&["import", "users-oath", "/root/users.oath", "--yes"])
        .ok();
    machine.wait_for_log("changed user=alice action=import device=oath from=users-oath by=");
    for text in [&run.stdout, &run.stderr, &format!("{:?}", machine.log())] {
        assert!(!text.contains(HEX) && !text.contains(SECRET));
    }
}

#[test]
fn files_that_others_could_have_written_are_refused() {
    let machine = desk_on();
    let line = format!("HOTP alice - {HEX}\n");
    machine.write_file("/root/open", &line, 0o622);
    let refused = machine
        .command(&["import", "users-oath", "/root/open", "--yes"])
        .exits(1);
    assert!(
        refused.stderr.contains("chmod go-w /root/open"),
        "{}",
        refused.stderr
    );
    machine.write_file("/root/foreign", &line, 0o600);
    chown("/root/foreign", Some(54_321), None).unwrap();
    let refused = machine
        .command(&["import", "users-oath", "/root/foreign", "--yes"])
        .exits(1);
    assert!(
        refused.stderr.contains("chown root /root/foreign"),
        "{}",
        refused.stderr
    );
    symlink("/root/open", "/root/link").unwrap();
    machine
        .command(&["import", "users-oath", "/root/link", "--yes"])
        .exits(1);
    machine.run("mkfifo", &["/root/fifo"]).ok();
    machine
        .command(&["import", "uri", "/root/fifo", "--yes"])
        .exits(1);
    assert!(!record_path("alice").exists());
}

#[test]
fn whoever_is_invited_to_enrol_needs_no_invitation_any_more() {
    let machine = desk_on();
    machine.command(&["invite", "alice"]).ok();
    machine.write_file("/root/users.oath", format!("HOTP alice - {HEX}\n"), 0o600);
    let report = import(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(report["taken"], 1);
    assert!(lets_in("alice", &hotp(SECRET, 0, 6)));
    assert!(!machine.read(record_path("alice")).contains("[invite]"));
}

/// Every kind of import takes standard input, and says of a backup once what it is.
#[test]
fn standard_input_is_a_file_of_every_kind() {
    let machine = desk_on();
    let google = format!("\u{feff}{SECRET}\r\n\" HOTP_COUNTER 5\r\n");
    let kinds: [(&[&str], String); 3] = [
        (&["google-authenticator", "-", "--user", "alice"], google),
        (
            &["users-oath", "-"],
            format!("\u{feff}HOTP\tbob\t-\t{HEX}\r\n"),
        ),
        (
            &["uri", "-", "--user", "alice"],
            "\u{feff}otpauth://totp/x?secret=GEZD+GNBV+GY3T+QOJQ\r\n".to_owned(),
        ),
    ];
    for (kind, text) in &kinds {
        let words = [&["import", "--yes", "--json"], *kind].concat();
        let report = json(machine.twofactor(&words).input(text.as_str()).run());
        assert_eq!(
            (&report["taken"], &report["refused"]),
            (&1.into(), &0.into())
        );
        let backup = "{\n \"encrypted\": true,\n \"data\": \"x\"\n}\n";
        let words = [&["import", "--yes"], *kind].concat();
        let run = machine.twofactor(&words).input(backup).run().exits(1);
        assert_eq!(
            run.stdout
                .matches("is an encrypted backup of Bitwarden. ")
                .count(),
            1
        );
        assert_eq!(run.stdout.matches("  -:1:").count(), 1, "{}", run.stdout);
    }
    assert!(lets_in("alice", &hotp(SECRET, 5, 6)) && lets_in("bob", &hotp(SECRET, 0, 6)));
}

/// A directory that answers for names and lists none: its users are not silently left out.
#[test]
fn a_directory_that_lists_nobody_is_named() {
    let machine = desk_on();
    machine.write_file(
        "/etc/nsswitch.conf",
        "passwd: files [NOTFOUND=continue] sss\ngroup: files\n",
        0o644,
    );
    let all = ["import", "google-authenticator", "--all", "--dry-run"];
    let told = "Not looked at: users of sss, which lists none. To import of one: --user NAME\n";
    let none = machine.command(&all).exits(1);
    assert!(none.stderr.contains(told), "{}", none.stderr);
    write_state_file(&machine, "alice", format!("{SECRET}\n\" HOTP_COUNTER 5\n"));
    let run = machine.command(&all).ok();
    assert!(run.stdout.contains(told), "{}", run.stdout);
    let report = import(&machine, &["google-authenticator", "--all"]);
    assert_eq!(report["unlisted"], serde_json::json!(["sss"]));
    machine.write_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\n", 0o644);
    let run = machine.command(&all).ok();
    assert!(!run.stdout.contains("Not looked at"), "{}", run.stdout);
}

/// What is told about a backup of Bitwarden or KeePassXC works.
#[test]
fn the_uris_within_a_backup_are_taken_as_told() {
    let machine = desk_on();
    let uri = format!("otpauth://hotp/x:y?secret={SECRET}&counter=3&issuer=x");
    for (user, backup) in [
        (
            "alice",
            format!(
                "{{\n  \"encrypted\": false,\n  \"items\": [{{\"login\": {{\"totp\": \"{uri}\"}}}}]\n}}\n"
            ),
        ),
        (
            "bob",
            format!("\"Group\",\"Title\",\"TOTP\",\"Icon\"\n\"Root\",\"x\",\"{uri}\",\"0\"\n"),
        ),
    ] {
        machine.write_file("/tmp/backup", backup, 0o600);
        let refused = machine.command(&["import", "uri", "/tmp/backup", "--user", user]);
        let refused = refused.exits(1).stdout;
        let told = refused.lines().find_map(|line| line.split_once(": grep "));
        let told = format!("grep {}", told.unwrap().1);
        let told = told.replace("FILE", "/tmp/backup").replace("USER", user);
        machine.run("sh", &["-c", &told]).ok();
        assert!(lets_in(user, &hotp(SECRET, 3, 6)), "{told}");
    }
}
