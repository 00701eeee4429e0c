//! Typed answers: what is taken for a code is exactly that code, as people type it, and where it stands.
//!
//! The bytes 0xFA to 0xFF in the input stand for right codes.
#![no_main]

use std::sync::OnceLock;

use fuzz::people::{RECOVERY, Someone};
use libfuzzer_sys::fuzz_target;
use twofactor_core::otp::Digits;
use twofactor_core::verify::{
    AnswerForm, CodeAcceptance, CodeOutcome, Credential, MAX_INPUT, TypedAnswer, charge, verdict,
};

fuzz_target!(|bytes: &[u8]| {
    static SOMEONE: OnceLock<Someone> = OnceLock::new();
    let someone = SOMEONE.get_or_init(Someone::default);
    let input = filled(bytes, someone);
    let whole = alone(&input, someone);
    assert_eq!(
        accepted(someone, &input, AnswerForm::Code),
        whole.clone().map(|what| (what, 0))
    );
    assert_eq!(
        accepted(someone, &input, AnswerForm::PasswordThenCode),
        behind(&input, someone)
    );
    // An answer that is refused without being compared must not have been a code of a device.
    let looks = TypedAnswer::read(&input, AnswerForm::Code, &[]).looks_like_a_code();
    assert!(looks || whole.is_none_or(|what| what == "recovery"));
});

/// The input with right codes in place of their signs.
fn filled(bytes: &[u8], someone: &Someone) -> Vec<u8> {
    let mut input = Vec::new();
    for byte in bytes {
        match byte {
            // One of each device.
            0xFA..=0xFC => input.extend(someone.codes[11 * usize::from(byte - 0xFA)].0.bytes()),
            0xFD => input.extend(grouped(RECOVERY[0]).bytes()),
            0xFE => input.extend(grouped(RECOVERY[1]).to_lowercase().bytes()),
            0xFF => input.extend(RECOVERY[1].bytes()),
            _ => input.push(*byte),
        }
    }
    input
}

fn grouped(code: &str) -> String {
    [&code[..4], &code[4..8], &code[8..12], &code[12..]].join("-")
}

/// The product's answer: the credential, and where the code begins.
fn accepted(someone: &Someone, input: &[u8], form: AnswerForm) -> Option<(String, usize)> {
    let charged = charge(&someone.policy.throttle, &someone.state, 5).unwrap();
    let lengths: Vec<Digits> = someone
        .record
        .devices
        .iter()
        .map(|device| device.digits)
        .collect();
    let answer = TypedAnswer::read(input, form, &lengths);
    match verdict(&someone.policy, &someone.record, &charged, &answer, 5).outcome {
        CodeOutcome::Accepted(CodeAcceptance {
            by, password_len, ..
        }) => match by {
            Credential::Device { name, .. } => Some((name, password_len)),
            Credential::RecoveryCode { .. } => Some(("recovery".into(), password_len)),
            Credential::Bypass => panic!("there is none"),
        },
        CodeOutcome::Rejected(_) => None,
    }
}

/// The rules for an input that is nothing but a code.
fn alone(input: &[u8], someone: &Someone) -> Option<String> {
    if input.len() > MAX_INPUT || input.contains(&0) {
        return None;
    }
    let text = std::str::from_utf8(input).ok()?;
    let hyphens = "-\u{2010}\u{2011}\u{2012}\u{2013}";
    let bare: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !hyphens.contains(*c))
        .collect();
    let device = someone.codes.iter().find(|(code, _)| *code == bare);
    let recovery = RECOVERY.iter().any(|code| bare.eq_ignore_ascii_case(code));
    device
        .map(|(_, name)| name.clone())
        .or(recovery.then(|| "recovery".into()))
}

/// The rules for a password with a code after it: the longest spelling of a code at the end counts.
fn behind(input: &[u8], someone: &Someone) -> Option<(String, usize)> {
    if input.len() > MAX_INPUT || input.contains(&0) {
        return None;
    }
    let at = |len: usize| {
        input
            .len()
            .checked_sub(len)
            .map(|start| (&input[start..], start))
    };
    for len in [19, 16] {
        let Some((tail, start)) = at(len) else {
            continue;
        };
        let spelled = |code: &&str| match len {
            19 => grouped(code),
            _ => (*code).to_owned(),
        };
        if RECOVERY
            .iter()
            .any(|code| spelled(code).as_bytes().eq_ignore_ascii_case(tail))
        {
            return Some(("recovery".into(), start));
        }
    }
    for len in [8, 7, 6] {
        for tail_len in [len + 1, len] {
            let Some((tail, start)) = at(tail_len) else {
                continue;
            };
            let typed = if tail_len == len {
                tail.to_vec()
            } else {
                joined(tail)
            };
            let found = someone
                .codes
                .iter()
                .find(|(code, _)| code.len() == len && code.as_bytes() == typed);
            if let Some((_, name)) = found {
                return Some((name.clone(), start));
            }
        }
    }
    None
}

/// Without the one separator inside; nothing where there is not exactly one.
fn joined(tail: &[u8]) -> Vec<u8> {
    let is_separator =
        |byte: &u8| *byte == b'-' || char::from(*byte).is_whitespace() && byte.is_ascii();
    let inner = &tail[1..tail.len() - 1];
    match inner.iter().filter(|byte| is_separator(byte)).count() {
        1 => tail
            .iter()
            .filter(|byte| !is_separator(byte))
            .copied()
            .collect(),
        _ => Vec::new(),
    }
}
