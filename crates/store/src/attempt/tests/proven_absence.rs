//! Users without a device on a host of a fleet: that they have none has to be proven.

use super::outage::{MET, in_fleet};
use super::*;
use crate::files::UnmirroredUsers;
use crate::fleet_contact::{FLEET_DIRECTORY, FleetContact};
use crate::testing::account;
use twofactor_core::policy::OutageRule;

/// The refusal of bob, unless he is known to have no device anywhere.
fn unenrolled(machine: &AttemptMachine, service: &str, now: u64) -> Option<OutageRefusal> {
    is_refused(machine, &account("bob", 64002), service, now)
}

fn is_refused(
    machine: &AttemptMachine,
    account: &Account,
    service: &str,
    now: u64,
) -> Option<OutageRefusal> {
    let loaded = machine.file.load().unwrap();
    let state = machine.store.path();
    let user = (Some(account.name.as_str()), Some(account.uid));
    match prove_unenrolled(&loaded.policy, state, user, service, || Ok(now)) {
        Err(AttemptFailure::Outage(refusal)) => Some(refusal),
        proved => {
            assert_eq!(proved, Ok(()));
            None
        }
    }
}

#[test]
fn outside_a_fleet_no_contact_is_needed() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(unenrolled(&machine, "sshd", NOW), None);
    machine.set_policy(&format!("{ON}[fleet]\nenabled = true\n"));
    let never = Some(OutageRefusal::NeverMet);
    let of_sshd = |now| unenrolled(&machine, "sshd", now);
    assert_eq!(of_sshd(NOW), never);
    assert_eq!(unenrolled(&machine, "login", NOW), None);
    machine.met(MET);
    assert_eq!((of_sshd(NOW - 1), of_sshd(NOW)), (never, None));
}

#[test]
fn only_fresh_copies_say_that_there_is_no_device() {
    let machine = in_fleet("");
    for (lag, refusal) in [(60, None), (61, Some(OutageRefusal::StaleMirror))] {
        machine.met(FleetContact {
            mirrored: NOW - lag,
            ..MET
        });
        assert_eq!(unenrolled(&machine, "sshd", NOW), refusal);
        assert_eq!(unenrolled(&machine, "login", NOW), None);
    }
    machine.expose_contact();
    let refusal = unenrolled(&machine, "sshd", NOW);
    assert!(matches!(refusal, Some(OutageRefusal::Contact(_))));
    assert_eq!(unenrolled(&machine, "login", NOW), None);
}

#[test]
fn copies_are_believed_while_the_host_may_judge() {
    for (lines, longest) in [
        ("on_outage = \"deny\"", 180),
        ("on_outage = \"deny\"\noutage_local_for = 0", 180),
        ("outage_local_for = 60", 180),
        ("outage_local_for = 181", 181),
        ("", 86_400),
    ] {
        let machine = in_fleet(lines);
        machine.met(MET);
        assert_eq!(unenrolled(&machine, "sshd", NOW + longest), None, "{lines}");
        let late = unenrolled(&machine, "sshd", NOW + longest + 1);
        let expected = OutageRefusal::TooLong(longest + 1);
        assert_eq!(late, Some(expected), "{lines}");
    }
    let machine = in_fleet("outage_local_for = 0");
    machine.met(MET);
    assert_eq!(unenrolled(&machine, "sshd", 10 * NOW), None);
}

#[test]
fn a_record_that_could_not_be_copied_is_no_absence() {
    let machine = in_fleet("");
    machine.met(MET);
    let notes = machine.store.path().join(FLEET_DIRECTORY);
    let notes = UnmirroredUsers::open(&notes).unwrap();
    notes.note("carol").unwrap();
    assert_eq!(unenrolled(&machine, "sshd", NOW), None);
    notes.note("bob").unwrap();
    for service in ["sshd", "login"] {
        let refusal = unenrolled(&machine, service, NOW);
        assert_eq!(refusal, Some(OutageRefusal::Unmirrored), "{service}");
    }
    // Where the notes cannot be looked at nothing is known, at the console neither.
    let path = machine.store.path().join("fleet/unmirrored");
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "").unwrap();
    for service in ["sshd", "login"] {
        let refusal = unenrolled(&machine, service, NOW);
        assert!(
            matches!(refusal, Some(OutageRefusal::Notes(_))),
            "{service}"
        );
    }
}

