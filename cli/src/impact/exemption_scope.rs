//! The logins at which a policy exempts a user, from wherever they come.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{LoginRequest, PolicyDecision, decide_before_enrollment};
use twofactor_core::policy::{Policy, ServiceTable};

/// Scope of the `[[exempt]]` entries of a person: whether one covers the person in every service and from every
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExemptionScope {
    /// Never asked.
    Everywhere,
    /// Asked somewhere.
    No,
}

/// The `[[exempt]]` entries of a policy.
pub struct ExemptionRules {
    /// The policy with all services on: an exemption is one also from a service that is switched on later.
    all_on: Policy,
}

impl ExemptionRules {
    /// Those of a policy.
    pub fn of(policy: &Policy) -> Self {
        let services = ServiceTable {
            default: true,
            named: BTreeMap::new(),
        };
        let all_on = Policy {
            services,
            ..policy.clone()
        };
        Self { all_on }
    }

    /// The exemption by an entry without condition on service and network, and the services at which an entry without
    /// condition on the network exempts. `member` tells of the groups of the account. No service has an empty name, and a
    /// login without an address matches no network.
    pub fn scope(
        &self,
        account: &Account,
        member: &mut dyn FnMut(&str) -> bool,
    ) -> (ExemptionScope, Vec<String>) {
        if !self.all_on.enabled || self.all_on.exempt.is_empty() {
            return (ExemptionScope::No, Vec::new());
        }
        let mut exempt = |service: &str| {
            let request = LoginRequest {
                account: Some(account),
                service,
                address: None,
            };
            let decision = decide_before_enrollment(&self.all_on, &request, member);
            matches!(decision, Some(PolicyDecision::Exempt(_)))
        };
        if exempt("") {
            return (ExemptionScope::Everywhere, Vec::new());
        }
        let services = self.all_on.exempt.iter().flat_map(|entry| entry.services());
        let exempt_at = services.filter(|service| exempt(service)).cloned();
        (ExemptionScope::No, exempt_at.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_off_still_has_exemptions() {
        let scope = |entry: &str| {
            let text = format!(
                "enabled = true\n[services]\ndefault = false\nsshd = true\n[[exempt]]\n{entry}\n"
            );
            let account = Account {
                name: "alice".to_owned(),
                uid: 1000,
                gid: 1000,
            };
            ExemptionRules::of(&text.parse().unwrap()).scope(&account, &mut |_| false)
        };
        let none = Vec::<String>::new;
        let everywhere = (ExemptionScope::Everywhere, none());
        assert_eq!(scope("users = [\"alice\"]"), everywhere);
        assert_eq!(scope("users = [\"bob\"]"), (ExemptionScope::No, none()));
        let services = "services = [\"su\", \"sshd\"]\nusers = [\"alice\"]";
        let both = vec!["su".to_owned(), "sshd".to_owned()];
        assert_eq!(scope(services), (ExemptionScope::No, both));
    }
}
