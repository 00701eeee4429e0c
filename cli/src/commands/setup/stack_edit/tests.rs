use std::collections::BTreeMap;

use super::*;
use crate::doctor::pam::{ConfigFile, ConfigFiles};
use crate::doctor::stack_preview::judge;

/// The lines of the files that Debian 12 and 13 ship, without their comments but those that pam-auth-update goes by.
const COMMON_AUTH: &str = "\
# here are the per-package modules (the \"Primary\" block)
auth\t[success=1 default=ignore]\tpam_unix.so nullok
# here's the fallback if no module succeeds
auth\trequisite\t\t\tpam_deny.so
auth\trequired\t\t\tpam_permit.so
# and here are more per-package modules (the \"Additional\" block)
auth\toptional\t\t\tpam_cap.so 
# end of pam-auth-update config
";
const SSHD: &str = "\
@include common-auth
account required pam_nologin.so
@include common-account
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close
session required pam_loginuid.so
session optional pam_keyinit.so force revoke
@include common-session
session optional pam_motd.so motd=/run/motd.dynamic
session optional pam_motd.so noupdate
session optional pam_mail.so standard noenv
session required pam_limits.so
session required pam_env.so
session required pam_env.so user_readenv=1 envfile=/etc/default/locale
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open
@include common-password
";
const SUDO: &str = "\
session required pam_limits.so
@include common-auth
@include common-account
@include common-session-noninteractive
";
const SU: &str = "\
auth sufficient pam_rootok.so
session required pam_env.so readenv=1
session required pam_env.so readenv=1 envfile=/etc/default/locale
session optional pam_mail.so nopen
session required pam_limits.so
@include common-auth
@include common-account
@include common-session
";
const LOGIN: &str = "\
auth optional pam_faildelay.so delay=3000000
auth requisite pam_nologin.so
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so close
session required pam_loginuid.so
session optional pam_motd.so motd=/run/motd.dynamic
session optional pam_motd.so noupdate
session [success=ok ignore=ignore module_unknown=ignore default=bad] pam_selinux.so open
session required pam_env.so readenv=1
session required pam_env.so readenv=1 envfile=/etc/default/locale
@include common-auth
auth optional pam_group.so
session required pam_limits.so
session optional pam_lastlog.so
session optional pam_mail.so standard
session optional pam_keyinit.so force revoke
@include common-account
@include common-session
@include common-password
";
const COMMON_ACCOUNT: &str = "\
# here are the per-package modules (the \"Primary\" block)
account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so
# here's the fallback if no module succeeds
account\trequisite\t\t\tpam_deny.so
account\trequired\t\t\tpam_permit.so
# end of pam-auth-update config
";

struct GivenDirectory(BTreeMap<String, String>);

impl ConfigFiles for GivenDirectory {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let path = if name.starts_with('/') {
            name.to_owned()
        } else {
            format!("/etc/pam.d/{name}")
        };
        let text = self.0.get(&path)?.clone();
        Some(ConfigFile { path, text })
    }
}

fn directory(common_auth: &str) -> GivenDirectory {
    let files = [
        ("common-auth", common_auth),
        ("common-account", COMMON_ACCOUNT),
        ("common-session", "session required pam_unix.so\n"),
        (
            "common-session-noninteractive",
            "session required pam_unix.so\n",
        ),
        ("common-password", "password required pam_unix.so\n"),
        (
            "other",
            "auth required pam_deny.so\naccount required pam_deny.so\n",
        ),
    ];
    let files = files.map(|(name, text)| (format!("/etc/pam.d/{name}"), text.to_owned()));
    GivenDirectory(BTreeMap::from(files))
}

/// The verdict on a service with this text.
fn verdict(common_auth: &str, text: &str) -> StackVerdict {
    let mut files = directory(common_auth);
    files
        .0
        .insert("/etc/pam.d/service".to_owned(), text.to_owned());
    judge(&files, "service", &|_| true)
}

fn placed(common_auth: &str, text: &str) -> Result<String, String> {
    with_code(text, &|candidate| verdict(common_auth, candidate))
}

/// The line before the one that was added.
fn before_code(text: &str) -> &str {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| *line == AUTH).unwrap();
    assert_eq!(lines[at - 1], NOTE);
    lines[at - 2]
}

