//! The verdict on a typed code, and the rules that it needs: pure functions of policy, record, state, input and time.
//!
//! Nothing here reads a clock or a file, or writes anything; callers store the state that a verdict returns before they act on
//! the outcome.

pub mod address_grace;
mod code_scan;
mod one_time_use;
pub mod refused_codes;
mod repeated_code;
mod resync;
mod sent_answer;
pub mod session_grace;
mod state_merge;
mod throttle;
mod typed_answer;
mod verdict;

#[cfg(test)]
mod tests;

pub use code_scan::LOOK_AHEAD;
pub use one_time_use::recovery_codes_left;
pub use repeated_code::before_last_code;
pub use resync::{clock_offset, resync, with_offset};
pub use sent_answer::SentAnswer;
pub use state_merge::{counting_part, merged_with_own};
pub use throttle::{
    ChargedState, FailureCounter, ThrottleStatus, charge, charge_to, daemon_gate, gate, rebased,
};
pub use typed_answer::{AnswerForm, MAX_INPUT, TypedAnswer, is_blank};
pub use verdict::{
    CodeAcceptance, CodeOutcome, CodeRejection, Credential, Verdict, ahead_of_clock, code_lengths,
    unlocked, verdict,
};
