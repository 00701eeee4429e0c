//! The mirror: the records of the fleet, as files on this host.
//!
//! A record that is missing in the store removes nothing here; only the note of a removal does. A record that is older than the one this host
//! had replaces nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use twofactor_store::FactorStore;
use twofactor_store::sys::accounts;

use super::user_mirror::{self, MirrorNotes, MirrorResult, UserFault};
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::attempt_steps::shared_attempt::StandingSource as _;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::TimeLeft;
use crate::etcd::store_values::StoreNames;
use crate::host::fleet_host::FleetHost;
use crate::sealed_values::fleet_entry::FleetMeta;
use crate::sealed_values::store_key::KeyKind;

/// Progress of the mirror of one process.
#[derive(Debug, Default)]
pub struct MirrorProgress {
    /// The revision of the store up to which all was looked at, in an epoch: a store that was restored counts anew.
    since: u64,
    epoch: Option<FleetMeta>,
    /// Users whose record could not be put in place.
    pending: BTreeSet<String>,
}

/// Result of one look at the store.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MirrorReport {
    /// Records put in place or removed.
    pub changed: usize,
    /// Users whose record could not be put in place, with the reason.
    pub failed: Vec<(String, String)>,
    /// True if no user of the fleet passes here for one without a device.
    pub is_whole: bool,
}

impl FleetHost {
    /// Brings what changed in the store since `progress` to the files of this host.
    ///
    /// # Errors
    /// [`OutageReason`], also where the store is not that of the fleet, or went back: then nothing is concluded from what it lacks.
    pub fn mirror(
        &self,
        store: &FactorStore,
        progress: &mut MirrorProgress,
        time: &dyn TimeLeft,
    ) -> Result<MirrorReport, OutageReason> {
        self.check_store(time)?;
        let notes = MirrorNotes::open(self.directory().path()).map_err(OutageReason::files)?;
        let noted = notes.unmirrored.users();
        let noted = noted.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
        let epoch = Some(self.standing().meta);
        if progress.epoch != epoch {
            (progress.since, progress.epoch) = (0, epoch);
        }
        let list = self.names_since(progress.since, time)?;
        self.check_store(time)?;
        let is_all = progress.since == 0;
        let mut users: BTreeSet<String> = list.names.into_iter().collect();
        if is_all {
            // A user who is unknown to a store that was restored would be waited for without an end.
            for gone in noted.iter().filter(|it| !users.contains(*it)) {
                let forgotten = notes.unmirrored.forget(gone);
                forgotten.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
            }
            progress.pending.clear();
        } else {
            users.append(&mut progress.pending);
            users.extend(noted.iter().cloned());
        }
        let mut report = MirrorReport {
            is_whole: true,
            ..MirrorReport::default()
        };
        let mut outage = None;
        for user in users {
            if outage.is_some() {
                progress.pending.insert(user);
                continue;
            }
            match self.mirror_noted(store, (&notes, &noted), &user, time) {
                Ok(MirrorResult::Changed) => report.changed += 1,
                Ok(MirrorResult::Same) => {}
                Err(UserFault::Outage(reason)) => {
                    outage = Some(reason);
                    progress.pending.insert(user);
                }
                Err(UserFault::User(text)) => {
                    if !is_refused(store, &notes, &user) {
                        report.is_whole = false;
                    }
                    progress.pending.insert(user.clone());
                    report.failed.push((user, text));
                }
            }
        }
        progress.since = list.revision;
        outage.map_or(Ok(report), Err)
    }

    /// Brings the record of one user to the files of this host.
    ///
    /// # Errors
    /// [`OutageReason`]; [`OutageReason::NotMirrored`] where what the store has cannot be put in place here.
    pub fn mirror_user(
        &self,
        store: &FactorStore,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<(), OutageReason> {
        let notes = MirrorNotes::open(self.directory().path()).map_err(OutageReason::files)?;
        match self.mirror_one(store, &notes, user, time) {
            Ok(_) => Ok(()),
            Err(UserFault::Outage(reason)) => Err(reason),
            Err(UserFault::User(text)) => Err(OutageReason::NotMirrored(text)),
        }
    }

    fn mirror_one(
        &self,
        store: &FactorStore,
        notes: &MirrorNotes,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<MirrorResult, UserFault> {
        let read =
            |limit: Duration| self.factor(user, &WorkDeadline::after(time.left().min(limit)));
        user_mirror::bring_here(store, (notes, user), &read)
    }

    /// As `mirror_one`, for a user who may be noted as one whose record could not be put in place. Only the mirror of all users
    /// removes that note. The mirror of a login may have seen an earlier value of the store, before the failure.
    fn mirror_noted(
        &self,
        store: &FactorStore,
        (notes, noted): (&MirrorNotes, &[String]),
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<MirrorResult, UserFault> {
        let result = self.mirror_one(store, notes, user, time)?;
        if noted.iter().any(|it| it == user) {
            let read =
                |limit: Duration| self.factor(user, &WorkDeadline::after(time.left().min(limit)));
            user_mirror::forget_failure(store, (notes, user), &read)?;
        }
        Ok(result)
    }

    /// The users whose records were written after a revision; all, where the store is one that has not come so far.
    fn names_since(&self, since: u64, time: &dyn TimeLeft) -> Result<StoreNames, OutageReason> {
        let names = |since| patient(time, || self.gateway().names(KeyKind::Record, since, time));
        let list = names(since)?;
        if list.revision < since {
            return names(0);
        }
        Ok(list)
    }
}

/// True if a user whose record could not be put in place passes here for none without a device.
fn is_refused(store: &FactorStore, notes: &MirrorNotes, user: &str) -> bool {
    match store.record_named(user) {
        // A record that cannot be used refuses its user, and a device is asked for.
        Err(_) => return true,
        Ok(Some(record)) if record.is_enrolled() => return true,
        // An invitation asks for nothing: the device that followed from it would be missed, as where there is no record.
        Ok(_) => {}
    }
    // Where this host has no such account, it may be that of a user who was renamed here, and is found by the uid of the record.
    let account = accounts::by_name(user).ok().flatten();
    let account = account.filter(|account| account.name == user);
    account.is_some_and(|account| notes.unmirrored.note_with_uid(user, account.uid).is_ok())
}
