//! Through sshd's keyboard-interactive method, with the OpenSSH client.

use harness::{Machine, PASSWORD, Session, SshLogin};
use twofactor_store::FactorStore;

use crate::app::{ANOTHER, BEGIN, CODE, CODE_OR_SKIP, DOES_NOT_SCAN, OFFER, Person};
use harness::logins::{
    ASK_CODE, ASK_NEW_DEVICE, ASK_PASSWORD, GO_ON, dialogue, logged, machine, policy,
};
use harness::screen::Background;

/// A machine with alice, who has no device, and these keys in its policy.
pub fn machine_with(keys: &str) -> Machine {
    let machine = machine();
    machine.add_user("alice");
    policy(&machine, keys, "");
    machine
}

/// The number of a user's devices.
pub fn devices(machine: &Machine, user: &str) -> usize {
    let run = machine.command(&["status", user, "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    report["users"][0]["devices"].as_array().unwrap().len()
}

/// A login of a person.
pub fn runs(login: SshLogin<'_>, person: &mut Person<'_>) -> Session {
    login.answer_with(|question| person.types(question)).run()
}

/// The last lines of the questions: what is asked, without what is shown before it.
pub fn questions(session: &Session) -> Vec<&str> {
    let last = |prompt: &'_ String| prompt.rfind('\n').map_or(0, |end| end + 1);
    session
        .prompts
        .iter()
        .map(|prompt| prompt[last(prompt)..].trim_start_matches(DOES_NOT_SCAN))
        .collect()
}

#[test]
fn r15_r35_an_offered_device_works_at_the_next_login() {
    let machine = machine_with("enroll_at_login = \"offer\"\nissuer = \"example.org\"");
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
    let session = runs(sshd.login("alice"), &mut person);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        questions(&session),
        [ASK_PASSWORD, OFFER, CODE_OR_SKIP, ANOTHER]
    );
    // Text begins on a line of its own, after the `(user@host) ` of the client, and has no escape sequences.
    let [_, offer, shown, stored] = session.prompts.as_slice() else {
        panic!("{session:?}")
    };
    assert!(offer.starts_with("\nTwo-factor login is available for your account"));
    assert!(shown.contains(
        "\nScan this with the authenticator app, or type the key below it into the app:\n"
    ));
    assert!(!session.prompts.concat().contains('\x1b'));
    let uri = format!(
        "\nURI: otpauth://totp/example.org:alice?secret={}&issuer=example.org\n",
        person.keys[0]
    );
    assert!(shown.contains(&uri), "{shown}");
    assert!(stored.contains("\nDone. From now on"), "{stored}");
    assert_eq!(
        logged(&machine, "sshd:account"),
        ["user=alice rhost=127.0.0.1 result=enrolled device=phone"]
    );
    assert_eq!(devices(&machine, "alice"), 1);

    // The code that confirmed the device is used up; the next one works, and so does a recovery code.
    let used = person.phone().code();
    let next = person.phone().code_after(1);
    let again = sshd.login("alice").answers(&[PASSWORD, &used, &next]).run();
    let ask_again = format!("This code was used already. Wait for the next one.\n{ASK_CODE}");
    assert_eq!(
        dialogue(&again),
        (true, vec![ASK_PASSWORD, ASK_CODE, &ask_again])
    );
    let recovery = recovery_codes(stored);
    assert_eq!(recovery.len(), 10);
    let mut terminal = sshd.login("alice").shell().pty();
    terminal
        .answer(ASK_PASSWORD, PASSWORD)
        .answer(ASK_CODE, &recovery[9])
        .answer(ASK_NEW_DEVICE, "")
        .expect("9 are left");
}

/// The recovery codes in a text.
fn recovery_codes(shown: &str) -> Vec<String> {
    let is_code = |word: &&str| word.len() == 19 && word.matches('-').count() == 3;
    let words = shown.split_whitespace().filter(is_code);
    words.map(str::to_owned).collect()
}

#[test]
fn r30_the_qr_code_of_the_dialogue_holds_the_uri() {
    let machine = machine_with("enroll_at_login = \"offer\"\nissuer = \"Käse & Co\"");
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
    let session = runs(sshd.login("alice"), &mut person);
    let shown = &session.prompts[2];
    let uri = shown.lines().find_map(|line| line.strip_prefix("URI: "));
    // Without escape sequences it is right on a dark terminal; on a light one, the key is there to be typed in.
    let scanned = harness::screen::scan(&machine, shown, Background::Dark);
    assert_eq!(scanned, [uri.unwrap()]);
}

/// The part of a text that a terminal of 24 lines still shows.
fn screenful(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let hidden = lines.len().saturating_sub(24);
    lines[hidden..].join("\n")
}

#[test]
fn r30_qr_code_and_key_fit_on_24_lines() {
    // The longest fits without the line above it.
    for (issuer, header) in [
        ("box", true),
        ("example.org", true),
        (&*"x".repeat(30), false),
    ] {
        let machine = machine_with(&format!(
            "enroll_at_login = \"offer\"\nissuer = \"{issuer}\""
        ));
        let sshd = machine.sshd("");
        let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
        let session = runs(sshd.login("alice"), &mut person);
        let (shown, screen) = (&session.prompts[2], screenful(&session.prompts[2]));
        let uri = shown.lines().find_map(|line| line.strip_prefix("URI: "));
        let scanned = harness::screen::scan(&machine, &screen, Background::Dark);
        assert_eq!(scanned, [uri.unwrap()], "{screen}");
        assert_eq!(screen.contains("Scan this with"), header, "{screen}");
        assert!(screen.contains("\nKey: "), "{screen}");
    }
}

#[test]
fn r30_long_names_are_shortened_to_fit_the_qr_code() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let host = "server-17.frankfurt.customers.example-hosting.com";
    machine.run("hostname", &[host]).ok();
    for (user, begin) in [
        ("firstname.lastname", format!("otpauth://totp/{host}:")),
        (
            "a-login-name-that-is-as-long-as-can-be",
            "otpauth://totp/server-17:".to_owned(),
        ),
    ] {
        machine.add_user(user);
        let sshd = machine.sshd("");
        let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
        let session = runs(sshd.login(user), &mut person);
        let (shown, screen) = (&session.prompts[2], screenful(&session.prompts[2]));
        let uri = shown.lines().find_map(|line| line.strip_prefix("URI: "));
        let uri = uri.unwrap();
        assert!(
            uri.starts_with(&begin) && !uri.contains("&issuer="),
            "{uri}"
        );
        let scanned = harness::screen::scan(&machine, &screen, Background::Dark);
        assert_eq!(scanned, [uri], "{screen}");
        assert!(screen.contains("\nKey: "), "{screen}");
        assert!(!shown.contains("enlarge the window"), "{shown}");
    }
}

