//! The mirror: the records of the fleet, as files on this host.
//!
//! What is missing in the store removes nothing here; only the note of a removal does. A record that is older than the one this host
//! had replaces nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use twofactor_store::Store;

use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, patient};
use crate::gateway::TimeLeft;
use crate::mirror_marks::MirrorMarks;
use crate::outage::OutageReason;
use crate::shared_attempt::StandingSource as _;
use crate::store_key::KeyKind;
use crate::store_values::StoreNames;
use crate::token::FleetMeta;
use crate::user_mirror::{self, MirrorResult, UserFault};

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
        store: &Store,
        progress: &mut MirrorProgress,
        time: &dyn TimeLeft,
    ) -> Result<MirrorReport, OutageReason> {
        self.check_store(time)?;
        let marks = MirrorMarks::open(self.directory().path()).map_err(OutageReason::files)?;
        let epoch = Some(self.standing().meta);
        if progress.epoch != epoch {
            (progress.since, progress.epoch) = (0, epoch);
        }
        let list = self.names_since(progress.since, time)?;
        self.check_store(time)?;
        let mut users = std::mem::take(&mut progress.pending);
        users.extend(list.names);
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
            match self.mirror_one(store, &marks, &user, time) {
                Ok(MirrorResult::Changed) => report.changed += 1,
                Ok(MirrorResult::Same) => {}
                Err(UserFault::Outage(reason)) => {
                    outage = Some(reason);
                    progress.pending.insert(user);
                }
                Err(UserFault::User(text)) => report.fail(store, progress, user, text),
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
        store: &Store,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<(), OutageReason> {
        let marks = MirrorMarks::open(self.directory().path()).map_err(OutageReason::files)?;
        match self.mirror_one(store, &marks, user, time) {
            Ok(_) => Ok(()),
            Err(UserFault::Outage(reason)) => Err(reason),
            Err(UserFault::User(text)) => Err(OutageReason::NotMirrored(text)),
        }
    }

    fn mirror_one(
        &self,
        store: &Store,
        marks: &MirrorMarks,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<MirrorResult, UserFault> {
        let read =
            |limit: Duration| self.factor(user, &WorkDeadline::after(time.left().min(limit)));
        user_mirror::bring_here(store, (marks, user), &read)
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

impl MirrorReport {
    fn fail(&mut self, store: &Store, progress: &mut MirrorProgress, user: String, text: String) {
        // A record that cannot be used refuses its user; only where there is none a device would be missed.
        if matches!(store.record_named(&user), Ok(None)) {
            self.is_whole = false;
        }
        progress.pending.insert(user.clone());
        self.failed.push((user, text));
    }
}
