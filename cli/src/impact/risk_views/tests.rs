//! Changes of a policy, with the risks that are new by them.

use twofactor_core::account::Account;
use twofactor_core::policy::PolicyTime;
use twofactor_core::state::UserState;

use twofactor_core::policy::Policy;
use twofactor_core::record::EnrollmentStatus;

use super::ShutOutRisk::{AdministratorsEnroll, AdministratorsRefused, Sshd};
use super::*;
use crate::impact::affected_users::{KnownUser, ListedUsers};
use crate::impact::{PolicyImpact, assess, newly_asking};

/// Wrong codes that lock until `unlock` by the default policy.
const MANY: u32 = 1000;

fn user(name: &str, uid: u32, enrollment: EnrollmentStatus, failures: u32) -> KnownUser {
    let mut state = UserState::new(uid);
    state.failures = failures;
    KnownUser {
        account: Account {
            name: name.to_owned(),
            uid,
            gid: uid,
        },
        kept_as: name.to_owned(),
        role: match name {
            "alice" => AccountRole::User,
            _ => AccountRole::Administrator,
        },
        enrollment,
        state: Some(state),
        is_damaged: false,
        can_log_in: true,
    }
}

/// root, and alice, who is no administrator and has a device that works.
fn machine(root: EnrollmentStatus, failures: u32) -> ListedUsers {
    let alice = user("alice", 1000, EnrollmentStatus::Verified, 0);
    ListedUsers {
        users: vec![user("root", 0, root, failures), alice],
        warnings: Vec::new(),
    }
}

/// The impact of a change, where PAM files name the module for sshd and sudo.
fn impact(before: &str, after: &str, listed: &ListedUsers) -> PolicyImpact {
    let policy = |text: &str| -> Policy { format!("enabled = true\n{text}").parse().unwrap() };
    let (before, after) = (policy(before), policy(after));
    let time = PolicyTime {
        now: Some(1),
        changed: 1,
    };
    let (known, people) = (listed.under(&before, time).0, listed.under(&after, time).0);
    let view = |policy, people| PolicyView { policy, people };
    let mut impact = assess(Some(view(&before, &known)), view(&after, &people));
    let used = ["sshd".to_owned(), "sudo".to_owned()];
    impact.add_risks_at(&newly_asking(Some(&before), &after, &used));
    impact.add_risks_of_ended_exemptions(&used);
    impact
}

/// The reasons for which it is refused.
fn dangers(before: &str, after: &str, listed: &ListedUsers) -> Vec<String> {
    let impact = impact(before, after, listed);
    assert_eq!(impact.needs_device(), !impact.dangers.is_empty());
    impact.dangers
}

/// The risks for which it is refused, of all administrators.
fn refused(before: &str, after: &str, listed: &ListedUsers) -> Vec<ShutOutRisk> {
    let dangers = dangers(before, after, listed);
    let is_told = |risk: &ShutOutRisk| dangers.iter().any(|it| it == risk.when_switched_on());
    let told: Vec<_> = ShutOutRisk::ALL.into_iter().filter(is_told).collect();
    assert_eq!(told.len(), dangers.len(), "{dangers:?}");
    told
}

/// A row: the policy before, the one after, root's device, root's wrong codes, and the risk that is new.
type RiskRow = (
    &'static str,
    &'static str,
    EnrollmentStatus,
    u32,
    Option<ShutOutRisk>,
);

fn holds(rows: &[RiskRow]) {
    for (before, after, root, failures, expected) in rows {
        let told = refused(before, after, &machine(*root, *failures));
        let expected: Vec<_> = expected.iter().copied().collect();
        assert_eq!(told, expected, "{root:?} {failures}: {before} -> {after}");
    }
}

const MANDATORY: &str = "enforcement = \"mandatory\"\n";
const SUDO: &str = "enforcement = \"mandatory\"\n[services]\ndefault = false\nsudo = true\n";
const NO_SERVICE: &str = "enforcement = \"mandatory\"\n[services]\ndefault = false\n";

#[test]
fn what_was_so_before_stops_no_other_change() {
    use EnrollmentStatus::{NotEnrolled, Unverified, Verified};
    let (window, require) = ("window = 2\n", "[[require]]\nusers = [\"root\"]\n");
    let also_bob = "[[require]]\nusers = [\"root\", \"alice\"]\n";
    holds(&[
        (
            MANDATORY,
            "enforcement = \"mandatory\"\nwindow = 2\n",
            NotEnrolled,
            0,
            None,
        ),
        ("", window, Unverified, 0, None),
        ("", window, Verified, MANY, None),
        (require, also_bob, NotEnrolled, 0, None),
        (MANDATORY, "", NotEnrolled, 0, None),
        (
            "enroll_at_login = \"require\"\n",
            "enroll_at_login = \"require\"\nwindow = 2\n",
            NotEnrolled,
            0,
            None,
        ),
        (SUDO, SUDO, NotEnrolled, 0, None),
    ]);
}

