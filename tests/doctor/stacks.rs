//! `twofactor doctor` on machines that are healthy, or whose PAM files or sshd were broken on purpose.

use std::collections::BTreeSet;

use harness::pam::Drive;
use harness::patient::{SSHD, all, doctor, finding, found, healthy, report, sshd, ways};
use harness::{Machine, PASSWORD};

/// The auth line of the examples.
const LINE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
/// Account lines that are as they should be.
const ACCOUNT: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\naccount required pam_permit.so\n";

/// Replaces the stack of sshd.
fn stack(machine: &Machine, auth: &str) {
    machine.stack("sshd", &format!("{auth}{ACCOUNT}"));
}

#[test]
fn a_healthy_machine_has_no_findings() {
    let machine = healthy();
    let report = report(&machine, &[]);
    assert_eq!(all(&report), [""; 0], "{report:#}");
    let keys: BTreeSet<&str> = report
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let documented = [
        "policy",
        "enabled",
        "clock",
        "problems",
        "warnings",
        "findings",
        "logins",
        "users_left_out",
    ];
    assert_eq!(keys, documented.into());
    assert_eq!(report["enabled"], true);
    assert_eq!(report["clock"], "synchronized");
    for (service, user, expected) in [
        ("login", "alice", "pam: password+code = in -"),
        ("su", "alice", "pam: password+code = in -"),
        ("sudo", "alice", "pam: password+code = in -"),
        ("login", "bob", "pam: password = in no-device"),
        ("login", "root", "pam: password = in no-device"),
    ] {
        assert_eq!(ways(&report, service, user), [expected], "{service} {user}");
    }
    assert_eq!(
        ways(&report, "sshd", "alice"),
        [
            "keyboard-interactive: password+code = in -",
            "publickey: key = in key"
        ]
    );
    let text = doctor(&machine, &[]).ok().stdout;
    assert!(text.contains("Nothing wrong was found.\n"), "{text}");
    assert!(
        text.contains("sshd     alice") && text.contains("password + code; or key (no code)"),
        "{text}"
    );
}

