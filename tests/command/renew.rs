//! `twofactor renew` and `unset`: a new secret for a device, and none at all.

use harness::Totp;
use harness::desk::{
    ASK, begin, desk_on, give, give_phone, is_asked, json, keys, lets_in, strings, terminal,
};
use harness::enrolled::{record_path, state_path};

fn files(user: &str) -> [Vec<u8>; 2] {
    [record_path(user), state_path(user)].map(|path| std::fs::read(path).unwrap())
}

#[test]
fn r34_the_old_secret_ends_with_the_confirmation() {
    let machine = desk_on();
    let old = give_phone(&machine, "alice");
    let before = files("alice");
    for (keys, code, signal) in [(&b"\x03"[..], None, Some(2)), (b"\r", Some(1), None)] {
        let (mut pty, _) = begin(&machine, &["renew", "alice"]);
        pty.send(keys);
        let ended = pty.end();
        assert_eq!((ended.code, ended.signal), (code, signal));
        assert!(files("alice") == before);
    }
    let (mut pty, shown) = begin(&machine, &["renew", "alice"]);
    let new = shown.totp();
    assert_ne!(new.secret, old.secret);
    assert_eq!(
        shown.uri,
        format!("otpauth://totp/box:alice?secret={}&issuer=box", new.secret)
    );
    old.settle(8);
    assert!(
        lets_in("alice", &old.code()),
        "at the question the old one still works"
    );
    assert!(!lets_in("alice", &new.code()));
    pty.send_line(&new.wrong_code());
    pty.expect(ASK);
    assert!(lets_in("alice", &old.code_after(1)));
    pty.send_line(&new.code());
    let ended = pty.end();
    assert_eq!(ended.code, Some(0));
    let told = "Stored: new key for the device phone of alice. The old key no longer works.\n";
    assert!(ended.shown.ends_with(told), "{}", ended.shown);
    assert!(!lets_in("alice", &old.code_after(1)) && lets_in("alice", &new.code_after(1)));
    assert!(!machine.read(record_path("alice")).contains(&old.secret));
    let uri = machine.command(&["show", "alice", "--uri"]).ok().stdout;
    assert_eq!(uri, shown.uri + "\n");
}

#[test]
fn r34_renew_changes_one_devices_key_alone() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let codes = json(machine.command(&["recovery-codes", "alice", "--yes", "--json"]));
    give(
        &machine,
        "alice",
        &[
            "--device=tablet",
            "--digits=8",
            "--interval=60",
            "--algorithm=SHA256",
        ],
    );
    let several = machine.command(&["renew", "alice"]).exits(2);
    assert_eq!(
        several.stderr,
        "twofactor: alice has several devices: phone, tablet\nAdd: --device NAME\n"
    );
    let unknown = machine
        .command(&["renew", "alice", "--device=watch"])
        .exits(1);
    assert_eq!(
        unknown.stderr,
        "twofactor: alice has no device named watch\nThere is: phone, tablet\n"
    );
    let report = json(machine.command(&[
        "renew",
        "alice",
        "--device=tablet",
        "--no-confirm",
        "--json",
    ]));
    assert_eq!(
        keys(&report),
        ["confirmed", "device", "secret", "uri", "user", "warnings"]
    );
    let device = &report["device"];
    assert_eq!(
        (
            &device["name"],
            &device["digits"],
            &device["interval"],
            &device["algorithm"]
        ),
        (&"tablet".into(), &8.into(), &60.into(), &"SHA256".into())
    );
    assert!(lets_in("alice", &phone.code()));
    assert!(lets_in("alice", &strings(&codes["recovery_codes"])[0]));
    let tablet = Totp {
        secret: report["secret"].as_str().unwrap().to_owned(),
        digits: 8,
        interval: 60,
        algorithm: "SHA256",
    };
    assert!(lets_in("alice", &tablet.code()));
}

#[test]
fn r37_unset_asks_and_removes_all_of_a_user() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    give(&machine, "bob", &[]);
    let (alice, bob) = (files("alice"), files("bob"));
    let remains = "alice will have no device left. From then on alice logs in without a code.\n";
    let question = "Remove all devices (phone) and the recovery codes of alice? [y/N] ";
    let mut pty = terminal(&machine, &["unset", "alice"]);
    pty.answer(question, "n");
    let ended = pty.end();
    assert_eq!(
        (ended.code, ended.shown),
        (
            Some(1),
            format!("{remains}{question}n\ntwofactor: nothing was changed\n")
        )
    );
    machine
        .twofactor(&["unset", "alice"])
        .input("y\n")
        .run()
        .exits(2);
    assert!(files("alice") == alice && is_asked("alice"));

    let mut pty = terminal(&machine, &["unset", "alice"]);
    pty.answer(question, "y");
    let ended = pty.end();
    assert!(
        ended
            .shown
            .ends_with("Removed: all devices and recovery codes of alice.\n"),
        "{}",
        ended.shown
    );
    assert_eq!(ended.code, Some(0));
    assert!(!record_path("alice").exists() && !state_path("alice").exists());
    assert!(!is_asked("alice") && is_asked("bob"));
    assert!(files("bob") == bob);
    let none = machine.command(&["unset", "alice", "--yes"]).exits(1);
    assert_eq!(
        none.stderr,
        "twofactor: alice has no device\nTo enroll one: twofactor enroll alice\n"
    );
}

#[test]
fn r37_one_of_several_devices_is_removed_alone() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let tablet = give(&machine, "alice", &["--device=tablet"]);
    let tablet = Totp::new(tablet["secret"].as_str().unwrap());
    let report = json(machine.command(&["unset", "alice", "--device=phone", "--yes", "--json"]));
    assert_eq!(
        (&report["user"], &report["device"], &report["devices_left"]),
        (&"alice".into(), &"phone".into(), &1.into())
    );
    assert!(!lets_in("alice", &phone.code()) && lets_in("alice", &tablet.code()));
    assert!(!machine.read(record_path("alice")).contains(&phone.secret));
    machine
        .command(&["unset", "alice", "--device=phone", "--yes"])
        .exits(1);
    let report = json(machine.command(&["unset", "alice", "--device=tablet", "--yes", "--json"]));
    assert!(
        report["device"].is_null() && report["devices_left"] == 0,
        "{report}"
    );
    assert!(!record_path("alice").exists() && !is_asked("alice"));
}

#[test]
fn r37_damaged_and_ownerless_records_can_be_removed() {
    let machine = desk_on();
    for user in ["alice", "bob"] {
        give(&machine, user, &[]);
    }
    machine.write_file(record_path("alice"), "damaged", 0o600);
    machine.remove_user("bob");
    machine
        .command(&["unset", "bob", "--device=phone", "--yes"])
        .exits(1);
    assert!(record_path("bob").exists());
    for user in ["alice", "bob"] {
        machine.command(&["unset", user, "--yes"]).ok();
        assert!(
            !record_path(user).exists() && !state_path(user).exists(),
            "{user}"
        );
    }
    assert!(!is_asked("alice"));
}
