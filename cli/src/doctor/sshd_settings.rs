//! The settings that sshd works with: which methods let a user in, and which of them run PAM's auth lines.

use std::collections::BTreeMap;

use twofactor_core::policy::{ExemptEntry, Policy};

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::module_facts::OURS;

/// Best place for the settings: the first value that sshd finds counts.
const PLACE: &str = "in /etc/ssh/sshd_config.d/01-twofactor.conf";
/// Cures what keeps sshd from asking, where the PAM files are those of Debian or Ubuntu.
const SETUP: &str = "twofactor setup sshd. By hand:";
/// Step that has to follow.
const RELOAD: &str = "then: systemctl try-reload-or-restart ssh";

/// The method that can ask PAM's questions.
pub const DIALOGUE: &str = "keyboard-interactive";
/// The method with one hidden field.
pub const PASSWORD: &str = "password";
/// By key.
pub const KEY: &str = "publickey";

/// The output of `sshd -T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshdSettings(BTreeMap<String, String>);

/// Questions of the auth lines of sshd's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshdDialogue {
    /// Password and code, one after the other.
    Both,
    /// Password and code in one field.
    OneField,
    /// A code and no password.
    CodeOnly,
}

impl SshdSettings {
    /// Reads it: a keyword in small letters, a blank, and its value in each line.
    pub fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let mut settings = BTreeMap::new();
        for (key, value) in pairs {
            settings
                .entry(key.to_ascii_lowercase())
                .or_insert_with(|| value.trim().to_owned());
        }
        Self(settings)
    }

    /// The PAM service that sshd uses.
    pub fn service(&self) -> &str {
        self.value("pamservicename").unwrap_or("sshd")
    }

    /// True if a switch is on.
    pub fn on(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value == "yes")
    }

    /// True if sshd asks PAM's questions. Before OpenSSH 8.7 the setting had another name.
    pub fn dialogue(&self) -> bool {
        self.on("usepam")
            && (self.on("kbdinteractiveauthentication")
                || self.on("challengeresponseauthentication"))
    }

    /// `permitrootlogin`.
    pub fn root(&self) -> &str {
        self.value("permitrootlogin").unwrap_or("yes")
    }

    /// The combinations of methods, each of which lets a user in.
    pub fn combinations(&self) -> Vec<Vec<String>> {
        let usable: Vec<&str> = [
            (DIALOGUE, self.dialogue()),
            (PASSWORD, self.on("passwordauthentication")),
            (KEY, self.on("pubkeyauthentication")),
            ("gssapi-with-mic", self.on("gssapiauthentication")),
            ("hostbased", self.on("hostbasedauthentication")),
        ]
        .into_iter()
        .filter_map(|(method, on)| on.then_some(method))
        .collect();
        let lists = match self.value("authenticationmethods") {
            None | Some("any") => {
                return usable.iter().map(|one| vec![(*one).to_owned()]).collect();
            }
            Some(lists) => lists.split_ascii_whitespace(),
        };
        let list = |list: &str| -> Vec<String> {
            let method = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
            list.split(',').map(method).collect()
        };
        lists
            .map(list)
            .filter(|list| list.iter().all(|method| usable.contains(&method.as_str())))
            .collect()
    }

    /// Reasons that keep sshd from asking for the code, or let a login in without. `asks` is what its stack asks for.
    pub fn check(&self, asks: SshdDialogue) -> Vec<DoctorFinding> {
        let problem =
            |check, cause: String, fix: String| DoctorFinding::problem(check, "sshd", cause, fix);
        if !self.on("usepam") {
            return vec![problem(
                "sshd-usepam",
                format!(
                    "sshd has UsePAM no: it never calls {OURS}, and no user is asked for a code"
                ),
                format!("{SETUP} {PLACE}: UsePAM yes; {RELOAD}"),
            )];
        }
        let mut findings = Vec::new();
        let combinations = self.combinations();
        let any = |method: &str| combinations.iter().flatten().any(|one| one == method);
        let password_asks = asks == SshdDialogue::OneField && any(PASSWORD);
        if !self.dialogue() && !password_asks {
            findings.push(problem(
                "sshd-kbdinteractive",
                "sshd has KbdInteractiveAuthentication no, so it cannot ask for a code: users with a device cannot log in with a password".to_owned(),
                format!("{SETUP} {PLACE}: KbdInteractiveAuthentication yes (before OpenSSH 8.7: ChallengeResponseAuthentication yes); {RELOAD}"),
            ));
        } else if !any(DIALOGUE) && !password_asks {
            findings.push(problem(
                "sshd-methods",
                format!("sshd's AuthenticationMethods ({}) never ask PAM's questions: no user is asked for a code", self.methods()),
                format!("Set {PLACE}: AuthenticationMethods with keyboard-interactive in each of its lists, such as publickey,keyboard-interactive; {RELOAD}"),
            ));
        }
        if any(PASSWORD) && asks != SshdDialogue::OneField {
            findings.push(problem(
                "sshd-password",
                "sshd has PasswordAuthentication yes: with that method it answers the question for the code with the password, so users with a device are refused".to_owned(),
                format!("{SETUP} {PLACE}: PasswordAuthentication no (passwords still work: keyboard-interactive asks for them); {RELOAD}"),
            ));
        }
        findings.extend(self.keys(asks, &combinations));
        findings
    }

    /// Finding on the policy's addresses, where sshd may give PAM a name in place of one.
    pub fn names(&self, policy: &Policy) -> Option<DoctorFinding> {
        let service = self.service();
        if !self.on("usedns") || !policy.enabled || !policy.service_on(service) {
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

    /// Combinations without the code beside some with it.
    fn keys(&self, asks: SshdDialogue, combinations: &[Vec<String>]) -> Option<DoctorFinding> {
        let without =
            |list: &&Vec<String>| !list.iter().any(|one| one == DIALOGUE || one == PASSWORD);
        let bare = combinations.iter().find(without)?.join(",");
        if asks == SshdDialogue::CodeOnly {
            return Some(DoctorFinding::problem(
                "sshd-key-alone",
                "sshd",
                format!(
                    "the PAM file of sshd asks for a code and no password, and sshd also lets in by {bare} alone, without a code"
                ),
                format!(
                    "Set {PLACE}: AuthenticationMethods publickey,keyboard-interactive; {RELOAD}"
                ),
            ));
        }
        let mixed = combinations.len() > 1
            && self
                .value("authenticationmethods")
                .is_some_and(|lists| lists != "any");
        mixed.then(|| {
            DoctorFinding::warning(
                "sshd-methods",
                "sshd",
                format!("sshd's AuthenticationMethods ({}) let in by {bare} without a code", self.methods()),
                format!("If that is not meant, {PLACE}: keyboard-interactive in each of its lists; {RELOAD}"),
            )
        })
    }

    fn methods(&self) -> &str {
        self.value("authenticationmethods").unwrap_or("any")
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "usepam yes\nkbdinteractiveauthentication yes\npasswordauthentication no\npubkeyauthentication yes\n\
                        authenticationmethods any\npermitrootlogin without-password\n";

    fn with(changes: &[(&str, &str)]) -> SshdSettings {
        let mut text = GOOD.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        SshdSettings::parse(&text)
    }

    fn checks(changes: &[(&str, &str)], asks: SshdDialogue) -> Vec<&'static str> {
        let findings = with(changes).check(asks);
        findings.into_iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn recommended_settings_are_fine() {
        assert_eq!(checks(&[], SshdDialogue::Both), [""; 0]);
        let key_and_code = [("methods any", "methods publickey,keyboard-interactive:pam")];
        assert_eq!(checks(&key_and_code, SshdDialogue::CodeOnly), [""; 0]);
        let password = [("passwordauthentication no", "passwordauthentication yes")];
        assert_eq!(checks(&password, SshdDialogue::OneField), [""; 0]);
    }

    #[test]
    fn each_wrong_setting_is_named() {
        let pam = ("usepam yes", "usepam no");
        let dialogue = (
            "kbdinteractiveauthentication yes",
            "kbdinteractiveauthentication no",
        );
        let old = (
            "kbdinteractiveauthentication yes",
            "challengeresponseauthentication no",
        );
        let password = ("passwordauthentication no", "passwordauthentication yes");
        let keys = ("methods any", "methods publickey");
        let either = ("methods any", "methods publickey keyboard-interactive");
        for (change, expected) in [
            (pam, "sshd-usepam"),
            (dialogue, "sshd-kbdinteractive"),
            (old, "sshd-kbdinteractive"),
            (password, "sshd-password"),
            (keys, "sshd-methods"),
            (either, "sshd-methods"),
        ] {
            assert_eq!(
                checks(&[change], SshdDialogue::Both)[0],
                expected,
                "{change:?}"
            );
        }
        assert_eq!(checks(&[dialogue, password], SshdDialogue::Both).len(), 2);
        assert_eq!(checks(&[], SshdDialogue::CodeOnly), ["sshd-key-alone"]);
    }

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

    #[test]
    fn the_old_name_of_the_setting_is_known() {
        let old = [(
            "kbdinteractiveauthentication yes",
            "challengeresponseauthentication yes",
        )];
        assert!(with(&old).dialogue());
    }

    #[test]
    fn combinations_need_methods_that_are_on() {
        assert_eq!(
            with(&[]).combinations(),
            [vec![DIALOGUE.to_owned()], vec![KEY.to_owned()]]
        );
        let lists = [(
            "methods any",
            "methods publickey,password publickey,keyboard-interactive:pam",
        )];
        assert_eq!(
            with(&lists).combinations(),
            [vec![KEY.to_owned(), DIALOGUE.to_owned()]]
        );
    }
}