#[test]
fn the_code_comes_after_common_auth() {
    for text in [SSHD, SUDO, SU, LOGIN] {
        let new = placed(COMMON_AUTH, text).unwrap();
        assert_eq!(before_code(&new), "@include common-auth");
        let added = format!("{NOTE}\n{AUTH}\n");
        assert_eq!(new.replace(&added, ""), text);
    }
}

#[test]
fn a_hand_written_jump_is_not_cut_into() {
    let text = "auth [success=2 default=ignore] pam_sss.so\nauth [success=1 default=ignore] pam_unix.so\n\
                auth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_unix.so\n";
    let new = placed(COMMON_AUTH, text).unwrap();
    assert!(
        before_code(&new).ends_with("pam_deny.so") || before_code(&new).ends_with("pam_permit.so")
    );
    assert_eq!(verdict(COMMON_AUTH, &new), StackVerdict::Sound);
}

#[test]
fn a_short_cut_before_the_code_is_refused() {
    for text in [
        "auth sufficient pam_unix.so\nauth required pam_deny.so\naccount required pam_unix.so\n",
        "auth [success=done default=die] pam_unix.so\naccount required pam_unix.so\n",
    ] {
        let why = placed(COMMON_AUTH, text).unwrap_err();
        assert!(
            why.contains("without a code") || why.contains("no login passes"),
            "{why}"
        );
    }
    let edited = COMMON_AUTH.replace("[success=1 default=ignore]", "sufficient");
    assert!(placed(&edited, SSHD).is_err());
}

#[test]
fn a_service_without_a_password_gets_no_code() {
    assert!(placed(COMMON_AUTH, "session required pam_limits.so\n").is_err());
}

#[test]
fn a_substack_becomes_an_include() {
    let text = "auth       substack     common-auth\naccount include common-account\n";
    let new = placed(COMMON_AUTH, text).unwrap();
    assert!(
        new.starts_with("auth       include     common-auth\n"),
        "{new}"
    );
    assert_eq!(verdict(COMMON_AUTH, &new), StackVerdict::Sound);
}

#[test]
fn a_line_over_several_lines_stays_whole() {
    let text = "auth required \\\n  pam_unix.so\naccount required pam_unix.so";
    let new = placed(COMMON_AUTH, text).unwrap();
    assert!(
        new.starts_with("auth required \\\n  pam_unix.so\n# Added"),
        "{new}"
    );
    let account = with_account(&new, &|_| None);
    assert!(
        account.ends_with(&format!("{NOTE}\n{ACCOUNT}\naccount required pam_unix.so")),
        "{account}"
    );
}

#[test]
fn the_account_line_comes_before_what_decides() {
    let source = |name: &str| (name == "common-account").then(|| COMMON_ACCOUNT.to_owned());
    for text in [SSHD, SUDO, SU, LOGIN] {
        let new = with_account(text, &source);
        assert!(
            new.contains(&format!("{NOTE}\n{ACCOUNT}\n@include common-account\n")),
            "{new}"
        );
    }
    assert_eq!(
        with_account("auth required pam_unix.so\n", &source),
        "auth required pam_unix.so\n"
    );
}

#[test]
fn the_session_line_comes_after_what_is_shared() {
    let new = with_session(SSHD);
    assert!(
        new.contains(&format!("@include common-session\n{NOTE}\n{SESSION}\n")),
        "{new}"
    );
    assert_eq!(
        with_session("auth required pam_unix.so\n"),
        "auth required pam_unix.so\n"
    );
}

#[test]
fn shared_lines_stand_outside_of_the_managed_block() {
    let auth = with_last(COMMON_AUTH, AUTH);
    assert!(auth.ends_with(&format!(
        "# end of pam-auth-update config\n{NOTE}\n{AUTH}\n"
    )));
    let account = with_first(COMMON_ACCOUNT, ACCOUNT);
    assert!(account.starts_with(&format!("{NOTE}\n{ACCOUNT}\n# here are the per-package")));
}

#[test]
fn comments_name_no_module() {
    assert!(names_module("auth required pam_twofactor.so\n"));
    assert!(!names_module("  # auth required pam_twofactor.so\n"));
}
