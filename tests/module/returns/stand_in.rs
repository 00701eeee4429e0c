//! The answer that sshd gives in place of users it will refuse anyway is no user's wrong code: any host on the network
//! could lock them out with it.

use harness::pam::{Drive, TAKES_PASSWORD, code};

use harness::enrolled::{
    ON, PROMPT, auth, enroll_token, logged, login, machine, run, said, state_of,
};

/// sshd repeats or cuts it to the length of what was typed (fake_password in auth-pam.c).
fn stand_in(length: usize) -> Vec<u8> {
    let text = b"\x08\n\r\x7fINCORRECT";
    text.iter().copied().cycle().take(length).collect()
}

#[test]
fn the_stand_in_of_sshd_is_refused_uncounted() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for length in [6, 8, 13, 16, 19, 26, 40, 512] {
        let drive = alice.login().answer(stand_in(length));
        let outcome = run(drive.answer(alice.code_at(0)));
        assert_eq!(outcome.auth, code::AUTH_ERR, "{length}");
        assert_eq!(said(&outcome), [("echo_off", PROMPT)]);
        assert_eq!(logged(&machine), ["user=alice rhost= result=sshd-stand-in"]);
    }
    let state = state_of("alice");
    assert_eq!((state.failures, state.unreported), (0, 0));
}

/// With a device for all users and one dialogue, a login that ends after one question would tell which users sshd refuses.
#[test]
fn uniform_prompt_makes_it_look_like_wrong_codes() {
    let machine = machine("enabled = true\nuniform_prompt = true\nenforcement = \"mandatory\"\n");
    let alice = enroll_token(&machine, "alice");
    let wrong = [alice.wrong(), alice.wrong(), alice.wrong()];
    let dialogue = |user: &str, answer: &dyn Fn(usize) -> Vec<u8>| {
        let answers = (0..3).map(answer);
        let outcome = run(answers.fold(login(user), |drive, answer| drive.answer(answer)));
        assert!(outcome.fail_delay_us.is_some());
        let said: Vec<_> = said(&outcome)
            .into_iter()
            .map(|(style, text)| (style.to_owned(), text.to_owned()))
            .collect();
        (outcome.auth, said)
    };
    let of_wrong_codes = dialogue("alice", &|round| wrong[round].clone().into_bytes());
    assert_eq!(of_wrong_codes.0, code::MAXTRIES);
    assert_eq!(state_of("alice").failures, 3);
    for user in ["alice", "no-such-user"] {
        logged(&machine);
        let of_stand_ins = dialogue(user, &|round| stand_in(6 + round));
        assert_eq!(of_stand_ins, of_wrong_codes, "{user}");
        let line = format!("user={user} rhost= result=sshd-stand-in");
        let lines = logged(&machine).into_iter().filter(|found| *found == line);
        assert_eq!(lines.count(), 3, "{user}");
    }
    let state = state_of("alice");
    assert_eq!((state.failures, state.unreported), (3, 3));
}

#[test]
fn uniform_prompt_hides_a_repeated_answer() {
    let machine = machine("enabled = true\nuniform_prompt = true\nenforcement = \"mandatory\"\n");
    enroll_token(&machine, "alice");
    machine.stack("x", "auth required pam_twofactor.so forward_pass\n");
    let dialogue = |answer: &[u8]| {
        let drive = Drive::installed().service("x").user("alice");
        let outcome = run((0..3).fold(drive, |drive, _| drive.answer(answer)));
        let said: Vec<_> = said(&outcome)
            .into_iter()
            .map(|(style, text)| (style.to_owned(), text.to_owned()))
            .collect();
        (outcome.auth, said)
    };
    let of_stand_ins = dialogue(&stand_in(9));
    assert_eq!(of_stand_ins.0, code::MAXTRIES);
    assert_eq!(dialogue(b"the same 1"), of_stand_ins);
    // It was judged once.
    assert_eq!(state_of("alice").failures, 1);
}

#[test]
fn it_is_not_counted_in_one_field_either() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    for arguments in [
        "forward_pass",
        "use_first_pass",
        "forward_pass use_first_pass",
    ] {
        let first = match arguments {
            "forward_pass" => "",
            _ => TAKES_PASSWORD,
        };
        let stack = format!("{first}\nauth required pam_twofactor.so {arguments}\n");
        machine.stack("x", &stack);
        for length in [13, 22] {
            let drive = Drive::installed().service("x").user("alice");
            assert_eq!(auth(drive.answer(stand_in(length))), code::AUTH_ERR);
            assert_eq!(logged(&machine), ["user=alice rhost= result=sshd-stand-in"]);
        }
    }
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn what_only_resembles_it_counts() {
    let machine = machine("enabled = true\ntries = 1\n[throttle]\nattempts = 100\n");
    let alice = enroll_token(&machine, "alice");
    for answer in [
        "\u{8}\n\r\u{7f}INCORRECX",
        "INCORRECT",
        "\n\r\u{7f}INCORRECT",
        "INCORRECT!",
    ] {
        assert_eq!(auth(alice.login().answer(answer)), code::MAXTRIES);
    }
    assert_eq!(state_of("alice").failures, 4);
}
