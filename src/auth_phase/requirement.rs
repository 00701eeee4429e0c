//! The requirement of the policy on a user without a device, at the present time.

use twofactor_core::account::Account;
use twofactor_core::policy::DeviceRequirement;
use twofactor_store::LoadedPolicy;
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::sys::clock;

use super::LoginContext;
use crate::code_log_lines;
use crate::transaction::{LogPriority, PamTransaction};

impl LoginContext<'_> {
    /// Looks it up, and logs what could not be looked up.
    pub(super) fn requirement(
        &self,
        transaction: &dyn PamTransaction,
        loaded: &LoadedPolicy,
        account: Option<&Account>,
    ) -> DeviceRequirement {
        let time = loaded.time(clock::now());
        let mut groups = KnownGroups::default();
        let requirement = groups.requirement(&loaded.policy, time, account);
        for name in groups.unanswered() {
            let line = code_log_lines::unanswered_name(self.about(), name);
            transaction.log(LogPriority::Warning, line.as_str());
        }
        requirement
    }
}
