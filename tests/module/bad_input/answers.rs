//! Answers that are no codes: each is a wrong code, and each counts that is not empty.

use harness::pam::{Drive, code};

use harness::enrolled::{auth, enroll_token, logged, machine, run, state_of};

const POLICY: &str = "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n";

fn strange_answers() -> Vec<Vec<u8>> {
    let mut answers: Vec<Vec<u8>> = [
        "-",
        "%s%n%s%n%x",
        "12345",
        "1234567890123456789012345678901234567890",
        "\u{1b}[2J\u{7}\u{8}",
        "123\t456\u{b}7",
        "１２３４５６",
        "٠١٢٣٤٥",
        "+12345",
        "0x1234",
        "1e5000",
        "-123456",
        "' OR '1'='1",
        "../../../etc/passwd",
        "AAAA-AAAA-AAAA-AAAA",
        "\u{feff}234567",
    ]
    .iter()
    .map(|answer| answer.as_bytes().to_vec())
    .collect();
    answers.push(b"\xff\xfe\xfd".to_vec());
    answers.push(b"\xed\xa0\x80345678".to_vec());
    answers.push((1..=255).collect());
    answers.push(vec![b'1'; 512]);
    answers.push(vec![b'1'; 513]);
    answers
}

fn is_empty(answer: &[u8]) -> bool {
    answer.iter().all(|byte| b" -\n".contains(byte))
}

#[test]
fn every_answer_that_is_no_code_counts_but_empty_ones() {
    let machine = machine(POLICY);
    enroll_token(&machine, "alice");
    harness::enrolled::add_recovery_codes("alice");
    let mut number = 0;
    for answer in strange_answers() {
        let is_empty = is_empty(&answer);
        number += u32::from(!is_empty);
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let outcome = run(harness::enrolled::login("alice").answer(answer));
        assert_eq!(outcome.auth, code::MAXTRIES, "{shown:?}");
        let result = if is_empty { "empty-answer" } else { "wrong" };
        let line = format!("user=alice rhost= result={result}");
        assert_eq!(logged(&machine), [line], "{shown:?}");
        let state = state_of("alice");
        assert_eq!((state.failures, state.unreported), (number, number));
    }
}

#[test]
fn an_empty_answer_is_neither_compared_nor_counted() {
    let machine = machine(POLICY);
    enroll_token(&machine, "alice");
    machine.stack("x", "auth required pam_twofactor.so forward_pass\n");
    let before = std::fs::read(harness::enrolled::state_path("alice")).unwrap();
    for service in [harness::enrolled::SERVICE, "x"] {
        for answer in ["", " ", "\n", "\t \r\n", &" ".repeat(513)] {
            let drive = Drive::installed().service(service).user("alice");
            assert_eq!(auth(drive.answer(answer)), code::MAXTRIES, "{answer:?}");
            assert_eq!(logged(&machine), ["user=alice rhost= result=empty-answer"]);
        }
    }
    let after = std::fs::read(harness::enrolled::state_path("alice")).unwrap();
    assert_eq!(after, before);
}

#[test]
fn a_mebibyte_is_no_code() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    for byte in ['1', '-', 'A'] {
        assert_eq!(
            auth(alice.login().answer_repeat(byte, 1 << 20)),
            code::MAXTRIES
        );
    }
    assert_eq!(
        logged(&machine),
        ["wrong", "empty-answer", "wrong"].map(|word| format!("user=alice rhost= result={word}"))
    );
    assert_eq!(state_of("alice").failures, 2);
    assert_eq!(auth(alice.login().answer(alice.code())), code::SUCCESS);
}

#[test]
fn codes_are_found_in_512_bytes_and_not_in_513() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let padded = |length: usize| format!("{:>length$}", alice.code());
    assert_eq!(auth(alice.login().answer(padded(512))), code::SUCCESS);
    assert_eq!(auth(alice.login().answer(padded(513))), code::MAXTRIES);
    assert_eq!(state_of("alice").failures, 1);
}

/// An answer that libpam hands over ends at the first NUL.
#[test]
fn a_code_before_a_nul_is_that_code() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let code = format!("{}\0nonsense", alice.code());
    assert_eq!(auth(alice.login().answer(code)), code::SUCCESS);
}

#[test]
fn a_null_answer_is_conv_err_and_does_not_count() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    assert_eq!(auth(alice.login().answer_null()), code::CONV_ERR);
    assert_eq!(auth(alice.login().answer_null_array()), code::CONV_ERR);
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn no_answer_in_one_field_is_more_than_an_attempt() {
    let machine = machine(POLICY);
    enroll_token(&machine, "alice");
    machine.stack("x", "auth required pam_twofactor.so forward_pass\n");
    let mut number = 0;
    for answer in strange_answers() {
        number += u32::from(!is_empty(&answer));
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let outcome = run(Drive::installed().service("x").user("alice").answer(answer));
        assert_eq!(outcome.auth, code::MAXTRIES, "{shown:?}");
        assert_eq!(state_of("alice").failures, number, "{shown:?}");
    }
}
