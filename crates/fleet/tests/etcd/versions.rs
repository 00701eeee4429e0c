//! Values that a later version wrote, in formats that this one does not read: what they stop, and what they do not.

use twofactor_core::policy::Policy;
use twofactor_core::recovery::OneTimeCode;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::store_values::ChangeAnswer;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::sealed_values::fleet_entry::EntryError;
use twofactor_fleet::sealed_values::shared_record::{RecordContent, SharedRecord};
use twofactor_fleet::sealed_values::shared_state::ValueError;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::UnmirroredUsers;
use twofactor_store::attempt::{AttemptFailure, OutageRefusal, prove_unenrolled};
use twofactor_store::fleet_contact::FleetContact;
use twofactor_store::sys::accounts;
use twofactor_store::testing;

use super::test_hosts::{REPORT, TestHost, founded, soon};
use harness::etcd::cluster::EtcdCluster;

/// Offset at which all values have the number of their format.
const FORMAT: usize = 4;

/// Gives a value the format of a later version.
pub fn make_later(host: &FleetHost, key: &StoreKey) {
    let values = host.gateway().values(std::slice::from_ref(key), &soon());
    let sealed = values.unwrap().remove(0).1.unwrap();
    let mut plain = host.key().open(key, &sealed).unwrap();
    plain[FORMAT] = 9;
    let later = host.key().seal(key, &plain).unwrap();
    let changed = host.gateway().change(&[], &[(key.clone(), later)], &soon());
    assert_eq!(changed, Ok(ChangeAnswer::Done));
}

#[test]
fn a_host_of_a_later_version_stops_no_other() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let (host, later) = (a.open(), b.open());
    make_later(&host, later.host_key());
    a.enroll("alice", 64001);
    assert_eq!(a.beat_of_service().unwrap().failed, vec![]);
    let contact = FleetContact::read(&a.files.top()).unwrap();
    assert_eq!(contact.map(|it| it.hosts), Some(2));
    let members = host.members(&soon()).unwrap();
    let known = |is_this| members.iter().find(|it| it.is_this == is_this).unwrap();
    assert!(known(true).entry.is_some() && known(false).entry.is_none());
    let (code, status) = a.run(&["fleet", "status"]);
    assert_eq!(code, Some(0), "{status}");
    let hosts = status["hosts"].as_array().unwrap();
    let of_later = hosts.iter().find(|it| it["this"] == false).unwrap();
    assert!(
        of_later["version"].is_null() && of_later["same_policy"].is_null(),
        "{status}"
    );
    // The host itself cannot go back to a version before.
    let refused = later.beat_now(REPORT, &soon());
    assert_eq!(refused, Err(OutageReason::Entry(EntryError::Version(9))));
}

#[test]
fn what_a_later_version_wrote_concerns_its_user() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    a.enroll("bob", 64002);
    let host = a.open();
    make_later(&host, &StoreKey::record("bob"));
    let mirrored = b.mirror();
    assert_eq!(mirrored.changed, 1);
    assert_eq!(mirrored.failed[0].0, "bob");
    // This host has no account of the name: it may be one that was renamed here.
    assert!(!mirrored.is_whole);
    assert!(b.record("alice").is_some() && b.record("bob").is_none());
    let view = host.view(&a.files.store(), &soon()).unwrap();
    assert_eq!((view.users, view.behind), (2, vec!["bob".to_owned()]));
    make_later(&host, &StoreKey::state("alice"));
    let state = host.user_state("alice", &soon());
    assert_eq!(state, Err(OutageReason::Value(ValueError::Version(9))));
    let refused = b.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("format 9"), "{refused}");
}

/// An account of every machine.
pub const ACCOUNT: (&str, u32) = ("daemon", 1);

/// True if a user passes on a host for one without a device, in a fleet.
pub fn unenrolled(host: &TestHost, user: &str, service: &str) -> Result<(), AttemptFailure> {
    let mut policy = Policy::default();
    policy.fleet.enabled = true;
    let state = host.files.top();
    let now = FleetContact::read(&state).unwrap().unwrap().met;
    let account = accounts::by_name(user).unwrap();
    let user = (Some(user), account.map(|it| it.uid));
    prove_unenrolled(&policy, &state, user, service, || Ok(now))
}

#[test]
fn a_later_record_refuses_its_user_alone() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let (user, uid) = ACCOUNT;
    a.enroll(user, uid);
    let host = a.open();
    let readable = host.gateway().values(&[StoreKey::record(user)], &soon());
    let readable = readable.unwrap().remove(0).1.unwrap();
    make_later(&host, &StoreKey::record(user));
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    // Also after the service of the host was started anew, and where nothing changed since.
    for _ in 0..2 {
        for _ in 0..2 {
            let mirrored = b.beat_of_service().unwrap();
            assert_eq!(mirrored.failed[0].0, user);
            assert!(mirrored.is_whole);
            // "login" is one of the local services, which take the copies as old as they may be.
            for service in ["sshd", "login"] {
                assert_eq!(unenrolled(&b, user, service), refused);
                assert_eq!(unenrolled(&b, "alice", service), Ok(()));
            }
        }
        b.restart_service();
    }
    // A note that cannot be looked at refuses all of them, at the console too, and one that cannot be written makes the copies old.
    let notes = b.files.top().join("fleet/unmirrored");
    std::fs::remove_dir_all(&notes).unwrap();
    std::fs::write(&notes, "").unwrap();
    for service in ["sshd", "login"] {
        let unknown = unenrolled(&b, "alice", service);
        let is_notes = matches!(
            unknown,
            Err(AttemptFailure::Outage(OutageRefusal::Notes(_)))
        );
        assert!(is_notes, "{unknown:?}");
    }
    assert!(b.beat_of_service().is_err());
    std::fs::remove_file(&notes).unwrap();
    assert!(b.beat_of_service().unwrap().is_whole);
    assert_eq!(unenrolled(&b, user, "sshd"), refused);
    // Once it can be read, it is put in place, and the note of it is gone.
    let written = [(StoreKey::record(user), readable)];
    let changed = host.gateway().change(&[], &written, &soon());
    assert_eq!(changed, Ok(ChangeAnswer::Done));
    let mirrored = b.beat_of_service().unwrap();
    assert_eq!((mirrored.changed, mirrored.failed), (1, vec![]));
    assert!(b.record(user).is_some());
    assert!(!UnmirroredUsers::has(&b.files.top(), user).unwrap());
}

