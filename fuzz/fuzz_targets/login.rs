//! Whole lives of logins: right, wrong, used, old, recovery and bypass codes, clocks that go forward and back, unlocks,
//! renewals and changes of the policy. A model of the rules says what has to come of each.
#![no_main]

use fuzz::login::play::play;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = play(bytes);
});
