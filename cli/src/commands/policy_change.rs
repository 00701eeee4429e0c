//! A change of the policy: announced, refused when it locks people out, confirmed, and made.

mod change_impact;
mod change_report;
mod danger_decision;
mod guarded_commit;
mod invalid_policy;
pub mod policy_hash;
mod policy_setting;

use std::collections::BTreeSet;

use twofactor_core::policy::{self, DEFAULT_POLICY, Policy};
use twofactor_store::FactorStore;

pub use change_report::PolicyChangeReport;
pub use danger_decision::DangerDecision;
pub use invalid_policy::replace_invalid;
pub use policy_setting::{PolicySetting, current_text};

use self::change_impact::{
    assess, store_for, switched_services, unknown_services, unmatched_names,
};
use self::change_report::announcement;
use self::policy_setting::with_settings;
use super::policy::setting_difference::differences;
use crate::args::PreviewOptions;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::doctor::{self, InstalledSystem, PlannedChange, login_effect};
use crate::failure_kind::FailureKind;
use crate::impact;
use crate::unmatched_name::UnmatchedName;

/// Announces a change, has it confirmed, and makes it; with `--dry-run` it only says what that would do.
pub fn change(
    context: &CommandContext,
    settings: &[PolicySetting],
    danger: DangerDecision,
    options: &PreviewOptions,
) -> Result<PolicyChangeReport, CommandFailure> {
    let text = current_text(context)?;
    policy_hash::check(options, Some(&policy_hash::hash_of(text.as_deref())))?;
    let mut prepared = PolicyChange::to_settings(context, text, settings, danger)?;
    if !prepared.is_idle() {
        prepared.look_at_logins(context);
    }
    if options.dry_run {
        return Ok(prepared.into_preview());
    }
    if prepared.is_idle() {
        command_log::unmatched_names(context.policy_path(), &prepared.unmatched);
        return Ok(prepared.into_unchanged());
    }
    prepared.confirm(context)?;
    prepared.commit(context)?;
    Ok(prepared.into_report())
}

/// A change of the policy that is not made yet.
pub struct PolicyChange {
    text: Option<String>,
    edited: String,
    before: Option<Policy>,
    after: Policy,
    settings: Vec<PolicySetting>,
    /// The services that it names or switches.
    services: BTreeSet<String>,
    danger: DangerDecision,
    store: Option<FactorStore>,
    /// The services whose PAM files name the module, where that was looked at.
    used: Vec<String>,
    /// Services that ask for codes only from this change on, and from the PAM lines that come with it.
    newly_asking: Vec<String>,
    cures: Vec<String>,
    /// Names of the new policy by which an entry applies to no user.
    unmatched: Vec<UnmatchedName>,
    made: PolicyChangeReport,
}

impl PolicyChange {
    /// A change of settings.
    ///
    /// # Errors
    /// When the policy or the state directory cannot be read, or a setting is not allowed.
    pub fn of_settings(
        context: &CommandContext,
        settings: &[PolicySetting],
        danger: DangerDecision,
    ) -> Result<Self, CommandFailure> {
        Self::to_settings(context, current_text(context)?, settings, danger)
    }

    fn to_settings(
        context: &CommandContext,
        text: Option<String>,
        settings: &[PolicySetting],
        danger: DangerDecision,
    ) -> Result<Self, CommandFailure> {
        let edited = with_settings(context, text.as_deref(), settings)?;
        Self::of_texts(context, text, edited, settings, danger)
    }

