//! The settings that sshd works with: which methods let a user in, and which of them run PAM's auth lines.

use std::collections::BTreeMap;

use super::super::doctor_finding::DoctorFinding;
use super::super::module_facts::OURS;
use super::dialogue::SshdDialogue;

/// Best place for the settings: the first value that sshd finds counts.
pub(super) const PLACE: &str = "in /etc/ssh/sshd_config.d/01-twofactor.conf";
/// Cures what keeps sshd from asking, where the PAM files are those of Debian or Ubuntu.
const SETUP: &str = "twofactor setup sshd. By hand:";
/// Step that has to follow.
pub(super) const RELOAD: &str = "then: systemctl try-reload-or-restart ssh";

/// sshd's service, unless sshd says otherwise.
pub const SSHD: &str = "sshd";

/// The check of passwords that Kerberos accepts before PAM is asked.
pub const KERBEROS: &str = "sshd-kerberos";

/// The method that can ask PAM's questions.
pub const DIALOGUE: &str = "keyboard-interactive";
/// The method with one hidden field.
pub const PASSWORD: &str = "password";
/// By key.
pub const KEY: &str = "publickey";

/// The output of `sshd -T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshdSettings(BTreeMap<String, String>);

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
        self.value("pamservicename").unwrap_or(SSHD)
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

    /// The methods that OpenSSH has, Debian's `gssapi-keyex` among them, and whether they are on.
    fn switches(&self) -> [(&'static str, bool); 6] {
        [
            (DIALOGUE, self.dialogue()),
            (PASSWORD, self.on("passwordauthentication")),
            (KEY, self.on("pubkeyauthentication")),
            ("gssapi-with-mic", self.on("gssapiauthentication")),
            ("gssapi-keyex", self.on("gssapikeyexchange")),
            ("hostbased", self.on("hostbasedauthentication")),
        ]
    }

    /// The combinations of methods, each of which lets a user in. A method that is not known here may be on.
    pub fn combinations(&self) -> Vec<Vec<String>> {
        let switches = self.switches();
        let Some(lists) = self.lists() else {
            let on = switches.into_iter().filter(|(_, on)| *on);
            return on.map(|(method, _)| vec![method.to_owned()]).collect();
        };
        let off = |name: &String| switches.iter().any(|(method, on)| method == name && !on);
        lists
            .into_iter()
            .filter(|list| !list.iter().any(off))
            .collect()
    }

    /// The lists of `AuthenticationMethods`, without what stands after a colon; `None` where each method is enough.
    fn lists(&self) -> Option<Vec<Vec<String>>> {
        let lists = self.value("authenticationmethods");
        let lists = lists.filter(|lists| *lists != "any")?;
        let method = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
        let list = |list: &str| list.split(',').map(method).collect();
        Some(lists.split_ascii_whitespace().map(list).collect())
    }

    /// A method of `AuthenticationMethods` that is not known here.
    fn unknown(&self) -> Option<DoctorFinding> {
        let switches = self.switches();
        let known = |name: &String| switches.iter().any(|(method, _)| method == name);
        let unknown = self.lists()?.into_iter().flatten().find(|it| !known(it))?;
        Some(DoctorFinding::warning(
            "sshd-methods",
            "sshd",
            format!(
                "sshd's AuthenticationMethods ({}) have {unknown}, which doctor does not know: it may let in without a code",
                self.methods()
            ),
            format!(
                "If that is not meant, {PLACE}: keyboard-interactive in each of its lists; {RELOAD}"
            ),
        ))
    }

    /// Kerberos, which sshd asks about a password before it asks PAM: if it says yes, PAM is not asked at all.
    fn kerberos(&self, combinations: &[Vec<String>]) -> Option<DoctorFinding> {
        let has = |list: &[String], method: &str| list.iter().any(|one| one == method);
        let alone = |list: &&Vec<String>| has(list, PASSWORD) && !has(list, DIALOGUE);
        let is_open = self.on("kerberosauthentication") && combinations.iter().any(|it| alone(&it));
        is_open.then(|| {
            DoctorFinding::problem(
                KERBEROS,
                "sshd",
                "sshd has KerberosAuthentication yes: with the method password, a password that Kerberos accepts lets in without a code, since PAM is not asked then",
                format!("Set {PLACE}: KerberosAuthentication no (the module pam_krb5.so or pam_sss.so asks Kerberos, too); {RELOAD}"),
            )
        })
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
        findings.extend(self.kerberos(&combinations));
        findings.extend(self.keys(asks, &combinations));
        findings.extend(self.unknown());
        findings
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
    fn kerberos_before_pam_is_a_problem_with_passwords() {
        let kerberos = ("usepam yes", "usepam yes\nkerberosauthentication yes");
        let password = ("passwordauthentication no", "passwordauthentication yes");
        let lists = |text: &'static str| ("methods any", text);
        assert_eq!(checks(&[kerberos], SshdDialogue::OneField), [""; 0]);
        assert_eq!(
            checks(&[kerberos, password], SshdDialogue::OneField),
            [KERBEROS]
        );
        let two = checks(&[kerberos, password], SshdDialogue::Both);
        assert_eq!(two, ["sshd-password", KERBEROS]);
        let key = lists("methods publickey,password");
        assert_eq!(
            checks(&[kerberos, password, key], SshdDialogue::OneField),
            [KERBEROS]
        );
        let both = lists("methods password,keyboard-interactive");
        assert_eq!(
            checks(&[kerberos, password, both], SshdDialogue::OneField),
            [""; 0]
        );
        let off = ("usepam yes", "usepam yes\nkerberosauthentication no");
        assert_eq!(checks(&[off, password], SshdDialogue::OneField), [""; 0]);
    }

    #[test]
    fn a_method_that_is_not_known_is_told() {
        let lists = (
            "methods any",
            "methods publickey,moonlight publickey,keyboard-interactive",
        );
        let settings = with(&[lists]);
        assert_eq!(settings.combinations().len(), 2);
        assert_eq!(settings.combinations()[0].join(","), "publickey,moonlight");
        let found = settings.check(SshdDialogue::Both);
        assert!(
            found
                .iter()
                .any(|one| one.cause.contains("have moonlight, which")),
            "{found:?}"
        );
        let alone = checks(&[("methods any", "methods moonlight")], SshdDialogue::Both);
        assert_eq!(alone, ["sshd-methods", "sshd-methods"]);
    }

    #[test]
    fn a_key_exchange_by_gssapi_is_a_method() {
        let lists = (
            "methods any",
            "methods gssapi-keyex publickey,keyboard-interactive",
        );
        assert_eq!(with(&[lists]).combinations().len(), 1);
        let on = ("usepam yes", "usepam yes\ngssapikeyexchange yes");
        assert_eq!(with(&[lists, on]).combinations().len(), 2);
        assert_eq!(checks(&[lists, on], SshdDialogue::Both), ["sshd-methods"]);
        assert_eq!(checks(&[lists], SshdDialogue::Both), [""; 0]);
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
