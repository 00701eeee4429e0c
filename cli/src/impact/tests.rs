//! The users that a change of the policy affects, and what is refused.

use super::*;

fn person(name: &str, enrollment: EnrollmentStatus, role: AccountRole) -> AffectedUser {
    AffectedUser {
        name: name.into(),
        kept_as: name.into(),
        enrollment,
        role,
        exemption: ExemptionScope::No,
        exempt_at: Vec::new(),
        requirement: DeviceRequirement::None,
        is_locked: false,
        is_damaged: false,
        can_log_in: true,
    }
}

/// The impact where both policies meet the users alike.
fn assess(before: Option<&Policy>, after: &Policy, people: &[AffectedUser]) -> PolicyImpact {
    let view = |policy| PolicyView { policy, people };
    super::assess(before.map(view), view(after))
}

fn policy(text: &str) -> Policy {
    text.parse().unwrap()
}

#[test]
fn optional_asks_the_enrolled_and_refuses_no_user() {
    let people = [
        person("alice", EnrollmentStatus::Verified, AccountRole::User),
        person("bob", EnrollmentStatus::NotEnrolled, AccountRole::User),
        AffectedUser {
            exemption: ExemptionScope::Everywhere,
            ..person("robot", EnrollmentStatus::Verified, AccountRole::User)
        },
    ];
    let impact = assess(None, &policy("enabled = true"), &people);
    assert_eq!(impact.asked, ["alice"]);
    assert_eq!(impact.not_asked, ["bob", "robot"]);
    assert!(impact.refused.is_empty() && impact.dangers.is_empty());
}

#[test]
fn mandatory_refuses_users_without_a_device() {
    let people = [
        person(
            "root",
            EnrollmentStatus::Verified,
            AccountRole::Administrator,
        ),
        person("bob", EnrollmentStatus::NotEnrolled, AccountRole::User),
    ];
    let after = policy("enabled = true\nenforcement = \"mandatory\"");
    let impact = assess(None, &after, &people);
    assert_eq!(
        (impact.asked.as_slice(), impact.refused.as_slice()),
        (&["root".into()][..], &["bob".into()][..])
    );
    assert!(impact.dangers.is_empty());
    assert!(
        impact
            .text(&after, &[])
            .contains("Refused          all users without a device (bob)\n")
    );
}

#[test]
fn mandatory_needs_a_verified_administrator() {
    let after = policy("enabled = true\nenforcement = \"mandatory\"");
    let dangers = |root: AffectedUser| {
        let people = [
            root,
            person("alice", EnrollmentStatus::Verified, AccountRole::User),
        ];
        assess(None, &after, &people).dangers.len()
    };
    let root = |enrollment| person("root", enrollment, AccountRole::Administrator);
    assert_eq!(dangers(root(EnrollmentStatus::NotEnrolled)), 1);
    assert_eq!(dangers(root(EnrollmentStatus::Unverified)), 1);
    assert_eq!(dangers(root(EnrollmentStatus::Verified)), 0);
    let exempt = AffectedUser {
        exemption: ExemptionScope::Everywhere,
        ..root(EnrollmentStatus::NotEnrolled)
    };
    assert_eq!(dangers(exempt), 0);
}

#[test]
fn users_who_must_enroll_are_not_called_refused() {
    let people = [
        person(
            "root",
            EnrollmentStatus::Verified,
            AccountRole::Administrator,
        ),
        person("bob", EnrollmentStatus::NotEnrolled, AccountRole::User),
    ];
    for (keys, listed) in [
        (
            "enroll_at_login = \"require\"",
            "Must enroll      all users without a device (bob), at",
        ),
        (
            "enforcement = \"mandatory\"\nenroll_at_login = \"offer\"",
            "Must enroll      all users without a device (bob), at",
        ),
        ("enroll_at_login = \"offer\"", "Not asked        bob\n"),
    ] {
        let after = policy(&format!("enabled = true\n{keys}"));
        let impact = assess(None, &after, &people);
        assert!(impact.refused.is_empty() && impact.dangers.is_empty());
        let text = impact.text(&after, &[]);
        assert!(text.contains(listed), "{text}");
        assert!(text.contains("enroll_needs_invite"), "{text}");
        assert_eq!(
            assess(None, &after, &people[1..]).dangers.len(),
            usize::from(keys.contains("require") || keys.contains("mandatory"))
        );
    }
}

#[test]
fn users_who_must_enroll_uninvited_are_called_refused() {
    let people = [
        person(
            "root",
            EnrollmentStatus::Verified,
            AccountRole::Administrator,
        ),
        person("bob", EnrollmentStatus::NotEnrolled, AccountRole::User),
        person("carol", EnrollmentStatus::Invited, AccountRole::User),
    ];
    let after = |keys: &str| policy(&format!("enabled = true\n{keys}"));
    let invites = after("enroll_at_login = \"require\"\nenroll_needs_invite = true");
    let impact = assess(None, &invites, &people);
    assert_eq!(
        (impact.must_enroll.as_slice(), impact.refused.as_slice()),
        (&["carol".into()][..], &["bob".into()][..])
    );
    let text = impact.text(&invites, &[]);
    assert!(
        text.contains("Must enroll      carol, at the next login"),
        "{text}"
    );
    assert!(
        text.contains("Refused          all users with neither a device nor an invitation (bob);"),
        "{text}"
    );
    // Without the key an invitation makes no difference.
    let all = after("enroll_at_login = \"require\"");
    assert_eq!(assess(None, &all, &people).must_enroll, ["bob", "carol"]);
    let offers = after("enroll_at_login = \"offer\"\nenroll_needs_invite = true");
    let impact = assess(None, &offers, &people);
    assert_eq!(impact.not_asked, ["bob", "carol"]);
    assert!(
        impact
            .text(&offers, &[])
            .contains("May enroll       invited users")
    );
    // A user who has no device yet is no longer asked for nothing.
    let off = policy("enabled = false");
    assert_eq!(assess(Some(&all), &off, &people).no_longer_asked, ["root"]);
}

