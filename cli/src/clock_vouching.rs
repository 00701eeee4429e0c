//! The question if this machine's clock is right: a state that is made anew lets in codes that were used if it is behind.

use twofactor_core::device::OtpKind;
use twofactor_core::record::UserRecord;
use twofactor_store::operations::ClockTrust;
use twofactor_store::sys::clock::{self, ClockStatus};

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::formatting::ReportedTime;

/// The clock as the kernel takes it, or root has said on the command line (`is_right`).
pub fn known_trust(is_right: bool) -> ClockTrust {
    if is_right || clock::synchronization() == ClockStatus::Synchronized {
        ClockTrust::Right
    } else {
        ClockTrust::Unproven
    }
}

/// Checks that the state of a record can be made anew by the clock. Where that is not known root is asked; `--yes` is no answer.
/// `command` says it without a question.
///
/// # Errors
/// A refusal, with that command. Devices that go by a counter need no clock.
pub fn prove_for_rebuild(
    context: &CommandContext,
    record: Option<&UserRecord>,
    trust: ClockTrust,
    command: &str,
) -> Result<(), CommandFailure> {
    let goes_by_clock = record.is_some_and(|record| {
        let mut devices = record.devices.iter();
        devices.any(|device| matches!(device.kind, OtpKind::Totp { .. }))
    });
    if trust == ClockTrust::Right || !goes_by_clock {
        return Ok(());
    }
    let question = format!(
        "The new state takes codes of later times than this machine's clock shows: {}. If it is behind, codes that were used would work \
         again.\nIs the clock right now?",
        ReportedTime(clock::now()?).with_zone()
    );
    if context.terminal.offer(&question)? {
        return Ok(());
    }
    let refused = "it is not known that this machine's clock is right, so no new state was made";
    Err(CommandFailure::refused(refused)
        .of_kind(FailureKind::Clock)
        .next(format!(
            "Set the clock right, if it is not. Once it is: {command}"
        )))
}
