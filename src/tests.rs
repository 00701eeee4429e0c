//! The effect of a panic in an entry point on the program around it: nothing but a refusal. Below: the authentication
//! phase against an application of the tests' own.

mod meanwhile;
mod one_field;
mod quiet_client;
mod recovered;
mod rows;
mod sessions;
pub mod stage;
mod tickets;
mod tries;

use std::process::Command;

use super::*;

/// A payload that panics again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(Self);
    }
}

#[test]
fn a_panic_denies_whatever_its_payload_does() {
    let panics: [fn() -> PamResultCode; 3] = [
        || panic!("123456 hunter2"),
        || std::panic::panic_any(Bomb),
        || std::panic::panic_any(String::from("123456")),
    ];
    for panic in panics {
        assert_eq!(guarded(panic), PamResultCode::PAM_ABORT);
        // Returns.
        unrefusing(|| _ = panic());
    }
    assert_eq!(
        guarded(|| PamResultCode::PAM_SUCCESS),
        PamResultCode::PAM_SUCCESS
    );
    // Other tests of this process shall say why they fail.
    drop(std::panic::take_hook());
}

#[test]
fn a_panic_prints_nothing() {
    let name = "tests::a_panic_denies_whatever_its_payload_does";
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .output()
        .unwrap();
    let (shown, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(shown.contains("1 passed"), "{shown}{errors}");
    assert_eq!(errors, "");
}

#[test]
fn only_pam_silent_makes_messages_unwanted() {
    use transaction::MessageMode::{self, Unwanted, Wanted};
    // PAM_DISALLOW_NULL_AUTHTOK is a flag of another meaning.
    for (flags, messages) in [
        (0, Wanted),
        (1, Wanted),
        (0x8000, Unwanted),
        (0x8001, Unwanted),
    ] {
        assert_eq!(MessageMode::from(flags as PamFlag), messages, "{flags:#x}");
    }
}
