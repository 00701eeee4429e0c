//! Hosts with files of their own: what is changed on one of them counts on the others.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use harness::etcd::cluster::EtcdCluster;
use twofactor_core::record::UserRecord;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host_files::host_settings::HostSettings;
use twofactor_fleet::host_membership::fleet_membership::{LocalHost, MembershipRun};
use twofactor_fleet::host_membership::founding;
use twofactor_fleet::host_membership::joining::{self, JoinReport};
use twofactor_fleet::host_membership::membership_error::MembershipError;
use twofactor_fleet::mirror::host_heartbeat::BeatFiles;
use twofactor_fleet::mirror::record_mirror::{MirrorProgress, MirrorReport};
use twofactor_fleet::sealed_values::host_entry::HostReport;
use twofactor_store::FactorStore;
use twofactor_store::testing::{self, ScratchStore};

use rustix::process::Signal;
use std::time::Duration;

pub const REPORT: HostReport = HostReport { policy: 7, time: 9 };

pub fn soon() -> WorkDeadline {
    WorkDeadline::after(Duration::from_secs(20))
}

/// A host.
pub struct TestHost {
    pub files: ScratchStore,
    pub settings: PathBuf,
    /// The daemon's memory from its start to its end.
    service: RefCell<Option<(FleetHost, MirrorProgress)>>,
}

impl TestHost {
    pub fn new(cluster: &EtcdCluster) -> Self {
        let files = ScratchStore::new();
        files.store();
        let settings = cluster.write_settings(files.path());
        Self {
            files,
            settings,
            service: RefCell::default(),
        }
    }

    /// The store as root's command has it.
    pub fn store(&self) -> FactorStore {
        let fleet = FleetChanges::new(&self.settings, &self.files.top());
        self.files.store().with_fleet(Arc::new(fleet))
    }

    pub fn key(&self) -> PathBuf {
        self.files.path().join("fleet.key")
    }

    /// Runs an act on the membership of this host with its files and settings.
    pub fn with_local<T>(&self, act: impl FnOnce(LocalHost<'_>, &HostSettings) -> T) -> T {
        let (store, state) = (self.files.store(), self.files.top());
        let local = LocalHost {
            store: &store,
            state: &state,
            report: REPORT,
        };
        act(local, &HostSettings::load(&self.settings).unwrap())
    }

    pub fn init(&self, run: MembershipRun) -> Result<usize, MembershipError> {
        let found = |local: LocalHost<'_>, settings: &HostSettings| {
            founding::found(local, settings, run, &|_, _| ())
        };
        self.with_local(found).map(|founded| founded.users)
    }

    pub fn join(&self, first: &Self, run: MembershipRun) -> Result<JoinReport, MembershipError> {
        self.with_local(|local, settings| {
            joining::join(local, settings, &first.key(), run, &|_, _| ())
        })
    }

    pub fn open(&self) -> FleetHost {
        let host = FleetHost::open(&self.settings, &self.files.top()).unwrap();
        host.beat_now(REPORT, &soon()).unwrap();
        host
    }

    /// The host as its service knows it after its last beat.
    pub fn open_as_it_is(&self) -> FleetHost {
        FleetHost::open(&self.settings, &self.files.top()).unwrap()
    }

    /// One beat of the service of this host, which is started at the first one and stays.
    pub fn beat_of_service(&self) -> Result<MirrorReport, OutageReason> {
        let files = BeatFiles {
            state: self.files.top(),
            policy: self.files.policy(),
        };
        let mut service = self.service.borrow_mut();
        let (host, progress) = service.get_or_insert_with(|| {
            let host = FleetHost::open(&self.settings, &files.state).unwrap();
            (host, MirrorProgress::default())
        });
        host.beat_and_mirror(&files, progress)
    }

    /// The service ends, and the next beat is that of a new one.
    pub fn restart_service(&self) {
        self.service.replace(None);
    }

    pub fn mirror(&self) -> MirrorReport {
        let progress = &mut MirrorProgress::default();
        self.open()
            .mirror(&self.files.store(), progress, &soon())
            .unwrap()
    }

    pub fn record(&self, user: &str) -> Option<UserRecord> {
        self.files.store().record_named(user).unwrap()
    }

    pub fn enroll(&self, user: &str, uid: u32) {
        let account = testing::account(user, uid);
        testing::enroll_devices(&self.store(), &account, &[testing::phone()]);
    }
}

