//! The verdict on a typed code: the decision if it is right. What makes it a used one is in `one_time_use.rs`.

use crate::device::{Device, OtpKind};
use crate::otp::Digits;
use crate::policy::{MAX_WINDOW, Policy};
use crate::record::UserRecord;
use crate::recovery::{CodeForm, SCRATCH_LEN, same};
use crate::state::{DaemonFailures, RefusedAnswers, UserState, furthest_ahead};

use super::code_scan::{scan, steps_off};
use super::one_time_use;
use super::throttle::ChargedState;
use super::typed_answer::{AnswerCandidate, TypedAnswer};

/// A judgement and the state that has to be stored before it may be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The verdict on the input.
    pub outcome: CodeOutcome,
    /// For a success: the code marked as used, no failures, nothing refused. For a code that is known to be used or spent:
    /// the charge taken back. Otherwise the charged state as it was.
    pub state: UserState,
}

/// Verdict on an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOutcome {
    /// A code that works, once.
    Accepted(CodeAcceptance),
    /// Anything else.
    Rejected(CodeRejection),
}

/// A success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeAcceptance {
    /// The credential that was accepted.
    pub by: Credential,
    /// Wrong codes entered since the last success, this attempt not included.
    pub failures_before: u32,
    /// Bytes of the input that precede the code: the length of a password that was typed before it, else 0.
    pub password_len: usize,
}

/// Credential that a code belonged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A device: its name, and by how many steps or counters the code was off the expected one.
    Device {
        /// Name in the record.
        name: String,
        /// TOTP: steps off now. HOTP: counters skipped.
        offset: i64,
    },
    /// A recovery code.
    RecoveryCode {
        /// Number of codes of the set that are left.
        left: usize,
    },
    /// The administrator's one-time bypass.
    Bypass,
}

/// Reason why a code was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeRejection {
    /// The code matches no device, recovery code or bypass code.
    Wrong,
    /// A device's code of a time shortly outside the window: a probable clock error.
    ClockDiffers {
        /// Name of the device.
        device: String,
        /// Distance from now, in steps; negative: the code is older.
        steps: i64,
    },
    /// Right, but it or a newer one was used already (RFC 6238 section 5.2).
    Used {
        /// Name of the device.
        device: String,
    },
    /// Right for the time the clock shows, which is before the last code that was accepted: the clock was set back.
    ClockSetBack {
        /// Name of the device.
        device: String,
        /// By how much, at least.
        seconds: u64,
    },
    /// A recovery code that was spent already, or a bypass code that was used already.
    Spent,
    /// The bypass code, too late.
    BypassExpired,
}

/// The lengths that the user's codes of digits have: those of the devices, and that of scratch codes.
#[must_use]
pub fn code_lengths(record: &UserRecord) -> Vec<Digits> {
    let scratch = record.recovery.as_ref().and_then(|set| match set.form {
        CodeForm::Base32 => None,
        CodeForm::Digits => Digits::new(SCRATCH_LEN as u8),
    });
    let devices = record.devices.iter().map(|device| device.digits);
    devices.chain(scratch).collect()
}

