//! `resync`: finds the counter of a HOTP token that was pressed too often (RFC 4226 section 7.4), or how far the clock of
//! a TOTP device is off (RFC 6238 section 6).

use serde::Serialize;
use twofactor_core::verify::{AnswerForm, TypedAnswer};
use twofactor_store::operations::{self, ResyncedDevice};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::renew::chosen;
use crate::args::ResyncArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::command_log;
use crate::failure_kind::FailureKind;
use crate::output::CommandReport;
use crate::suggested_command;

/// Runs it.
pub fn run(context: &CommandContext, args: &ResyncArgs) -> Result<(), CommandFailure> {
    let user = context.user_or_caller(args.user.as_deref())?;
    let (account, store, record) = context.enrolled(&user)?;
    let (name, codes) = args.device_and_codes().map_err(CommandFailure::usage)?;
    let device = chosen(&record, name).map_err(|failure| named_in_place(failure, &account.name))?;
    let first = code(context, codes.map(|it| it.0), "A code of the device: ")?;
    let second = code(context, codes.map(|it| it.1), "The code after it: ")?;
    // When the second code was typed: waiting for the lock must not look like a slow clock.
    let now = clock::now()?;
    let window = context.policy_or_default()?.window;

    let codes = [&first, &second];
    let resynced = operations::resync(
        &command_log::factor(&store, &account),
        device.id,
        codes,
        window,
        now,
    )?;
    let name = device.name.as_str();
    context.write(&ResyncReport::new(&account.name, name, resynced))
}

/// The device is an argument here, no option.
fn named_in_place(failure: CommandFailure, user: &str) -> CommandFailure {
    if failure.exit != ExitStatus::Usage {
        return failure;
    }
    failure.next(format!(
        "{} NAME",
        suggested_command::twofactor("resync", &[user], &[])
    ))
}

fn code(
    context: &CommandContext,
    given: Option<&str>,
    question: &str,
) -> Result<TypedAnswer, CommandFailure> {
    let read = |text: &str| TypedAnswer::read(text.as_bytes(), AnswerForm::Code, &[]);
    match given {
        Some(text) => Ok(read(text)),
        None => match context.terminal.ask(question)? {
            Some(text) => Ok(read(&text)),
            None => Err(
                CommandFailure::refused("no code was typed, so nothing was changed")
                    .of_kind(FailureKind::Cancelled),
            ),
        },
    }
}

/// Report of `resync`.
#[derive(Serialize)]
struct ResyncReport<'a> {
    user: &'a str,
    device: &'a str,
    /// HOTP: the counter of the next code; `null` for TOTP.
    counter: Option<u64>,
    /// HOTP: how far that is from the one expected before; `null` for TOTP.
    skipped: Option<u64>,
    /// TOTP: how many steps the device's clock is off; `null` for HOTP.
    offset: Option<i64>,
}

impl<'a> ResyncReport<'a> {
    const fn new(user: &'a str, device: &'a str, resynced: ResyncedDevice) -> Self {
        let (counter, skipped, offset) = match resynced {
            ResyncedDevice::Counter { next, skipped } => (Some(next), Some(skipped), None),
            ResyncedDevice::Clock { offset } => (None, None, Some(offset)),
        };
        Self {
            user,
            device,
            counter,
            skipped,
            offset,
        }
    }
}

impl CommandReport for ResyncReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "Found: the next code of {} works again.\n",
            self.device
        ))
    }
}
