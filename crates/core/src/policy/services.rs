//! The PAM services that ask for a code, and the two names of one program.

use std::collections::BTreeMap;

use super::Policy;

/// Services that begin a login session, and that show a dialogue of several questions. sshd under another name is told by its PAM_TTY.
pub const LOGIN_SERVICES: [&str; 4] = ["sshd", "login", "remote", "cockpit"];

/// The services of one program, which depend on how it is called: `su -` is `su-l`, `sudo -i` is `sudo-i`, and
/// `runuser -l` is `runuser-l`.
const SIBLINGS: [(&str, &str); 3] = [("su", "su-l"), ("sudo", "sudo-i"), ("runuser", "runuser-l")];

/// The other service of the program that `service` belongs to.
pub fn sibling(service: &str) -> Option<&'static str> {
    SIBLINGS.iter().find_map(|(plain, login)| match service {
        service if service == *plain => Some(*login),
        service if service == *login => Some(*plain),
        _ => None,
    })
}

/// The PAM services that ask for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTable {
    /// For services that `named` does not hold; such a one is also on where its [`sibling`] is named and on.
    pub default: bool,
    /// By exact PAM service name. Always holds `sshd`, which is off unless the file says otherwise.
    pub named: BTreeMap<String, bool>,
}

impl Policy {
    /// True if `service` (a PAM service name, compared exactly) is switched on. Says nothing about `enabled`, which
    /// comes first. One that is not named is on where `default` or its [`sibling`] is: the administrator who switches
    /// su on means `su -` as well.
    pub fn service_on(&self, service: &str) -> bool {
        let named = |name: &str| self.services.named.get(name).copied();
        let by_sibling = || sibling(service).and_then(named).unwrap_or(false);
        named(service).unwrap_or_else(|| self.services.default || by_sibling())
    }

    /// The services that do not follow `default`: those that are named, and those that are on by their [`sibling`].
    pub fn own_services(&self) -> BTreeMap<String, bool> {
        let names = SIBLINGS.iter().flat_map(|(plain, login)| [*plain, *login]);
        let by_sibling = names.filter(|name| !self.services.default && self.service_on(name));
        let mut services: BTreeMap<String, bool> =
            by_sibling.map(|name| (name.to_owned(), true)).collect();
        services.extend(self.services.named.clone());
        services
    }
}

impl Default for ServiceTable {
    fn default() -> Self {
        Self {
            default: true,
            named: BTreeMap::from([("sshd".to_owned(), false)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn services_compare_exactly_and_follow_default() {
        let policy =
            parse("enabled = true\n[services]\ndefault = false\nsshd = true\nsudo = true").unwrap();
        assert!(policy.service_on("sshd"));
        assert!(policy.service_on("sudo"));
        for off in ["login", "SSHD", "sshd ", "su", "", "default"] {
            assert!(!policy.service_on(off), "{off:?}");
        }
    }

    #[test]
    fn siblings_are_on_together_unless_they_are_named() {
        let on = |services: &str, service: &str| {
            let policy = format!("enabled = true\n[services]\n{services}");
            policy.parse::<Policy>().unwrap().service_on(service)
        };
        for (plain, login) in SIBLINGS {
            for (one, other) in [(plain, login), (login, plain)] {
                assert_eq!(sibling(one), Some(other));
                let alone = format!("default = false\n{one} = true");
                assert!(on(&alone, one) && on(&alone, other), "{one}");
                let named = format!("{alone}\n{other} = false");
                assert!(on(&named, one) && !on(&named, other), "{one}");
                let by_default = format!("{one} = false");
                assert!(!on(&by_default, one) && on(&by_default, other), "{one}");
                let off = format!("default = false\n{one} = false");
                assert!(!on(&off, other), "{one}");
            }
        }
        for single in ["sshd", "login", "su-", "sudo-l", "default", ""] {
            assert_eq!(sibling(single), None, "{single:?}");
        }
    }

    #[test]
    fn named_services_include_their_siblings() {
        let own = |services: &str| {
            let policy = format!("enabled = true\n[services]\n{services}");
            policy.parse::<Policy>().unwrap().own_services()
        };
        let map = |services: &[(&str, bool)]| -> BTreeMap<String, bool> {
            let owned = services.iter().map(|(name, on)| ((*name).to_owned(), *on));
            owned.collect()
        };
        let followed = [("sshd", false), ("su", true), ("su-l", true)];
        assert_eq!(own("default = false\nsu = true"), map(&followed));
        assert_eq!(own("su = true"), map(&[("sshd", false), ("su", true)]));
        let off = [("sshd", false), ("sudo", true), ("sudo-i", false)];
        assert_eq!(
            own("default = false\nsudo = true\nsudo-i = false"),
            map(&off)
        );
    }

    #[test]
    fn sshd_stays_off_until_it_is_named() {
        let policy = parse("enabled = true\n[services]\ndefault = true\nlogin = false").unwrap();
        assert!(!policy.service_on("sshd"));
        assert!(!policy.service_on("login"));
        assert!(policy.service_on("sudo"));
    }
}
