//! The report of `status`: its JSON form and its text.

use std::collections::BTreeMap;

use serde::Serialize;
use twofactor_core::policy::Policy;
use zeroize::Zeroizing;

use super::enrollment_totals::EnrollmentTotals;
use super::user_selection::UserSelection;
use super::user_status::UserStatus;
use super::user_table;
use crate::output::CommandReport;

/// Report of `status`.
#[derive(Serialize)]
pub struct StatusReport {
    /// The policy.
    pub policy: PolicyStatus,
    /// The kernel's state of the clock: `synchronized`, `unsynchronized` or `unknown`.
    pub clock: &'static str,
    /// Warnings of doctor about logins: that none is asked for a code, or that sshd refuses users.
    pub warnings: Vec<String>,
    /// Numbers of users; `null` where one user was asked for.
    pub totals: Option<EnrollmentTotals>,
    /// All users with a record, those that an option selects, or the one that was asked for.
    pub users: Vec<UserStatus>,
    /// Selection that these users are the result of.
    #[serde(skip)]
    pub selection: UserSelection,
    /// Columns that the table keeps to, on a terminal.
    #[serde(skip)]
    pub width: Option<usize>,
}

/// The policy in a few words; `null` where it cannot be read.
#[derive(Serialize)]
pub struct PolicyStatus {
    /// Path of the file.
    pub file: String,
    /// Hash of its text, as `--if-policy` takes it; `null` where it cannot be read.
    pub hash: Option<String>,
    /// True if there is such a file.
    pub present: bool,
    /// Reason why it cannot be used.
    pub error: Option<String>,
    /// The global switch.
    pub enabled: Option<bool>,
    /// `optional` or `mandatory`.
    pub enforcement: Option<String>,
    /// The switches in words.
    #[serde(skip)]
    pub services: Option<String>,
    /// The switches of the services.
    #[serde(rename = "services")]
    pub services_on: Option<ServiceSwitches>,
}

/// The switches of the services.
#[derive(Serialize)]
pub struct ServiceSwitches {
    #[serde(flatten)]
    /// Services that the policy names.
    pub named: BTreeMap<String, bool>,
    /// All others.
    pub default: bool,
}

impl ServiceSwitches {
    /// Takes them from the policy.
    pub fn new(policy: &Policy) -> Self {
        Self {
            named: policy.own_services(),
            default: policy.services.default,
        }
    }
}

impl CommandReport for StatusReport {
    fn text(&self) -> Zeroizing<String> {
        let policy = &self.policy;
        let mut text = match (&policy.error, policy.enabled) {
            (Some(error), _) => format!(
                "Policy:  {error}\n         Logins are refused wherever a PAM file names pam_twofactor.so.\n"
            ),
            (None, None) => format!(
                "Policy:  {} does not exist; twofactor enable makes it\n         \
                 Until then pam_twofactor.so, where it is used, refuses logins.\n",
                policy.file
            ),
            (None, Some(enabled)) => {
                let word = if enabled { "on" } else { "off" };
                let enforcement = policy.enforcement.as_deref().unwrap_or_default();
                let services = policy.services.as_deref().unwrap_or_default();
                format!(
                    "Two-factor login is {word}, {enforcement} ({})\nServices: {services}\n",
                    policy.file
                )
            }
        };
        text.push_str(&format!("Clock: {}\n", self.clock));
        if let Some(totals) = &self.totals {
            text.push_str(&format!("Users: {}\n", totals.text()));
        }
        for warning in &self.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
        text.push('\n');
        if self.users.is_empty() {
            text.push_str(self.selection.none());
            text.push('\n');
            return Zeroizing::new(text);
        }
        text.push_str(&user_table::fitted(&self.users, self.width));
        if self.selection == UserSelection::One {
            let with_devices = self.users.iter().filter(|user| !user.devices.is_empty());
            text.extend(with_devices.map(UserStatus::details));
        }
        Zeroizing::new(text)
    }
}
