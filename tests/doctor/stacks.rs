//! `twofactor doctor` on machines whose PAM files were broken on purpose.

use harness::Machine;
use harness::patient::{all, doctor, finding, found, healthy, report, ways};

/// The auth line of the examples.
pub(super) const LINE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";

/// Account lines that are as they should be.
pub(super) const ACCOUNT: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\naccount required pam_permit.so\n";

/// Replaces the stack of sshd.
pub(super) fn stack(machine: &Machine, auth: &str) {
    machine.stack("sshd", &format!("{auth}{ACCOUNT}"));
}

#[test]
fn a_stack_without_the_module_is_found() {
    let machine = healthy();
    machine.stack("sshd", "@include common-auth\n@include common-account\n");
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["problem module-not-in-stack sshd"]);
    let (cause, fix) = finding(&report, "module-not-in-stack");
    assert!(cause.contains("/etc/pam.d/sshd"), "{cause}");
    assert!(fix.contains(LINE.trim()), "{fix}");
    assert_eq!(
        ways(&report, "sshd", "alice")[0],
        "keyboard-interactive: password = in not-in-stack"
    );
    let text = doctor(&machine, &[]).exits(1).stdout;
    assert!(
        text.contains("PROBLEM  ") && text.contains("   Fix:  "),
        "{text}"
    );
}

#[test]
fn a_module_before_the_password_is_found() {
    let machine = healthy();
    stack(&machine, &format!("{LINE}@include common-auth\n"));
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["problem code-before-password sshd"]);
    let (cause, _) = finding(&report, "code-before-password");
    assert!(cause.contains("/etc/pam.d/sshd line 1"), "{cause}");
    assert_eq!(
        ways(&report, "sshd", "alice")[0],
        "keyboard-interactive: code+password = in -"
    );
}

#[test]
fn a_sufficient_that_skips_the_code_is_found() {
    let machine = healthy();
    machine.stack(
        "common-auth",
        "auth sufficient pam_unix.so\nauth required pam_deny.so\n",
    );
    let by_include = report(&machine, &[]);
    let skipped = all(&by_include);
    assert!(
        skipped.contains(&"problem code-skipped sshd".to_owned()),
        "{skipped:?}"
    );
    let (cause, fix) = finding(&by_include, "code-skipped");
    assert!(
        cause.contains("/etc/pam.d/common-auth line 1 (sufficient pam_unix.so)"),
        "{cause}"
    );
    assert!(fix.contains("substack"), "{fix}");
    assert_eq!(
        ways(&by_include, "login", "alice"),
        ["pam: password = in skipped"]
    );
    // Its recommendation fixes it, but a wrong password leads to the question now.
    stack(&machine, &format!("auth substack common-auth\n{LINE}"));
    machine.stack("login", &machine.read("/etc/pam.d/sshd"));
    let by_substack = report(&machine, &[]);
    assert!(all(&by_substack).contains(&"warning code-after-wrong-password sshd".to_owned()));
    assert_eq!(
        ways(&by_substack, "login", "alice"),
        ["pam: password+code = in -"]
    );
}

