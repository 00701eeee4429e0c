//! `twofactor enroll`: what a new device is, what is shown of it, and that it counts only after a code of it was
//! typed. Codes come from oathtool, which is given what a person would type into an app.

use harness::Totp;
use harness::desk::{ASK, begin, desk, desk_on, finish, give, is_asked, json, lets_in};
use harness::enrolled::{record_path, state_path};
use harness::snapshot::Snapshot;

fn nothing_is_kept_of(user: &str) -> bool {
    !record_path(user).exists() && !state_path(user).exists()
}

#[test]
fn r1_r41_any_app_takes_a_default_device() {
    let machine = desk_on();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice", "--qr", "none"]);
    assert_eq!(shown.settings, "TOTP SHA1, 6 digits, 30 s");
    // An app that knows nothing but the key.
    let app = shown.totp();
    app.settle(10);
    let code = app.code();
    assert_eq!(code.len(), 6);
    pty.send_line(&code);
    let ended = finish(pty);
    assert_eq!(ended.code, Some(0));
    let stored =
        "Stored: device phone of alice. The code is used up; the next login needs the next one.\n";
    assert!(ended.shown.contains(stored), "{}", ended.shown);
    assert!(!lets_in("alice", &code), "the code is used up");
    assert!(lets_in("alice", &app.code_after(1)));
}

#[test]
fn r2_r3_r32_r41_settings_stand_in_the_uri() {
    let machine = desk_on();
    let cases = [
        ("--digits=6", "SHA1", 6, 30, ""),
        ("--digits=7", "SHA1", 7, 30, "&digits=7"),
        ("--digits=8", "SHA1", 8, 30, "&digits=8"),
        ("--interval=5", "SHA1", 6, 5, "&period=5"),
        ("--interval=3600", "SHA1", 6, 3600, "&period=3600"),
        ("--algorithm=SHA256", "SHA256", 6, 30, "&algorithm=SHA256"),
        ("--algorithm=sha512", "SHA512", 6, 30, "&algorithm=SHA512"),
    ];
    for (number, (option, algorithm, digits, interval, parameters)) in cases.into_iter().enumerate()
    {
        let user = format!("user{number}");
        machine.add_user(&user);
        let report = give(&machine, &user, &[option]);
        let device = &report["device"];
        assert_eq!(
            (&device["algorithm"], &device["digits"], &device["interval"]),
            (&algorithm.into(), &digits.into(), &interval.into()),
        );
        let key = report["secret"].as_str().unwrap();
        // RFC 4226 section 4, requirement 6; RFC 2104 section 3: as many bytes as the hash has.
        let length = [("SHA1", 32), ("SHA256", 52), ("SHA512", 103)];
        assert!(
            length.contains(&(algorithm, key.len())),
            "{algorithm} {key}"
        );
        let uri = format!("otpauth://totp/box:{user}?secret={key}&issuer=box{parameters}");
        assert_eq!(report["uri"], uri);
        let app = Totp {
            secret: key.to_owned(),
            digits,
            interval,
            algorithm,
        };
        app.settle(3);
        let code = app.code();
        assert_eq!(code.len(), digits as usize);
        assert!(lets_in(&user, &code), "{option}");
    }
}

