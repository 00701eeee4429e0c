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
";
const OURS_LINE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";

struct GivenService<'a>(&'a str);

impl ConfigFiles for GivenService<'_> {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        let text = match name {
            "sshd" => self.0,
            "password-auth" => PASSWORD_AUTH,
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
    let text = format!("{auth}account required pam_twofactor.so\n");
    let stacks = read(&GivenService(&text), "sshd");
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