#[test]
fn controls_that_make_nothing_of_a_refusal_are_found() {
    let machine = healthy();
    for (control, check) in [
        ("optional", "failure-ignored"),
        ("sufficient", "failure-ignored"),
        (
            "[success=ok ignore=ignore auth_err=die maxtries=die default=ignore]",
            "error-ignored",
        ),
        (
            "[success=ok ignore=ignore module_unknown=ignore default=die]",
            "error-ignored",
        ),
        ("[success=ok default=die]", "unasked-refused"),
    ] {
        stack(
            &machine,
            &format!("@include common-auth\nauth {control} pam_twofactor.so\n"),
        );
        assert_eq!(
            found(&machine),
            [format!("problem {check} sshd")],
            "{control}"
        );
    }
    // `required` is what many other modules are used with, and works.
    stack(
        &machine,
        "@include common-auth\nauth required pam_twofactor.so\n",
    );
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn a_code_without_the_password_is_found() {
    let machine = healthy();
    stack(
        &machine,
        "auth sufficient pam_twofactor.so\n@include common-auth\n",
    );
    let report = report(&machine, &[]);
    assert!(
        all(&report).contains(&"problem code-without-password sshd".to_owned()),
        "{report:#}"
    );
    assert_eq!(
        ways(&report, "sshd", "alice")[0],
        "keyboard-interactive: code = in wrong-code-too"
    );
}

#[test]
fn lines_that_decide_for_themselves_are_told_of() {
    let machine = healthy();
    stack(
        &machine,
        &format!("auth sufficient pam_fprintd.so\n@include common-auth\n{LINE}"),
    );
    // It is not installed.
    assert_eq!(found(&machine), [""; 0]);
    stack(
        &machine,
        &format!("auth sufficient pam_exec.so /bin/true\n@include common-auth\n{LINE}"),
    );
    assert_eq!(found(&machine), ["warning code-skippable sshd"]);
    // Of what it can tell, the table knows.
    let jump = "auth [success=1 default=ignore] pam_succeed_if.so quiet user in alice\n";
    stack(
        &machine,
        &format!("@include common-auth\n{jump}{LINE}auth required pam_permit.so\n"),
    );
    machine
        .run("twofactor", &["enroll", "bob", "--no-confirm"])
        .ok();
    let table = report(&machine, &[]);
    assert_eq!(all(&table), ["warning code-skippable sshd"]);
    assert_eq!(
        ways(&table, "sshd", "alice")[0],
        "keyboard-interactive: password = in skipped"
    );
    assert_eq!(
        ways(&table, "sshd", "bob")[0],
        "keyboard-interactive: password+code = in -"
    );
}

#[test]
fn unusable_pam_files_are_found() {
    let machine = healthy();
    for (auth, expected) in [
        ("@include nowhere\n", "problem stack-unusable sshd"),
        (
            "auth required pam_unix.so \\",
            "problem stack-unusable sshd",
        ),
        ("auth include nowhere\n", "problem line-unusable sshd"),
        ("auth required\n", "problem line-unusable sshd"),
    ] {
        machine.stack("sshd", &format!("{LINE}{ACCOUNT}{auth}"));
        let found = found(&machine);
        assert!(found.contains(&expected.to_owned()), "{auth}: {found:?}");
    }
    stack(
        &machine,
        &format!(
            "@include common-auth\n{}",
            LINE.replace(".so", ".so nullok")
        ),
    );
    let argument = report(&machine, &[]);
    assert_eq!(all(&argument), ["problem argument sshd"]);
    assert_eq!(
        ways(&argument, "sshd", "bob")[0],
        "keyboard-interactive: password = refused argument"
    );
    machine.stack(
        "sshd",
        &format!("@include common-auth\n{LINE}@include common-account\n"),
    );
    let account = report(&machine, &[]);
    assert_eq!(all(&account), ["warning account-line sshd"]);
    let (cause, _) = finding(&account, "account-line");
    assert!(cause.contains("a new device is offered after a recovery code"));
    // It is where users who must enroll are stopped.
    let require = "enabled = true\nenroll_at_login = \"require\"\n[services]\n";
    machine.policy(&format!("{require}sshd = true\n"));
    assert!(found(&machine).contains(&"problem account-line sshd".to_owned()));
    stack(&machine, &format!("@include common-auth\n{LINE}"));
    assert_eq!(found(&machine), [""; 0]);
    // One that is named and refuses no login is no better.
    let optional = ACCOUNT.replace("[success=ok ignore=ignore default=die]", "optional");
    let auth = format!("@include common-auth\n{LINE}");
    machine.stack("sshd", &format!("{auth}{optional}"));
    assert_eq!(found(&machine), ["problem account-line sshd"]);
    // Debian's ends for an expired password.
    machine.stack("sshd", &format!("{auth}@include common-account\n{ACCOUNT}"));
    assert_eq!(found(&machine), ["problem account-line sshd"]);
}

#[test]
fn policy_and_stacks_that_do_not_fit_are_found() {
    let machine = healthy();
    let services = |text: &str| machine.policy(&format!("enabled = true\n[services]\n{text}"));
    services("sshd = true\nsshdd = true\n");
    assert_eq!(found(&machine), ["warning no-pam-file sshdd"]);
    let other = machine.read("/etc/pam.d/other");
    machine.stack(
        "other",
        "auth required pam_deny.so\naccount required pam_deny.so\n",
    );
    assert_eq!(found(&machine), ["problem no-pam-file sshdd"]);
    // A program that is called by one name only has one file, and its services are switched together.
    std::fs::remove_file("/etc/pam.d/su-l").unwrap();
    services("sshd = true\nsu = true\nsu-l = true\n");
    assert_eq!(found(&machine), [""; 0]);
    machine.stack("other", &other);
    let off = "sshd = true\ndefault = false\n";
    services(off);
    let warned = found(&machine);
    assert!(
        warned.contains(&"warning service-off login".to_owned()),
        "{warned:?}"
    );
    // If the policy names it, that is meant.
    services(&format!("{off}login = false\n"));
    assert!(!found(&machine).contains(&"warning service-off login".to_owned()));
    services("sshd = true\n");
    machine.stack("login", "@include common-auth\n@include common-account\n");
    assert_eq!(found(&machine), ["warning module-not-in-stack login"]);
    let used = std::fs::read_dir("/etc/pam.d").unwrap();
    let used = used.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let used = used.filter(|name| {
        machine
            .read(format!("/etc/pam.d/{name}"))
            .contains("pam_twofactor.so")
    });
    for service in &used.collect::<Vec<_>>() {
        machine.stack(service, "@include common-auth\n@include common-account\n");
    }
    services("sshd = true\n");
    assert_eq!(
        found(&machine),
        [
            "problem not-in-use policy",
            "problem module-not-in-stack sshd"
        ]
    );
    machine.policy("enabled = false\n");
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn lines_that_use_another_policy_are_told_of() {
    let machine = healthy();
    let other = LINE.replace(".so", ".so policy=/etc/security/other.toml");
    let auth = format!("@include common-auth\n{other}");
    stack(&machine, &auth);
    // The account line of one policy knows nothing of what the auth line of another one found.
    assert_eq!(
        found(&machine),
        ["warning account-line sshd", "warning other-files sshd"]
    );
    let account = ACCOUNT.replace(
        "pam_twofactor.so",
        "pam_twofactor.so policy=/etc/security/other.toml",
    );
    machine.stack("sshd", &format!("{auth}{account}"));
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["warning other-files sshd"]);
    assert_eq!(
        finding(&report, "other-files").1,
        "twofactor doctor --policy /etc/security/other.toml --state /var/lib/twofactor"
    );
}
