//! Comparing one reading of the input with every code that one device could show.

use crate::device::Device;
use crate::otp::{Interval, TotpGenerator, hotp};
use crate::state::{COUNTER_UNKNOWN, DRIFT_BEYOND_WINDOW, DeviceState};

use super::typed_answer::AnswerCandidate;

/// Counters a HOTP device may be ahead at a login (RFC 4226 section 7.4, parameter s).
pub const LOOK_AHEAD: u64 = 10;
/// Counters or steps behind for which a code is told apart as used.
const LOOK_BEHIND: u64 = 10;
/// Steps around now for which a wrong code is told apart as "the clocks differ".
pub const NEAR: i64 = 20;

/// Matches of one device for one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeScan {
    /// The moving factor that is accepted. Two may have the same code by chance. Of two steps it is the newer one, so that the
    /// other does not stay acceptable; of two counters the lower one, so that the codes between them still work.
    pub fresh: Option<u64>,
    /// A match that was used before, or is older than one that was.
    pub used: Option<u64>,
    /// The used one gives its charge back: nothing is fresh then.
    pub is_free: bool,
}

impl CodeScan {
    /// A code that gives its charge back is refused whatever else has the same code by chance: sent again and again it
    /// would be a guess at all the others that nothing counts.
    const fn free(factor: u64) -> Self {
        Self {
            fresh: None,
            used: Some(factor),
            is_free: true,
        }
    }
}

/// Compares with all codes of `device` at `now` (seconds since 1970-01-01 UTC). The work does not depend on whether or where one matches.
pub fn scan(
    device: &Device,
    state: &DeviceState,
    typed: &AnswerCandidate,
    window: u8,
    now: u64,
) -> CodeScan {
    match device.totp() {
        Some((totp, interval)) => scan_steps(&totp, interval, state, typed, window, now),
        None => scan_counters(device, state, typed),
    }
}

/// The distance of a refused code from `now` (seconds since 1970-01-01 UTC), in steps, if it is a code of a TOTP device from
/// shortly before or after the window. The clocks of server and device differ then.
pub fn steps_off(device: &Device, typed: &AnswerCandidate, now: u64) -> Option<i64> {
    let (totp, interval) = device.totp()?;
    let step_now = interval.step(now);
    let is_hit = |offset: &i64| {
        let step = step_now.checked_add_signed(*offset);
        step.is_some_and(|step| bool::from(typed.is_code(&totp.code(step))))
    };
    (-NEAR..=NEAR)
        .filter(is_hit)
        .min_by_key(|offset| offset.abs())
}

/// The drift that is learned from a code `offset` steps off.
pub fn bounded_drift(offset: i64, window: u8) -> i8 {
    let bound = i64::from(window.saturating_add(DRIFT_BEYOND_WINDOW));
    // A window of at most 10 keeps the bound within an i8.
    i8::try_from(offset.clamp(-bound, bound)).unwrap_or(0)
}

/// The steps that count as current: `window` around now, shifted by the drift.
fn current(step_now: u64, drift: i8, window: u8) -> std::ops::RangeInclusive<u64> {
    // A drift that was learned under a wider window must not reach further than this one allows.
    let drift = bounded_drift(i64::from(drift), window);
    let centre = step_now.saturating_add_signed(i64::from(drift));
    let window = u64::from(window);
    centre.saturating_sub(window)..=centre.saturating_add(window)
}

fn scan_steps(
    totp: &TotpGenerator,
    interval: Interval,
    state: &DeviceState,
    typed: &AnswerCandidate,
    window: u8,
    now: u64,
) -> CodeScan {
    let mut found = CodeScan::default();
    for step in current(interval.step(now), state.drift, window) {
        if !bool::from(typed.is_code(&totp.code(step))) {
            continue;
        }
        if step < state.next {
            found.used = Some(step);
        } else {
            found.fresh = Some(step);
        }
    }
    // The last one that was accepted is known for as long as there is no newer one: clients send it for days.
    let last = state.next.checked_sub(1);
    let is_last = last.is_some_and(|step| bool::from(typed.is_code(&totp.code(step))));
    let used = found.used.or(last.filter(|_| is_last));
    used.map_or(found, CodeScan::free)
}

fn scan_counters(device: &Device, state: &DeviceState, typed: &AnswerCandidate) -> CodeScan {
    let mut found = CodeScan::default();
    if state.next == COUNTER_UNKNOWN {
        return found;
    }
    let first = state.next.saturating_sub(LOOK_BEHIND);
    // The last counter is out of reach: it is the mark for "unknown".
    let last = state
        .next
        .saturating_add(LOOK_AHEAD)
        .min(COUNTER_UNKNOWN - 1);
    for counter in first..=last {
        let code = hotp(&device.secret, device.algorithm, device.digits, counter);
        if !bool::from(typed.is_code(&code)) {
            continue;
        }
        if counter < state.next {
            found.used = Some(counter);
        } else {
            found.fresh = found.fresh.or(Some(counter));
        }
    }
    // Ten of them in sight are too many: only the last one is free.
    if let Some(last) = found.used.filter(|used| used + 1 == state.next) {
        return CodeScan::free(last);
    }
    // A code that was used does not work again because a later counter happens to have the same code, unless it is the
    // one that the token shows next.
    found.fresh = found
        .fresh
        .filter(|counter| found.used.is_none() || *counter == state.next);
    found
}
