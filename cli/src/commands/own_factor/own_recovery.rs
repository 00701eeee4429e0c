//! `recovery-codes` without root.

use twofactor_core::recovery::PlainCode;
use twofactor_protocol::service::{ChangeCall, CodeCall};
use twofactor_store::sys::clock;

use super::OwnFactor;
use super::proof_dialogue::{ProofDialogue, WantedProof};
use crate::args::RecoveryCodesArgs;
use crate::command_context::{CommandContext, not_enrolled};
use crate::command_failure::CommandFailure;
use crate::commands::recovery_codes::RecoveryCodesReport;
use crate::recovery_sheet::{DeliveredCodes, RecoverySheet};
use crate::suggested_command;

/// Runs it.
pub fn run(context: &CommandContext, args: &RecoveryCodesArgs) -> Result<(), CommandFailure> {
    let own = OwnFactor::of_caller(context, args.user.as_deref())?;
    let status = own.managed_status()?;
    let user = own.user.as_str();
    if status.devices.is_empty() {
        return Err(not_enrolled(user));
    }
    let sheet = RecoverySheet::new(args.recovery_file.as_deref())?;
    if status.recovery_codes_left > 0 {
        let question = format!("Replace the recovery codes of {user}?");
        context.terminal.confirm(&question)?;
    }
    let dialogue = ProofDialogue {
        context,
        own: &own,
        status: &status,
        codes: WantedProof::DeviceCode,
    };
    let (_, reply) = dialogue.run(|code| {
        ChangeCall::NewRecoveryCodes(CodeCall {
            user: user.to_owned(),
            code,
        })
    })?;
    let handed = hand_over(user, sheet, reply.recovery_codes)?;
    context.write(&RecoveryCodesReport::new(user, &handed))
}

/// Writes the codes of a reply where they go. They count already.
///
/// # Errors
/// When the file cannot be written, or the codes are none.
pub fn hand_over(
    user: &str,
    sheet: RecoverySheet,
    codes: Option<Vec<String>>,
) -> Result<DeliveredCodes, CommandFailure> {
    let codes = codes.unwrap_or_default();
    let read: Option<Vec<PlainCode>> = codes.iter().map(|it| PlainCode::of_groups(it)).collect();
    let written = match read {
        None => Err(CommandFailure::system(
            "twofactord sent codes that make no sense",
        )),
        Some(codes) if codes.is_empty() => Err(CommandFailure::system("twofactord sent no codes")),
        Some(codes) => clock::now()
            .map_err(CommandFailure::from)
            .and_then(|now| sheet.fill(user, &codes, now))
            .map(|()| codes),
    };
    let codes = written.map_err(|failure| {
        let step = suggested_command::twofactor("recovery-codes", &[user], &[]);
        CommandFailure {
            what: format!("new recovery codes count, and were lost: {}", failure.what),
            // A login that was a proof is one no longer.
            next: Some(format!(
                "For others in their place log in again, and then: {step}"
            )),
            ..failure
        }
    })?;
    Ok(sheet.keep(codes))
}
