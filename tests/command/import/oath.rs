//! Users files of pam_oath.

use harness::desk::{desk_on, give_phone, json, lets_in, peer_lets_in};
use harness::enrolled::SECRET;
use harness::{Totp, hotp};

use super::{HEX, import, items, partial, status_of};

#[test]
fn codes_used_at_pam_oath_stay_used() {
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
        "HOTP no-such-user - {HEX}\nHOTP/T99999 alice - {HEX}\nnonsense\n"
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
        text.contains("  /root/users.oath:5: there is no user no-such-user\n"),
        "{text}"
    );
}

#[test]
fn no_user_gets_more_devices_than_there_is_room_for() {
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
    // In the middle of the file a user who has a device already.
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