#[test]
fn one_user_can_be_asked_about() {
    let machine = healthy();
    let one = report(&machine, &["--user", "alice"]);
    let users: BTreeSet<&str> = one["logins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|login| login["user"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["alice"].into());
    let nobody = doctor(&machine, &["--user", "nobody-here"]).exits(1);
    assert!(nobody.stderr.contains("there is no user nobody-here"));
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
fn findings_are_wrapped_on_a_terminal_and_what_is_to_be_copied_is_not() {
    let machine = healthy();
    machine.stack("sshd", "@include common-auth\n@include common-account\n");
    let narrow = machine.twofactor(&["doctor"]).pty_of(40, 24).end().shown;
    let (findings, _) = narrow.split_once("What the next login").unwrap();
    let told: Vec<&str> = findings
        .lines()
        .filter(|line| line.starts_with("         "))
        .collect();
    assert!(told.len() > 4, "{findings}");
    let (copied, words): (Vec<&str>, Vec<&str>) = told
        .into_iter()
        .partition(|line| line.contains("pam_twofactor.so"));
    assert!(
        words.iter().all(|line| line.chars().count() <= 40),
        "{findings}"
    );
    assert!(
        copied
            .iter()
            .any(|line| line.trim().trim_end_matches('.') == LINE.trim()),
        "{findings}"
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
    // What it recommends fixes it, but a wrong password leads to the question now.
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
    assert_eq!(found(&machine), ["warning account-line sshd"]);
    // It is where whoever has to enrol is stopped.
    let require = "enabled = true\nenroll_at_login = \"require\"\n[services]\n";
    machine.policy(&format!("{require}sshd = true\n"));
    assert!(found(&machine).contains(&"problem account-line sshd".to_owned()));
}

#[test]
fn the_table_tells_who_may_and_who_must_enrol() {
    let machine = healthy();
    for (at_login, reason) in [("offer", "may-enrol"), ("require", "must-enrol")] {
        machine.policy(&format!(
            "enabled = true\nenroll_at_login = \"{at_login}\"\n[services]\nsshd = true\n"
        ));
        machine.command(&["invite", "bob"]).ok();
        let table = report(&machine, &[]);
        assert_eq!(
            ways(&table, "sshd", "bob")[0],
            format!("keyboard-interactive: password = in {reason}")
        );
        assert_eq!(
            ways(&table, "sshd", "alice")[0],
            "keyboard-interactive: password+code = in -"
        );
    }
}

#[test]
fn the_table_tells_who_is_not_invited_to_enrol() {
    let machine = healthy();
    machine.command(&["invite", "bob"]).ok();
    for (at_login, uninvited, invited) in [
        ("offer", "in not-invited", "in may-enrol"),
        ("require", "refused not-invited", "in must-enrol"),
    ] {
        machine.policy(&format!(
            "enabled = true\nenroll_at_login = \"{at_login}\"\nenroll_needs_invite = true\n[services]\nsshd = true\n"
        ));
        let table = report(&machine, &[]);
        for (user, expected) in [("root", uninvited), ("bob", invited)] {
            assert_eq!(
                ways(&table, "login", user),
                [format!("pam: password = {expected}")],
                "{at_login} {user}"
            );
        }
        let text = doctor(&machine, &["--user", "root"]).stdout;
        assert!(
            text.contains("no device, and not invited to enrol one"),
            "{text}"
        );
    }
    // With a uniform prompt the question comes all the same.
    let policy = machine.read("/etc/security/twofactor.toml");
    machine.policy(&format!("uniform_prompt = true\n{policy}"));
    let table = report(&machine, &[]);
    for (user, expected) in [("root", "refused"), ("bob", "in")] {
        assert_eq!(
            ways(&table, "login", user),
            [format!("pam: password+code = {expected} no-device")]
        );
    }
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
    // Where the policy names it, that is meant.
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
fn wrong_settings_of_sshd_are_found() {
    let machine = healthy();
    for (from, to, expected) in [
        ("UsePAM yes", "UsePAM no", vec!["problem sshd-usepam sshd"]),
        (
            "KbdInteractiveAuthentication yes",
            "KbdInteractiveAuthentication no",
            vec!["problem sshd-kbdinteractive sshd"],
        ),
        (
            "KbdInteractiveAuthentication yes",
            "ChallengeResponseAuthentication no",
            vec!["problem sshd-kbdinteractive sshd"],
        ),
        (
            "PasswordAuthentication no",
            "PasswordAuthentication yes",
            vec!["problem sshd-password sshd"],
        ),
        (
            "UsePAM yes",
            "UsePAM yes\nAuthenticationMethods publickey",
            vec!["problem sshd-methods sshd"],
        ),
        (
            "UsePAM yes",
            "UsePAM yes\nAuthenticationMethods publickey keyboard-interactive",
            vec!["warning sshd-methods sshd"],
        ),
        (
            "UsePAM yes",
            "NoSuchSetting yes",
            vec!["problem sshd-unreadable sshd"],
        ),
    ] {
        assert!(SSHD.contains(from));
        sshd(&machine, &SSHD.replace(from, to));
        assert_eq!(found(&machine), expected, "{to}");
    }
    sshd(
        &machine,
        &format!("{SSHD}Match User alice\nPasswordAuthentication yes\n"),
    );
    let matched = report(&machine, &[]);
    let (cause, fix) = finding(&matched, "sshd-password");
    assert!(
        cause.ends_with("(`Match` makes it so for alice)"),
        "{cause}"
    );
    assert!(fix.contains("PasswordAuthentication no"), "{fix}");
    assert!(
        ways(&matched, "sshd", "alice")
            .contains(&"password: password = refused password-as-code".to_owned())
    );
    assert_eq!(ways(&matched, "sshd", "bob").len(), 2);
}

#[test]
fn keys_and_root_are_shown_as_sshd_treats_them() {
    let machine = healthy();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    let alone = found(&machine);
    assert_eq!(alone, ["problem sshd-key-alone sshd"]);
    sshd(
        &machine,
        &format!("{SSHD}AuthenticationMethods publickey,keyboard-interactive\n"),
    );
    let both = report(&machine, &[]);
    assert_eq!(all(&both), [""; 0], "{both:#}");
    assert_eq!(
        ways(&both, "sshd", "alice"),
        ["publickey,keyboard-interactive: key+code = in -"]
    );
    machine.install_stack_as("sshd-password-and-code-in-one-field", "sshd");
    machine.write_file(
        "/etc/ssh/sshd_config",
        format!(
            "HostKey /etc/ssh/test_host_key\nPermitRootLogin prohibit-password\n{}",
            SSHD.replace("PasswordAuthentication no", "PasswordAuthentication yes")
        ),
        0o644,
    );
    let one_field = report(&machine, &[]);
    assert_eq!(all(&one_field), [""; 0], "{one_field:#}");
    assert_eq!(
        ways(&one_field, "sshd", "alice"),
        [
            "keyboard-interactive: password-and-code = in -",
            "password: password-and-code = in -",
            "publickey: key = in key"
        ]
    );
    assert_eq!(
        ways(&one_field, "sshd", "root"),
        [
            "keyboard-interactive: password = refused root-login",
            "password: password = refused root-login",
            "publickey: key = in key"
        ]
    );
}

#[test]
fn the_table_knows_the_policy() {
    let machine = healthy();
    let of = |policy: &str, user: &str| {
        machine.policy(policy);
        ways(&report(&machine, &["--user", user]), "login", user).remove(0)
    };
    let mandatory = "enabled = true\nenforcement = \"mandatory\"\n[services]\nsshd = true\n";
    assert_eq!(of(mandatory, "bob"), "pam: password = refused no-device");
    assert_eq!(
        of("enabled = true\n[services]\nlogin = false\n", "alice"),
        "pam: password = in service-off"
    );
    assert_eq!(
        of(
            "enabled = true\n[[exempt]]\ngroups = [\"alice\"]\n",
            "alice"
        ),
        "pam: password = in exempt"
    );
    assert_eq!(
        of("enabled = true\nuniform_prompt = true\n", "bob"),
        "pam: password+code = in no-device"
    );
    assert_eq!(
        of("enabled = false\n", "alice"),
        "pam: password = in disabled"
    );
    assert_eq!(
        of("enabled = maybe\n", "alice"),
        "pam: password = refused unusable"
    );
}

#[test]
fn lines_that_use_another_policy_are_told_of() {
    let machine = healthy();
    let other = LINE.replace(".so", ".so policy=/etc/security/other.toml");
    stack(&machine, &format!("@include common-auth\n{other}"));
    let report = report(&machine, &[]);
    assert_eq!(all(&report), ["warning other-files sshd"]);
    assert_eq!(
        finding(&report, "other-files").1,
        "twofactor doctor --policy /etc/security/other.toml --state /var/lib/twofactor"
    );
}

/// What the table says, beside what a real login asks for.
#[test]
fn the_table_says_what_logins_ask_for() {
    let machine = healthy();
    machine.set_password("bob");
    let mandatory = "enabled = true\nenforcement = \"mandatory\"\n";
    let uniform = "enabled = true\nuniform_prompt = true\n";
    let unix = "auth [success=1 default=ignore] pam_unix.so nodelay\nauth requisite pam_deny.so\n";
    let stacks = [
        format!("{unix}{LINE}"),
        format!("{unix}auth required pam_twofactor.so\n"),
        format!("auth sufficient pam_unix.so nodelay\n{LINE}"),
        format!("{LINE}{unix}auth required pam_permit.so\n"),
        format!("{unix}auth required pam_permit.so\nauth optional pam_twofactor.so\n"),
        format!("auth required pam_permit.so\n{LINE}"),
        format!("auth substack common-auth\n{LINE}"),
        unix.to_owned() + "auth required pam_permit.so\n",
        unix.to_owned(),
    ];
    let fresh = machine
        .command(&["recovery-codes", "alice", "--yes", "--json"])
        .ok();
    let fresh: serde_json::Value = serde_json::from_str(&fresh.stdout).unwrap();
    let mut codes = fresh["recovery_codes"].as_array().unwrap().iter();
    let mut codes = codes.by_ref().map(|code| code.as_str().unwrap());
    for auth in &stacks {
        machine.stack("login", &format!("{auth}{ACCOUNT}"));
        for (user, policy) in [("alice", mandatory), ("bob", mandatory), ("bob", uniform)] {
            machine.policy(policy);
            let table = report(&machine, &["--user", user]);
            let told = ways(&table, "login", user).remove(0);
            let mut drive = Drive::installed().service("login").user(user);
            for ask in told.split(['+', ' ', ':']) {
                drive = match ask {
                    "password" => drive.answer(PASSWORD),
                    "code" if user == "alice" => drive.answer(codes.next().unwrap()),
                    "code" => drive.answer("anything"),
                    _ => drive,
                };
            }
            let outcome = drive.run();
            let asked: Vec<&str> = outcome
                .prompts
                .iter()
                .map(|prompt| {
                    if prompt.starts_with("Password") {
                        "password"
                    } else {
                        "code"
                    }
                })
                .collect();
            let result = if outcome.auth == 0 { "in" } else { "refused" };
            assert!(
                told.starts_with(&format!("pam: {} = {result} ", asked.join("+"))),
                "{user}: {told}, but a login asked for {asked:?} and was {result}\n{auth}"
            );
        }
    }
}

#[test]
fn every_check_is_documented() {
    let directory = harness::workspace().join("cli/src/doctor");
    let documented = std::fs::read_to_string(harness::workspace().join("docs/doctor.md")).unwrap();
    let source: String = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let words: BTreeSet<&str> = documented
        .split('`')
        .filter(|word| !word.is_empty())
        .collect();
    // The first word behind each of these is the name of a check.
    let mut checks = BTreeSet::new();
    for start in [
        "Finding::problem(",
        "Finding::warning(",
        "Finding::of(",
        "problem(",
    ] {
        for behind in source.split(start).skip(1) {
            checks.extend(
                behind
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|name| name.split('"').next()),
            );
        }
    }
    assert!(checks.len() > 30, "{checks:?}");
    let missing: Vec<_> = checks.difference(&words).collect();
    assert!(missing.is_empty(), "not in docs/doctor.md: {missing:?}");
}
