//! A backup of the store was restored: what it lost is brought back by the hosts, and a new epoch begins.
//!
//! The entry of the fleet in the store says so from the first moment on. No host uses the store before the new epoch, not even a
//! host whose number there is the one that it wrote last. A host that takes part brings the records that are newer here, and
//! merges its states: what was used here is used. One that comes after the epoch began without it merges its states alone. Each
//! step can be done again.
//!
//! A restoration has an id. A backup may hold one that is under way, or over, with the hosts that took part: what they learned since is
//! missing there. So only the host that began one goes on with it, and only while it remembers that it is not over.

use twofactor_store::FactorStore;

use super::restored_states::LostMarks;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::store_values::KeyedValue;
use crate::host::fleet_host::FleetHost;
use crate::host_files::host_error::HostError;
use crate::host_files::host_file::{FleetLock, HostPlace};
use crate::host_files::host_settings::HostSettings;
use crate::host_membership::fleet_membership::{
    LocalHost, MembershipRun, STEP_TIME, UserProgress, add_users,
};
use crate::host_membership::membership_error::MembershipError;
use crate::mirror::host_heartbeat::BeatFiles;
use crate::sealed_values::fleet_entry::{EpochPhase, FleetMeta, RestorationId};
use crate::sealed_values::fleet_key::SealError;
use crate::sealed_values::host_entry::HostReport;
use crate::sealed_values::store_key::StoreKey;

/// The name for hosts that joined after the backup was made: the restored store does not know them.
pub const UNKNOWN_HOSTS: &str = "unknown";

/// The end of a call of `after-restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorationReport {
    /// The new epoch.
    pub epoch: u64,
    /// Hosts that have not brought what they know. While there is one, the new epoch does not begin.
    pub waiting: Vec<String>,
    /// Users whose states are of the new epoch; 0 before it began.
    pub restored: usize,
    /// Users with something that could not be brought, or with values in the store that cannot be read; each with the reason.
    pub failed: Vec<(String, String)>,
}

/// Begins a restoration, takes part in it, and begins the new epoch once all hosts but those of `without` took part. `window` is the
/// policy's.
///
/// # Errors
/// [`MembershipError`].
pub fn after_restore(
    local: LocalHost<'_>,
    settings: &HostSettings,
    without: &[String],
    (run, window): (MembershipRun, u8),
    progress: UserProgress<'_>,
) -> Result<RestorationReport, MembershipError> {
    let host = FleetHost::open(&settings.path, local.state)?;
    let lock = host.directory().lock()?;
    let place = host.directory().place()?;
    let time = WorkDeadline::after(STEP_TIME);
    let base = host.restoration_base(&time)?;
    let stored = host.meta_of(&base, &place)?;
    let begun = begun_here(&place, stored)?;
    let next = match begun {
        Some(begun) => begun,
        None => following(&place, stored)?,
    };
    if run == MembershipRun::DryRun {
        return Ok(RestorationReport {
            epoch: next.epoch,
            waiting: host.waiting(local.state, next, without, &time)?,
            restored: 0,
            failed: Vec::new(),
        });
    }
    if begun.is_none() {
        host.begin((&place, &lock), next, (&base, &time))?;
    }
    let part = host.take_part(local.store, (place.meta.epoch, next), progress)?;
    let time = WorkDeadline::after(STEP_TIME);
    let mut waiting = host.waiting(local.state, next, without, &time)?;
    if !part.failed.is_empty() && !without.iter().any(|it| it == host.host_id()) {
        waiting.push(host.host_id().to_owned());
    }
    let mut report = RestorationReport {
        epoch: next.epoch,
        waiting,
        restored: 0,
        failed: part.failed,
    };
    add_users(&mut report.failed, part.left);
    if !report.waiting.is_empty() {
        return Ok(report);
    }
    let lost = if without.is_empty() {
        LostMarks::None
    } else {
        LostMarks::Possible
    };
    let (restored, left) =
        host.restore_states(next, (lost, window, local.report.time), progress)?;
    report.restored = restored;
    add_users(&mut report.failed, left);
    host.settle_epoch((&place, &lock), next, local.report)?;
    Ok(report)
}

/// The restoration that is under way, if it was begun here and is not over.
fn begun_here(place: &HostPlace, stored: FleetMeta) -> Result<Option<FleetMeta>, MembershipError> {
    let is_ahead = stored.epoch > place.meta.epoch;
    match stored.phase {
        EpochPhase::Settled if stored.is_unseen_by(&place.meta) => Err(MembershipError::Refused(
            "this host takes part in a restoration that is over; twofactord goes on within a minute"
                .to_owned(),
        )),
        EpochPhase::Restoring if is_ahead && place.begun == Some(stored.restoration) => {
            Ok(Some(stored))
        }
        EpochPhase::Settled | EpochPhase::Restoring => Ok(None),
    }
}

/// The epoch after all that this host and the store know of, with a restoration of its own.
fn following(place: &HostPlace, stored: FleetMeta) -> Result<FleetMeta, OutageReason> {
    Ok(FleetMeta {
        epoch: stored.epoch.max(place.meta.epoch).saturating_add(1),
        restoration: new_restoration()?,
        phase: EpochPhase::Restoring,
        ..stored
    })
}

