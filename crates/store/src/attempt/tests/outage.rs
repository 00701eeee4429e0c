//! Codes that a host judges while it is cut off from its fleet.

use std::os::unix::fs::PermissionsExt;

use rustix::io::Errno;

use super::*;
use crate::fleet_contact::{FLEET_DIRECTORY, FleetContact};
use crate::sys::file::FileError;
use crate::testing::token;
use twofactor_core::recovery::{CodeScope, OneTimeCode, RecoverySet};
use twofactor_core::verify::FailureCounter;

/// Met at this moment.
pub const MET: FleetContact = FleetContact {
    met: NOW,
    mirrored: NOW,
    hosts: 2,
};

/// A machine in a fleet; `lines` stand at the end of its table.
pub fn in_fleet(lines: &str) -> AttemptMachine {
    AttemptMachine::with_policy(&format!("{ON}[fleet]\nenabled = true\n{lines}\n"))
}

impl AttemptMachine {
    pub fn met(&self, contact: FleetContact) {
        contact.write(self.store.path()).unwrap();
    }

    /// Opens the note of the last contact to all.
    pub fn expose_contact(&self) {
        let path = self.store.path().join(FLEET_DIRECTORY).join("contact");
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    }

    /// A login in an outage.
    pub fn cut_off(&self, service: &str, code: &str) -> Result<AttemptResult, AttemptFailure> {
        let mut session = LoginAttempt {
            service,
            ..self.session()
        };
        session.outage_attempt((code.as_bytes(), AnswerForm::Code), FailureCounter::Logins)
    }

    /// The refusal of a login in an outage, if it is one; a code of the phone is right.
    fn refusal(&self) -> Option<OutageRefusal> {
        match self.cut_off("sshd", &code(STEP)) {
            Err(AttemptFailure::Outage(refusal)) => Some(refusal),
            judged => {
                assert_eq!(judged, Ok(accepted(0, 0)));
                None
            }
        }
    }
}

#[test]
fn a_host_judges_alone_as_long_as_it_may() {
    const DAY: u64 = 86_400;
    let long = Some(OutageRefusal::TooLong(DAY + 1));
    for (lines, age, refusal) in [
        ("", 0, None),
        ("", DAY, None),
        ("", DAY + 1, long),
        ("outage_local_for = 0", 400 * DAY, None),
        ("outage_local_for = 9", 9, None),
        ("outage_local_for = 9", 10, Some(OutageRefusal::TooLong(10))),
        ("on_outage = \"deny\"", 0, Some(OutageRefusal::Denied)),
    ] {
        let machine = in_fleet(lines);
        machine.met(FleetContact {
            met: NOW - age,
            mirrored: NOW - age,
            ..MET
        });
        assert_eq!(machine.refusal(), refusal, "{lines} {age}");
    }
}

/// The host meets its fleet all the time, but what the fleet has of this user cannot be used.
#[test]
fn one_user_is_judged_alone_no_longer_than_all() {
    for (lines, age, refusal) in [
        ("outage_local_for = 60", 60, None),
        (
            "outage_local_for = 60",
            61,
            Some(OutageRefusal::AloneTooLong(61)),
        ),
        ("outage_local_for = 0", 86_401, None),
    ] {
        let machine = in_fleet(lines);
        machine.met(MET);
        assert_eq!(machine.cut_off("sshd", "000"), Ok(wrong()));
        assert_eq!(machine.stored().state.outage_since(), Some(NOW));
        TIME.set(NOW + age);
        machine.met(FleetContact {
            met: NOW + age,
            mirrored: NOW + age,
            hosts: 2,
        });
        let right = code(STEP + age / 30);
        let judged = machine.cut_off("sshd", &right);
        match refusal {
            None => assert!(matches!(
                judged,
                Ok(AttemptResult::Compared(CodeOutcome::Accepted(_)))
            )),
            Some(refusal) => assert_eq!(judged, Err(AttemptFailure::Outage(refusal))),
        }
        // The console judges in every outage, and the time stays that of the first code.
        let later = code(STEP + age / 30 + 1);
        let judged = machine.cut_off("login", &later);
        assert!(
            matches!(
                judged,
                Ok(AttemptResult::Compared(CodeOutcome::Accepted(_)))
            ),
            "{judged:?}"
        );
        assert_eq!(machine.stored().state.outage_since(), Some(NOW));
    }
}

