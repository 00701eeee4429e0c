//! Requirements: the users who need a device by a `[[require]]` entry, and from which day on.

use std::ptr;

use super::Policy;
use super::start_day::{PolicyTime, StartDay};

/// One `[[require]]` entry. It names at least one user or group; it applies to each of its users and to the members of
/// each of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequireEntry {
    users: Vec<String>,
    groups: Vec<String>,
    from: Option<StartDay>,
}

impl RequireEntry {
    /// Login names.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// Group names.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The first day; `None` for an entry that is in force at once.
    pub const fn from(&self) -> Option<StartDay> {
        self.from
    }

    /// An entry, unless both lists are empty: it would require nothing of any user.
    pub(super) fn new(
        users: Vec<String>,
        groups: Vec<String>,
        from: Option<StartDay>,
    ) -> Option<Self> {
        let entry = Self {
            users,
            groups,
            from,
        };
        (!entry.users.is_empty() || !entry.groups.is_empty()).then_some(entry)
    }

    /// The requirement on a user to which the entry applies.
    #[must_use]
    pub fn at(&self, time: PolicyTime) -> DeviceRequirement {
        match self.from {
            Some(day) if !time.has_reached(day) => DeviceRequirement::Later(day),
            _ => DeviceRequirement::InForce,
        }
    }
}

/// The requirement of all entries on one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequirement {
    /// No entry applies.
    None,
    /// From this day on the user needs a device.
    Later(StartDay),
    /// The user needs a device.
    InForce,
}

impl Policy {
    /// True if an entry of `[[require]]` is in force, for some user.
    #[must_use]
    pub fn requires(&self, time: PolicyTime) -> bool {
        let mut entries = self.require.iter();
        entries.any(|entry| entry.at(time) == DeviceRequirement::InForce)
    }

    /// True if an entry of `[[require]]` comes into force on a later day, for some user.
    #[must_use]
    pub fn requires_later(&self, time: PolicyTime) -> bool {
        let mut entries = self.require.iter();
        entries.any(|entry| matches!(entry.at(time), DeviceRequirement::Later(_)))
    }

    /// The requirement on a user: that of the strictest entry for which `applies` is true. It is asked of entries that
    /// are in force first, and no longer than one can change the result.
    pub fn requirement(
        &self,
        time: PolicyTime,
        applies: &mut dyn FnMut(&RequireEntry) -> bool,
    ) -> DeviceRequirement {
        let mut entries: Vec<&RequireEntry> = self.require.iter().collect();
        let begins = |entry: &&RequireEntry| match entry.at(time) {
            DeviceRequirement::Later(day) => Some(day),
            DeviceRequirement::InForce | DeviceRequirement::None => None,
        };
        while let Some(first) = entries.iter().copied().min_by_key(begins) {
            if applies(first) {
                return first.at(time);
            }
            entries.retain(|entry| !ptr::eq(*entry, first));
        }
        DeviceRequirement::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: PolicyTime = PolicyTime {
        now: Some(1_800_000_000),
        changed: 0,
    };

    fn policy(entries: &str) -> Policy {
        format!("enabled = true\n{entries}").parse().unwrap()
    }

    #[test]
    fn the_strictest_entry_counts() {
        let policy = policy(
            "[[require]]\nusers = [\"late\", \"both\"]\nfrom = 2027-06-01\n\
             [[require]]\nusers = [\"soon\", \"late\"]\nfrom = 2027-03-01\n\
             [[require]]\ngroups = [\"both\", \"now\"]\nfrom = 2026-01-01\n\
             [[require]]\nusers = [\"once\"]\n",
        );
        let of = |name: &str| {
            let listed = |list: &[String]| list.iter().any(|known| known == name);
            policy.requirement(NOW, &mut |entry| {
                listed(entry.users()) || listed(entry.groups())
            })
        };
        let later = |day| DeviceRequirement::Later(StartDay::new(2027, day, 1).unwrap());
        assert_eq!(of("stranger"), DeviceRequirement::None);
        assert_eq!((of("soon"), of("late")), (later(3), later(3)));
        for user in ["both", "now", "once"] {
            assert_eq!(of(user), DeviceRequirement::InForce, "{user}");
        }
    }

    #[test]
    fn entries_are_in_force_from_their_day_on() {
        for (entry, now, later) in [
            ("", false, false),
            (
                "[[require]]\nusers = [\"a\"]\nfrom = 2027-03-01\n",
                false,
                true,
            ),
            (
                "[[require]]\nusers = [\"a\"]\nfrom = 2027-01-15\n",
                true,
                false,
            ),
            ("[[require]]\nusers = [\"a\"]\n", true, false),
        ] {
            let policy = policy(entry);
            let found = (policy.requires(NOW), policy.requires_later(NOW));
            assert_eq!(found, (now, later), "{entry}");
        }
    }
}
