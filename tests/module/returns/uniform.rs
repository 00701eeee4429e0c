//! With `uniform_prompt` the dialogue does not tell who has a device.

use harness::pam::{Drive, EXACT, PamOutcome, TAKES_PASSWORD, code};

use harness::enrolled::{
    IGNORED, PROMPT, add_account, add_stack, auth, enroll_token, logged, login, machine, run, said,
    state_of,
};

const OPTIONAL: &str = "enabled = true\nuniform_prompt = true\n";
const MANDATORY: &str = "enabled = true\nuniform_prompt = true\nenforcement = \"mandatory\"\n";

#[test]
fn the_unenrolled_are_asked_once_where_optional() {
    let machine = machine(OPTIONAL);
    add_account(&machine, "bob");
    for user in ["bob", "no-such-user"] {
        for answer in ["123456", "", "anything"] {
            let outcome = run(login(user).answer(answer));
            assert_eq!(outcome.auth, IGNORED);
            assert_eq!(said(&outcome), [("echo_off", PROMPT)]);
            assert_eq!(outcome.fail_delay_us, None);
        }
        assert_eq!(auth(login(user)), code::CONV_ERR);
    }
    assert_eq!(logged(&machine)[0], "user=bob rhost= result=unenrolled");
}

#[test]
fn where_mandatory_all_users_see_the_same() {
    let machine = machine(MANDATORY);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let wrong = alice.wrong();
    let refused = |user: &str, finish: fn(Drive) -> Drive| {
        let login = login(user).answer(&wrong).answer("x").answer("nonsense");
        let outcome = run(finish(login));
        assert!(outcome.fail_delay_us.is_some());
        PamOutcome {
            user: None,
            fail_delay_us: None,
            ..outcome
        }
    };
    for finish in [|drive: Drive| drive, Drive::silent] {
        let real = refused("alice", finish);
        assert_eq!((real.auth, real.prompts.len()), (code::MAXTRIES, 3));
        assert_eq!(refused("bob", finish), real);
        assert_eq!(refused("no-such-user", finish), real);
        harness::enrolled::set_state("alice", |state| state.failures = 0);
    }
    let lines = logged(&machine);
    assert!(lines.contains(&"user=bob rhost= result=device-required".to_owned()));
    // The code was compared in the first dialogue alone.
    assert_eq!(state_of("alice").unreported, 5);
}

#[test]
fn two_empty_answers_end_every_login() {
    let machine = machine(MANDATORY);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    for answers in [["", "", ""], ["x", "", ""]] {
        let refused = |user: &str| {
            let login = answers
                .iter()
                .fold(login(user), |drive, it| drive.answer(it));
            let outcome = run(login);
            assert_eq!(outcome.auth, code::MAXTRIES);
            let told = said(&outcome).into_iter();
            let told: Vec<String> = told.map(|(_, text)| text.to_owned()).collect();
            told
        };
        let real = refused("alice");
        let asked = if answers == ["", "", ""] { 2 } else { 3 };
        assert_eq!(real, [PROMPT, "Wrong code."].repeat(asked), "{answers:?}");
        assert_eq!(refused("bob"), real);
        assert_eq!(refused("no-such-user"), real);
    }
    assert_eq!(state_of("alice").failures, 1);
}

/// A damaged file must not tell whose it is.
#[test]
fn nothing_is_said_of_a_file_that_cannot_be_used() {
    for policy in [OPTIONAL, MANDATORY] {
        let machine = machine(policy);
        enroll_token(&machine, "alice");
        machine.write_file(harness::enrolled::record_path("alice"), "no record", 0o600);
        for drive in [login("alice"), login("alice").silent()] {
            let outcome = run(drive);
            assert_eq!(
                (outcome.auth, said(&outcome)),
                (code::AUTHINFO_UNAVAIL, vec![])
            );
        }
    }
}

/// Nor of a lock-out, where that would be a question more than before.
#[test]
fn a_lock_out_is_told_in_no_question() {
    let machine = machine(OPTIONAL);
    let alice = enroll_token(&machine, "alice");
    harness::enrolled::set_state("alice", |state| {
        (state.failures, state.last_failure) = (100, 10)
    });
    let outcome = run(alice.login().silent());
    assert_eq!((outcome.auth, said(&outcome)), (code::MAXTRIES, vec![]));
}

#[test]
fn prompt_and_echo_are_the_same_for_all() {
    let machine = machine(&format!("{OPTIONAL}prompt = \"Token? \"\necho = true\n"));
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let asked = [("echo_on", "Token? ")];
    assert_eq!(said(&run(login("alice"))), asked);
    assert_eq!(said(&run(login("bob"))), asked);
}

