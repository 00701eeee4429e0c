//! Stacks of other systems than the one that the tests run on.

use super::super::pam::{ConfigFile, ConfigFiles, read};
use super::*;

/// Fedora and RHEL, as authselect writes it.
const PASSWORD_AUTH: &str = "\
auth required pam_env.so
auth required pam_faildelay.so delay=2000000
auth required pam_faillock.so preauth silent
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth [default=1 ignore=ignore success=ok] pam_localuser.so
auth sufficient pam_unix.so nullok
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth sufficient pam_sss.so forward_pass
auth required pam_faillock.so authfail
auth required pam_deny.so
account required pam_unix.so
account sufficient pam_localuser.so
account sufficient pam_usertype.so issystem
account [default=bad success=ok user_unknown=ignore] pam_sss.so
account required pam_permit.so
";
/// Debian.
const COMMON_ACCOUNT: &str = "\
account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
account requisite pam_deny.so
account required pam_permit.so
";
const UNIX_ACCOUNT: &str = "account required pam_unix.so\n";
const OURS_LINE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";

struct GivenService<'a>(&'a str);

impl ConfigFiles for GivenService<'_> {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let text = match name {
            "sshd" => self.0,
            "password-auth" => PASSWORD_AUTH,
            "common-account" => COMMON_ACCOUNT,
            _ => return None,
        };
        Some(ConfigFile {
            path: format!("/etc/pam.d/{name}"),
            text: text.to_owned(),
        })
    }
}

fn checks(auth: &str) -> Vec<&'static str> {
    let findings = findings(auth, None);
    findings.into_iter().map(|finding| finding.check).collect()
}

fn findings(auth: &str, policy: Option<&Policy>) -> Vec<DoctorFinding> {
    findings_of(
        &format!("{auth}account required pam_twofactor.so\n{UNIX_ACCOUNT}"),
        policy,
    )
}

fn findings_of(text: &str, policy: Option<&Policy>) -> Vec<DoctorFinding> {
    let stacks = read(&GivenService(text), "sshd");
    let service = CheckedService {
        name: "sshd",
        stacks: &stacks,
        found: &|_| true,
    };
    check(&service, policy)
}

#[test]
fn substack_reaches_the_code_and_include_does_not() {
    let with = |kind: &str| checks(&format!("auth {kind} password-auth\n{OURS_LINE}"));
    // A wrong password ends the substack only.
    assert_eq!(with("substack"), ["code-after-wrong-password"]);
    assert_eq!(with("include"), ["code-skipped", "code-skipped"]);
}

/// Such as those of a group that may log in.
#[test]
fn a_jump_over_a_refusal_is_no_short_cut() {
    let unix = "auth requisite pam_unix.so\n";
    for line in [
        "pam_listfile.so item=user sense=allow file=/etc/ssh/users",
        "pam_access.so",
    ] {
        let gate = format!("auth [success=1 default=ignore] {line}\n");
        let refusal = "auth requisite pam_deny.so\n";
        assert_eq!(
            checks(&format!("{gate}{refusal}{unix}{OURS_LINE}")),
            [""; 0],
            "{line}"
        );
    }
}

#[test]
fn two_lines_that_both_ask_are_found() {
    let unix = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
    let once = format!("{unix}{OURS_LINE}");
    assert_eq!(checks(&once), Vec::<&str>::new());
    assert_eq!(checks(&format!("{once}{OURS_LINE}")), ["code-twice"]);
    // A grace period that begins with the first question ends it there.
    for (grace, told) in [(0, false), (60, true)] {
        let policy = format!("enabled = true\ngrace = {grace}\n[services]\nsshd = true");
        let found = findings(
            &format!("{once}{OURS_LINE}"),
            Some(&policy.parse().unwrap()),
        );
        assert_eq!(found[0].check, "code-twice");
        assert_eq!(
            found[0].cause.contains("grace period"),
            told,
            "{}",
            found[0].cause
        );
    }
    // A line that is jumped over asks nothing.
    let jumped = format!("{once}auth [default=1] pam_permit.so\n{OURS_LINE}");
    assert_eq!(checks(&jumped), Vec::<&str>::new());
}