#[test]
fn a_service_that_did_not_ask_before_has_new_risks() {
    use EnrollmentStatus::{NotEnrolled, Unverified, Verified};
    let other = "enforcement = \"mandatory\"\n[services]\ndefault = false\nftp = true\n";
    let all = "enforcement = \"mandatory\"\n[services]\ndefault = true\n";
    let sshd =
        "enforcement = \"mandatory\"\n[services]\ndefault = false\nsudo = true\nsshd = true\n";
    holds(&[
        (
            NO_SERVICE,
            SUDO,
            NotEnrolled,
            0,
            Some(AdministratorsRefused),
        ),
        (NO_SERVICE, SUDO, Unverified, 0, Some(AdministratorsRefused)),
        (NO_SERVICE, all, NotEnrolled, 0, Some(AdministratorsRefused)),
        (SUDO, sshd, NotEnrolled, 0, Some(AdministratorsRefused)),
        (NO_SERVICE, SUDO, Verified, 0, None),
        // No PAM file of that one names the module.
        (NO_SERVICE, other, NotEnrolled, 0, None),
    ]);
    let untried = ListedUsers {
        users: vec![user("root", 0, NotEnrolled, 0)],
        warnings: Vec::new(),
    };
    let told = refused("", "[services]\nsshd = true\n", &untried);
    assert_eq!(told, [Sshd]);
}

#[test]
fn the_end_of_an_exemption_of_administrators_is_new() {
    use EnrollmentStatus::{NotEnrolled, Verified};
    let root = "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"root\"]\n";
    let alice = "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"alice\"]\n";
    let at_sudo =
        "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"root\"]\nservices = [\"sudo\"]\n";
    let at_ftp =
        "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"root\"]\nservices = [\"ftp\"]\n";
    let sudo_off = "enforcement = \"mandatory\"\n[services]\nsudo = false\n";
    holds(&[
        (root, MANDATORY, NotEnrolled, 0, Some(AdministratorsRefused)),
        (root, at_sudo, NotEnrolled, 0, Some(AdministratorsRefused)),
        (
            at_sudo,
            MANDATORY,
            NotEnrolled,
            0,
            Some(AdministratorsRefused),
        ),
        (root, MANDATORY, Verified, 0, None),
        (at_sudo, root, NotEnrolled, 0, None),
        (at_sudo, sudo_off, NotEnrolled, 0, None),
        // No PAM file of that one names the module.
        (at_ftp, MANDATORY, NotEnrolled, 0, None),
        (alice, MANDATORY, NotEnrolled, 0, None),
    ]);
}

#[test]
fn a_refusal_where_a_device_could_be_enrolled_is_new() {
    use EnrollmentStatus::{Invited, NotEnrolled};
    let offer = "enforcement = \"mandatory\"\nenroll_at_login = \"offer\"\n";
    let invited =
        "enforcement = \"mandatory\"\nenroll_at_login = \"offer\"\nenroll_needs_invite = true\n";
    holds(&[
        ("", offer, NotEnrolled, 0, Some(AdministratorsEnroll)),
        ("", MANDATORY, NotEnrolled, 0, Some(AdministratorsRefused)),
        (
            offer,
            MANDATORY,
            NotEnrolled,
            0,
            Some(AdministratorsRefused),
        ),
        (offer, invited, NotEnrolled, 0, Some(AdministratorsRefused)),
        (offer, invited, Invited, 0, None),
        (MANDATORY, offer, NotEnrolled, 0, None),
        (invited, offer, NotEnrolled, 0, None),
    ]);
}

#[test]
fn an_untried_device_shuts_out_in_an_optional_policy() {
    use EnrollmentStatus::{NotEnrolled, Unverified, Verified};
    let exempt = "[[exempt]]\nusers = [\"root\"]\n";
    let (off, on) = ("[services]\nsudo = false\n", "[services]\nsudo = true\n");
    holds(&[
        (exempt, "", Unverified, 0, Some(AdministratorsRefused)),
        (off, on, Unverified, 0, Some(AdministratorsRefused)),
        (off, on, NotEnrolled, 0, None),
        (off, on, Verified, 0, None),
    ]);
    let mut two = machine(Unverified, 0);
    two.users.push(user("carol", 1001, NotEnrolled, 0));
    assert_eq!(
        refused(off, on, &two),
        [],
        "one who is not asked repairs it"
    );
}

