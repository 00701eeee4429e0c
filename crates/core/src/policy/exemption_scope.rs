//! The logins at which a policy exempts a user, from wherever they come.

use crate::account::Account;
use crate::policy::Policy;

/// Scope of the `[[exempt]]` entries of a person: whether one covers the person in every service and from every
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemptionScope {
    /// Never asked.
    Everywhere,
    /// Asked somewhere.
    No,
}

impl ExemptionScope {
    /// The scope of a policy's entries on an account, and the services at which an entry without condition on the network
    /// exempts it, also those that are off. `member` says whether the account is in a group. A policy that is off exempts no user.
    pub fn of(
        policy: &Policy,
        account: &Account,
        member: &mut dyn FnMut(&str) -> bool,
    ) -> (Self, Vec<String>) {
        if !policy.enabled {
            return (Self::No, Vec::new());
        }
        if policy.is_exempt_everywhere(account, member) {
            return (Self::Everywhere, Vec::new());
        }
        let services = policy.exempting_services(account, member).into_iter();
        (Self::No, services.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_off_exempts_no_user() {
        let account = Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
        };
        let everywhere = "users = [\"alice\"]";
        let at_su = "users = [\"alice\"]\nservices = [\"su\"]";
        for (is_on, entry, expected) in [
            (true, everywhere, (ExemptionScope::Everywhere, vec![])),
            (true, at_su, (ExemptionScope::No, vec!["su".to_owned()])),
            (false, everywhere, (ExemptionScope::No, vec![])),
            (false, at_su, (ExemptionScope::No, vec![])),
        ] {
            let policy = format!("enabled = {is_on}\n[[exempt]]\n{entry}\n");
            let policy = policy.parse().unwrap();
            let found = ExemptionScope::of(&policy, &account, &mut |_| false);
            assert_eq!(found, expected, "{is_on}, {entry}");
        }
    }
}