/// The record is found by the uid; a name of it that has no note is one more way in.
#[test]
fn another_name_of_a_noted_user_is_no_absence() {
    let machine = in_fleet("");
    machine.met(MET);
    let fleet = machine.store.path().join(FLEET_DIRECTORY);
    UnmirroredUsers::open(&fleet).unwrap().note("root").unwrap();
    let alias = account("toor", 0);
    for service in ["sshd", "login"] {
        let refusal = is_refused(&machine, &alias, service, NOW);
        assert_eq!(refusal, Some(OutageRefusal::Unmirrored), "{service}");
    }
    assert_eq!(unenrolled(&machine, "sshd", NOW), None);
}

/// The directory that has the name may be away: the number that stands in the note needs none.
#[test]
fn a_note_knows_its_user_by_number() {
    let machine = in_fleet("");
    machine.met(MET);
    let fleet = machine.store.path().join(FLEET_DIRECTORY);
    let notes = UnmirroredUsers::open(&fleet).unwrap();
    notes.note("no-such-user-here").unwrap();
    let path = fleet.join("unmirrored/no-such-user-here");
    fs::write(&path, "64002\n").unwrap();
    let unmirrored = Some(OutageRefusal::Unmirrored);
    assert_eq!(unenrolled(&machine, "login", NOW), unmirrored);
    // No name is looked up: "root" is the account of another number.
    fs::rename(&path, fleet.join("unmirrored/root")).unwrap();
    assert_eq!(unenrolled(&machine, "login", NOW), unmirrored);
    let toor = account("toor", 0);
    assert_eq!(is_refused(&machine, &toor, "login", NOW), None);
}

/// It is one without a number: the note of one user shuts no other out.
#[test]
fn an_odd_note_refuses_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let machine = in_fleet("");
    machine.met(MET);
    let fleet = machine.store.path().join(FLEET_DIRECTORY);
    UnmirroredUsers::open(&fleet).unwrap().note("root").unwrap();
    let path = fleet.join("unmirrored/root");
    let unmirrored = Some(OutageRefusal::Unmirrored);
    let toor = account("toor", 0);
    for (text, mode) in [
        ("7 7\n", 0o600),
        ("64002", 0o600),
        ("64002\n\n", 0o600),
        ("64002\n", 0o666),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refusal = |user: &Account| is_refused(&machine, user, "login", NOW);
        assert_eq!(refusal(&account("bob", 64002)), None, "{text:?} {mode:o}");
        assert_eq!(refusal(&toor), unmirrored, "{text:?} {mode:o}");
        assert_eq!(refusal(&account("root", 0)), unmirrored, "{text:?}");
    }
}

/// The files of a host that is in a fleet still are copies.
#[test]
fn notes_count_where_the_policy_has_no_fleet_any_more() {
    let machine = in_fleet("");
    let fleet = machine.store.path().join(FLEET_DIRECTORY);
    machine.met(MET);
    UnmirroredUsers::open(&fleet).unwrap().note("bob").unwrap();
    machine.set_policy(ON);
    for service in ["sshd", "login"] {
        let refusal = unenrolled(&machine, service, 10 * NOW);
        assert_eq!(refusal, Some(OutageRefusal::Unmirrored), "{service}");
    }
    UnmirroredUsers::open(&fleet).unwrap().forget_all().unwrap();
    assert_eq!(unenrolled(&machine, "sshd", 10 * NOW), None);
}

/// A host of a fleet has its notes.
#[test]
fn lost_notes_are_no_absence() {
    let machine = in_fleet("");
    machine.met(MET);
    assert_eq!(unenrolled(&machine, "sshd", NOW), None);
    fs::write(machine.store.path().join("fleet/host"), "").unwrap();
    for service in ["sshd", "login"] {
        let refusal = unenrolled(&machine, service, NOW);
        assert!(
            matches!(refusal, Some(OutageRefusal::Notes(_))),
            "{service}"
        );
    }
}

/// The database of users may not tell everything.
#[test]
fn a_note_counts_without_an_account() {
    let machine = in_fleet("");
    machine.met(MET);
    let policy = machine.file.load().unwrap().policy;
    let state = machine.store.path();
    let proved = |name| prove_unenrolled(&policy, state, (name, None), "sshd", || Ok(NOW));
    let fleet = state.join(FLEET_DIRECTORY);
    UnmirroredUsers::open(&fleet).unwrap().note("bob").unwrap();
    assert_eq!((proved(None), proved(Some("carol"))), (Ok(()), Ok(())));
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    assert_eq!(proved(Some("bob")), refused);
    assert_eq!(policy.fleet.on_outage, OutageRule::Local);
}
