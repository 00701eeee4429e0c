//! A change of the policy, as it is announced and reported.

use serde::Serialize;
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::PolicySetting;
use super::policy_hash::hash_of;
use crate::command_context::CommandContext;
use crate::commands::policy::setting_difference::SettingDifference;
use crate::impact::PolicyImpact;
use crate::output::CommandReport;

/// Report of a change of the policy.
#[derive(Serialize)]
pub struct PolicyChangeReport {
    file: String,
    /// False after `--dry-run`: nothing was changed.
    done: bool,
    /// True if the file was written.
    written: bool,
    /// Hash of the policy that stands in the file now; `none` without a file, `null` where it cannot be read.
    pub(super) policy_hash: Option<String>,
    /// The settings that have other values than before, or would have.
    pub(super) changed: Vec<SettingDifference>,
    /// The place where a policy that could not be used is kept, once another one took its place.
    pub(super) kept: Option<String>,
    enabled: bool,
    clock: &'static str,
    #[serde(flatten)]
    pub(super) impact: PolicyImpact,
    /// Steps that end the dangers.
    pub(super) steps: Vec<String>,
    /// The announcement, where nothing but that was asked for.
    #[serde(skip)]
    preview: String,
}

impl PolicyChangeReport {
    pub(super) fn new(context: &CommandContext, after: &Policy, impact: PolicyImpact) -> Self {
        Self {
            file: context.policy_path().display().to_string(),
            done: true,
            written: false,
            policy_hash: None,
            changed: Vec::new(),
            kept: None,
            enabled: after.enabled,
            clock: clock::synchronization().word(),
            impact,
            steps: Vec::new(),
            preview: String::new(),
        }
    }

    /// The report on a change that is not made, with its announcement; `None` if there is nothing to change.
    pub(super) fn planned(self, announcement: Option<String>) -> Self {
        let idle = || format!("Nothing to change in {}.\n", self.file);
        Self {
            done: false,
            preview: announcement.unwrap_or_else(idle),
            ..self
        }
    }

    /// The report on a change that was made: the file has this text now.
    pub(super) fn written(self, text: &str) -> Self {
        Self {
            written: true,
            policy_hash: Some(hash_of(Some(text))),
            ..self
        }
    }

    /// True if the file was written.
    pub const fn is_written(&self) -> bool {
        self.written
    }

    fn preview_text(&self) -> String {
        let mut text = self.preview.clone();
        for danger in &self.impact.dangers {
            text.push_str(&format!("Danger: {danger}\n"));
        }
        text.push_str("Nothing was changed (--dry-run).");
        if let Some(hash) = &self.policy_hash {
            text.push_str(&format!(
                " To make the change only if the policy stays as it is:\n--if-policy {hash}"
            ));
        }
        text.push('\n');
        text
    }
}

impl CommandReport for PolicyChangeReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = if self.enabled { "on" } else { "off" };
        Zeroizing::new(if !self.done {
            self.preview_text()
        } else if self.written {
            format!("Done: {}. Two-factor login is {switch}.\n", self.file)
        } else {
            format!(
                "Nothing to change in {}. Two-factor login is {switch}.\n",
                self.file
            )
        })
    }
}

/// The change, and what it means for which users. `settings` are what was asked for.
pub(super) fn announcement(
    made: &PolicyChangeReport,
    settings: &[PolicySetting],
    after: &Policy,
    used: &[String],
) -> String {
    let mut text = String::from("Changes:\n");
    let written_out = made.changed.is_empty();
    for change in &made.changed {
        text.push_str(&format!("  {}\n", change.line()));
    }
    for PolicySetting { key, value } in settings.iter().filter(|_| written_out) {
        text.push_str(&format!("  {key} = {value}, as by default\n"));
    }
    text.push_str("Effect:\n");
    text.push_str(&made.impact.text(after, used));
    text
}