#[test]
fn r30_a_qr_code_that_needs_a_larger_window_says_so() {
    let issuer = "x".repeat(60);
    let machine = machine_with(&format!(
        "enroll_at_login = \"offer\"\nissuer = \"{issuer}\""
    ));
    let user = "a-login-name-of-32-characters-ab";
    machine.add_user(user);
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(OFFER, "yes"), (ANOTHER, "")]);
    let session = runs(sshd.login(user), &mut person);
    let shown = &session.prompts[2];
    assert!(
        shown.contains("If you do not see all of it: enlarge the window"),
        "{shown}"
    );
    let uri = shown.lines().find_map(|line| line.strip_prefix("URI: "));
    let scanned = harness::screen::scan(&machine, shown, Background::Dark);
    assert_eq!(scanned, [uri.unwrap()]);
}

#[test]
fn r37_unusual_settings_stand_beside_the_key() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let sshd = machine.sshd("");
    let shown = |keys: &str| {
        policy(&machine, "enroll_at_login = \"require\"", keys);
        let session = sshd.login("alice").answers(&[PASSWORD, ""]).run();
        session.prompts[2].clone()
    };
    let settings = "\nSettings for a key that is typed in: 8 digits, 60 seconds, SHA256\nKey: ";
    let unusual = "[new_devices]\ndigits = 8\ninterval = 60\nalgorithm = \"SHA256\"";
    assert!(shown(unusual).contains(settings));
    assert!(!shown("").contains("Settings"));
}

#[test]
fn r35_enter_skips_an_offer() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let sshd = machine.sshd("");
    for skips in [
        &[(OFFER, "")][..],
        &[(OFFER, "no")],
        &[(OFFER, PASSWORD)],
        &[(OFFER, "yes"), (CODE_OR_SKIP, "")],
        &[(OFFER, "y"), (CODE_OR_SKIP, "  ")],
    ] {
        machine.forget_log();
        let session = runs(sshd.login("alice"), &mut Person::new(skips));
        assert!(session.is_in(), "{skips:?} {session:?}");
        assert_eq!(session.prompts.len(), skips.len() + 1);
        assert_eq!(devices(&machine, "alice"), 0);
        assert_eq!(
            logged(&machine, "sshd:account"),
            ["user=alice rhost=127.0.0.1 result=enrolment-skipped"]
        );
    }
}

#[test]
fn wrong_codes_store_nothing() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let sshd = machine.sshd("");
    let wrong = [(CODE_OR_SKIP, "000000"); 4];
    let short = [(OFFER, "yes"), (CODE_OR_SKIP, "12")];
    let answers: Vec<_> = short.into_iter().chain(wrong).collect();
    let session = runs(sshd.login("alice"), &mut Person::new(&answers));
    assert!(session.is_in(), "{session:?}");
    assert_eq!(session.prompts.len(), 7);
    assert!(
        session.prompts[3].contains("A code has 6 digits.")
            && session.prompts[4].contains("That code is wrong."),
        "{session:?}"
    );
    assert_eq!(devices(&machine, "alice"), 0);

    // A code of the wrong time is told from one that belongs to nothing.
    let mut keys = Vec::new();
    let session = sshd
        .login("alice")
        .answer_with(|question| match question {
            ASK_PASSWORD => PASSWORD.into(),
            _ if question.ends_with(OFFER) => "yes".into(),
            _ if question.contains("Key: ") => {
                keys.push(crate::app::key(question));
                harness::Totp::new(&keys[0]).code_after(-10).into()
            }
            _ => "".into(),
        })
        .run();
    assert!(
        session.prompts[3].contains("300 seconds behind"),
        "{session:?}"
    );
}

