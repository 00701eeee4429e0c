//! The wrong codes that a host compares which is cut off from its fleet.

use twofactor_core::policy::Policy;

/// Fewest wrong codes that a host which is cut off has compared.
const FEWEST_FAILURES: u32 = 5;

/// The policy of a host that is cut off: the wrong codes in all are those of the fleet, divided by its hosts.
pub(super) fn cut_off(policy: &Policy, hosts: u32) -> Policy {
    let mut policy = policy.clone();
    let limit = &mut policy.throttle.max_failures;
    if *limit != 0 {
        *limit = (*limit / hosts.max(1)).max(FEWEST_FAILURES).min(*limit);
    }
    policy
}
