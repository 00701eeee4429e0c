//! `resync`: finds the counter of a HOTP token that was pressed too often (RFC 4226 section 7.4), or how far the clock of
//! a TOTP device is off (RFC 6238 section 6).
#![forbid(unsafe_code)]

use pam_twofactor::device::{Device, Kind};
use pam_twofactor::otp::Interval;
use pam_twofactor::state::{COUNTER_UNKNOWN, DeviceState, RefusedAnswers};
use pam_twofactor::sys::clock;
use pam_twofactor::verify::{self, Answer, Form};
use serde::Serialize;
use zeroize::Zeroizing;

use super::renew::chosen;
use crate::args::Resync;
use crate::audit::{self, Event};
use crate::context::{Context, not_enrolled};
use crate::error::{Failure, for_user};
use crate::output::Report;

/// Counters looked at beyond the expected one.
const REACH: u64 = 1_000;
/// Counters looked at when the expected one was lost.
const REACH_FROM_ZERO: u64 = 100_000;

/// Runs it.
pub fn run(context: &Context, args: &Resync) -> Result<(), Failure> {
    let (account, store, record) = context.enrolled(&args.user)?;
    let named = |error| for_user(Failure::from(error), &account.name);
    let device = chosen(&record, Some(&args.device))?;
    let first = code(context, args.code1.as_deref(), "A code of the device: ")?;
    let second = code(context, args.code2.as_deref(), "The code after it: ")?;
    // When the second code was typed: waiting for the lock must not look like a slow clock.
    let now = clock::now()?;
    let window = context.policy_or_default()?.window;

    let mut locked = store.lock(&account).map_err(named)?;
    let record = locked
        .record()
        .map_err(named)?
        .ok_or_else(|| not_enrolled(&account.name))?;
    let mut state = locked.state().clone();
    let (Some(device), Some(entry)) = (
        record.devices.iter().find(|other| other.id == device.id),
        state.device_mut(device.id),
    ) else {
        return Err(Failure::refused(
            "the device was changed meanwhile; try again",
        ));
    };
    let (found, counter, by) = match device.kind {
        Kind::Hotp => counter(device, entry, (&first, &second), now),
        Kind::Totp { interval } => {
            offset(device, interval, entry, (&first, &second), (window, now))
        }
    }
    .map_err(|failure| for_user(failure, &account.name))?;
    *entry = found;
    // A code that was refused may be right with this.
    state.refused = RefusedAnswers::default();
    let name = device.name.to_string();
    locked.write(state).map_err(named)?;
    locked.flush().map_err(named)?;
    locked.confirm().map_err(named)?;
    drop(locked);
    audit::log(
        Event::Changed,
        &[
            ("user", &account.name),
            ("action", "resync"),
            ("device", &name),
        ],
    );
    context.write(&Found {
        user: &account.name,
        device: &name,
        counter,
        skipped: counter.map(|_| by.unsigned_abs()),
        offset: counter.is_none().then_some(by),
    })
}

/// The new entry of a HOTP device, its counter, and how far that is from the expected one.
fn counter(
    device: &Device,
    entry: &DeviceState,
    codes: (&Answer, &Answer),
    now: u64,
) -> Result<(DeviceState, Option<u64>, i64), Failure> {
    let (from, reach) = match entry.next {
        COUNTER_UNKNOWN => (0, REACH_FROM_ZERO),
        next => (next, REACH),
    };
    let next = verify::resync(device, from, reach, codes.0, codes.1).ok_or_else(|| {
        Failure::refused(format!(
            "these are not two codes in a row of {}, or more than {reach} presses were skipped",
            device.name
        ))
        .next("Press twice more and try again with the two new codes. If that fails, too: twofactor renew USER")
    })?;
    let skipped = i64::try_from(next.saturating_sub(from)).unwrap_or(i64::MAX);
    let entry = DeviceState {
        next,
        last_used: now,
        ..*entry
    };
    Ok((entry, Some(next), skipped))
}

/// The new entry of a TOTP device and how many steps its clock is off.
fn offset(
    device: &Device,
    interval: Interval,
    entry: &DeviceState,
    codes: (&Answer, &Answer),
    (window, now): (u8, u64),
) -> Result<(DeviceState, Option<u64>, i64), Failure> {
    let offset =
        verify::clock_offset(device, entry.next, codes.0, codes.1, now).ok_or_else(|| {
            Failure::refused(format!(
                "these are not two unused codes in a row of {}, the second of this moment",
                device.name
            ))
            .next("Wait for a new code, note it, wait for the next, and type both. If that fails, too: twofactor renew USER")
        })?;
    let entry = verify::with_offset(interval, entry, offset, window, now).ok_or_else(|| {
        let seconds = offset.unsigned_abs().saturating_mul(u64::from(interval.seconds()));
        Failure::refused(format!(
            "the clocks of this machine and of {} differ by {seconds} s, which is more than can be allowed for",
            device.name
        ))
        .next("Set the wrong one right.")
    })?;
    Ok((entry, None, offset))
}

fn code(context: &Context, given: Option<&str>, question: &str) -> Result<Answer, Failure> {
    let read = |text: &str| Answer::read(text.as_bytes(), Form::Code, &[]);
    match given {
        Some(text) => Ok(read(text)),
        None => match context.terminal.ask(question)? {
            Some(text) => Ok(read(&text)),
            None => Err(Failure::refused(
                "no code was typed, so nothing was changed",
            )),
        },
    }
}

/// What `resync` reports.
#[derive(Serialize)]
struct Found<'a> {
    user: &'a str,
    device: &'a str,
    /// HOTP: the counter of the next code; `null` for TOTP.
    counter: Option<u64>,
    /// HOTP: how far that is from the one expected before; `null` for TOTP.
    skipped: Option<u64>,
    /// TOTP: how many steps the device's clock is off; `null` for HOTP.
    offset: Option<i64>,
}

impl Report for Found<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "Found: the next code of {} works again.\n",
            self.device
        ))
    }
}