#[test]
fn exempt_and_switched_off_logins_are_not_asked() {
    let machine = machine(&format!(
        "{OPTIONAL}[[exempt]]\nusers = [\"bob\"]\n[services]\noff = false\n"
    ));
    add_account(&machine, "bob");
    add_stack(&machine, "off", "");
    for service in ["test", "off"] {
        let outcome = run(Drive::installed().service(service).user("bob"));
        assert_eq!((outcome.auth, said(&outcome)), (IGNORED, vec![]));
    }
}

#[test]
fn what_an_earlier_module_asked_for_is_refused_alike() {
    let machine = machine(MANDATORY);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let wrong = alice.wrong();
    for arguments in ["use_first_pass", "try_first_pass", "forward_pass"] {
        let lines = format!("{TAKES_PASSWORD}\nauth {EXACT} pam_twofactor.so {arguments}\n");
        machine.stack("x", &lines);
        let refused = |user: &str| {
            let login = Drive::installed().service("x").user(user);
            let outcome = run(login
                .answer(&wrong)
                .answer("a111111")
                .answer("b222222")
                .answer("c333333"));
            let mut texts: Vec<String> = said(&outcome)
                .into_iter()
                .map(|(_, text)| text.to_owned())
                .collect();
            // The module in front names the user.
            texts.remove(0);
            (outcome.auth, texts, outcome.fail_delay_us.is_some())
        };
        assert_eq!(refused("bob"), refused("alice"), "{arguments}");
        harness::enrolled::set_state("alice", |state| state.failures = 0);
    }
    machine.stack(
        "x",
        &format!("auth {EXACT} pam_twofactor.so use_first_pass\n"),
    );
    for user in ["alice", "bob"] {
        let outcome = run(Drive::installed().service("x").user(user));
        assert_eq!((outcome.auth, said(&outcome)), (code::AUTH_ERR, vec![]));
    }
}

/// No user without a device is ever locked out, so a lock-out must not show.
#[test]
fn a_lock_out_looks_like_wrong_codes() {
    let machine = machine(MANDATORY);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let wrong = alice.wrong();
    let refused = |user: &str, answer: &str| {
        let login = login(user).answer(&wrong).answer("x").answer(answer);
        let outcome = run(login);
        assert!(outcome.fail_delay_us.is_some());
        let shown: Vec<_> = said(&outcome)
            .into_iter()
            .map(|(style, text)| (style.to_owned(), text.to_owned()))
            .collect();
        (outcome.auth, shown)
    };
    let of_bob = refused("bob", "y");
    assert_eq!(of_bob.0, code::MAXTRIES);
    assert_eq!(refused("alice", "y"), of_bob);
    assert_eq!(logged(&machine).len(), 4);
    harness::enrolled::set_state("alice", |state| state.failures = 4);
    // The lock-out begins with the second answer: the first was refused already.
    assert_eq!(refused("alice", &alice.code()), of_bob);
    let lines = logged(&machine);
    assert!(lines[2].contains("result=throttled"), "{lines:?}");
    assert_eq!(refused("alice", &alice.code()), of_bob);
    assert_eq!(state_of("alice").failures, 5);
    assert_eq!(state_of("alice").devices[0].next, 0);
}

#[test]
fn a_name_without_an_account_is_refused_alike() {
    let machine = machine(MANDATORY);
    let alice = enroll_token(&machine, "alice");
    machine.remove_user("alice");
    let answers = |user: &str| {
        let login = login(user).answer(alice.wrong()).answer("").answer("x");
        PamOutcome {
            user: None,
            fail_delay_us: None,
            ..run(login)
        }
    };
    let gone = answers("alice");
    assert_eq!(gone, answers("no-such-user"));
    assert_eq!((gone.auth, gone.prompts.len()), (code::MAXTRIES, 3));
    let lines = logged(&machine);
    assert!(lines[0].contains("no such account"), "{lines:?}");
}

#[test]
fn the_password_in_place_of_the_code_is_refused_alike() {
    let machine = machine(MANDATORY);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    let lines = format!("{TAKES_PASSWORD}\nauth {EXACT} pam_twofactor.so\n");
    machine.stack("x", &lines);
    let refused = |user: &str| {
        let login = Drive::installed().service("x").user(user);
        // The first is asked by the module in front.
        let outcome = run((0..4).fold(login, |drive, _| drive.answer("the password")));
        let texts = said(&outcome).into_iter().skip(1);
        let texts: Vec<String> = texts.map(|(_, text)| text.to_owned()).collect();
        (outcome.auth, texts)
    };
    let (code, texts) = refused("alice");
    assert_eq!((code, texts.len()), (code::MAXTRIES, 6), "{texts:?}");
    assert_eq!(texts[1], "Wrong code.");
    assert_eq!(state_of("alice").failures, 0);
    assert_eq!(refused("bob"), (code, texts.clone()));
    assert_eq!(refused("no-such-user"), (code, texts));
}