/// Judges `answer` at `now` (seconds since 1970-01-01 UTC).
///
/// Every device and every recovery code is compared whatever the others say. All devices that a code matches move
/// on, so that it works for none of them again. (A later counter may have the same code by chance; when it is the next
/// one, that code works as any right code does.)
///
/// The last code of a device, used ones of a window, and spent ones are no guesses, and give their charge back. **They are
/// refused whatever else they match**: each would be a guess at all other devices that nothing counts, again and again until it
/// is right. A right code of 6 digits has one chance in a million to be the last one of a device. Right after a login the window
/// may hold more used codes. Older codes of a counter, nine of which are in sight at all times, would be too many: they are
/// charged, as wrong ones are, and may be right for something else.
#[must_use]
pub fn verdict(
    policy: &Policy,
    record: &UserRecord,
    charged: &ChargedState,
    answer: &TypedAnswer,
    now: u64,
) -> Verdict {
    let before = charged.state();
    let mut state = before.clone();
    let mut best: Option<(Credential, usize)> = None;
    let (mut known, mut refusal) = (None, None);
    for typed in answer.candidates() {
        let mut findings: Vec<JudgedCode> = record
            .devices
            .iter()
            .map(|device| judge_device(policy, device, &mut state, typed, now))
            .collect();
        findings.push(judge_recovery(record, &mut state, typed));
        findings.push(judge_bypass(record, &mut state, typed, now));
        for finding in findings {
            match finding {
                JudgedCode::Match(by) if best.is_none() => best = Some((by, typed.password_len())),
                JudgedCode::Known(why) if known.is_none() => known = Some(why),
                JudgedCode::Refused(why) if refusal.is_none() => refusal = Some(why),
                _ => {}
            }
        }
    }
    if let Some(why) = known {
        return Verdict {
            outcome: CodeOutcome::Rejected(why),
            state: charged.taken_back(),
        };
    }
    let Some((by, password_len)) = best else {
        let why = refusal.unwrap_or_else(|| unknown(policy, record, before, answer, now));
        return Verdict {
            outcome: CodeOutcome::Rejected(why),
            state: before.clone(),
        };
    };
    charged.succeed(&mut state);
    state.refused = RefusedAnswers::default();
    Verdict {
        outcome: CodeOutcome::Accepted(CodeAcceptance {
            by,
            failures_before: charged.failures_before(),
            password_len,
        }),
        state,
    }
}

pub(super) enum JudgedCode {
    Nothing,
    Match(Credential),
    /// No guess: it gives its charge back, and is refused whatever else it matches.
    Known(CodeRejection),
    /// Counted, unless something else accepts it.
    Refused(CodeRejection),
}

fn judge_device(
    policy: &Policy,
    device: &Device,
    state: &mut UserState,
    typed: &AnswerCandidate,
    now: u64,
) -> JudgedCode {
    let Some(entry) = state.device_mut(device.id) else {
        // Callers refuse such a pair of record and state before they come here.
        return JudgedCode::Nothing;
    };
    let name = device.name.to_string();
    let found = scan(device, entry, typed, policy.window, now);
    if let Some(matched) = found.fresh {
        let offset = one_time_use::use_device_code(device, entry, matched, policy.window, now);
        return JudgedCode::Match(Credential::Device { name, offset });
    }
    match (
        found.used,
        clock_lag(device, entry.next, policy.window, now),
    ) {
        (None, _) => JudgedCode::Nothing,
        (Some(_), None) if found.is_free => JudgedCode::Known(CodeRejection::Used { device: name }),
        (Some(_), None) => JudgedCode::Refused(CodeRejection::Used { device: name }),
        (Some(_), Some(seconds)) => JudgedCode::Known(CodeRejection::ClockSetBack {
            device: name,
            seconds,
        }),
    }
}

/// By how many seconds the last accepted code of a TOTP device lies ahead of now, if that is further than any device
/// may be ahead: the clock was set back.
fn clock_lag(device: &Device, next: u64, window: u8, now: u64) -> Option<u64> {
    let OtpKind::Totp { interval } = device.kind else {
        return None;
    };
    let ahead = next.saturating_sub(1).saturating_sub(interval.step(now));
    (ahead > furthest_ahead(window)).then(|| ahead.saturating_mul(u64::from(interval.seconds())))
}

pub(super) fn judge_recovery(
    record: &UserRecord,
    state: &mut UserState,
    typed: &AnswerCandidate,
) -> JudgedCode {
    let Some(set) = &record.recovery else {
        return JudgedCode::Nothing;
    };
    let Some(hash) = typed.hashed(&set.salt, set.form) else {
        return JudgedCode::Nothing;
    };
    let mut hit = None;
    for (position, stored) in set.hashes.iter().enumerate() {
        if bool::from(same(&hash, stored)) {
            hit = Some(position);
        }
    }
    match hit {
        None => JudgedCode::Nothing,
        Some(position) if one_time_use::is_recovery_code_used(set, state, position) => {
            JudgedCode::Known(CodeRejection::Spent)
        }
        Some(position) => {
            one_time_use::use_recovery_code(set, state, position);
            JudgedCode::Match(Credential::RecoveryCode {
                left: one_time_use::recovery_codes_left(record, state),
            })
        }
    }
}

