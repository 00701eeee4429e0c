//! This host as a member of its fleet: its files, its client of the store, and the number that it writes there from time to time.

use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::attempt_steps::shared_attempt::{FleetStanding, StandingSource, check_meta};
use crate::etcd::etcd_gateway::{EtcdGateway, TimeLeft};
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::store_values::{ChangeAnswer, KeyedValue};
use crate::host_files::host_error::{HostError, HostFault};
use crate::host_files::host_file::{FleetDirectory, FleetLock, HostPlace};
use crate::host_files::host_settings::HostSettings;
use crate::host_files::key_file::KeyFile;
use crate::sealed_values::fleet_entry::{FleetMeta, HostBeat};
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::host_entry::{HostEntry, HostMembership, HostReport};
use crate::sealed_values::store_key::StoreKey;

/// Longest time of one request to one member.
pub const REQUEST_TIME: Duration = Duration::from_millis(1500);
/// Pause before an unknown end is read back.
const PAUSE: Duration = Duration::from_millis(10);

/// This host in its fleet.
pub struct FleetHost {
    gateway: EtcdGateway,
    key: FleetKey,
    directory: FleetDirectory,
    host: String,
    place: StoreKey,
    run: [u8; 8],
    standing: RwLock<FleetStanding>,
}

impl FleetHost {
    /// The host whose settings and state directory these are. Nothing is asked of the store: before the first attempt
    /// [`FleetHost::beat_now`] has to succeed, or [`FleetHost::settle`].
    ///
    /// # Errors
    /// [`HostError`], where [`HostError::is_not_joined`] tells that the host is in no fleet.
    pub fn open(settings: &Path, state: &Path) -> Result<Self, HostError> {
        // A host without a fleet needs no settings.
        let directory = FleetDirectory::open(state)?;
        let place = directory.place()?;
        let settings = HostSettings::load(settings)?;
        let keys = KeyFile::load(&settings.key_file)?;
        let refused = |cause| HostError::new(&settings.key_file, cause);
        if keys.fleet != place.meta.fleet {
            return Err(refused(HostFault::OtherFleet));
        }
        if keys.old.is_some() {
            return Err(refused(HostFault::KeyRotation));
        }
        let gateway = settings.gateway(REQUEST_TIME)?;
        Self::new(gateway, keys.key, directory, place)
    }

    pub(crate) fn new(
        gateway: EtcdGateway,
        key: FleetKey,
        directory: FleetDirectory,
        place: HostPlace,
    ) -> Result<Self, HostError> {
        let mut run = [0; 8];
        getrandom::fill(&mut run)
            .map_err(|_| HostError::new(directory.path(), HostFault::Random))?;
        Ok(Self {
            gateway,
            key,
            place: place.key(),
            host: place.host,
            directory,
            run,
            standing: RwLock::new(FleetStanding {
                meta: place.meta,
                beat: place.current,
                coming: None,
            }),
        })
    }

    /// The client of the store.
    #[must_use]
    pub const fn gateway(&self) -> &EtcdGateway {
        &self.gateway
    }

    /// The key of the fleet.
    #[must_use]
    pub const fn key(&self) -> &FleetKey {
        &self.key
    }

    /// The key of this host in the store.
    #[must_use]
    pub const fn host_key(&self) -> &StoreKey {
        &self.place
    }

    /// The id of this host.
    #[must_use]
    pub fn host_id(&self) -> &str {
        &self.host
    }

    /// The files of the fleet on this host.
    #[must_use]
    pub const fn directory(&self) -> &FleetDirectory {
        &self.directory
    }

