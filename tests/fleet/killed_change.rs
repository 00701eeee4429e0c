//! The service of the fleet, killed before each system call that it makes for a change of what a user has.

use std::path::Path;
use std::sync::Arc;

use harness::enrolled::{SERVICE, add_account, auth, login};
use harness::hotp;
use twofactor_core::account::Account;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::enroll::{ConfirmedDevice, PendingDevice};
use twofactor_core::policy::Policy;
use twofactor_core::record::UserRecord;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::sealed_values::shared_record::SharedRecord;
use twofactor_fleet::sealed_values::shared_state::SharedState;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::operations::{
    self, ChangeCause, ChangeError, DevicesBefore, RootChange, ShownRecord, UserFactor,
};
use twofactor_store::testing::SilentLog;
use twofactor_store::{FactorStore, fleet_relay};

use super::host_machines::{HostMachine, LIMIT, settings};
use super::killed::{MANY, STRIDE, ServiceConnection, forget_last_service, wrong_codes};
use super::{policy, two_members, until_met};
use harness::etcd::cluster::EtcdCluster;

/// The values in the store count here.
const KEYS: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";
const USER: &str = "bob";
const NOW: u64 = 2_000_000_000;

/// A change that module and users' daemon ask the service for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RelayedKind {
    /// The first device, with recovery codes.
    Enroll,
    /// Another key for it.
    Renew,
    /// Other recovery codes.
    Codes,
    /// Nothing is left.
    Unset,
}

/// Reported result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToldEnd {
    Made,
    NotMade,
    Unknown,
}

impl RelayedKind {
    /// Makes the change by way of the service, as module and daemon do.
    fn make(self, account: &Account) -> ToldEnd {
        let store = fleet_relay::relayed(files(), Path::new(POLICY_FILE));
        match self.made_in(&store, account) {
            Ok(()) => ToldEnd::Made,
            Err(ChangeError {
                cause: ChangeCause::Failed(failure),
                ..
            }) if failure.is_unmade_in_fleet() => ToldEnd::NotMade,
            Err(error) => {
                let told = error.to_string();
                assert!(told.contains("may have been made"), "{self:?}: {told}");
                ToldEnd::Unknown
            }
        }
    }

    fn made_in(self, store: &FactorStore, account: &Account) -> Result<(), ChangeError> {
        let factor = &UserFactor {
            store,
            account,
            audit: &SilentLog,
        };
        let old = store.record_named(USER).unwrap();
        let device = old.and_then(|it| it.devices.first().cloned());
        match self {
            Self::Enroll => {
                let new = confirmed(&harness::enrolled::device("token", OtpKind::Hotp), account);
                operations::enroll(factor, new, DevicesBefore::None, NOW, &mut RootChange).map(drop)
            }
            Self::Renew => {
                let old = device.unwrap();
                let new = confirmed(&old, account);
                operations::renew(factor, old.id, new, &mut RootChange).map(drop)
            }
            Self::Codes => operations::new_recovery_codes(factor, NOW, &mut RootChange).map(drop),
            Self::Unset => operations::remove_all(factor, &[device.unwrap().id], &mut RootChange),
        }
    }
}

/// The device with a new key, confirmed by its first code.
fn confirmed(device: &Device, account: &Account) -> ConfirmedDevice {
    let mut pending = PendingDevice::renewal(device, NOW).unwrap();
    let code = pending.device().code(0);
    let typed = code.reveal();
    let new = pending.confirm(&Policy::default(), account, typed.as_bytes(), NOW);
    new.unwrap()
}

/// The user's values in the store.
#[derive(Debug, PartialEq, Eq)]
struct StoredFactor {
    record: Option<String>,
    /// True if each device has an entry in the state, in which its first code is used up.
    is_confirmed: bool,
}

impl StoredFactor {
    fn in_store() -> Self {
        let host = FleetHost::open(&settings(), Path::new(STATE_DIR)).unwrap();
        let keys = [StoreKey::record(USER), StoreKey::state(USER)];
        let time = WorkDeadline::after(LIMIT);
        let values = host.gateway().values(&keys, &time).unwrap();
        let plain = |at: usize| {
            let sealed = values[at].1.as_deref();
            sealed.map(|sealed| host.key().open(&keys[at], sealed).unwrap())
        };
        let record = plain(0).map(|it| SharedRecord::decode(&it).unwrap());
        let record = record.and_then(|it| it.content.text().map(str::to_owned));
        let state = plain(1).map(|it| SharedState::decode(&it).unwrap().state);
        let parsed = record.as_deref().map(|it| UserRecord::parse(it).unwrap());
        let is_used = |device: &Device| {
            let entry = state.as_ref().and_then(|state| state.device(device.id));
            entry.is_some_and(|entry| entry.next == 1 && entry.committed)
        };
        let is_confirmed = parsed.iter().flat_map(|it| &it.devices).all(is_used);
        Self {
            record,
            is_confirmed,
        }
    }

    fn parsed(&self) -> Option<UserRecord> {
        Some(UserRecord::parse(self.record.as_deref()?).unwrap())
    }
}

