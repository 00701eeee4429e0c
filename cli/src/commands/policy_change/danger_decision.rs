//! The answer to `--force`.

use twofactor_core::policy::Policy;
use twofactor_store::files::LockWait;

use crate::interrupt;

/// The decision on a change that locks people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DangerDecision {
    /// The change is refused.
    Refuse,
    /// The change is made.
    Accept,
    /// The change only switches two-factor login off, and is made without checks. Neither the state directory nor the user
    /// database is read, since they may not answer.
    Unchecked,
}

impl DangerDecision {
    /// Reads `--force`.
    pub const fn new(force: &bool) -> Self {
        if *force { Self::Accept } else { Self::Refuse }
    }

    /// The wait of a change for other commands. Dangers are judged by devices that no other command may remove meanwhile; what is
    /// made in spite of them, or `only_switches_off`, must not depend on one that is stopped.
    pub const fn lock_wait(self, only_switches_off: bool) -> LockWait {
        match self {
            Self::Refuse if !only_switches_off => LockWait::Required(interrupt::was_signalled),
            Self::Refuse | Self::Accept | Self::Unchecked => LockWait::Short,
        }
    }
}

/// True if a change only switches services off, or all of them: it refuses no user who was not refused before.
pub fn only_switches_off(before: Option<&Policy>, after: &Policy) -> bool {
    let Some(before) = before.filter(|_| after.enabled) else {
        return !after.enabled;
    };
    let others = Policy {
        services: before.services.clone(),
        ..after.clone()
    };
    let named = [before, after].map(Policy::own_services);
    let mut named = named.iter().flat_map(|services| services.keys());
    let stays_off = |on: bool, was_on: bool| was_on || !on;
    others == *before
        && named.all(|name| stays_off(after.service_on(name), before.service_on(name)))
        && stays_off(after.services.default, before.services.default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::policy;

    #[test]
    fn a_change_that_only_switches_off_is_known() {
        let parsed = |text: &str| policy::parse(&format!("enabled = true\n{text}")).unwrap();
        let before = parsed("[services]\nsudo = true\nlogin = false\n");
        let is_off = |text: &str| only_switches_off(Some(&before), &parsed(text));
        for off in [
            "[services]\nsudo = false\nlogin = false\n",
            "[services]\nsudo = true\nlogin = false\ndefault = false\n",
            "[services]\nsudo = true\nlogin = false\ncron = false\n",
        ] {
            assert!(is_off(off), "{off}");
        }
        for more in [
            "[services]\nsudo = true\n",
            "[services]\nsudo = false\nlogin = true\n",
            "window = 2\n[services]\nsudo = false\nlogin = false\n",
            "enforcement = \"mandatory\"\n[services]\nsudo = true\nlogin = false\n",
        ] {
            assert!(!is_off(more), "{more}");
        }
        let off = policy::parse("enabled = false\nwindow = 2\n").unwrap();
        assert!(only_switches_off(Some(&before), &off) && only_switches_off(None, &off));
        assert!(!only_switches_off(Some(&off), &before) && !only_switches_off(None, &before));
    }
}
