//! The policy's decision on a login, with the groups of the account looked up where they decide.

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{self, LoginRequest, PolicyDecision, UserEnrollment};
use twofactor_core::policy::{Policy, PolicyTime};

use crate::account_rules::KnownGroups;

/// The whole decision.
pub fn decide(
    policy: &Policy,
    time: PolicyTime,
    request: &LoginRequest<'_>,
    groups: &mut KnownGroups,
    enrollment: UserEnrollment,
) -> PolicyDecision {
    if let Some(decision) = decide_before_enrollment(policy, request, groups) {
        return decision;
    }
    let mut requirement = || groups.requirement(policy, time, request.account);
    decision::decide_by_enrollment(policy, &mut requirement, enrollment)
}

/// The part that needs no record, `None` when the user's enrollment decides.
pub fn decide_before_enrollment(
    policy: &Policy,
    request: &LoginRequest<'_>,
    groups: &mut KnownGroups,
) -> Option<PolicyDecision> {
    let mut own = groups.of(request.account);
    decision::decide_before_enrollment(policy, request, &mut |group| own.include(group))
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
    fn decided(policy: &str, account: Option<&Account>) -> (PolicyDecision, usize) {
        let policy = format!("enabled = true\n[[exempt]]\n{policy}\n");
        let policy = policy.parse().unwrap();
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
        let enrolled = UserEnrollment::Enrolled;
        let decision = decide(&policy, time, &request, &mut groups, enrolled);
        let before = decide_before_enrollment(&policy, &request, &mut groups);
        assert_eq!(before.unwrap_or(PolicyDecision::CodeRequired), decision);
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