fn files() -> FactorStore {
    FactorStore::open(Path::new(STATE_DIR), Path::new(POLICY_FILE)).unwrap()
}

/// Makes the user what a change begins with, by root's way, without the service.
fn prepare(kind: RelayedKind, account: &Account) -> StoredFactor {
    let fleet = FleetChanges::new(&settings(), Path::new(STATE_DIR));
    let store = files().with_fleet(Arc::new(fleet));
    let shown = ShownRecord::of(&store.record_named(USER));
    operations::discard(&store, USER, &shown, &SilentLog).unwrap();
    if kind != RelayedKind::Enroll {
        RelayedKind::Enroll.made_in(&store, account).unwrap();
    }
    StoredFactor::in_store()
}

/// True for what the store has after the change.
fn is_made(kind: RelayedKind, before: &StoredFactor, now: &StoredFactor) -> bool {
    let (before, now) = (before.parsed(), now.parsed());
    let ids = |record: &Option<UserRecord>| {
        let devices = record.iter().flat_map(|it| &it.devices);
        devices.map(|it| it.id).collect::<Vec<_>>()
    };
    let codes = |record: &Option<UserRecord>| Some(record.as_ref()?.recovery.as_ref()?.id);
    let (devices, is_same) = (ids(&now), ids(&before) == ids(&now));
    match kind {
        RelayedKind::Enroll => devices.len() == 1 && codes(&now).is_some(),
        RelayedKind::Renew => devices.len() == 1 && !is_same && codes(&now) == codes(&before),
        RelayedKind::Codes => is_same && codes(&now).is_some() && codes(&now) != codes(&before),
        RelayedKind::Unset => now.is_none(),
    }
}

/// Sees what a kill has left; the service runs again.
fn judge(kind: RelayedKind, told: ToldEnd, before: &StoredFactor, account: &Account, at: &str) {
    let now = StoredFactor::in_store();
    let is_made = is_made(kind, before, &now);
    assert!(is_made || now == *before, "half: {at}: {now:?}");
    assert!(told != ToldEnd::Made || is_made, "lost: {at}");
    assert!(told != ToldEnd::NotMade || !is_made, "made: {at}");
    assert!(now.is_confirmed, "not confirmed: {at}");
    // The service brings it here, and another change is made of that.
    let end = std::time::Instant::now() + LIMIT;
    while files()
        .record_named(USER)
        .unwrap()
        .map(|it| it.to_toml().to_string())
        != now.record
    {
        assert!(std::time::Instant::now() < end, "stuck: {at}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let next = match now.parsed() {
        None => RelayedKind::Enroll,
        Some(_) => RelayedKind::Renew,
    };
    assert_eq!(next.make(account), ToldEnd::Made, "stuck: {at}");
    let device = StoredFactor::in_store().parsed().unwrap().devices.remove(0);
    let code = hotp(&device.secret.to_base32(), 1, 6);
    let is_in = auth(login(USER).service(SERVICE).answer(code));
    assert_eq!(is_in, harness::pam::code::SUCCESS, "stuck: {at}");
}

/// Kills the service at calls of one change after the other.
fn sweep(kinds: [RelayedKind; 2]) {
    let cluster = EtcdCluster::start(&[]);
    let policy = policy(KEYS).replace("[throttle]\n", MANY);
    let [host, _other] = two_members(&cluster, OtpKind::Hotp, &policy);
    let bob = host.run(|host| add_account(&host.machine, USER));
    let mut wrong = wrong_codes();
    for kind in kinds {
        let mut struck = 0;
        for number in (0..).step_by(STRIDE) {
            let (wrong, account) = (wrong.next().unwrap(), bob.clone());
            let (before, told, calls) = host.run(move |host: &mut HostMachine| {
                let before = prepare(kind, &account);
                forget_last_service();
                let service = host.machine.fleet_program().limit(LIMIT);
                let (told, calls) = service.killed_at(number, |switch| {
                    let _connection = ServiceConnection::to_new_service(&wrong);
                    switch.arm();
                    kind.make(&account)
                });
                (before, told, calls)
            });
            // Fewer calls than that, up to the reply: it ended with the client.
            let is_over = told == ToldEnd::Made && calls <= number;
            host.serve();
            until_met(&host, 1);
            let account = bob.clone();
            let at = format!("{kind:?} at call {number} of {calls}: {told:?}");
            host.run(move |_| judge(kind, told, &before, &account, &at));
            host.run(|host| host.daemon.take().unwrap().kill());
            if is_over {
                break;
            }
            struck += 1;
        }
        println!("{kind:?}: killed at {struck} calls");
        assert!(struck > 0);
    }
}

#[test]
fn a_killed_service_leaves_first_and_last_whole() {
    sweep([RelayedKind::Enroll, RelayedKind::Unset]);
}

#[test]
fn a_killed_service_replaces_whole_or_not_at_all() {
    sweep([RelayedKind::Renew, RelayedKind::Codes]);
}
