//! Whole conversations with the daemon: calls of several users on several connections, which end in between, while time
//! passes, users log in and the policy changes. A model of the protocol says what each is answered.
#![no_main]

use std::cell::RefCell;

use fuzz::conversation;
use fuzz::daemon_machine::DaemonMachine;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static MACHINE: RefCell<DaemonMachine> = RefCell::new(DaemonMachine::new());
}

fuzz_target!(|bytes: &[u8]| {
    MACHINE.with_borrow_mut(|machine| conversation::play(machine, bytes));
});
