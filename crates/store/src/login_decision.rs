//! The policy's decision on a login, with the groups of the account looked up where they decide.

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{self, LoginRequest, PolicyDecision};
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};

use crate::account_rules::{GroupMemberships, KnownGroups};

/// A user whose record was read: what is left to be looked up for the decision are groups, and the users of `[[require]]`.
pub struct RecordedUser<'a> {
    /// The policy whose `[[require]]` counts.
    pub policy: &'a Policy,
    /// The time of the login.
    pub time: PolicyTime,
    /// The groups of the account.
    pub groups: GroupMemberships<'a>,
    /// True if the user has a device.
    pub has_device: bool,
    /// The requirement of `[[require]]`, once it was looked up.
    pub requirement: Option<DeviceRequirement>,
}

impl RecordedUser<'_> {
    /// The policy's decision on a login of this user.
    pub fn decision(&mut self, request: &LoginRequest<'_>) -> PolicyDecision {
        let mut member = |group: &str| self.groups.include(group);
        match decision::decide(self.policy, request, &mut member) {
            Err(decision) => decision,
            Ok(asked) if self.has_device => asked.with_device(),
            Ok(asked) => {
                let look_up = || self.groups.requirement(self.policy, self.time);
                asked.without_device(*self.requirement.get_or_insert_with(look_up))
            }
        }
    }
}

/// True if an `[[exempt]]` entry covers all logins of an account. A group that cannot be looked up has no members here.
pub fn is_exempt_everywhere(policy: &Policy, account: &Account, groups: &mut KnownGroups) -> bool {
    let mut own = groups.of(Some(account));
    policy.is_exempt_everywhere(account, &mut |group| own.include(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::accounts;

    /// The decision on a user with a device, and how many groups were found to be unusable.
    fn decided(policy: &str, account: Option<&Account>) -> (PolicyDecision, usize) {
        let policy = format!("enabled = true\n[[exempt]]\n{policy}\n");
        decided_by(&policy.parse().unwrap(), account, true)
    }

    fn decided_by(
        policy: &Policy,
        account: Option<&Account>,
        has_device: bool,
    ) -> (PolicyDecision, usize) {
        let request = LoginRequest {
            account,
            service: "login",
            address: None,
        };
        let mut groups = KnownGroups::default();
        let time = PolicyTime {
            now: None,
            changed: 0,
        };
        let mut user = RecordedUser {
            policy,
            time,
            groups: groups.of(account),
            has_device,
            requirement: None,
        };
        let decision = user.decision(&request);
        (decision, groups.unusable().len())
    }

    #[test]
    fn members_of_a_group_are_exempt() {
        let root = accounts::by_name("root").unwrap();
        let exempt = (PolicyDecision::Exempt(0), 0);
        let asked = (PolicyDecision::CodeRequired, 0);
        assert_eq!(decided("groups = [\"root\"]", root.as_ref()), exempt);
        assert_eq!(decided("groups = [\"daemon\"]", root.as_ref()), asked);
        assert_eq!(decided("groups = [\"root\"]", None), asked);
    }

    #[test]
    fn a_requirement_counts_for_a_user_without_a_device() {
        let root = accounts::by_name("root").unwrap();
        for (required, without) in [
            ("root", PolicyDecision::DeviceRequired),
            ("daemon", PolicyDecision::NotRequired),
        ] {
            let policy = format!("enabled = true\n[[require]]\nusers = [\"{required}\"]\n");
            let policy = policy.parse().unwrap();
            for (has_device, expected) in [(true, PolicyDecision::CodeRequired), (false, without)] {
                let (decision, _) = decided_by(&policy, root.as_ref(), has_device);
                assert_eq!(decision, expected, "{required}, {has_device}");
            }
        }
    }

    #[test]
    fn groups_exempt_their_members_everywhere() {
        let root = accounts::by_name("root").unwrap().unwrap();
        for (group, exempt) in [("root", true), ("daemon", false), ("no-such-group", false)] {
            let policy = format!("enabled = true\n[[exempt]]\ngroups = [\"{group}\"]\n");
            let mut groups = KnownGroups::default();
            let found = is_exempt_everywhere(&policy.parse().unwrap(), &root, &mut groups);
            assert_eq!(found, exempt, "{group}");
        }
    }

    /// A group that does not exist is found to be unusable where it is looked up.
    #[test]
    fn groups_are_looked_up_where_they_decide() {
        let root = accounts::by_name("root").unwrap();
        for (condition, looked_up) in [
            ("services = [\"login\"]", 1),
            ("services = [\"su\"]", 0),
            ("users = [\"root\"]", 1),
            ("users = [\"alice\"]", 0),
            ("networks = [\"10.0.0.0/8\"]", 0),
        ] {
            let entry = format!("groups = [\"no-such-group\"]\n{condition}");
            let expected = (PolicyDecision::CodeRequired, looked_up);
            assert_eq!(decided(&entry, root.as_ref()), expected, "{condition}");
        }
    }
}