    /// A change from the text that is there (`None`: no file) to another one, which is a valid policy. `settings` are what
    /// is announced and logged.
    ///
    /// # Errors
    /// When the new text is no valid policy, or the state directory cannot be read.
    pub fn of_texts(
        context: &CommandContext,
        text: Option<String>,
        edited: String,
        settings: &[PolicySetting],
        danger: DangerDecision,
    ) -> Result<Self, CommandFailure> {
        let before = policy::parse(text.as_deref().unwrap_or(DEFAULT_POLICY)).ok();
        let after = policy::parse(&edited).map_err(invalid_policy)?;
        let store = store_for(context, danger, &after)?;
        let unmatched = unmatched_names(&after, danger);
        let impact = assess(store.as_ref(), before.as_ref(), &after, danger, &unmatched)?;
        let services = switched_services(before.as_ref(), &after, settings);
        let mut made = PolicyChangeReport::new(context, &after, impact);
        made.policy_hash = Some(policy_hash::hash_of(text.as_deref()));
        if text.as_deref() != Some(edited.as_str()) {
            made.changed = differences(before.as_ref(), &after);
            let unknown = unknown_services(&after, &services);
            made.impact.dangers.extend(unknown);
            let named = |service: &str| services.contains(service);
            let refusing = doctor::refusing_programs(before.as_ref(), &after, &named);
            made.impact.warnings.extend(refusing);
        }
        Ok(Self {
            text,
            edited,
            before,
            after,
            settings: settings.to_vec(),
            services,
            danger,
            store,
            used: Vec::new(),
            newly_asking: Vec::new(),
            cures: Vec::new(),
            unmatched,
            made,
        })
    }

    /// Adds what PAM files and sshd's settings make of it. Switching off needs none of that, and must not depend on it.
    pub fn look_at_logins(&mut self, context: &CommandContext) {
        if self.danger == DangerDecision::Unchecked {
            return;
        }
        let services = &self.services;
        let named = |service: &str| services.contains(service);
        let effect = login_effect::of_change(context, self.before.as_ref(), &self.after, &named);
        self.set_used(effect.used);
        self.cures = effect.cures;
        self.made.impact.warnings.extend(effect.warnings);
        self.made.impact.dangers.extend(effect.dangers);
    }

    /// Takes the services whose PAM files name the module. Where the policy switches one on that did not ask before, its risks
    /// are new, and so are they where an administrator was exempt before.
    fn set_used(&mut self, used: Vec<String>) {
        let newly = impact::newly_asking(self.before.as_ref(), &self.after, &used);
        self.newly_asking.extend(newly);
        self.used = used;
        self.made.impact.add_risks_at(&self.newly_asking);
        self.made.impact.add_risks_of_ended_exemptions(&self.used);
    }

    /// Adds what becomes of logins with planned PAM files and settings of sshd. `newly_asking` are the services that ask for
    /// codes only with these, if the policy is on for them.
    pub fn look_at_plan(
        &mut self,
        context: &CommandContext,
        system: &InstalledSystem,
        planned: &InstalledSystem,
        newly_asking: &[String],
    ) {
        let on = |service: &&String| self.after.service_on(service);
        self.newly_asking = newly_asking.iter().filter(on).cloned().collect();
        let services = &self.services;
        let named = |service: &str| services.contains(service);
        let change = PlannedChange {
            system,
            planned,
            before: self.before.as_ref(),
            after: &self.after,
        };
        let effect = login_effect::of_plan(context, &change, &named);
        let refusing = doctor::newly_refusing_programs(&change, &named);
        self.set_used(effect.used);
        self.cures = effect.cures;
        for warning in effect.warnings.into_iter().chain(refusing) {
            if !self.made.impact.warnings.contains(&warning) {
                self.made.impact.warnings.push(warning);
            }
        }
        self.made.impact.dangers.extend(effect.dangers);
    }

    /// Adds something that locks users out, or lets them in without a device. A warning of the same is told no more.
    pub fn add_dangers(&mut self, dangers: &[String]) {
        let is_told = |warning: &String| {
            let warning = warning.trim_end_matches('.');
            dangers.iter().any(|danger| danger == warning)
        };
        self.made
            .impact
            .warnings
            .retain(|warning| !is_told(warning));
        self.made.impact.dangers.extend_from_slice(dangers);
    }

    /// Takes the default policy for the text that is replaced, once it was put where there was none. What was shown and accepted stays.
    pub fn begin_with_default(&mut self) {
        self.text = Some(DEFAULT_POLICY.to_owned());
        self.made.policy_hash = Some(policy_hash::hash_of(Some(DEFAULT_POLICY)));
    }

