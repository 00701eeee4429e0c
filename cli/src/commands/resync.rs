//! `resync`: finds the counter of a HOTP token that was pressed too often (RFC 4226 section 7.4).
#![forbid(unsafe_code)]

use pam_twofactor::device::Kind;
use pam_twofactor::state::COUNTER_UNKNOWN;
use pam_twofactor::sys::clock;
use pam_twofactor::verify::{self, Answer, Form};
use serde::Serialize;
use zeroize::Zeroizing;

use super::renew::chosen;
use crate::args::Resync;
use crate::audit::{self, Event};
use crate::context::{Context, for_user, not_enrolled};
use crate::error::Failure;
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
    if device.kind != Kind::Hotp {
        return Err(Failure::refused(format!(
            "the device {} counts time, not presses",
            device.name
        ))
        .next("Its codes depend on the clocks: set them right."));
    }
    let first = code(context, args.code1.as_deref(), "A code of the token: ")?;
    let second = code(context, args.code2.as_deref(), "The code after it: ")?;

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
    let (from, reach) = match entry.next {
        COUNTER_UNKNOWN => (0, REACH_FROM_ZERO),
        next => (next, REACH),
    };
    let Some(next) = verify::resync(device, from, reach, &first, &second) else {
        return Err(Failure::refused(format!(
            "these are not two codes in a row of {}, or more than {reach} presses were skipped",
            device.name
        ))
        .next(format!(
            "Press twice more and try again with the two new codes. If that fails, too: twofactor renew {}",
            account.name
        )));
    };
    let skipped = next.saturating_sub(from);
    entry.next = next;
    entry.last_used = clock::now()?;
    let name = device.name.to_string();
    locked.write(state).map_err(named)?;
    locked.flush().map_err(named)?;
    drop(locked);
    audit::log(
        Event::Changed,
        &[
            ("user", &account.name),
            ("action", "resync"),
            ("device", &name),
        ],
    );
    context.format.write(&Found {
        user: &account.name,
        device: &name,
        counter: next,
        skipped,
    })
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
    /// The counter of the next code.
    counter: u64,
    /// How far that is from the one expected before.
    skipped: u64,
}

impl Report for Found<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "Found: the next code of {} works again.\n",
            self.device
        ))
    }
}