#[test]
fn a_late_password_check_is_found_in_a_substack() {
    let found = checks(&format!("{OURS_LINE}auth substack password-auth\n"));
    assert_eq!(found, ["code-before-password"]);
    let one_field = OURS_LINE.replace(".so", ".so forward_pass");
    let found = checks(&format!("{one_field}auth substack password-auth\n"));
    assert_eq!(found, [""; 0]);
}

/// The level and cause of the finding on these account lines, under a policy that makes users enroll.
fn of_account(auth_arguments: &str, account: &str) -> Option<(FindingLevel, String)> {
    let policy = "enabled = true\nenroll_at_login = \"require\"\n[services]\nsshd = true";
    let unix = "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n";
    let ours = OURS_LINE.replace(".so", &format!(".so{auth_arguments}"));
    let text = format!("{unix}{ours}{account}");
    let found = findings_of(&text, Some(&policy.parse().unwrap()));
    let mut found = found.into_iter();
    let one = found.next().map(|one| {
        assert_eq!(one.check, "account-line");
        (one.level, one.cause)
    });
    assert!(found.next().is_none(), "{account}");
    one
}

const ACCOUNT: &str =
    "account [success=ok ignore=ignore module_unknown=ignore default=die] pam_twofactor.so\n";

#[test]
fn an_account_line_that_binds_is_fine() {
    for account in [
        format!("{ACCOUNT}account include password-auth\n"),
        format!("account required pam_nologin.so\n{ACCOUNT}account include common-account\n"),
        "account required pam_twofactor.so\naccount required pam_unix.so\n".to_owned(),
        format!("account substack password-auth\n{ACCOUNT}"),
        format!("account required pam_access.so\n{ACCOUNT}account sufficient pam_localuser.so\n"),
    ] {
        assert_eq!(of_account("", &account), None, "{account}");
    }
    let files = " policy=/X state=/Y";
    let same = ACCOUNT.replace(".so", ".so debug state=/Y policy=/X");
    let same = format!("{same}{UNIX_ACCOUNT}");
    assert_eq!(of_account(files, &same), None);
    let explicit = ACCOUNT.replace(".so", ".so policy=/etc/security/twofactor.toml");
    assert_eq!(of_account("", &format!("{explicit}{UNIX_ACCOUNT}")), None);
    // Others may have lines of their own beside it.
    assert_eq!(of_account("", &format!("{same}{ACCOUNT}")), None);
}

/// The module ignores the users that it lets pass, and libpam refuses where no line decides.
#[test]
fn account_lines_that_let_no_user_in_are_a_problem() {
    for rest in ["", "account required pam_deny.so\n"] {
        let (level, cause) = of_account("", &format!("{ACCOUNT}{rest}")).unwrap();
        assert_eq!(level, FindingLevel::Problem);
        let told = "no login passes the account lines of sshd";
        assert!(cause.contains(told), "{cause}");
    }
    // Some users may be let in.
    let some = "account [success=1 default=ignore] pam_succeed_if.so user = a\naccount requisite pam_deny.so\n";
    let some = of_account("", &format!("{ACCOUNT}{some}{UNIX_ACCOUNT}"));
    assert_eq!(some, None);
}

/// sshd, and what stands in for its account lines.
struct FileAndOther<'a>(&'a str, Option<&'a str>);

impl ConfigFiles for FileAndOther<'_> {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let Self(sshd, other) = *self;
        match (name, other) {
            ("other", Some(text)) => Some(ConfigFile {
                path: "/etc/pam.d/other".to_owned(),
                text: text.to_owned(),
            }),
            ("other", None) => None,
            _ => GivenService(sshd).open(name),
        }
    }
}