    /// Held for this alone: no attempt waits for a lock of the fleet or for the store here.
    fn know(&self, standing: FleetStanding) {
        let known = self.standing.write();
        *known.unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// Writes the next number, if the store has the one that this host wrote last. What a command has changed in the files of the
    /// fleet counts from then on. Attempts go on meanwhile. At most half of the time is waited for another process of this host.
    ///
    /// # Errors
    /// [`OutageReason`]: the store cannot be used, and no attempt may be made before this succeeds.
    pub fn beat_now(&self, report: HostReport, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let lock = self.directory.lock_within(time.left() / 2);
        let lock = lock.map_err(OutageReason::files)?;
        let (place, seen, base) = self.seen(time)?;
        let next = HostPlace {
            previous: seen,
            current: HostBeat {
                count: place.current.count.saturating_add(1),
                run: self.run,
            },
            ..place
        };
        // Where this is killed after the store has it, the host knows of it.
        self.directory
            .write(&next, &lock)
            .map_err(OutageReason::files)?;
        let entry = HostEntry::of(next.current, HostMembership::Member, report);
        self.know(FleetStanding {
            meta: next.meta,
            beat: seen,
            coming: Some(next.current),
        });
        self.put_entry(base, &entry, time)?;
        // From now on the number before is one of a store that went back.
        let done = HostPlace {
            previous: next.current,
            ..next
        };
        self.directory
            .write(&done, &lock)
            .map_err(OutageReason::files)?;
        self.know(FleetStanding {
            meta: done.meta,
            beat: done.current,
            coming: None,
        });
        Ok(())
    }

    /// Looks which number of this host the store has, and writes none. `lock` keeps the daemon from writing one until it is dropped.
    ///
    /// # Errors
    /// As [`FleetHost::beat_now`].
    pub fn settle(&self, _: &FleetLock, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let (place, beat, _) = self.seen(time)?;
        self.know(FleetStanding {
            meta: place.meta,
            beat,
            coming: None,
        });
        Ok(())
    }

    /// [`FleetHost::settle`] without the lock. The service may write a number meanwhile: the one that it has begun to write is
    /// known. If it writes another one, the store has a number that this host does not know, and the host's file has changed.
    ///
    /// # Errors
    /// As [`FleetHost::beat_now`].
    pub(crate) fn settle_beside_service(&self, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let (place, beat, _) = self.seen(time)?;
        self.know(FleetStanding {
            meta: place.meta,
            beat,
            coming: (place.current != beat).then_some(place.current),
        });
        Ok(())
    }

    /// The host's place by its file, and its number in the store with the values that say so.
    fn seen(
        &self,
        time: &dyn TimeLeft,
    ) -> Result<(HostPlace, HostBeat, Vec<KeyedValue>), OutageReason> {
        let place = self.directory.place().map_err(OutageReason::files)?;
        let base = self.values(time)?;
        let value = |at: usize| base.get(at).and_then(|(_, value)| value.as_deref());
        let beat = known_beat(&self.key, &place, value(0), value(1))?;
        Ok((place, beat, base))
    }

    fn values(&self, time: &dyn TimeLeft) -> Result<Vec<KeyedValue>, OutageReason> {
        let keys = [StoreKey::meta(), self.place.clone()];
        patient(time, || self.gateway.values(&keys, time))
    }

    /// Puts the entry of this host in the place of the one that was seen.
    pub(crate) fn put_entry(
        &self,
        base: Vec<KeyedValue>,
        entry: &HostEntry,
        time: &dyn TimeLeft,
    ) -> Result<(), OutageReason> {
        let sealed = self.key.seal(&self.place, &entry.encode());
        let sealed = sealed.map_err(OutageReason::Sealing)?;
        let writes = [(self.place.clone(), sealed.clone())];
        loop {
            match self.gateway.change(&base, &writes, time) {
                Ok(ChangeAnswer::Done) => return Ok(()),
                Err(GatewayFault::NotSent(text)) if time.left().is_zero() => {
                    return Err(OutageReason::Unreachable(GatewayFault::NotSent(text)));
                }
                // It may be the second copy of one that was done.
                Ok(ChangeAnswer::Refused) | Err(_) => {}
            }
            let now = self.values(time)?;
            let mine = now.get(1).and_then(|(_, value)| value.as_deref());
            if mine == Some(&sealed) {
                return Ok(());
            }
            if now != base {
                return Err(OutageReason::WentBack);
            }
            time.pause(PAUSE);
        }
    }
}

impl StandingSource for FleetHost {
    fn standing(&self) -> FleetStanding {
        let known = self.standing.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The number of a host in the store, if it is one of those that the host knows, and the fleet is the host's.
pub(crate) fn known_beat(
    key: &FleetKey,
    place: &HostPlace,
    meta: Option<&[u8]>,
    host: Option<&[u8]>,
) -> Result<HostBeat, OutageReason> {
    let meta = opened_meta(key, meta)?;
    check_meta(place.meta, meta)?;
    let entry = key.open(&place.key(), host.ok_or(OutageReason::WentBack)?);
    let entry = HostEntry::decode(&entry.map_err(OutageReason::Seal)?);
    let entry = entry.map_err(OutageReason::Entry)?;
    if entry.membership == HostMembership::Left {
        return Err(OutageReason::HasLeft);
    }
    if entry.beat == place.current || entry.beat == place.previous {
        Ok(entry.beat)
    } else {
        Err(OutageReason::WentBack)
    }
}

/// The fleet of the store.
pub(crate) fn opened_meta(key: &FleetKey, meta: Option<&[u8]>) -> Result<FleetMeta, OutageReason> {
    let meta = key.open(&StoreKey::meta(), meta.ok_or(OutageReason::NoFleet)?);
    let meta = FleetMeta::decode(&meta.map_err(OutageReason::Seal)?);
    meta.map_err(OutageReason::Entry)
}