#[test]
fn sshd_without_a_verified_device_is_a_danger() {
    let after = policy("enabled = true\n[services]\nsshd = true");
    let untried = [person(
        "alice",
        EnrollmentStatus::Unverified,
        AccountRole::User,
    )];
    assert_eq!(assess(None, &after, &untried).dangers.len(), 1);
    let verified = [person(
        "alice",
        EnrollmentStatus::Verified,
        AccountRole::User,
    )];
    assert!(assess(None, &after, &verified).dangers.is_empty());
    let off = policy("enabled = false\n[services]\nsshd = true");
    assert!(assess(None, &off, &untried).dangers.is_empty());
}

#[test]
fn users_no_longer_asked_are_named_with_the_place() {
    let people = [
        person("alice", EnrollmentStatus::Verified, AccountRole::User),
        person("bob", EnrollmentStatus::NotEnrolled, AccountRole::User),
    ];
    let told = |before: &str, after: &str| {
        let after = policy(after);
        assess(Some(&policy(before)), &after, &people).text(&after, &[])
    };
    let (on, off) = ("enabled = true", "enabled = false");
    assert!(told(on, off).ends_with("\n  No longer asked  alice\n"));
    assert!(!told(off, on).contains("No longer"));
    assert!(!told(on, "enabled = true\nwindow = 2").contains("No longer"));
    let sudo = "enabled = true\n[services]\nsudo = false";
    assert!(told(on, sudo).ends_with("\n  No longer asked  alice (at sudo)\n"));
    let all = "enabled = true\n[services]\ndefault = false";
    assert!(told(on, all).contains("alice (at services that the policy does not name)\n"));
}

#[test]
fn users_never_asked_are_not_called_no_longer_asked() {
    let people = [
        AffectedUser {
            exemption: ExemptionScope::Everywhere,
            ..person("robot", EnrollmentStatus::Verified, AccountRole::User)
        },
        AffectedUser {
            exempt_at: vec!["sshd".into()],
            ..person("alice", EnrollmentStatus::Verified, AccountRole::User)
        },
    ];
    let told = |before: &str, after: &str| {
        assess(Some(&policy(before)), &policy(after), &people).no_longer_asked
    };
    let sshd_alone = "enabled = true\n[services]\ndefault = false\nsshd = true";
    let no_sshd = "enabled = true\n[services]\nsshd = false";
    let all = "enabled = true\n[services]\nsshd = true";
    let none = "enabled = true\n[services]\ndefault = false\nsshd = false";
    for off in ["enabled = false", none] {
        assert!(told(sshd_alone, off).is_empty(), "{off}");
        assert_eq!(told(all, off), ["alice"], "{off}");
    }
    assert!(told(all, no_sshd).is_empty());
    assert!(told(none, "enabled = false").is_empty());
}

#[test]
fn a_danger_that_exists_already_stops_no_other_change() {
    let before = policy("enabled = true\n[services]\nsshd = true");
    let after = policy("enabled = true\nwindow = 2\n[services]\nsshd = true");
    assert!(assess(Some(&before), &after, &[]).dangers.is_empty());
}

#[test]
fn weaker_settings_are_warned_of_once() {
    let after = policy(
        "enabled = true\nwindow = 10\ngrace = 60\ngrace_session = 60\n[throttle]\nmax_failures = 0\n[new_devices]\ndigits = 8",
    );
    let warnings = assess(None, &after, &[]).warnings;
    assert_eq!(warnings.len(), 5);
    assert!(warnings[0].contains("21 codes"), "{warnings:?}");
    assert!(assess(Some(&after), &after, &[]).warnings.is_empty());
}

#[test]
fn long_lists_are_cut() {
    let many: Vec<String> = (0..14).map(|n| format!("u{n}")).collect();
    assert!(names(&many).ends_with("u11 and 2 more"));
    assert_eq!(names(&[]), "none");
    assert_eq!(names(&["a".into(), "b".into()]), "a, b");
}

#[test]
fn services_are_named_with_their_switch() {
    assert_eq!(
        services(&policy("enabled = true\n[services]\nsudo = true"), &[]),
        "sshd off, sudo on, others on"
    );
}

/// R47: a requirement in force refuses those it concerns, and them alone.
#[test]
fn r47_requirements_decide_user_by_user() {
    let after = policy("enabled = true\n[[require]]\ngroups = [\"staff\"]\nfrom = 2027-03-01");
    let day = after.require[0].from().unwrap();
    let required = |name: &str, requirement| AffectedUser {
        requirement,
        ..person(name, EnrollmentStatus::NotEnrolled, AccountRole::User)
    };
    let people = [
        required("bob", DeviceRequirement::InForce),
        required("carol", DeviceRequirement::None),
        required("dave", DeviceRequirement::Later(day)),
    ];
    let mut impact = assess(None, &after, &people);
    assert_eq!(impact.refused, ["bob"]);
    assert_eq!(impact.not_asked, ["carol", "dave"]);
    impact.tell_days_left(Some(day.seconds() - 1));
    let text = impact.text(&after, &[]);
    assert!(text.contains("  Refused          bob, without a device ([[require]])\n"));
    assert!(text.contains("  Required later   dave, from 2027-03-01 on (1 day left)\n"));
    let off = assess(None, &policy("enabled = false"), &people);
    assert!(off.required_later.is_empty() && off.refused.is_empty());
}
