//! The effect of an import on the records that are there, and its log.

use harness::desk::{desk_on, give_phone, lets_in};
use harness::enrolled::{SECRET, record_path};
use harness::hotp;

use super::{GOOGLE, HEX, import, items, partial, write_state_file};

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

/// A code that was used here since a first import stays used when the same file is imported again.
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
fn an_import_ends_an_invitation() {
    let machine = desk_on();
    machine.command(&["invite", "alice"]).ok();
    machine.write_file("/root/users.oath", format!("HOTP alice - {HEX}\n"), 0o600);
    let report = import(&machine, &["users-oath", "/root/users.oath"]);
    assert_eq!(report["taken"], 1);
    assert!(lets_in("alice", &hotp(SECRET, 0, 6)));
    assert!(!machine.read(record_path("alice")).contains("[invite]"));
}
