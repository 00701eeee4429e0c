//! The last code that was accepted, sent again after the password during grace.

use crate::device::Device;
use crate::record::UserRecord;
use crate::state::{COUNTER_UNKNOWN, UserState};

use super::typed_answer::{AnswerCandidate, TypedAnswer};
use super::verdict::{CodeRejection, JudgedCode, judge_bypass, judge_recovery};

/// Length of the password in an answer that consists of it and the last code that was accepted of a device, or a
/// recovery or bypass code that was spent. `None` where there is no such code at the end.
///
/// During grace, a client that keeps both in one field sends that code again. All are compared, whichever matches.
#[must_use]
pub fn before_last_code(
    record: &UserRecord,
    state: &UserState,
    answer: &TypedAnswer,
) -> Option<usize> {
    let mut end = None;
    for typed in answer.candidates() {
        let devices = record.devices.iter();
        let last_codes = devices.filter(|device| is_last_code(device, state, typed));
        // Now is the beginning of time: a bypass code that was not used is no finding of interest.
        let findings = [
            judge_recovery(record, &mut state.clone(), typed),
            judge_bypass(record, &mut state.clone(), typed, 0),
        ];
        let is_spent =
            |finding: &&JudgedCode| matches!(finding, JudgedCode::Known(CodeRejection::Spent));
        let matches = last_codes.count() + findings.iter().filter(is_spent).count();
        if matches > 0 && end.is_none() {
            end = Some(typed.password_len());
        }
    }
    end
}

fn is_last_code(device: &Device, state: &UserState, typed: &AnswerCandidate) -> bool {
    let used = state.device(device.id).filter(|entry| {
        // A counter that was lost, or the state of a new device, names no code that was accepted.
        entry.last_used != 0 && entry.next != COUNTER_UNKNOWN
    });
    used.and_then(|entry| entry.next.checked_sub(1))
        .is_some_and(|factor| bool::from(typed.is_code(&device.code(factor))))
}
