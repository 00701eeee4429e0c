//! The questions about very many accounts that are answered from what was read once.

use std::fmt;

use crate::sys::accounts::LookupFailed;
use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};

/// Accounts and groups that were listed. It is as old as the value: for reports, not for logins.
///
/// A trait, so that a program that lists none links none of it: the PAM module asks about one account.
pub trait AccountListing: fmt::Debug + Send + Sync {
    /// True if an account is in the group of that name and number.
    fn includes(&self, group: (&str, u32), account: &Account) -> bool;

    /// The requirement of `[[require]]` on an account, as [`KnownRequirements::requirement`] says it. The names without an
    /// answer on which it depends are added.
    ///
    /// [`KnownRequirements::requirement`]: super::known_requirements::KnownRequirements::requirement
    fn requirement(
        &self,
        policy: &Policy,
        time: PolicyTime,
        account: &Account,
        unanswered: &mut Vec<UnansweredName>,
    ) -> DeviceRequirement;
}

/// A user or group of `[[require]]` that could not be looked up, so that an entry was taken to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredName {
    /// `user` or `group`.
    pub kind: &'static str,
    /// Its name in the policy.
    pub name: String,
    /// The fault.
    pub error: LookupFailed,
}

/// Notes a name without an answer, once.
pub fn note(unanswered: &mut Vec<UnansweredName>, name: UnansweredName) {
    if !unanswered.contains(&name) {
        unanswered.push(name);
    }
}
