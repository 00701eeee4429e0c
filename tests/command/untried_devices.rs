//! Devices that never gave a right code, stored in the place of the only one that did.

use harness::desk::{desk_on, give, give_phone, json, strings};
use harness::enrolled::SECRET;
use harness::{Machine, Totp};

const ASKS: &str = "enabled = true\nenforcement = \"mandatory\"\n[services]\nsshd = true\n";
const OLD: &str = "/root/users.oath";
const BACKUP: &str = "/root/backup";
/// [`SECRET`], and another key.
const HEX: &str = "3132333435363738393031323334353637383930";
const OTHER: &str = "3932333435363738393031323334353637383930";

fn tried(machine: &Machine, user: &str, phone: &Totp) {
    let verify = machine.twofactor(&["verify", user]);
    verify.input(phone.code()).run().ok();
}

/// The warnings of a call, as JSON.
fn warned(machine: &Machine, call: &[&str]) -> Vec<String> {
    let report = json(machine.command(&[call, &["--json"]].concat()));
    strings(&report["warnings"])
}

fn import(machine: &Machine, key: &str) -> Vec<String> {
    let line = format!("HOTP/T30 root - {key}\n");
    machine.write_file(OLD, line, 0o600);
    warned(
        machine,
        &["import", "users-oath", OLD, "--replace", "--yes"],
    )
}

/// Both risks are told.
fn tells_both(warnings: &[String]) {
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0]
            .starts_with("sshd asks for codes, and no device on this machine has ever given")
    );
    assert!(
        warnings[1].starts_with("no administrator (root, or a member of sudo or wheel) is let in")
    );
    for warning in warnings {
        assert!(
            warning.ends_with("try a device: twofactor verify USER"),
            "{warning}"
        );
    }
}

#[test]
fn an_import_that_replaces_the_one_that_works_warns() {
    let machine = desk_on();
    assert!(
        import(&machine, HEX).len() == 1,
        "root is asked, and was not before"
    );
    tried(&machine, "root", &Totp::new(SECRET));
    machine.policy(ASKS);
    tells_both(&import(&machine, OTHER));
    assert!(import(&machine, HEX).is_empty(), "it was so before");
}

#[test]
fn a_restoration_warns_of_the_device_it_replaces() {
    let machine = desk_on();
    machine.policy(ASKS);
    give_phone(&machine, "root");
    machine.command(&["backup", "--output", BACKUP]).ok();
    let restore = ["restore", BACKUP, "--replace", "--yes"];
    assert!(warned(&machine, &restore).is_empty(), "it was so before");
    machine.command(&["unset", "root", "--yes"]).ok();
    tried(&machine, "root", &give_phone(&machine, "root"));
    tells_both(&warned(&machine, &restore));
}

#[test]
fn a_key_that_was_never_tried_warns() {
    let machine = desk_on();
    let phone = give_phone(&machine, "root");
    let renew = ["renew", "root", "--no-confirm"];
    tried(&machine, "root", &phone);
    machine.policy(ASKS);
    let told = machine.command(&renew).ok().stdout;
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("Warning: "))
        .collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(warned(&machine, &renew).is_empty(), "it was so before");
    // Another device that works is enough.
    tried(
        &machine,
        "root",
        &Totp::new(
            give(&machine, "root", &["--device=tablet"])["secret"]
                .as_str()
                .unwrap(),
        ),
    );
    let phone = [&renew[..], &["--device=phone"]].concat();
    assert!(warned(&machine, &phone).is_empty());
}

#[test]
fn a_first_device_of_the_only_administrator_warns() {
    let machine = desk_on();
    let warnings = strings(&give(&machine, "root", &[])["warnings"]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(strings(&give(&machine, "alice", &[])["warnings"]).is_empty());
    machine.policy("enabled = false\n");
    machine.command(&["unset", "root", "--yes"]).ok();
    assert!(strings(&give(&machine, "root", &[])["warnings"]).is_empty());
}
