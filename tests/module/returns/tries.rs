//! The number of tries, the texts between, and the end.

use harness::pam::code;

use harness::enrolled::{
    ON, PROMPT, add_bypass, add_recovery_codes, auth, enroll_token, logged, machine, run, said,
    set_state, state_of,
};

const ASKED: (&str, &str) = ("echo_off", PROMPT);
const WRONG: (&str, &str) = ("error", "Wrong code.");

#[test]
fn three_wrong_codes_end_with_maxtries() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let wrong = || alice.wrong();
    let outcome = run(alice
        .login()
        .answer(wrong())
        .answer(wrong())
        .answer(wrong())
        .answer(alice.code_at(0)));
    assert_eq!(outcome.auth, code::MAXTRIES);
    assert_eq!(said(&outcome), [ASKED, WRONG, ASKED, WRONG, ASKED, WRONG]);
    assert_eq!(logged(&machine), ["user=alice rhost= result=wrong"; 3]);
    assert_eq!(state_of("alice").failures, 3);
}

#[test]
fn a_right_code_tells_of_the_wrong_ones_before() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let outcome = run(alice
        .login()
        .answer(alice.wrong())
        .answer(alice.wrong())
        .answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    let told = "2 wrong codes were entered since your last right one. If that was not you, change your password.";
    assert_eq!(
        said(&outcome),
        [ASKED, WRONG, ASKED, WRONG, ASKED, ("info", told)]
    );
    assert_eq!(
        logged(&machine)[2],
        "user=alice rhost= result=accepted device=token offset=0 failures_before=2"
    );
    assert_eq!(
        (state_of("alice").failures, state_of("alice").unreported),
        (0, 0)
    );
    let next = run(alice.login().answer(alice.code()));
    assert_eq!(said(&next), [ASKED], "told once");
}

#[test]
fn one_wrong_code_of_an_earlier_login_is_told() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    assert_eq!(auth(alice.login().answer(alice.wrong())), code::MAXTRIES);
    let outcome = run(alice.login().answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    let told = "One wrong code was entered since your last right one. If that was not you, change your password.";
    assert_eq!(said(&outcome), [ASKED, ("info", told)]);
}

#[test]
fn the_number_of_tries_is_the_policys() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let many =
        |tries: usize| (0..tries).fold(alice.login(), |login, _| login.answer(alice.wrong()));
    for tries in [1, 2, 10] {
        machine.policy(&format!(
            "enabled = true\ntries = {tries}\n[throttle]\nattempts = 1000\nmax_failures = 0\n"
        ));
        let outcome = run(many(tries));
        assert_eq!(
            (outcome.auth, outcome.prompts.len()),
            (code::MAXTRIES, tries)
        );
    }
    assert_eq!(state_of("alice").failures, 13);
}

#[test]
fn with_pam_silent_the_next_prompt_has_the_reason() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let used = alice.code();
    assert_eq!(auth(alice.login().answer(&used)), code::SUCCESS);
    let outcome = run(alice
        .login()
        .silent()
        .answer(alice.wrong())
        .answer(used)
        .answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    assert_eq!(
        said(&outcome),
        [
            ("echo_off", "Verification code: "),
            ("echo_off", "Wrong code.\nVerification code: "),
            (
                "echo_off",
                "This code was used already. Wait for the next one.\nVerification code: "
            ),
        ]
    );
}

#[test]
fn prompt_and_echo_are_the_policys() {
    let machine = machine("enabled = true\nprompt = \"Code (%s) für Sie?\"\necho = true\n");
    let alice = enroll_token(&machine, "alice");
    let outcome = run(alice.login().answer(alice.wrong()).answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    let asked = ("echo_on", "Code (%s) für Sie?");
    assert_eq!(said(&outcome)[..3], [asked, WRONG, asked]);
}

#[test]
fn a_wrong_code_asks_for_the_delay_of_the_policy() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    // libpam changes the delay at random by up to a half.
    for (policy, expected) in [
        (ON, Some(1_000_000..=3_000_000)),
        (
            "enabled = true\n[throttle]\ndelay = 20\n",
            Some(10_000_000..=30_000_000),
        ),
        ("enabled = true\n[throttle]\ndelay = 0\n", None),
    ] {
        machine.policy(&format!("tries = 1\n{policy}"));
        let outcome = run(alice.login().answer(alice.wrong()));
        assert_eq!(outcome.auth, code::MAXTRIES);
        match expected {
            None => assert_eq!(outcome.fail_delay_us, None),
            Some(range) => {
                let delay = outcome.fail_delay_us.unwrap();
                assert!(range.contains(&delay), "{delay} is not in {range:?}");
            }
        }
    }
}

