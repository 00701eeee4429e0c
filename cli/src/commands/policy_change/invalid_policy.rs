//! A policy that cannot be used, replaced by one that can.

use twofactor_core::policy::{self, DEFAULT_POLICY};
use twofactor_store::files::UnusablePolicy;
use twofactor_store::operations;

use super::change_impact::{assess, store_for};
use super::guarded_commit::refused;
use super::{DangerDecision, PolicyChangeReport, policy_hash};
use crate::args::PreviewOptions;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::commands::policy::setting_difference::SettingDifference;

/// Puts the default policy, which asks no user, in place of one that cannot be used, and keeps that one beside it.
pub fn replace_invalid(
    context: &CommandContext,
    unusable: &UnusablePolicy,
    options: &PreviewOptions,
) -> Result<PolicyChangeReport, CommandFailure> {
    let current = unusable.text().map(|text| policy_hash::hash_of(Some(text)));
    policy_hash::check(options, current.as_deref())?;
    let after = policy::parse(DEFAULT_POLICY).map_err(CommandFailure::invalid)?;
    let store = store_for(context, DangerDecision::Unchecked, &after)?;
    let kept = unusable.kept();
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
    let place = command_log::policy(&context.policy, store.as_ref());
    operations::replace_unusable_policy(place, unusable)
        .map_err(|refusal| refused(refusal, |never| match never {}))?;
    Ok(report(None)?.written(DEFAULT_POLICY))
}
