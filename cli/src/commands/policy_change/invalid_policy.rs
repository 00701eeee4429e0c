//! A policy that cannot be used, replaced by one that can.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::{self, DEFAULT_POLICY};

use super::change_impact::{assess, store_for};
use super::{DangerDecision, PolicyChangeReport, policy_hash};
use crate::args::PreviewOptions;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::commands::policy::setting_difference::SettingDifference;
use crate::failure_kind::FailureKind;

/// Puts the default policy, which asks no user, in place of one that cannot be used, and keeps that one beside it.
pub fn replace_invalid(
    context: &CommandContext,
    options: &PreviewOptions,
) -> Result<PolicyChangeReport, CommandFailure> {
    let current = policy_hash::current_hash(context);
    policy_hash::check(options, current.as_deref())?;
    let after = policy::parse(DEFAULT_POLICY).map_err(CommandFailure::invalid)?;
    let store = store_for(context, DangerDecision::Unchecked, &after)?;
    let kept = free_name(context.policy_path());
    let announced = format!(
        "The policy cannot be used, so it is replaced by the default one, switched off.\nThe old one is kept: {}\n",
        kept.display()
    );
    let report = |hash| -> Result<PolicyChangeReport, CommandFailure> {
        let impact = assess(store.as_ref(), None, &after, DangerDecision::Unchecked, &[])?;
        let mut made = PolicyChangeReport::new(context, &after, impact);
        made.changed = vec![SettingDifference {
            key: "enabled".to_owned(),
            value: false.into(),
            before: serde_json::Value::Null,
        }];
        made.kept = Some(kept.display().to_string());
        made.policy_hash = hash;
        Ok(made)
    };
    if options.dry_run {
        return Ok(report(current)?.planned(Some(announced)));
    }
    context.terminal.prose(&announced)?;
    context.terminal.confirm("Switch two-factor login off?")?;
    // What is moved away is what was announced, whether it is read as text or not.
    if context.policy.load().is_ok() || policy_hash::current_hash(context) != current {
        return Err(
            CommandFailure::refused("the policy was changed meanwhile; try again")
                .of_kind(FailureKind::ChangedMeanwhile),
        );
    }
    // Moved, not copied: it may be anything. Logins are refused before, and until there is a new one.
    renameat_with(
        CWD,
        context.policy_path(),
        CWD,
        &kept,
        RenameFlags::NOREPLACE,
    )
    .map_err(|error| CommandFailure::system(format!("{}: {error}", kept.display())))?;
    context.policy.edit(store.as_ref(), |_| {
        Ok::<_, CommandFailure>(DEFAULT_POLICY.to_owned())
    })?;
    command_log::log(
        CommandEvent::Policy,
        None,
        &[
            ("key", "enabled"),
            ("value", "false"),
            ("replaced", "invalid"),
        ],
    );
    Ok(report(None)?.written(DEFAULT_POLICY))
}

/// `PATH.invalid`, or `PATH.invalid.2` and so on: an earlier one may be the only copy of a site's settings.
fn free_name(policy: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = policy.as_os_str().to_owned();
        name.push(".invalid");
        if number > 1 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    let mut names = (1..).map(name);
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    names.find(is_free).unwrap_or_else(|| name(1))
}
