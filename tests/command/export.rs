//! Devices for other programs: what they take, what they cannot, and what comes back.

use std::os::unix::fs::{PermissionsExt, symlink};

use harness::desk::{desk_on, give, give_phone, json, keys, lets_in, parse, peer_lets_in};
use harness::enrolled;
use harness::enrolled::set_state;
use harness::{Machine, Totp, hotp};

/// True if pam_oath lets a user in, with the users file /etc/users.oath.
fn oath_lets_in(machine: &Machine, user: &str, typed: &str) -> bool {
    let module = "pam_oath.so usersfile=/etc/users.oath window=5 digits=6";
    peer_lets_in(machine, module, user, typed)
}

fn token(machine: &Machine, user: &str) -> String {
    let report = give(machine, user, &["--device", "token", "--hotp"]);
    report["secret"].as_str().unwrap().to_owned()
}

#[test]
fn pam_oath_refuses_codes_that_were_used_here() {
    let machine = desk_on();
    let (phone, key) = (give_phone(&machine, "alice"), token(&machine, "bob"));
    phone.settle(10);
    let used = phone.code();
    assert!(lets_in("alice", &used) && lets_in("bob", &hotp(&key, 2, 6)));
    machine
        .command(&[
            "export",
            "users-oath",
            "--all",
            "--yes",
            "--output",
            "/etc/users.oath",
        ])
        .ok();
    assert!(!oath_lets_in(&machine, "alice", &used));
    assert!(oath_lets_in(&machine, "alice", &phone.code_after(1)));
    assert!(!oath_lets_in(&machine, "bob", &hotp(&key, 2, 6)));
    assert!(oath_lets_in(&machine, "bob", &hotp(&key, 3, 6)));
}

/// The way there and back on another machine: the same codes work, the used ones do not.
#[test]
fn an_import_of_an_export_knows_the_used_codes() {
    let machine = desk_on();
    let (phone, key) = (give_phone(&machine, "alice"), token(&machine, "bob"));
    phone.settle(10);
    assert!(lets_in("alice", &phone.code()) && lets_in("bob", &hotp(&key, 4, 6)));
    machine
        .command(&[
            "export",
            "users-oath",
            "--all",
            "--yes",
            "--output",
            "/root/oath",
        ])
        .ok();
    machine
        .command(&["export", "uri", "--all", "--yes", "--output", "/root/uris"])
        .ok();
    for user in ["alice", "bob"] {
        machine.command(&["unset", user, "--yes"]).ok();
    }
    machine
        .command(&["import", "users-oath", "/root/oath", "--yes"])
        .ok();
    assert!(!lets_in("alice", &phone.code()) && lets_in("alice", &phone.code_after(1)));
    assert!(!lets_in("bob", &hotp(&key, 4, 6)) && lets_in("bob", &hotp(&key, 5, 6)));

    for user in ["alice", "bob"] {
        machine.command(&["unset", user, "--yes"]).ok();
    }
    machine
        .command(&["import", "uri", "/root/uris", "--yes"])
        .ok();
    phone.settle(5);
    assert!(lets_in("alice", &phone.code()));
    assert!(!lets_in("bob", &hotp(&key, 4, 6)) && lets_in("bob", &hotp(&key, 5, 6)));
}

#[test]
fn every_setting_survives_a_uri() {
    let machine = desk_on();
    let report = give(
        &machine,
        "alice",
        &["--digits=8", "--interval=45", "--algorithm=SHA512"],
    );
    let tablet = Totp {
        digits: 8,
        interval: 45,
        algorithm: "SHA512",
        ..Totp::new(report["secret"].as_str().unwrap())
    };
    let uris = machine
        .command(&["export", "uri", "--user", "alice", "--yes"])
        .ok()
        .stdout;
    assert_eq!(uris, format!("{}\n", report["uri"].as_str().unwrap()));
    machine.command(&["unset", "alice", "--yes"]).ok();
    let import = machine.twofactor(&["import", "uri", "-", "--yes", "--json"]);
    let report = json(import.input(uris).run());
    assert_eq!(
        report["items"][0]["settings"],
        "TOTP SHA512, 8 digits, 45 s"
    );
    tablet.settle(5);
    assert!(lets_in("alice", &tablet.code()));
}

#[test]
fn devices_without_a_form_there_are_named() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    for (name, option) in [
        ("long", "--interval=45"),
        ("hash", "--algorithm=SHA256"),
        ("counter", "--hotp"),
    ] {
        give(&machine, "alice", &["--device", name, option]);
    }
    set_state("alice", |state| state.devices[3].next = u64::MAX);
    let run = machine
        .command(&["export", "users-oath", "--all", "--yes"])
        .exits(1);
    assert_eq!(
        run.stderr,
        "Not exported: alice, long: pam_oath knows 30 and 60 seconds only, not 45\n\
         Not exported: alice, hash: pam_oath does not know SHA256\n\
         Not exported: alice, counter: its counter is not known; twofactor resync finds it\n\
         Recovery codes are not exported: only their hashes are kept.\n"
    );
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(run.stdout.starts_with("HOTP/T30/6\talice\t-\t"));
    let report = parse(
        &machine
            .command(&["export", "users-oath", "--all", "--yes", "--json"])
            .exits(1)
            .stdout,
    );
    assert_eq!(
        keys(&report),
        ["exported", "file", "format", "left_out", "lines"]
    );
    assert_eq!(report["lines"].as_array().unwrap().len(), 1);
    assert_eq!(report["left_out"].as_array().unwrap().len(), 3);
    let uris = machine
        .command(&["export", "uri", "--all", "--yes"])
        .exits(1)
        .stdout;
    assert_eq!(uris.lines().count(), 3);
}