pub fn founded(cluster: &EtcdCluster) -> (TestHost, TestHost) {
    let (a, b) = (TestHost::new(cluster), TestHost::new(cluster));
    assert_eq!(a.init(MembershipRun::Apply), Ok(0));
    let joined = b.join(&a, MembershipRun::Apply).unwrap();
    assert_eq!((joined.brought, joined.conflicts.len()), (0, 0));
    (a, b)
}

#[test]
fn a_host_that_joins_brings_and_gets_users() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    a.enroll("alice", 64001);
    b.enroll("bob", 64002);
    assert_eq!(a.init(MembershipRun::DryRun), Ok(1));
    assert!(!a.key().exists());
    assert_eq!(a.init(MembershipRun::Apply), Ok(1));
    // The same call once more finds all done.
    assert_eq!(a.init(MembershipRun::Apply), Ok(1));
    assert!(matches!(
        b.init(MembershipRun::Apply),
        Err(MembershipError::Refused(_))
    ));
    let planned = b.join(&a, MembershipRun::DryRun).unwrap();
    assert_eq!((planned.brought, planned.fetched), (1, 1));
    assert!(b.record("alice").is_none());
    let joined = b.join(&a, MembershipRun::Apply).unwrap();
    assert_eq!(
        (joined.brought, joined.fetched, joined.failed),
        (1, 1, vec![])
    );
    assert!(b.record("alice").is_some());
    assert_eq!(a.mirror().changed, 1);
    assert!(a.record("bob").is_some());
    let view = a.open().view(&a.files.store(), &soon()).unwrap();
    assert_eq!((view.hosts.len(), view.users, view.behind), (2, 2, vec![]));
}

#[test]
fn a_host_with_another_record_does_not_join() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    a.enroll("alice", 64001);
    assert_eq!(a.init(MembershipRun::Apply), Ok(1));
    let account = testing::account("alice", 64001);
    testing::enroll_devices(&b.files.store(), &account, &[testing::token()]);
    let refused = b.join(&a, MembershipRun::Apply).unwrap();
    let conflict = (
        "alice".to_owned(),
        "the fleet has other devices than this host".to_owned(),
    );
    assert_eq!(
        (refused.host.as_str(), refused.conflicts),
        ("", vec![conflict])
    );
    assert_eq!(b.record("alice").unwrap().devices[0].name.as_str(), "token");
    assert!(!b.key().exists() && !b.files.store().is_in_fleet().unwrap());
    // What was removed in the fleet is no new device.
    testing::enroll_devices(
        &b.files.store(),
        &testing::account("carol", 64003),
        &[testing::phone()],
    );
    b.files.store().discard("alice").unwrap();
    a.enroll("carol", 64003);
    a.store().discard("carol").unwrap();
    let refused = b.join(&a, MembershipRun::Apply).unwrap();
    assert_eq!(refused.conflicts[0].0, "carol");
    b.files.store().discard("carol").unwrap();
    assert_eq!(b.join(&a, MembershipRun::Apply).unwrap().fetched, 1);
}

#[test]
fn a_change_on_one_host_counts_on_the_others() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.mirror().changed, 1);
    assert_eq!(b.record("alice").unwrap().devices.len(), 1);
    let state = b
        .files
        .store()
        .lock(&testing::account("alice", 64001))
        .map(|it| it.state().clone());
    assert!(state.unwrap().device(testing::phone().id).is_some());
    // Removed on the other host, and enrolled anew there.
    b.store().discard("alice").unwrap();
    let removed = a.mirror();
    assert_eq!((removed.changed, removed.is_whole), (1, true));
    assert!(a.record("alice").is_none());
    b.enroll("alice", 64001);
    assert_eq!(a.mirror().changed, 1);
    assert!(a.record("alice").is_some());
    assert_eq!(a.mirror().changed, 0);
}

