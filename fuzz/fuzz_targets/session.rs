//! Attempts on real files that something has damaged: what cannot be read is an error, no error is a success, a wrong
//! code is never right, and a right one is right once.
//!
//! Input: patches, each of four bytes (file, place twice, byte), for policy, record and state.
#![no_main]

use std::cell::RefCell;

use fuzz::machine::{FuzzMachine, Part};
use libfuzzer_sys::fuzz_target;
use twofactor_core::verify::CodeOutcome;
use twofactor_store::attempt::{AttemptFailure, AttemptResult};

thread_local! {
    static MACHINE: RefCell<FuzzMachine> = RefCell::new(FuzzMachine::new());
}

fuzz_target!(|bytes: &[u8]| {
    MACHINE.with_borrow_mut(|machine| {
        machine.restore();
        for patch in bytes.chunks_exact(4) {
            let part = [Part::Policy, Part::Record, Part::State][usize::from(patch[0]) % 3];
            let place = usize::from(u16::from_le_bytes([patch[1], patch[2]]));
            machine.patch(part, place, patch[3]);
        }
        machine.write();
        attempts(machine);
    });
});

fn attempts(machine: &FuzzMachine) {
    let sound = machine.is_sound();
    let wrong = machine.types("no code");
    assert!(!is_accepted(&wrong), "{wrong:?}");
    assert!(sound || wrong.is_err(), "{wrong:?}");
    let code = machine.code();
    let first = machine.types(&code);
    assert!(sound || first.is_err(), "{first:?}");
    if is_accepted(&first) {
        // The verdict is on the disk, and holds for the next process.
        let stored = machine.stored();
        assert_eq!((stored.state.failures, stored.state.unreported), (0, 0));
        assert!(!is_accepted(&machine.types(&code)), "twice");
    }
}

fn is_accepted(found: &Result<AttemptResult, AttemptFailure>) -> bool {
    matches!(found, Ok(AttemptResult::Compared(CodeOutcome::Accepted(_))))
}
