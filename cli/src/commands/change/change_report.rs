//! A change of the policy, as it is announced and reported.

use serde::Serialize;
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use super::PolicySetting;
use crate::context::Context;
use crate::impact::PolicyImpact;
use crate::output::Report;

/// Report of a change of the policy.
#[derive(Serialize)]
pub struct PolicyChangeReport {
    file: String,
    /// Settings that were written; empty when they had these values already.
    pub changed: Vec<PolicySetting>,
    enabled: bool,
    clock: &'static str,
    #[serde(flatten)]
    pub(super) impact: PolicyImpact,
}

impl PolicyChangeReport {
    pub(super) fn new(context: &Context, after: &Policy, impact: PolicyImpact) -> Self {
        Self {
            file: context.policy_path().display().to_string(),
            changed: Vec::new(),
            enabled: after.enabled,
            clock: clock::synchronization().word(),
            impact,
        }
    }
}

impl Report for PolicyChangeReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = if self.enabled { "on" } else { "off" };
        Zeroizing::new(if self.changed.is_empty() {
            format!(
                "Nothing to change in {}. Two-factor login is {switch}.\n",
                self.file
            )
        } else {
            format!("Done: {}. Two-factor login is {switch}.\n", self.file)
        })
    }
}

pub(super) fn announcement(made: &PolicyChangeReport, after: &Policy, used: &[String]) -> String {
    let mut text = String::from("Changes:\n");
    for PolicySetting { key, value } in &made.changed {
        text.push_str(&format!("  {key} = {value}\n"));
    }
    text.push_str("Effect:\n");
    text.push_str(&made.impact.text(after, used));
    text
}