    /// Warnings for the reader.
    pub fn warnings(&self) -> &[String] {
        &self.made.impact.warnings
    }

    /// True if the file has the new text already.
    pub fn is_idle(&self) -> bool {
        self.text.as_deref() == Some(self.edited.as_str())
    }

    /// The text that is replaced; `None` where there is no file.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The new text.
    pub fn edited(&self) -> &str {
        &self.edited
    }

    /// The change, and what it means for which users.
    pub fn announcement(&self) -> String {
        announcement(&self.made, &self.settings, &self.after, &self.used)
    }

    /// The report of a change that is not made.
    fn into_preview(mut self) -> PolicyChangeReport {
        let text = (!self.is_idle()).then(|| self.announcement());
        self.made.steps = self.steps();
        self.made.planned(text)
    }

    /// Reasons for which the change would lock people out.
    pub fn dangers(&self) -> &[String] {
        &self.made.impact.dangers
    }

    /// Refuses a change that locks people out, unless that was accepted.
    ///
    /// # Errors
    /// A refusal that names what would happen.
    pub fn refuse_dangers(&self) -> Result<(), CommandFailure> {
        let dangers = self.dangers();
        if self.danger != DangerDecision::Refuse || dangers.is_empty() {
            return Ok(());
        }
        let mut steps = self.steps();
        steps.push("To proceed despite this: --force".to_owned());
        Err(
            CommandFailure::refused(format!("not done: {}", dangers.join("; ")))
                .of_kind(FailureKind::WouldLockOut)
                .next(steps.join("\n")),
        )
    }

    /// Steps that end the dangers.
    fn steps(&self) -> Vec<String> {
        let device =
            "Enroll a device and try it first: twofactor enroll USER, twofactor verify USER";
        let device = self.made.impact.needs_device().then(|| device.to_owned());
        self.cures.iter().cloned().chain(device).collect()
    }

    /// The report where there is nothing to change.
    pub fn into_unchanged(self) -> PolicyChangeReport {
        self.made
    }

    /// The report of the change, once it was made.
    pub fn into_report(mut self) -> PolicyChangeReport {
        self.made.steps = self.steps();
        self.made.written(&self.edited)
    }

    /// Announces it, and asks if it is to be made.
    ///
    /// # Errors
    /// As [`Self::refuse_dangers`], and when the answer is no.
    pub fn confirm(&self, context: &CommandContext) -> Result<(), CommandFailure> {
        let terminal = &context.terminal;
        terminal.prose(&self.announcement())?;
        self.refuse_dangers()?;
        if self.danger == DangerDecision::Accept {
            // Those that are shown are accepted, and no others.
            for danger in self.dangers() {
                terminal.prose(&format!("Danger: {danger}\n"))?;
            }
        }
        terminal.confirm(question(self.before.as_ref(), &self.after))
    }
}

/// The policy as it would be with these settings.
///
/// # Errors
/// As [`PolicyChange::of_settings`], but for the state directory, which is not needed.
pub fn policy_with(
    context: &CommandContext,
    settings: &[PolicySetting],
) -> Result<Policy, CommandFailure> {
    let text = current_text(context)?;
    let edited = with_settings(context, text.as_deref(), settings)?;
    policy::parse(&edited).map_err(invalid_policy)
}

fn invalid_policy(error: policy::PolicyError) -> CommandFailure {
    CommandFailure::invalid(error).of_kind(FailureKind::InvalidPolicy)
}

const fn question(before: Option<&Policy>, after: &Policy) -> &'static str {
    match before {
        Some(before) if before.enabled && !after.enabled => "Switch two-factor login off?",
        Some(before) if before.enabled == after.enabled => "Change the policy?",
        _ if after.enabled => {
            "Switch two-factor login on? Keep a root shell open until a login has worked."
        }
        _ => "Change the policy?",
    }
}