#[test]
fn r17_a_demanded_device_cannot_be_skipped() {
    for keys in [
        "enroll_at_login = \"require\"",
        "enroll_at_login = \"offer\"\nenforcement = \"mandatory\"",
        "enroll_at_login = \"require\"\nenforcement = \"mandatory\"",
    ] {
        let machine = machine_with(keys);
        let sshd = machine.sshd("");
        let skipped = runs(
            sshd.login("alice"),
            &mut Person::new(&[(BEGIN, ""), (CODE, ""), (GO_ON, "")]),
        );
        assert!(!skipped.is_in() && !skipped.hung_up, "{skipped:?}");
        assert_eq!(questions(&skipped), [ASK_PASSWORD, BEGIN, CODE, GO_ON]);
        assert_eq!(
            logged(&machine, "sshd:account"),
            ["user=alice rhost=127.0.0.1 result=enrolment-required"]
        );
        assert_eq!(devices(&machine, "alice"), 0);
        let mut person = Person::new(&[(BEGIN, ""), (ANOTHER, "")]);
        let session = runs(sshd.login("alice"), &mut person);
        assert!(session.is_in(), "{session:?}");
        assert_eq!(devices(&machine, "alice"), 1);
    }
}

#[test]
fn r36_a_second_device_is_offered_as_a_backup() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(BEGIN, ""), (ANOTHER, "yes")]);
    let session = runs(sshd.login("alice"), &mut person);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        questions(&session),
        [ASK_PASSWORD, BEGIN, CODE, ANOTHER, CODE_OR_SKIP]
    );
    assert_ne!(person.keys[0], person.keys[1]);
    let store = FactorStore::open(
        twofactor_core::STATE_DIR.as_ref(),
        twofactor_core::POLICY_FILE.as_ref(),
    )
    .unwrap();
    let record = store.record_named("alice").unwrap().unwrap();
    let names: Vec<_> = record.devices.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["phone", "backup"]);
    assert_eq!(
        logged(&machine, "sshd:account"),
        [
            "user=alice rhost=127.0.0.1 result=enrolled device=phone",
            "user=alice rhost=127.0.0.1 result=enrolled device=backup"
        ]
    );
    let code = person.phone().code_after(1);
    assert!(
        sshd.login("alice")
            .answers(&[PASSWORD, &code])
            .run()
            .is_in()
    );
}

#[test]
fn r25_a_login_by_key_is_neither_asked_nor_refused() {
    let machine = machine_with("enroll_at_login = \"require\"\nenforcement = \"mandatory\"");
    let key = machine.add_key("alice");
    let sshd = machine.sshd("");
    let session = sshd.login("alice").key(&key).run();
    assert_eq!(dialogue(&session), (true, vec![]));
    assert!(logged(&machine, "sshd:account").is_empty());
    assert_eq!(devices(&machine, "alice"), 0);
}

#[test]
fn clients_without_a_dialogue_see_no_key() {
    for (keys, lets_in, result) in [
        ("enroll_at_login = \"offer\"", true, "enrolment-skipped"),
        ("enroll_at_login = \"require\"", false, "enrolment-required"),
    ] {
        let machine = machine_with(keys);
        // sshd gives the password itself to whatever asks, and cannot ask anything in the account phase.
        let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication no\n");
        let session = sshd
            .login("alice")
            .option("PreferredAuthentications=password")
            .answer(PASSWORD)
            .run();
        assert_eq!(session.is_in(), lets_in, "{session:?}");
        let shown = session.stdout.clone() + &session.stderr + &session.prompts.concat();
        assert!(
            !shown.contains("otpauth") && !shown.contains("Key: "),
            "{shown}"
        );
        assert_eq!(
            logged(&machine, "sshd:account"),
            [format!("user=alice rhost=127.0.0.1 result={result}")]
        );
        assert_eq!(devices(&machine, "alice"), 0);
    }
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let sshd = machine.sshd("");
    let session = sshd.login("alice").answers(&[PASSWORD, ""]).run();
    assert!(session.hung_up && session.prompts[2].contains("Key: "));
    assert_eq!(devices(&machine, "alice"), 0);
    let mut person = Person::new(&[(BEGIN, ""), (ANOTHER, "")]);
    let session = runs(sshd.login("alice"), &mut person);
    assert!(session.is_in() && !session.prompts.concat().is_empty());
}

#[test]
fn the_wrong_password_leads_nowhere() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let sshd = machine.sshd("");
    let session = sshd.login("alice").answers(&["wrong", "", "", ""]).run();
    assert!(!session.is_in());
    assert!(!session.prompts.concat().contains("Key: "), "{session:?}");
    assert!(session.prompts.iter().all(|prompt| prompt == ASK_PASSWORD));
}
