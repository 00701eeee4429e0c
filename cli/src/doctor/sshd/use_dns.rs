//! Names of clients that sshd gives PAM, where the policy goes by addresses.

use twofactor_core::policy::{ExemptEntry, Policy};

use super::super::doctor_finding::{DoctorFinding, FindingLevel};
use super::settings::{PLACE, RELOAD, SshdSettings};

impl SshdSettings {
    /// Finding on the policy's addresses, where sshd may give PAM a name in place of one.
    pub fn names(&self, policy: &Policy) -> Option<DoctorFinding> {
        let service = self.service();
        if !self.on("usedns") || !policy.asks_at(service) {
            return None;
        }
        let applies = |entry: &&ExemptEntry| {
            entry.services().is_empty() || entry.services().iter().any(|one| one == service)
        };
        let mut exempt = policy.exempt.iter().filter(applies);
        let networks = exempt.any(|entry| !entry.networks().is_empty());
        let (level, what) = match (networks, policy.grace > 0) {
            (true, true) => (FindingLevel::Problem, "networks of [[exempt]] and grace"),
            (true, false) => (FindingLevel::Problem, "networks of [[exempt]]"),
            (false, true) => (FindingLevel::Warning, "grace"),
            (false, false) => return None,
        };
        let found = DoctorFinding::warning(
            "sshd-usedns",
            "sshd",
            format!(
                "sshd has UseDNS yes: PAM gets the name of a client that has one in place of its address, so the policy's {what} do not apply to it"
            ),
            format!("Set {PLACE}: UseDNS no; {RELOAD}"),
        );
        Some(DoctorFinding { level, ..found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_matter_where_the_policy_goes_by_addresses() {
        let level = |settings: &str, policy: &str| {
            let found = SshdSettings::parse(settings).names(&policy.parse().unwrap());
            found.map(|finding| finding.level)
        };
        let on = "enabled = true\n[services]\nsshd = true\n";
        let grace = format!("grace = 60\n{on}");
        let network = format!("{on}[[exempt]]\nnetworks = [\"10.0.0.0/8\"]\n");
        for (policy, expected) in [
            (on.to_owned(), None),
            (grace.clone(), Some(FindingLevel::Warning)),
            (network.clone(), Some(FindingLevel::Problem)),
            (
                format!("{network}services = [\"sshd\"]"),
                Some(FindingLevel::Problem),
            ),
            (format!("{network}services = [\"login\"]"), None),
            (format!("{on}[[exempt]]\nusers = [\"alice\"]"), None),
            (grace.replace("sshd = true", "sshd = false"), None),
            (grace.replace("enabled = true", "enabled = false"), None),
        ] {
            assert_eq!(level("usedns yes", &policy), expected, "{policy}");
            assert_eq!(level("usedns no", &policy), None, "{policy}");
        }
    }
}