#[test]
fn a_used_code_is_told_apart_and_refused() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let code = alice.code();
    assert_eq!(auth(alice.login().answer(&code)), code::SUCCESS);
    let again = run(alice.login().answer(&code));
    assert_eq!(again.auth, code::MAXTRIES);
    let told = "This code was used already. Wait for the next one.";
    assert_eq!(said(&again), [ASKED, ("error", told)]);
    assert_eq!(
        logged(&machine)[1],
        "user=alice rhost= result=used device=token"
    );
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn a_recovery_code_tells_how_many_are_left() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    let accepted = run(alice.login().answer(&codes[3]));
    assert_eq!(accepted.auth, code::SUCCESS);
    let left = ("info", "Recovery code accepted. 9 are left.");
    assert_eq!(said(&accepted), [ASKED, left]);
    let again = run(alice.login().answer(codes[3].to_lowercase()));
    assert_eq!(again.auth, code::MAXTRIES);
    let told = "This one-time code was used already. Use another one.";
    assert_eq!(said(&again), [ASKED, ("error", told)]);
    let other = codes[4].replace('-', " ");
    assert_eq!(auth(alice.login().silent().answer(other)), code::SUCCESS);
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost= result=accepted device=recovery-code left=9",
            "user=alice rhost= result=spent",
            "user=alice rhost= result=accepted device=recovery-code left=8",
        ]
    );
}

#[test]
fn a_bypass_code_works_once_and_not_too_late() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let late = add_bypass("alice", harness::otp::unix_time() - 1);
    let expired = run(alice.login().answer(late));
    assert_eq!(expired.auth, code::MAXTRIES);
    let told = "This code has expired. Ask your administrator for a new one.";
    assert_eq!(said(&expired), [ASKED, ("error", told)]);
    let good = add_bypass("alice", harness::otp::unix_time() + 3600);
    assert_eq!(auth(alice.login().answer(&good)), code::SUCCESS);
    assert_eq!(auth(alice.login().answer(&good)), code::MAXTRIES);
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost= result=bypass-expired",
            "user=alice rhost= result=accepted device=bypass failures_before=1",
            "user=alice rhost= result=spent",
        ]
    );
}

#[test]
fn a_user_unenrolled_while_typing_is_refused() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let code = alice.code();
    let remove = "rm /var/lib/twofactor/users/alice.toml /var/lib/twofactor/state/alice";
    let outcome = run(alice
        .login()
        .answer_shell(&format!("{remove}; echo {code}")));
    assert_eq!(
        (outcome.auth, said(&outcome)),
        (code::AUTH_ERR, vec![ASKED])
    );
    assert_eq!(
        logged(&machine),
        ["user=alice rhost= result=unenrolled-meanwhile"]
    );
}

#[test]
fn a_policy_changed_while_typing_counts() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let break_it = "echo nonsense >> /etc/security/twofactor.toml";
    let drive = alice
        .login()
        .answer_shell(&format!("{break_it}; echo {}", alice.code_at(0)));
    assert_eq!(auth(drive), code::AUTHINFO_UNAVAIL);
    machine.policy("enabled = true\ntries = 1\n");
    let lock = "printf '[throttle]\\nattempts = 1\\n' >> /etc/security/twofactor.toml";
    set_state("alice", |state| {
        state.failures = 1;
        state.last_failure = harness::otp::unix_time();
    });
    let drive = alice
        .login()
        .answer_shell(&format!("{lock}; echo {}", alice.code_at(0)));
    assert_eq!(auth(drive), code::MAXTRIES);
    assert!(logged(&machine)[1].contains("result=throttled"));
}
