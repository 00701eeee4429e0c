//! Changes of setup as they are shown before they are made: each file as a diff, the policy with its effect.

use std::path::Path;

use super::unified_diff;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::policy_change::PolicyChange;

/// Shows a change of a file, from the first text to the second; `None` is no file.
///
/// # Errors
/// When it cannot be shown.
pub fn show_file(
    context: &CommandContext,
    path: &Path,
    (before, after): (Option<&str>, Option<&str>),
) -> Result<(), CommandFailure> {
    let path = path.display().to_string();
    let diff = unified_diff::unified(&path, before, after);
    context.terminal.say(&diff)?;
    Ok(())
}

/// Shows a change of the policy, and what it does.
///
/// # Errors
/// When it cannot be shown.
pub fn show_policy(context: &CommandContext, policy: &PolicyChange) -> Result<(), CommandFailure> {
    let texts = (policy.text(), Some(policy.edited()));
    show_file(context, context.policy_path(), texts)?;
    let announcement = policy.announcement();
    context.terminal.prose(&format!("\n{announcement}"))?;
    Ok(())
}
