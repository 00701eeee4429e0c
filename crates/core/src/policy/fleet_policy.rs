//! A fleet: codes are judged with a store that many hosts share, and what happens while it cannot be reached.

use std::fmt;

/// Services that are judged by the host's own files during an outage, where the policy names none.
const DEFAULT_LOCAL_SERVICES: [&str; 1] = ["login"];

/// Part of this host in a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetPolicy {
    /// True if codes are judged with the store of the fleet.
    pub enabled: bool,
    /// Treatment of logins during an outage.
    pub on_outage: OutageRule,
    /// Seconds since the last contact with the store for which [`OutageRule::Local`] holds, 0..=31536000; 0 is without end.
    pub outage_local_for: u32,
    /// True if recovery codes and codes of a counter, which do not expire, are accepted during an outage.
    pub outage_recovery: bool,
    /// PAM services whose codes are judged by the files of the host during every outage.
    pub local_services: Vec<String>,
    /// Longest time for the verdict of the store, in milliseconds, 500..=4000: less than the lock of a user's file waits.
    pub deadline_ms: u32,
}

/// Treatment of logins while the store of the fleet cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageRule {
    /// A code is judged by the files of the host.
    Local,
    /// All who need a code are refused.
    Deny,
}

impl Default for FleetPolicy {
    fn default() -> Self {
        Self {
            enabled: false,
            on_outage: OutageRule::Local,
            outage_local_for: 86_400,
            outage_recovery: false,
            local_services: DEFAULT_LOCAL_SERVICES.map(str::to_owned).to_vec(),
            deadline_ms: 3000,
        }
    }
}

/// The word of the policy file.
impl fmt::Display for OutageRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Deny => "deny",
        })
    }
}

impl FleetPolicy {
    /// True if this PAM service is judged by the files of the host during every outage.
    #[must_use]
    pub fn is_local(&self, service: &str) -> bool {
        self.local_services.iter().any(|own| own == service)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn the_console_is_local_unless_the_policy_denies_it() {
        let of = |rest: &str| -> Policy { format!("enabled = true\n{rest}").parse().unwrap() };
        let usual = of("[fleet]\nenabled = true").fleet;
        assert!(usual.is_local("login") && !usual.is_local("sshd"));
        let none = of("[fleet]\nlocal_services = []").fleet;
        assert!(!none.is_local("login"));
        let other = of("[fleet]\nlocal_services = [\"lightdm\"]").fleet;
        assert!(other.is_local("lightdm") && !other.is_local("login"));
    }

    #[test]
    fn what_the_table_does_not_know_is_an_error() {
        for (table, wrong) in [
            ("on_outage = \"allow\"", "\"local\", \"deny\""),
            ("deadline_ms = 499", "500 to 4000"),
            ("deadline_ms = 4001", "500 to 4000"),
            ("outage_local_for = 31536001", "0 to 31536000"),
            ("local_services = [\"default\"]", "default"),
            ("outage_recovery = 1", "true or false"),
            ("endpoint = \"x\"", "endpoint"),
        ] {
            let text = format!("enabled = true\n[fleet]\n{table}");
            let error = crate::policy::parse(&text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
