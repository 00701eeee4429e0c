//! The report of `twofactor doctor`: its text, its JSON, and its table of logins beside real ones.

use std::collections::BTreeSet;

use harness::PASSWORD;
use harness::pam::Drive;
use harness::patient::{all, doctor, healthy, report, ways};

use super::stacks::{ACCOUNT, LINE};

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
        "login_groups",
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
        text.contains("\nsshd\n")
            && text.contains("\n  alice: password + code; or key (no code)\n"),
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
    let unknown = doctor(&machine, &["--user", "no-such-user"]).exits(1);
    assert!(unknown.stderr.contains("there is no user no-such-user"));
}

#[test]
fn findings_are_wrapped_and_commands_are_not() {
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
fn the_table_lists_users_who_may_or_must_enroll() {
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
fn the_table_lists_users_without_an_invitation() {
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
            text.contains("no device, and not invited to enroll"),
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

/// The table, beside the questions of a real login.
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
    // The first word after each of these is the name of a check.
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