/// On a host where the user has another uid, and that of the record is another user's.
#[test]
fn a_record_with_anothers_uid_is_not_put_in_place() {
    const OTHER: (&str, u32) = ("bin", 2);
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let user = ACCOUNT.0;
    a.enroll(user, OTHER.1);
    let mirrored = b.beat_of_service().unwrap();
    assert_eq!(mirrored.failed[0].0, user);
    assert!(mirrored.is_whole && b.record(user).is_none());
    let other = testing::account(OTHER.0, OTHER.1);
    let holder = b.files.store().holder(&other).unwrap();
    assert!(holder.record.is_none());
    assert_eq!(unenrolled(&b, OTHER.0, "sshd"), Ok(()));
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    assert_eq!(unenrolled(&b, user, "sshd"), refused);
}

/// The invitation that is here is no device that would be asked for.
#[test]
fn an_invited_user_is_refused_until_the_record_comes() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let (user, uid) = ACCOUNT;
    let account = testing::account(user, uid);
    let mut record = testing::record_of(&account, &[]);
    record.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let store = a.store();
    let mut locked = store.lock_for_change(&account).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    assert_eq!(b.beat_of_service().unwrap().changed, 1);
    assert_eq!(unenrolled(&b, user, "sshd"), Ok(()));
    a.enroll(user, uid);
    make_later(&a.open(), &StoreKey::record(user));
    let mirrored = b.beat_of_service().unwrap();
    assert_eq!(mirrored.failed[0].0, user);
    assert!(mirrored.is_whole && !b.record(user).unwrap().is_enrolled());
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    for service in ["sshd", "login"] {
        assert_eq!(unenrolled(&b, user, service), refused);
        assert_eq!(unenrolled(&b, "alice", service), Ok(()));
    }
}

/// In the format of this version, with a device of a kind that only a later one knows.
#[test]
fn a_record_with_unknown_parts_refuses_its_user_alone() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let (user, uid) = ACCOUNT;
    a.enroll(user, uid);
    let (host, key) = (a.open(), StoreKey::record(user));
    let sealed = host.gateway().values(std::slice::from_ref(&key), &soon());
    let sealed = sealed.unwrap().remove(0).1.unwrap();
    let known = SharedRecord::decode(&host.key().open(&key, &sealed).unwrap()).unwrap();
    let text = known.content.text().unwrap().to_owned();
    for (from, to) in [("totp", "passkey"), ("[[device]]", "[later]\n[[device]]")] {
        let later = text.replacen(from, to, 1);
        assert_ne!(later, text);
        let value = SharedRecord {
            content: RecordContent::Text(later.into()),
            ..known.clone()
        };
        let sealed = host.key().seal(&key, &value.encode()).unwrap();
        let changed = host
            .gateway()
            .change(&[], &[(key.clone(), sealed)], &soon());
        assert_eq!(changed, Ok(ChangeAnswer::Done));
        let mirrored = b.beat_of_service().unwrap();
        assert_eq!(mirrored.failed[0].0, user, "{to}");
        assert!(mirrored.is_whole && b.record(user).is_none());
        let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
        for service in ["sshd", "login"] {
            assert_eq!(unenrolled(&b, user, service), refused, "{to}");
            assert_eq!(unenrolled(&b, "alice", service), Ok(()));
        }
        // Nor is it replaced by one of this version, which knows less.
        let account = testing::account(user, uid);
        let store = b.store();
        let mut locked = store.lock_for_change(&account).unwrap();
        let record = testing::record_of(&account, &[testing::token()]);
        let enrolled = locked.replace_record(&record, &[testing::fresh(&testing::token())]);
        assert!(enrolled.is_err(), "{to}");
        let now = host.gateway().values(std::slice::from_ref(&key), &soon());
        let now = host.key().open(&key, &now.unwrap().remove(0).1.unwrap());
        assert_eq!(SharedRecord::decode(&now.unwrap()).unwrap(), value);
    }
}

#[test]
fn a_fleet_of_a_later_version_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    let (host, other) = (a.open(), b.open());
    make_later(&host, &StoreKey::meta());
    let later = OutageReason::Entry(EntryError::Version(9));
    assert_eq!(host.beat_now(REPORT, &soon()), Err(later.clone()));
    assert_eq!(other.beat_now(REPORT, &soon()), Err(later.clone()));
    assert_eq!(b.beat_of_service(), Err(later));
    assert!(a.record("alice").is_some());
    let refused = a.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("format 9"), "{refused}");
}