#[test]
fn an_administrator_who_is_locked_repairs_nothing() {
    use EnrollmentStatus::Verified;
    let never = "[throttle]\nmax_failures = 0\n";
    let (off, on) = ("[services]\nsudo = false\n", "[services]\nsudo = true\n");
    holds(&[
        (off, on, Verified, MANY, Some(AdministratorsRefused)),
        (never, "", Verified, MANY, Some(AdministratorsRefused)),
        ("", never, Verified, MANY, None),
        (
            never,
            "[throttle]\nmax_failures = 0\n[services]\nsshd = true\n",
            Verified,
            MANY,
            None,
        ),
    ]);
}

/// R47: a requirement of administrators is a new risk also where the policy was on before.
#[test]
fn r47_a_required_administrator_alone_is_a_danger() {
    use EnrollmentStatus::NotEnrolled;
    let require = "[[require]]\nusers = [\"root\"]\n";
    holds(&[
        ("", require, NotEnrolled, 0, Some(AdministratorsRefused)),
        (
            "",
            "[[require]]\nusers = [\"alice\"]\n",
            NotEnrolled,
            0,
            None,
        ),
    ]);
    let mut two = machine(NotEnrolled, 0);
    two.users.push(user("carol", 1001, NotEnrolled, 0));
    assert_eq!(refused("", require, &two), []);
}

/// root, who has a password, and carol, whose password is locked and who has no key that root sees.
fn carol_unseen(root: EnrollmentStatus, carol: EnrollmentStatus) -> ListedUsers {
    let mut listed = machine(root, 0);
    listed.users.push(KnownUser {
        can_log_in: false,
        ..user("carol", 1001, carol, 0)
    });
    listed
}

/// They may log in by a certificate, or by a key at another place.
#[test]
fn one_without_a_seen_key_is_not_shut_out_unsaid() {
    use EnrollmentStatus::NotEnrolled;
    let carol = "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"carol\"]\n";
    let at_sudo =
        "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"carol\"]\nservices = [\"sudo\"]\n";
    let two = carol_unseen(NotEnrolled, NotEnrolled);
    for (before, after) in [(carol, MANDATORY), (carol, at_sudo), (at_sudo, MANDATORY)] {
        let told = refused(before, after, &two);
        assert_eq!(told, [AdministratorsRefused], "{before} -> {after}");
    }
    assert_eq!(refused(MANDATORY, carol, &two), []);
}

#[test]
fn a_refusal_names_those_who_are_not_counted() {
    use EnrollmentStatus::{NotEnrolled, Verified};
    let risk = AdministratorsRefused.when_switched_on();
    let mut listed = carol_unseen(NotEnrolled, Verified);
    let told = |listed: &ListedUsers| dangers("", MANDATORY, listed);
    let without = "not counted: locked password, and no key that root can see)";
    assert_eq!(told(&listed), [format!("{risk} (carol is {without}")]);
    listed.users.push(KnownUser {
        can_log_in: false,
        ..user("dave", 1002, NotEnrolled, 0)
    });
    let two = format!("{risk} (carol, dave are {without}");
    assert_eq!(told(&listed), [two]);
    // A service that did not ask before has the same risk, and an exemption that ends makes no other one of it.
    assert_eq!(dangers(NO_SERVICE, SUDO, &listed).len(), 1);
    let root = "enforcement = \"mandatory\"\n[[exempt]]\nusers = [\"root\"]\n";
    assert_eq!(dangers(root, MANDATORY, &listed).len(), 1);
    assert_eq!(dangers(MANDATORY, MANDATORY, &listed), [""; 0]);
    let able = carol_unseen(Verified, NotEnrolled);
    assert_eq!(told(&able), [""; 0], "root logs in");
    let none = carol_unseen(NotEnrolled, NotEnrolled);
    assert_eq!(told(&none), [risk], "a risk of all");
}

#[test]
fn a_day_is_told_of_all_and_of_those_who_count() {
    use EnrollmentStatus::{NotEnrolled, Verified};
    let root = "[[require]]\nusers = [\"root\"]\nfrom = 2099-03-01\n";
    let both = format!("{root}[[require]]\nusers = [\"carol\"]\nfrom = 2099-04-01\n");
    let told = |before: &str, after: &str, carol| {
        impact(before, after, &carol_unseen(NotEnrolled, carol)).warnings
    };
    let is_of = |warning: &str, day: &str, end: &str| {
        warning.starts_with(&format!("from {day} on no administrator")) && warning.ends_with(end)
    };
    for (after, carol) in [(root, Verified), (root, NotEnrolled), (&both, Verified)] {
        let warnings = told("", after, carol);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(is_of(
            &warnings[0],
            "2099-03-01",
            "no key that root can see)"
        ));
    }
    let warnings = told("", &both, NotEnrolled);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(is_of(
        &warnings[0],
        "2099-03-01",
        "no key that root can see)"
    ));
    assert!(is_of(
        &warnings[1],
        "2099-04-01",
        "has ever given a right code"
    ));
    assert_eq!(told(root, &both, NotEnrolled), warnings[1..]);
}