fn new_restoration() -> Result<RestorationId, OutageReason> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| OutageReason::Sealing(SealError::Random(error)))?;
    Ok(id)
}

impl FleetHost {
    /// Takes part in a restoration that another host began, and goes over to the new epoch once it began. True if it did.
    ///
    /// # Errors
    /// [`OutageReason`], also where a user could not be brought: this host is waited for then, until it can or is left out.
    pub(crate) fn follow_restoration(
        &self,
        files: &BeatFiles,
        report: HostReport,
    ) -> Result<bool, OutageReason> {
        let lock = self.directory().lock().map_err(OutageReason::files)?;
        let place = self.directory().place().map_err(OutageReason::files)?;
        let time = WorkDeadline::after(STEP_TIME);
        let mut base = self.restoration_base(&time)?;
        let mut stored = self.meta_of(&base, &place)?;
        if stored.phase == EpochPhase::Restoring && stored.epoch <= place.meta.epoch {
            // The host that began it has seen fewer epochs than this one. Of one that was over here, what was learned since is missing:
            // it goes on as another one, which no host has begun.
            if stored.restoration == place.meta.restoration {
                stored.restoration = new_restoration()?;
            }
            stored.epoch = place.meta.epoch.saturating_add(1);
            self.put(&base, vec![self.meta_entry(stored)?], &time)?;
            base = self.restoration_base(&time)?;
        }
        if !stored.is_unseen_by(&place.meta) {
            return Ok(false);
        }
        if place.begun.is_some_and(|begun| begun != stored.restoration) {
            // With that one it would go on where a backup holds it, and miss this one.
            let forgotten = self.note_begun(&place, &lock, None);
            forgotten.map_err(OutageReason::files)?;
        }
        if !self.has_taken_part(stored, &time)? {
            let store = FactorStore::open(&files.state, &files.policy);
            let store = store.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
            let part = self.take_part(&store, (place.meta.epoch, stored), &|_, _| ());
            let part = part.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
            // Where the epoch began without this host, all that it may have used is unusable already.
            if let (Some(first), EpochPhase::Restoring) = (part.failed.first(), stored.phase) {
                return Err(not_brought(first, part.failed.len()));
            }
        }
        if stored.phase == EpochPhase::Restoring {
            return Ok(false);
        }
        let next = self.next_place(&place, stored);
        let time = WorkDeadline::after(STEP_TIME);
        // Where this is killed in between, the store is still ahead of this host, which comes here again.
        self.put(&base, vec![self.entry_of(&next, report)?], &time)?;
        self.directory()
            .write(&next, &lock)
            .map_err(OutageReason::files)?;
        Ok(true)
    }

    /// Begins a restoration in the place of the entry that was seen: no two of them in one store have one number.
    fn begin(
        &self,
        (place, lock): (&HostPlace, &FleetLock),
        next: FleetMeta,
        (base, time): (&[KeyedValue], &WorkDeadline),
    ) -> Result<(), MembershipError> {
        self.note_begun(place, lock, Some(next.restoration))?;
        let begun = self.put(base, vec![self.meta_entry(next)?], time);
        begun.map_err(|reason| match reason {
            OutageReason::Contradiction => overtaken(),
            reason => reason.into(),
        })
    }

    /// Begins the epoch to come, if no other restoration was begun meanwhile.
    fn settle_epoch(
        &self,
        (place, lock): (&HostPlace, &FleetLock),
        next: FleetMeta,
        report: HostReport,
    ) -> Result<(), MembershipError> {
        let time = WorkDeadline::after(STEP_TIME);
        let base = self.restoration_base(&time)?;
        if self.meta_of(&base, place)? != next {
            return Err(overtaken());
        }
        // Killed after the store has the epoch, this host would go on with a restoration that a backup holds.
        self.note_begun(place, lock, None)?;
        let place = self.next_place(place, next);
        let writes = vec![self.meta_entry(place.meta)?, self.entry_of(&place, report)?];
        // Where this is killed in between, this host follows as all others do.
        self.put(&base, writes, &time)?;
        self.directory().write(&place, lock)?;
        Ok(())
    }

    /// Notes the restoration that is begun here, or with `None` that it is over.
    fn note_begun(
        &self,
        place: &HostPlace,
        lock: &FleetLock,
        begun: Option<RestorationId>,
    ) -> Result<(), HostError> {
        let noted = HostPlace {
            begun,
            ..place.clone()
        };
        self.directory().write(&noted, lock)
    }

    fn meta_entry(&self, meta: FleetMeta) -> Result<(StoreKey, Vec<u8>), OutageReason> {
        let sealed = self.sealed(&StoreKey::meta(), &meta.encode())?;
        Ok((StoreKey::meta(), sealed))
    }
}

/// The error of a restoration that is not the latest one.
fn overtaken() -> MembershipError {
    MembershipError::Refused(
        "another host began a restoration, or knows of a later epoch; call this again on one of the hosts"
            .to_owned(),
    )
}

/// The reason why a host is waited for.
fn not_brought((user, reason): &(String, String), users: usize) -> OutageReason {
    OutageReason::HostFiles(format!(
        "the restored store lacks what this host knows of {users} users, and waits for it: {user:?}: {reason}"
    ))
}
