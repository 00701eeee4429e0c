//! Values that a later version wrote, in formats that this one does not read: what they stop, and what they do not.

use twofactor_fleet::fleet_host::FleetHost;
use twofactor_fleet::outage::OutageReason;
use twofactor_fleet::shared_state::ValueError;
use twofactor_fleet::store_key::StoreKey;
use twofactor_fleet::store_values::ChangeAnswer;
use twofactor_fleet::token::TokenError;
use twofactor_store::fleet_contact::FleetContact;

use super::cluster::EtcdCluster;
use super::hosts::{REPORT, founded, soon};

/// Where all values have the number of their format.
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
    assert_eq!(refused, Err(OutageReason::Token(TokenError::Version(9))));
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
    // bob passes for no user without a device there.
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

#[test]
fn a_fleet_of_a_later_version_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    let (host, other) = (a.open(), b.open());
    make_later(&host, &StoreKey::meta());
    let later = OutageReason::Token(TokenError::Version(9));
    assert_eq!(host.beat_now(REPORT, &soon()), Err(later.clone()));
    assert_eq!(other.beat_now(REPORT, &soon()), Err(later.clone()));
    assert_eq!(b.beat_of_service(), Err(later));
    assert!(a.record("alice").is_some());
    let refused = a.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("format 9"), "{refused}");
}