#[test]
fn a_host_that_never_met_its_fleet_judges_nothing() {
    let machine = in_fleet("");
    assert_eq!(machine.refusal(), Some(OutageRefusal::NeverMet));
    machine.met(FleetContact {
        met: NOW + 1,
        ..MET
    });
    assert_eq!(machine.refusal(), Some(OutageRefusal::NeverMet));
    machine.met(MET);
    machine.expose_contact();
    let refusal = machine.refusal();
    assert!(matches!(refusal, Some(OutageRefusal::Contact(_))));
}

#[test]
fn the_console_judges_in_every_outage() {
    let machine = in_fleet("on_outage = \"deny\"");
    assert_eq!(machine.cut_off("login", &code(STEP)), Ok(accepted(0, 0)));
    machine.met(MET);
    machine.expose_contact();
    assert_eq!(machine.cut_off("login", &code(STEP)), Ok(used()));
}

#[test]
fn what_is_judged_in_an_outage_is_marked() {
    let machine = in_fleet("");
    machine.met(MET);
    assert_eq!(machine.types("000"), wrong());
    assert_eq!(machine.stored().state.outage_mark(), None);
    assert_eq!(machine.cut_off("sshd", "000"), Ok(wrong()));
    assert_eq!(machine.stored().state.outage_mark(), Some(1));
    assert_eq!(machine.counters().0, 2);
}

/// Its clock was compared with none: where it is wrong, it would end the outage of the user early, or never.
#[test]
fn the_console_begins_no_time_of_an_outage() {
    let machine = in_fleet("outage_local_for = 60");
    machine.met(MET);
    assert_eq!(machine.cut_off("login", "000"), Ok(wrong()));
    let state = machine.stored().state;
    assert_eq!((state.outage_mark(), state.outage_since()), (Some(0), None));
    // The first code elsewhere does.
    let later = NOW + 600;
    TIME.set(later);
    machine.met(FleetContact {
        met: later,
        mirrored: later,
        hosts: 2,
    });
    assert_eq!(machine.cut_off("sshd", "000"), Ok(wrong()));
    let state = machine.stored().state;
    assert_eq!(
        (state.outage_since(), state.counted_alone()),
        (Some(later), 2)
    );
}

#[test]
fn a_user_without_a_device_has_no_code_in_an_outage() {
    let machine = in_fleet("");
    machine.met(MET);
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    let mut invited = record_of(&machine.alice, &[]);
    invited.invite = Some(OneTimeCode::generate(NOW + 9).unwrap().0);
    locked.replace_record(&invited, &[]).unwrap();
    drop(locked);
    assert_eq!(
        machine.cut_off("sshd", &code(STEP)),
        Ok(AttemptResult::Gone)
    );
}

/// alice has a bypass code of this host, which is returned, until nine seconds from now, and a recovery code.
fn with_bypass_of_this_host(machine: &AttemptMachine) -> [String; 2] {
    let (bypass, plain) = OneTimeCode::generate(NOW + 9).unwrap();
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let mut record = record_of(&machine.alice, &[phone()]);
    record.bypass = Some(bypass.with_scope(CodeScope::ThisHost));
    record.recovery = Some(set);
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    [&plain, &codes[0]].map(|code| code.grouped().to_string())
}

/// Other hosts would accept these as well.
#[test]
fn a_code_of_this_host_lets_no_other_code_in() {
    let machine = in_fleet("on_outage = \"deny\"\noutage_recovery = true");
    machine.met(MET);
    let [_, recovery] = with_bypass_of_this_host(&machine);
    for typed in [code(STEP), recovery] {
        assert_eq!(machine.cut_off("sshd", &typed), Ok(wrong()));
    }
}

#[test]
fn an_expired_code_of_this_host_lifts_no_denial() {
    let machine = in_fleet("on_outage = \"deny\"");
    machine.met(MET);
    with_bypass_of_this_host(&machine);
    at(8);
    assert_eq!(machine.cut_off("sshd", "000"), Ok(wrong()));
    at(9);
    assert_eq!(machine.refusal(), Some(OutageRefusal::Denied));
}