/// Neither half of a change is made.
#[test]
fn without_the_store_no_record_changes() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    a.enroll("alice", 64001);
    let before = a.record("alice").unwrap().to_toml();
    // A program that cannot reach the fleet changes nothing either.
    let refused = a.files.store().discard("alice").unwrap_err();
    assert_eq!(refused.cause, twofactor_store::FileFault::InFleet);
    for member in 0..harness::etcd::cluster::MEMBERS {
        cluster.signal(member, Signal::STOP);
    }
    let refused = a.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("does not answer"), "{refused}");
    let alice = testing::account("alice", 64001);
    let store = a.store();
    let mut locked = store.lock_for_change(&alice).unwrap();
    let mut record = locked.record().unwrap().unwrap();
    record.devices.push(testing::token());
    let entries = [testing::fresh(&testing::token())];
    let refused = locked.replace_record(&record, &entries).unwrap_err();
    assert!(
        matches!(refused.cause, twofactor_store::FileFault::Fleet(_)),
        "{refused}"
    );
    assert_eq!(*a.record("alice").unwrap().to_toml(), *before);
}

/// A store that lacks everything, or is another one, removes nothing.
#[test]
fn a_wrong_store_removes_no_record() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    a.enroll("alice", 64001);
    let host = a.open();
    let deleted = cluster.etcdctl(&["del", "--prefix", "/twofactor/v1/record/"], true);
    assert!(deleted.status.success(), "{deleted:?}");
    let progress = &mut MirrorProgress::default();
    let report = host.mirror(&a.files.store(), progress, &soon()).unwrap();
    assert_eq!(report.changed, 0);
    assert!(a.record("alice").is_some());
    let deleted = cluster.etcdctl(&["del", "--prefix", "/twofactor/"], true);
    assert!(deleted.status.success(), "{deleted:?}");
    let gone = host.mirror(&a.files.store(), progress, &soon());
    assert_eq!(gone, Err(OutageReason::NoFleet));
    assert_eq!(host.beat_now(REPORT, &soon()), Err(OutageReason::NoFleet));
    assert!(a.record("alice").is_some());
}

/// As after a backup from before a host joined, and after none.
#[test]
fn a_store_that_lost_a_host_is_not_begun_anew() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(
        (a.beat_of_service().is_ok(), b.beat_of_service().is_ok()),
        (true, true)
    );
    let delete = |arguments: &[&str]| {
        let deleted = cluster.etcdctl(&[&["del"], arguments].concat(), true);
        assert!(deleted.status.success(), "{deleted:?}");
    };
    let id = b.open().host_id().to_owned();
    delete(&[&format!("/twofactor/v1/host/{id}")]);
    let refused = b.join(&a, MembershipRun::Apply).unwrap_err();
    assert_eq!(refused, OutageReason::WentBack.into());
    // One that it does not know brings no user that another may have removed.
    delete(&["--prefix", "/twofactor/v1/record/"]);
    let report = a.join(&a, MembershipRun::DryRun).unwrap();
    assert_eq!((report.brought, report.failed.len()), (0, 1), "{report:?}");
    delete(&["--prefix", "/twofactor/"]);
    let refused = a.init(MembershipRun::Apply).unwrap_err();
    assert_eq!(refused, OutageReason::NoFleet.into());
}

/// The files of a host are copied to a second one, or the store was restored: both are noticed.
#[test]
fn a_number_that_another_wrote_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let (first, second) = (a.open(), a.open());
    // The numbers of two processes of one host follow each other in its files.
    assert_eq!(first.beat_now(REPORT, &soon()), Ok(()));
    assert_eq!(second.beat_now(REPORT, &soon()), Ok(()));
    let place = a.files.top().join("fleet/host");
    let saved = std::fs::read(&place).unwrap();
    for _ in 0..2 {
        assert_eq!(first.beat_now(REPORT, &soon()), Ok(()));
    }
    std::fs::write(&place, &saved).unwrap();
    assert_eq!(first.beat_now(REPORT, &soon()), Err(OutageReason::WentBack));
}

/// The number is in the host's file, and the store did not get it.
#[test]
fn a_beat_killed_in_between_is_no_outage() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let host = a.open();
    let directory = host.directory();
    let mut place = directory.place().unwrap();
    place.previous = place.current;
    place.current.count += 1;
    directory.write(&place, &directory.lock().unwrap()).unwrap();
    assert_eq!(host.beat_now(REPORT, &soon()), Ok(()));
    a.enroll("alice", 64001);
    place.previous.count += 5;
    place.current.count += 5;
    directory.write(&place, &directory.lock().unwrap()).unwrap();
    assert_eq!(host.beat_now(REPORT, &soon()), Err(OutageReason::WentBack));
}
