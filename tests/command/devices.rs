//! Several devices of one user, enrolled one after the other or at once; tokens that count; recovery codes.

use harness::desk::{
    begin, desk_on, finish, give, give_phone, json, json_error, keys, lets_in, strings, terminal,
};
use harness::{Running, Totp, hotp};
use serde_json::Value;

#[test]
fn the_first_device_gives_ten_recovery_codes_once() {
    let machine = desk_on();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    pty.send_line(&shown.totp().code());
    let ended = finish(pty);
    let listed = ended.shown.split("not shown again:\n\n").nth(1).unwrap();
    let codes: Vec<&str> = listed
        .split("\n\n")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(codes.len(), 10);
    assert!(lets_in("alice", codes[9]));
    assert!(!lets_in("alice", codes[9]), "each works once");
    let second = give(&machine, "alice", &["--device", "tablet"]);
    assert_eq!(strings(&second["recovery_codes"]), [""; 0]);
    assert!(
        lets_in("alice", codes[0]),
        "a second device leaves them as they were"
    );
}

#[test]
fn r36_every_device_of_a_user_works() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let tablet = give(&machine, "alice", &["--device", "tablet", "--digits=8"]);
    let tablet = Totp {
        digits: 8,
        ..Totp::new(tablet["secret"].as_str().unwrap())
    };
    phone.settle(5);
    assert!(lets_in("alice", &phone.code()) && lets_in("alice", &tablet.code()));
    let run = machine
        .command(&["enroll", "alice", "--device", "tablet"])
        .exits(1);
    assert_eq!(
        run.stderr,
        "twofactor: alice already has a device named tablet\n\
         For one more: twofactor enroll alice --device NAME\n\
         For a new key of this one: twofactor renew alice --device tablet\n"
    );
    for name in ["c", "d", "e", "f", "g"] {
        give(&machine, "alice", &["--device", name]);
    }
    let run = machine
        .command(&["enroll", "alice", "--device", "h"])
        .exits(1);
    assert_eq!(
        run.stderr,
        "twofactor: alice already has 7 devices\nTo remove one: twofactor unset alice --device NAME\n"
    );
    machine
        .command(&["enroll", "alice", "--device", "no spaces"])
        .exits(2);
}

#[test]
fn a_hotp_token_is_enrolled_and_resynchronized() {
    let machine = desk_on();
    let (mut pty, shown) = begin(
        &machine,
        &["enroll", "alice", "--device", "token", "--hotp"],
    );
    assert_eq!(shown.settings, "HOTP SHA1, 6 digits, counter");
    let uri = format!(
        "otpauth://hotp/box:alice?secret={}&issuer=box&counter=0",
        shown.key
    );
    assert_eq!(shown.uri, uri);
    let code = |counter| hotp(&shown.key, counter, 6);
    pty.send_line(&code(0));
    assert_eq!(finish(pty).code, Some(0));
    assert!(!lets_in("alice", &code(0)) && lets_in("alice", &code(1)));
    // Pressed too often: 500 is beyond the ten codes that a login looks at.
    assert!(!lets_in("alice", &code(500)));
    // An answer that was refused before may be right afterwards: it is forgotten.
    assert!(!lets_in("alice", &code(503)));
    let report =
        json(machine.command(&["resync", "alice", "token", &code(501), &code(502), "--json"]));
    assert_eq!(
        keys(&report),
        ["counter", "device", "offset", "skipped", "user"]
    );
    assert_eq!(
        (&report["counter"], &report["skipped"]),
        (&503.into(), &501.into())
    );
    assert!(!lets_in("alice", &code(502)) && lets_in("alice", &code(503)));
    let again = machine
        .command(&["resync", "alice", "token", &code(501), &code(502)])
        .exits(1);
    assert_eq!(
        again.stderr,
        "twofactor: these are not two codes in a row of token, or more than 1000 presses were skipped\n\
         Press twice more and try again with the two new codes. If that fails, too: twofactor renew alice\n"
    );
    // Without the codes on the command line they are asked for.
    let mut pty = terminal(&machine, &["resync", "alice", "token"]);
    pty.answer("A code of the device: ", &code(600))
        .answer("The code after it: ", &code(601));
    let ended = pty.end();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .shown
            .ends_with("Found: the next code of token works again.\n")
    );
    assert!(lets_in("alice", &code(602)));
    give(&machine, "alice", &[]);
    let timed = machine
        .command(&["resync", "alice", "phone", "1", "2"])
        .exits(1);
    assert!(
        timed
            .stderr
            .starts_with("twofactor: these are not two unused codes in a row of phone")
    );
}

#[test]
fn two_enrollments_at_once_are_both_recorded() {
    let machine = desk_on();
    let (mut one, phone) = begin(&machine, &["enroll", "alice", "--device", "phone"]);
    let (mut two, tablet) = begin(&machine, &["enroll", "alice", "--device", "tablet"]);
    two.send_line(&tablet.totp().code());
    assert_eq!(finish(two).code, Some(0));
    one.send_line(&phone.totp().code());
    assert_eq!(one.end().code, Some(0));
    assert!(lets_in("alice", &phone.totp().code_after(1)));
    assert!(lets_in("alice", &tablet.totp().code_after(1)));

    let (mut one, first) = begin(&machine, &["enroll", "bob"]);
    let (mut two, second) = begin(&machine, &["enroll", "bob"]);
    two.send_line(&second.totp().code());
    assert_eq!(finish(two).code, Some(0));
    one.send_line(&first.totp().code());
    let ended = one.end();
    assert_eq!(ended.code, Some(1));
    let told = "twofactor: bob already has a device named phone\n";
    assert!(ended.shown.contains(told), "{}", ended.shown);
    assert!(lets_in("bob", &second.totp().code_after(1)));
}

#[test]
fn many_enrollments_at_once_are_all_recorded() {
    let machine = desk_on();
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let enroll = |name: &&str| {
        let enroll = ["enroll", "alice", "--no-confirm", "--device", name];
        machine.twofactor(&enroll).start()
    };
    let mut running: Vec<Running> = names.iter().map(enroll).collect();
    while running.iter_mut().any(|one| one.try_wait().is_none()) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for one in running {
        one.kill().ok();
    }
    let devices = json(machine.command(&["show", "alice", "--json"]))["devices"].clone();
    let mut found: Vec<&str> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["name"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn r6_resync_learns_how_far_a_clock_is_off() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    phone.settle(10);
    let ahead = |steps| phone.code_after(steps);
    assert!(!lets_in("alice", &ahead(3)), "outside the window");
    let resync = |first: &str, second: &str| {
        machine.command(&["resync", "alice", "phone", first, second, "--json"])
    };
    let report = json(resync(&ahead(1), &ahead(2)));
    assert_eq!(
        (&report["offset"], &report["counter"]),
        (&2.into(), &Value::Null)
    );
    assert!(!lets_in("alice", &ahead(2)), "used up");
    assert!(lets_in("alice", &ahead(3)), "inside the shifted window");
    let error = json_error(resync(&ahead(8), &ahead(9)), 1);
    assert_eq!(
        error["message"],
        "the clocks of this machine and of phone differ by 270 s, which is more than can be allowed for"
    );
    let error = json_error(resync(&ahead(2), &ahead(3)), 1);
    assert_eq!(
        error["message"],
        "these are not two unused codes in a row of phone, the second of this moment"
    );
}
