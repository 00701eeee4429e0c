//! A backup of the store was restored: what it lost is brought back by the hosts, and a new epoch begins.
//!
//! Until the new epoch no host uses the store: its number there is not the one that it wrote last. A host that takes part brings the
//! records that are newer here, and joins its states: what was used here is used. Each step can be done again.

use twofactor_store::Store;

use crate::beats::BeatFiles;
use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, HostReport};
use crate::fleet_membership::{LocalHost, MembershipRun, STEP_TIME, UserProgress};
use crate::host_settings::HostSettings;
use crate::membership_error::MembershipError;
use crate::outage::OutageReason;
use crate::restored_users::LostMarks;
use crate::store_key::StoreKey;
use crate::token::FleetMeta;

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
    pub healed: usize,
    /// Users with something that could not be brought, with the reason.
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
    let meta = host.meta_of(&base, &place)?;
    if place.meta.epoch < meta.epoch {
        return Err(refused(
            "this host takes part in a restoration that is over; twofactord goes on within a minute",
        ));
    }
    // One that is in the backup, and over on this host or in the store, is another one than this.
    let known = meta.epoch.max(place.meta.epoch);
    let begun = host.restoration_of(&base, meta)?;
    let begun = begun.filter(|begun| begun.epoch > known);
    let next = begun.unwrap_or(FleetMeta {
        epoch: known.saturating_add(1),
        ..meta
    });
    if run == MembershipRun::DryRun {
        return Ok(RestorationReport {
            epoch: next.epoch,
            waiting: host.waiting(local.state, next, without, &time)?,
            healed: 0,
            failed: Vec::new(),
        });
    }
    if begun.is_none() {
        let sealed = host.sealed(&StoreKey::restoration(), &next.encode())?;
        host.put(&base, vec![(StoreKey::restoration(), sealed)], &time)?;
    }
    let failed = host.take_part(local.store, next, progress)?;
    let time = WorkDeadline::after(STEP_TIME);
    let mut waiting = host.waiting(local.state, next, without, &time)?;
    if !failed.is_empty() && !without.iter().any(|it| it == host.host_id()) {
        waiting.push(host.host_id().to_owned());
    }
    let mut report = RestorationReport {
        epoch: next.epoch,
        waiting,
        healed: 0,
        failed,
    };
    if !report.waiting.is_empty() {
        return Ok(report);
    }
    let lost = if without.is_empty() {
        LostMarks::None
    } else {
        LostMarks::Possible
    };
    report.healed = host.heal(next, (lost, window, local.report.time), progress)?;
    let place = host.next_place(&place, next);
    host.directory().write(&place, &lock)?;
    let base = host.restoration_base(&WorkDeadline::after(STEP_TIME))?;
    let entry = host.entry_of(&place, local.report)?;
    let writes = vec![
        (
            StoreKey::meta(),
            host.sealed(&StoreKey::meta(), &next.encode())?,
        ),
        entry,
    ];
    host.put(&base, writes, &WorkDeadline::after(STEP_TIME))?;
    Ok(report)
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
        let base = self.restoration_base(&time)?;
        let meta = self.meta_of(&base, &place)?;
        let Some(next) = self.restoration_of(&base, meta)? else {
            return Ok(false);
        };
        if next.epoch <= place.meta.epoch {
            return Ok(false);
        }
        if self.has_taken_part(self.host_id(), next, &time)? != Some(next.epoch) {
            let store = Store::open(&files.state, &files.policy);
            let store = store.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
            let part = self.take_part(&store, next, &|_, _| ());
            let failed = part.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
            // Where the epoch began without this host, all that it may have used is unusable already.
            if let (Some(first), true) = (failed.first(), meta.epoch != next.epoch) {
                return Err(not_brought(first, failed.len()));
            }
        }
        if meta.epoch != next.epoch {
            return Ok(false);
        }
        let place = self.next_place(&place, next);
        self.directory()
            .write(&place, &lock)
            .map_err(OutageReason::files)?;
        let entry = self.entry_of(&place, report)?;
        self.put(&base, vec![entry], &time)?;
        Ok(true)
    }
}

/// The reason why a host is waited for.
fn not_brought((user, reason): &(String, String), users: usize) -> OutageReason {
    OutageReason::HostFiles(format!(
        "the restored store lacks what this host knows of {users} users, and waits for it: {user:?}: {reason}"
    ))
}

fn refused(text: &str) -> MembershipError {
    MembershipError::Refused(text.to_owned())
}
