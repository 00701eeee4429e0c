//! The change that undoes a setup in the policy.

use super::policy_before_setup::{AGAIN, invalid, settings, text};
use super::setup_journal::FileTexts;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::policy_change::{DangerDecision, PolicyChange};
use crate::failure_kind::FailureKind;

/// The change that undoes a setup in the policy; `None` where nothing has to be changed.
///
/// # Errors
/// When the policy is gone or not valid.
pub fn change(
    context: &CommandContext,
    file: &FileTexts,
    before: Option<&str>,
) -> Result<Option<PolicyChange>, CommandFailure> {
    let Some(before) = before else {
        return Ok(None);
    };
    let Some(now) = policy_text(context)? else {
        return Err(CommandFailure::invalid("the policy is gone")
            .of_kind(FailureKind::NoPolicy)
            .next(format!(
                "To make one, switched off: twofactor policy set enabled false\n{AGAIN}"
            )));
    };
    if now == before {
        return Ok(None);
    }
    let settings = settings(before, &file.after)?;
    let edited = text(&now, before, &file.after)?;
    let change = PolicyChange::of_texts(
        context,
        Some(now),
        edited,
        &settings,
        DangerDecision::Unchecked,
    )
    .map_err(invalid)?;
    Ok((!change.is_idle()).then_some(change))
}

/// The policy's text, read as logins read it; `None` where there is none.
fn policy_text(context: &CommandContext) -> Result<Option<String>, CommandFailure> {
    match context.policy.text() {
        Err(error) if error.is_missing() => Ok(None),
        other => Ok(Some(other?)),
    }
}