/// The first account line of a file ends those of `other`: the cure names what lets users in instead.
#[test]
fn the_cure_of_a_missing_account_line_lets_users_in() {
    let check = |text: &str, other| {
        let stacks = read(&FileAndOther(text, other), "sshd");
        let service = CheckedService {
            name: "sshd",
            stacks: &stacks,
            found: &|_| true,
        };
        check(&service, None)
    };
    let auth = format!("auth requisite pam_unix.so\n{OURS_LINE}");
    for (other, rest) in [
        (
            Some("account include common-account\n"),
            "account include other",
        ),
        (
            Some("account required pam_deny.so\n"),
            "account required pam_unix.so",
        ),
        (None, "account required pam_unix.so"),
    ] {
        let found = check(&auth, other);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].check, "account-line");
        let cure = format!("{}, and after it: {rest}", ACCOUNT.trim_end());
        assert!(found[0].fix.ends_with(&cure), "{}", found[0].fix);
        let cured = check(&format!("{auth}{ACCOUNT}{rest}\n"), other);
        assert_eq!(cured, []);
    }
    let own = check(&format!("{auth}{UNIX_ACCOUNT}"), None);
    let first = format!("Before the other account lines: {}", ACCOUNT.trim_end());
    assert_eq!(own[0].fix, first);
}

#[test]
fn an_account_line_that_refuses_no_user_is_a_problem() {
    let unix = "account required pam_unix.so\n";
    for control in ["optional", "sufficient", "[success=ok default=ignore]"] {
        let account = format!("account {control} pam_twofactor.so\n{unix}");
        let (level, cause) = of_account("", &account).unwrap();
        assert_eq!(level, FindingLevel::Problem, "{control}");
        assert!(cause.contains("line 5"), "{cause}");
        assert!(
            cause.ends_with(
                "is let in all the same: users who have to enroll are let in without a device"
            ),
            "{cause}"
        );
    }
}

#[test]
fn an_account_line_that_is_passed_by_is_a_problem() {
    for (before, by) in [
        ("account include password-auth\n", "pam_localuser.so"),
        // Of an expired password.
        ("account include common-account\n", "pam_unix.so"),
        ("account sufficient pam_unix.so\n", "pam_unix.so"),
        (
            "account [success=1 default=ignore] pam_localuser.so\n",
            "pam_localuser.so",
        ),
    ] {
        let account = format!("{before}{ACCOUNT}account required pam_permit.so\n");
        let (level, cause) = of_account("", &account).unwrap();
        assert_eq!(level, FindingLevel::Problem, "{before}");
        assert!(
            cause.starts_with("a login passes without /etc/pam.d/sshd line"),
            "{cause}"
        );
        assert!(cause.contains(by), "{cause}");
    }
}

#[test]
fn an_account_line_that_depends_on_users_is_warned_of() {
    let account = format!(
        "account [success=1 default=ignore] pam_succeed_if.so user = robot\n{ACCOUNT}account required pam_unix.so\n"
    );
    let (level, cause) = of_account("", &account).unwrap();
    assert_eq!(level, FindingLevel::Warning);
    assert!(
        cause.contains("depends on /etc/pam.d/sshd line 5"),
        "{cause}"
    );
}

#[test]
fn an_account_line_of_other_files_is_a_problem() {
    let files = " policy=/X state=/Y";
    for (auth, account) in [
        (files, String::new()),
        (files, " policy=/X".to_owned()),
        (files, " policy=/X state=/Z".to_owned()),
        ("", files.to_owned()),
    ] {
        let line = ACCOUNT.replace(".so", &format!(".so{account}"));
        let (level, cause) = of_account(auth, &line).unwrap();
        assert_eq!(level, FindingLevel::Problem, "{auth}{account}");
        assert!(
            cause.contains("uses another policy or state directory"),
            "{cause}"
        );
    }
}