#[test]
fn r2_r3_ranges_are_held_and_the_policy_has_defaults() {
    let machine = desk();
    for (option, allowed) in [
        ("--digits=5", "5 is not in 6..=8"),
        ("--digits=9", "9 is not in 6..=8"),
        ("--interval=4", "4 is not in 5..=3600"),
        ("--interval=3601", "3601 is not in 5..=3600"),
        ("--algorithm=MD5", "[possible values: SHA1, SHA256, SHA512]"),
    ] {
        let run = machine.command(&["enroll", "alice", option]).exits(2);
        assert!(run.stderr.contains(allowed), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert!(nothing_is_kept_of("alice"));
    machine.policy(
        "enabled = true\n[new_devices]\ndigits = 8\ninterval = 60\nalgorithm = \"SHA256\"\n",
    );
    let device = &give(&machine, "alice", &[])["device"];
    assert_eq!(
        (&device["digits"], &device["interval"], &device["algorithm"]),
        (&8.into(), &60.into(), &"SHA256".into())
    );
}

#[test]
fn r5_settings_beyond_google_authenticator_warn() {
    let machine = desk();
    let warning = "Warning: Google Authenticator works with 6 digits, 30 seconds and SHA1 only, and other apps may \
                   ignore the settings below without saying so. The code you are asked for shows whether yours \
                   understands them.\n";
    let text = |device: &str, options: &[&str]| {
        let enroll = [
            "enroll",
            "alice",
            "--qr=none",
            "--no-confirm",
            "--device",
            device,
        ];
        machine.command(&[&enroll, options].concat()).ok().stdout
    };
    for (device, option) in [
        ("a", "--digits=8"),
        ("b", "--interval=60"),
        ("c", "--algorithm=SHA256"),
    ] {
        assert!(text(device, &[option]).starts_with(warning), "{option}");
    }
    for (device, option) in [("d", "--interval=30"), ("e", "--hotp")] {
        assert!(!text(device, &[option]).contains("Warning: "), "{option}");
    }
}

#[test]
fn r8_a_device_counts_after_a_code_of_it() {
    let machine = desk_on();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    assert!(nothing_is_kept_of("alice") && !is_asked("alice"));
    let app = shown.totp();
    pty.send_line("12");
    let told = pty.expect(ASK);
    let short = format!("\nA code has 6 digits.\nDoes not scan? Type i. {ASK}");
    assert!(told.ends_with(&short), "{told}");
    pty.send_line(&app.wrong_code());
    let told = pty.expect(ASK);
    assert!(
        told.ends_with(&format!(
            "\nThat code is wrong. Wait for the next one and try again.\nDoes not scan? Type i. {ASK}"
        )),
        "{told}"
    );
    assert!(nothing_is_kept_of("alice") && !is_asked("alice"));
    app.settle(5);
    // The way an app shows it.
    let code = app.code();
    pty.send_line(&format!("{} {}", &code[..3], &code[3..]));
    assert_eq!(finish(pty).code, Some(0));
    assert!(record_path("alice").exists() && is_asked("alice"));
    assert_eq!(
        machine.log_with("action=enroll").len(),
        1,
        "only what was stored is logged"
    );
}

#[test]
fn r8_r35_skipping_and_five_wrong_codes_store_nothing() {
    let machine = desk_on();
    for (answers, told) in [
        (
            vec![""],
            "twofactor: no code was typed, so nothing was stored\n",
        ),
        (
            vec!["000000x"; 5],
            "twofactor: 5 codes were wrong, so nothing was stored\nWas it scanned again? An older entry in the app \
             shows other codes. Is the time right on both sides?\n",
        ),
    ] {
        let (mut pty, _) = begin(&machine, &["enroll", "alice"]);
        pty.send_line(answers[0]);
        for answer in &answers[1..] {
            pty.answer(ASK, answer);
        }
        let ended = pty.end();
        assert_eq!(ended.code, Some(1));
        assert!(ended.shown.ends_with(told), "{}", ended.shown);
        assert!(!ended.shown.contains("Recovery codes"));
        assert!(nothing_is_kept_of("alice") && !is_asked("alice"));
    }
    assert_eq!(machine.log_with("action="), [""; 0]);
}

#[test]
fn r8_r6_a_device_with_a_wrong_clock_is_not_stored() {
    let machine = desk_on();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    let app = shown.totp();
    app.settle(12);
    pty.send_line(&app.code_after(-4));
    let told = pty.expect(ASK);
    let sentence = "The key is right, but the device's clock is 120 s behind this machine's (";
    assert!(told.contains(sentence), "{told}");
    pty.send_line("");
    assert_eq!(pty.end().code, Some(1));
    assert!(nothing_is_kept_of("alice"));
}

#[test]
fn r8_an_interrupted_enrollment_leaves_nothing() {
    let machine = desk_on();
    give(&machine, "bob", &[]);
    let before = Snapshot::take();
    for (keys, code, signal) in [(b"\x03", None, Some(2)), (b"\x04", Some(1), None)] {
        let (mut pty, _) = begin(&machine, &["enroll", "alice"]);
        pty.send(keys);
        let ended = pty.end();
        assert_eq!((ended.code, ended.signal), (code, signal));
        let (pty, _) = begin(&machine, &["enroll", "alice"]);
        assert_eq!(pty.kill().signal, Some(9));
    }
    assert_eq!(before.changed(), [""; 0]);
    give(&machine, "alice", &[]);
}

#[test]
fn r13_devices_count_once_it_is_switched_on() {
    let machine = desk();
    // Without a policy, and with one that is off.
    let first = json(machine.command(&["enroll", "alice", "--no-confirm", "--json"]));
    machine.policy("enabled = false\n");
    let (mut pty, shown) = begin(&machine, &["enroll", "bob"]);
    pty.send_line(&shown.totp().code());
    let ended = finish(pty);
    assert_eq!(ended.code, Some(0));
    let hint = "Two-factor login is switched off. To set it up: twofactor setup sshd sudo\n";
    // The last line, after the question for a second device: a command is typed where a shell reads it.
    assert!(ended.shown.ends_with(hint), "{}", ended.shown);
    assert!(!is_asked("alice") && !is_asked("bob"));
    machine.command(&["enable", "--yes"]).ok();
    assert!(is_asked("alice") && is_asked("bob"));
    assert!(lets_in(
        "alice",
        &Totp::new(first["secret"].as_str().unwrap()).code()
    ));
}

#[test]
fn r31_the_key_is_shown_in_groups_of_four_and_bare() {
    let machine = desk();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    let groups: Vec<&str> = shown.grouped.split(' ').collect();
    assert_eq!(groups.len(), 8);
    let letters = |group: &&str| group.chars().all(|c| matches!(c, 'A'..='Z' | '2'..='7'));
    assert!(
        groups
            .iter()
            .all(|group| group.len() == 4 && letters(group)),
        "{groups:?}"
    );
    // oathtool takes it as it stands there.
    pty.send_line(&Totp::new(&shown.grouped).code());
    assert_eq!(finish(pty).code, Some(0));
    let show = machine.command(&["show", "alice", "--secret"]).ok();
    assert_eq!(
        (show.stdout, show.stderr),
        (format!("{}\n", shown.key), String::new())
    );
}

#[test]
fn r32_the_uri_holds_secret_issuer_and_account() {
    let machine = desk();
    let (mut pty, shown) = begin(&machine, &["enroll", "alice"]);
    let uri = format!("otpauth://totp/box:alice?secret={}&issuer=box", shown.key);
    assert_eq!(shown.uri, uri);
    pty.send_line(&shown.totp().code());
    finish(pty);
    machine.policy("enabled = false\nissuer = \"Ex & Co\"\n");
    let show = machine.command(&["show", "alice", "--uri"]).ok();
    let uri = format!(
        "otpauth://totp/Ex%20%26%20Co:alice?secret={}&issuer=Ex%20%26%20Co\n",
        shown.key
    );
    assert_eq!((show.stdout, show.stderr), (uri, String::new()));
}