/// A wrong code would be counted, and the right one of a phone would count as wrong.
#[test]
fn a_used_code_of_this_host_lifts_no_denial() {
    let machine = in_fleet("on_outage = \"deny\"");
    machine.met(MET);
    let [typed, _] = with_bypass_of_this_host(&machine);
    let judged = machine.cut_off("sshd", &typed);
    assert!(
        matches!(
            judged,
            Ok(AttemptResult::Compared(CodeOutcome::Accepted(_)))
        ),
        "{judged:?}"
    );
    assert_eq!(machine.refusal(), Some(OutageRefusal::Denied));
    assert_eq!(machine.counters().0, 0);
}

/// alice has a token and recovery codes, of which one is returned.
fn with_lasting_codes(machine: &AttemptMachine) -> String {
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let mut record = record_of(&machine.alice, &[phone(), token()]);
    record.recovery = Some(set);
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[fresh(&token())]).unwrap();
    codes[0].grouped().to_string()
}

#[test]
fn codes_that_do_not_expire_are_refused_in_an_outage() {
    let of_token = token().code(0).reveal().to_string();
    for (lines, service, are_right) in [
        ("", "sshd", false),
        ("", "login", true),
        ("outage_recovery = true", "sshd", true),
    ] {
        let machine = in_fleet(lines);
        machine.met(MET);
        let recovery = with_lasting_codes(&machine);
        for typed in [&of_token, &recovery] {
            let judged = machine.cut_off(service, typed);
            let is_right = matches!(
                judged,
                Ok(AttemptResult::Compared(CodeOutcome::Accepted(_)))
            );
            assert_eq!(is_right, are_right, "{lines} {service} {typed}");
        }
        let judged = machine.cut_off(service, &code(STEP));
        let is_right = matches!(
            judged,
            Ok(AttemptResult::Compared(CodeOutcome::Accepted(_)))
        );
        assert!(is_right, "{lines} {service}");
    }
}

#[test]
fn hosts_that_are_cut_off_share_the_wrong_codes() {
    for (limit, hosts, expected) in [
        (0, 4, 0),
        (20, 1, 20),
        (20, 0, 20),
        (20, 3, 6),
        (20, 4, 5),
        (20, 5, 5),
        (3, 2, 3),
    ] {
        let mut policy: Policy = ON.parse().unwrap();
        policy.throttle.max_failures = limit;
        let limit = outage_limit::cut_off(&policy, hosts);
        assert_eq!(limit.throttle.max_failures, expected, "{hosts}");
    }
}

/// The console's limit is that of one host.
#[test]
fn a_limit_is_shared_away_from_the_console() {
    let throttle = "[throttle]\nattempts = 12\nmax_failures = 12";
    for (service, limit) in [("sshd", 6), ("login", 12)] {
        let machine = in_fleet(throttle);
        machine.met(MET);
        for _ in 0..limit {
            assert_eq!(machine.cut_off(service, "000"), Ok(wrong()));
        }
        let locked = AttemptResult::Refused(ThrottleStatus::LockedUntilUnlock);
        assert_eq!(machine.cut_off(service, "000"), Ok(locked), "{service}");
    }
}

#[test]
fn a_refusal_of_an_outage_says_why() {
    for (refusal, words) in [
        (OutageRefusal::Denied, "on_outage is deny"),
        (OutageRefusal::NeverMet, "not known to have met it"),
        (OutageRefusal::TooLong(7), "was met 7 seconds ago"),
        (OutageRefusal::AloneTooLong(7), "by itself for 7 seconds"),
        (OutageRefusal::StaleMirror, "too old to say"),
        (OutageRefusal::NoChange, "no host changes by itself"),
    ] {
        let text = refusal.to_string();
        let begin = "the store of the fleet cannot be reached, and ";
        assert!(text.starts_with(begin) && text.contains(words), "{text}");
    }
    let unmirrored = OutageRefusal::Unmirrored.to_string();
    assert!(!unmirrored.contains("cannot be reached"), "{unmirrored}");
    assert!(unmirrored.contains("cannot use"), "{unmirrored}");
    let notes = OutageRefusal::Notes(FileError::System("open", Errno::IO)).to_string();
    assert!(!notes.contains("cannot be reached"), "{notes}");
    assert!(
        notes.contains("that this host lacks are unusable"),
        "{notes}"
    );
    let meanwhile = OutageRefusal::FleetMeanwhile.to_string();
    assert!(meanwhile.contains("has got a fleet"), "{meanwhile}");
}