pub(super) fn judge_bypass(
    record: &UserRecord,
    state: &mut UserState,
    typed: &AnswerCandidate,
    now: u64,
) -> JudgedCode {
    let Some(bypass) = &record.bypass else {
        return JudgedCode::Nothing;
    };
    let hit = typed
        .hashed(&bypass.salt, CodeForm::Base32)
        .is_some_and(|hash| bool::from(same(&hash, &bypass.hash)));
    if !hit {
        JudgedCode::Nothing
    } else if one_time_use::is_bypass_code_used(bypass, state) {
        JudgedCode::Known(CodeRejection::Spent)
    } else if now >= bypass.expires {
        JudgedCode::Refused(CodeRejection::BypassExpired)
    } else {
        one_time_use::use_bypass_code(bypass, state);
        JudgedCode::Match(Credential::Bypass)
    }
}

/// The reason for a code that matches nothing: wrong, or the effect of a wrong clock at `now` (seconds since 1970-01-01 UTC).
fn unknown(
    policy: &Policy,
    record: &UserRecord,
    state: &UserState,
    answer: &TypedAnswer,
    now: u64,
) -> CodeRejection {
    // All are compared, whichever matches: the time taken must not tell of a code that will be right soon.
    let near = answer
        .candidates()
        .flat_map(|typed| record.devices.iter().map(move |device| (device, typed)))
        .filter_map(|(device, typed)| Some((device, steps_off(device, typed, now)?)))
        .min_by_key(|(_, steps)| steps.abs());
    if let Some((device, steps)) = near {
        let device = device.name.to_string();
        return CodeRejection::ClockDiffers { device, steps };
    }
    for device in &record.devices {
        let next = state.device(device.id).map_or(0, |entry| entry.next);
        if let Some(seconds) = clock_lag(device, next, policy.window, now) {
            let device = device.name.to_string();
            return CodeRejection::ClockSetBack { device, seconds };
        }
    }
    CodeRejection::Wrong
}

/// The moment of a TOTP device's last code, if that is further ahead of now than any device can be. Either the clock was ahead when the
/// code was accepted, or it is behind now; both look the same.
fn last_code_ahead(device: &Device, state: &UserState, now: u64) -> Option<u64> {
    let OtpKind::Totp { interval } = device.kind else {
        return None;
    };
    let next = state.device(device.id)?.next;
    // The window may have been wider when the code was accepted.
    clock_lag(device, next, MAX_WINDOW, now)?;
    let step = next.saturating_sub(1);
    Some(step.saturating_mul(u64::from(interval.seconds())))
}

/// The names of the devices whose last code is of a time that the clock has not reached, each with that time in seconds since
/// 1970-01-01 UTC. Their codes are refused until then.
#[must_use]
pub fn ahead_of_clock(record: &UserRecord, state: &UserState, now: u64) -> Vec<(String, u64)> {
    let devices = record.devices.iter();
    let ahead = |device: &Device| {
        let moment = last_code_ahead(device, state, now)?;
        Some((device.name.to_string(), moment))
    };
    devices.filter_map(ahead).collect()
}

/// The state after an administrator's unlock: no failures count any more, and no code counts as refused. The message to the user at
/// the next success stays.
///
/// `right_now` (seconds since 1970-01-01 UTC) is the time, if the clock is known to be right. Then a device whose last code is ahead of it
/// works again as after a rebuild, since the clock was ahead. Without it such a device stays as it is: the clock may be behind, and used
/// codes would work again.
#[must_use]
pub fn unlocked(
    policy: &Policy,
    record: &UserRecord,
    state: &UserState,
    right_now: Option<u64>,
) -> UserState {
    let mut state = state.clone();
    state.failures = 0;
    state.last_failure = 0;
    state.daemon = DaemonFailures::NONE;
    state.refused = RefusedAnswers::default();
    let Some(now) = right_now else {
        return state;
    };
    for device in &record.devices {
        let OtpKind::Totp { interval } = device.kind else {
            continue;
        };
        let is_ahead = last_code_ahead(device, &state, now).is_some();
        if let Some(entry) = state.device_mut(device.id).filter(|_| is_ahead) {
            entry.drift = 0;
            entry.next = interval.step(now) + furthest_ahead(policy.window) + 1;
        }
    }
    state
}
