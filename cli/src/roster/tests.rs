//! Statuses of records, and what becomes of names that have no account.

use super::*;
use twofactor_core::device::OtpKind;
use twofactor_core::enroll::{new_device, unused};
use twofactor_core::otp::Interval;
use twofactor_core::policy::Policy;
use twofactor_core::recovery::OneTimeCode;
use twofactor_core::state::DeviceState;

const NOW: u64 = 1_767_225_600;

/// A record and a state with devices that were last used at these times.
fn factor(last_used: &[u64]) -> (UserRecord, UserState) {
    let mut record = UserRecord::new("alice".to_owned(), 1000);
    let mut state = UserState::new(1000);
    for (number, last_used) in last_used.iter().enumerate() {
        let kind = OtpKind::Totp {
            interval: Interval::THIRTY,
        };
        let name = format!("device{number}").parse().unwrap();
        let device = new_device(name, kind, Policy::default().new_devices, NOW).unwrap();
        state.devices.push(DeviceState {
            last_used: *last_used,
            ..unused(&device)
        });
        record.devices.push(device);
    }
    (record, state)
}

#[test]
fn a_status_needs_an_accepted_code_to_be_verified() {
    let status = |last_used: &[u64]| {
        let (record, state) = factor(last_used);
        EnrollmentStatus::of(&record, &state, NOW)
    };
    assert_eq!(status(&[]), EnrollmentStatus::NotEnrolled);
    assert_eq!(status(&[0, 0]), EnrollmentStatus::Unverified);
    assert_eq!(status(&[0, 1]), EnrollmentStatus::Verified);
}

#[test]
fn an_invitation_counts_until_it_expires() {
    let (mut record, state) = factor(&[]);
    record.invite = Some(OneTimeCode::generate(NOW + 1).unwrap().0);
    let status = |now| EnrollmentStatus::of(&record, &state, now);
    assert_eq!(status(NOW), EnrollmentStatus::Invited);
    assert_eq!(status(NOW + 1), EnrollmentStatus::NotEnrolled);
}

#[test]
fn names_without_an_account_are_listed_as_vanished() {
    let roster = UserRoster::new(None, ["root", "no such user"].map(str::to_owned));
    let found = roster.look_up(|entry| match entry {
        RosterEntry::Listed(user) => (user.name, Some(user.account.uid)),
        RosterEntry::Vanished(name) | RosterEntry::Unanswered(name, _) => (name, None),
    });
    assert_eq!(
        found,
        [
            ("no such user".to_owned(), None),
            ("root".to_owned(), Some(0))
        ]
    );
}

#[test]
fn further_names_of_an_account_are_dropped() {
    let account = |name: &str| Account {
        name: name.to_owned(),
        uid: 1000,
        gid: 1000,
    };
    let listed = vec![
        (1, Some(account("alice"))),
        (2, None),
        (3, Some(account("alice"))),
        (4, None),
    ];
    let kept = once_each(listed, |(_, account)| account.as_ref());
    let numbers: Vec<u32> = kept.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 4]);
}