#[test]
fn a_file_is_private_and_not_overwritten_unasked() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let export = |more: &[&str]| {
        let usual = ["export", "uri", "--all", "--yes", "--output"];
        machine.command(&[&usual, more].concat())
    };
    machine
        .run(
            "sh",
            &[
                "-c",
                "umask 0; twofactor export uri --all --yes --output /root/out",
            ],
        )
        .ok();
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("/root/out"), 0o600);
    let before = machine.read("/root/out");
    give(&machine, "alice", &["--device", "tablet"]);
    let refused = export(&["/root/out"]).exits(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(machine.read("/root/out"), before);
    export(&["/root/out", "--force"]).ok();
    assert_eq!(
        (machine.read("/root/out").lines().count(), mode("/root/out")),
        (2, 0o600)
    );
    // A link is replaced, and what it points to left alone.
    machine.write_file("/root/precious", "precious", 0o644);
    symlink("/root/precious", "/root/link").unwrap();
    export(&["/root/link"]).exits(1);
    export(&["/root/link", "--force"]).ok();
    assert_eq!(machine.read("/root/precious"), "precious");
    assert!(std::fs::symlink_metadata("/root/link").unwrap().is_file());
    let left = std::fs::read_dir("/root").unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".new")
    });
    assert_eq!(left.count(), 0);
    let missing = export(&["/nowhere/out"]).exits(1);
    assert!(
        missing.stderr.contains("there is no such directory"),
        "{}",
        missing.stderr
    );
}

/// Position in a trace of system calls.
fn position(trace: &str, part: &str) -> usize {
    trace
        .find(part)
        .unwrap_or_else(|| panic!("{part}: {trace}"))
}

#[test]
fn what_hands_out_keys_is_logged_before_it_does() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let calls: [(&[&str], &str); 3] = [
        (
            &["export", "uri", "--all", "--yes", "--output", "/root/out"],
            "\"otpauth://",
        ),
        (&["show", "alice", "--svg", "/root/a.svg"], "\"<?xml"),
        (&["show", "alice", "--png", "/root/a.png"], "\"\\211PNG"),
    ];
    for (arguments, key) in calls {
        let strace = machine.program("strace").args(&[
            "-f",
            "-qq",
            "-s",
            "100",
            "-o",
            "/run/trace",
            "-e",
            "trace=write,sendto",
        ]);
        strace
            .arg("/usr/local/bin/twofactor")
            .args(arguments)
            .run()
            .ok();
        let trace = machine.read("/run/trace");
        assert!(
            position(&trace, "revealed user=alice") < position(&trace, key),
            "{arguments:?}: {trace}"
        );
    }
}

#[test]
fn a_signal_leaves_no_file_with_keys() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine.write_file("/root/old", "old", 0o600);
    for (file, force) in [("/root/out", None), ("/root/old", Some("--force"))] {
        // The signal comes when the keys stand in the file.
        let strace = machine.program("strace").args(&[
            "-f",
            "-qq",
            "-o",
            "/run/trace",
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:signal=SIGINT",
        ]);
        let export = ["export", "uri", "--all", "--yes", "--output", file];
        let run = strace
            .arg("/usr/local/bin/twofactor")
            .args(&export)
            .args(force.as_slice())
            .run();
        assert!(run.exits(1).stderr.contains("interrupted"), "{file}");
        let left = std::fs::read_dir("/root").unwrap();
        let mut left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(
            !left.any(|name| name.starts_with("out") || name.starts_with("old.")),
            "{file}"
        );
    }
    assert_eq!(machine.read("/root/old"), "old");
}

#[test]
fn revealing_keys_is_logged() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    machine.forget_log();
    let run = machine.command(&[
        "export",
        "uri",
        "--all",
        "--yes",
        "--output",
        "/root/out",
        "--json",
    ]);
    let report = json(run);
    assert_eq!(report["lines"].as_array().unwrap().len(), 0);
    assert!(!report.to_string().contains(&phone.secret));
    machine.wait_for_log("revealed user=alice device=phone action=export by=");
    assert!(!format!("{:?}", machine.log()).contains(&phone.secret));
    let no_device = machine
        .command(&["export", "uri", "--user", "bob", "--yes"])
        .exits(1);
    assert!(
        no_device.stderr.contains("bob has no device"),
        "{}",
        no_device.stderr
    );
}

#[test]
fn a_damaged_record_does_not_stop_the_others() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give_phone(&machine, "bob");
    machine.write_file(enrolled::record_path("alice"), "nonsense", 0o600);
    let run = machine
        .command(&["export", "uri", "--all", "--yes"])
        .exits(1);
    assert!(
        run.stderr.starts_with("Not exported: alice: "),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.starts_with("otpauth://totp/box:bob?"),
        "{}",
        run.stdout
    );
}

#[test]
fn keys_go_to_no_file_of_others() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let shell = |line: &str| machine.program("sh").args(&["-c", line]).run();
    for call in [
        "export users-oath --all --yes",
        "export uri --user alice --yes",
        "show alice --secret",
        "show alice --uri --json",
        "show alice --svg -",
    ] {
        let line = |umask: &str, file: &str| format!("umask {umask}; twofactor {call} >{file}");
        let run = shell(&line("022", "/root/open")).exits(1);
        assert!(run.stderr.contains("that other users can open"), "{run:?}");
        let written = machine.read("/root/open");
        assert!(
            written.is_empty() || parse(&written)["error"]["kind"] == "refused",
            "{call}"
        );
        shell(&line("077", "/root/closed")).ok();
        assert_ne!(machine.read("/root/closed"), "", "{call}");
        machine.run("rm", &["/root/open", "/root/closed"]).ok();
    }
}
