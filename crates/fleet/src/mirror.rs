//! The mirror: the records of the fleet, as files on this host.
//!
//! What is missing in the store removes nothing here; only the note of a removal does. A record that is older than the one this host
//! had replaces nothing.

use std::collections::BTreeSet;

use twofactor_core::account::Account;
use twofactor_core::record::Record;
use twofactor_core::state::State;
use twofactor_store::Store;
use twofactor_store::sys::accounts;

use crate::fleet_host::{FleetHost, patient};
use crate::gateway::TimeLeft;
use crate::mirror_marks::{MarkKind, MirrorMarks};
use crate::outage::OutageReason;
use crate::shared_attempt::StandingSource as _;
use crate::shared_record::{RecordContent, SharedRecord};
use crate::shared_state::SharedState;
use crate::state_join;
use crate::store_key::{KeyKind, StoreKey};
use crate::store_values::StoreNames;

/// Progress of the mirror of one process.
#[derive(Debug, Default)]
pub struct MirrorProgress {
    /// The revision of the store up to which all was looked at, in an epoch: a store that was restored counts anew.
    since: u64,
    epoch: u64,
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

/// What the store has of a user.
pub(crate) struct FleetFactor {
    pub(crate) record: SharedRecord,
    pub(crate) state: SharedState,
}

/// Result for one user.
enum UserMirror {
    Same,
    Changed,
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
        let epoch = self.standing().meta.epoch;
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
            let factor = match self.factor(&user, time) {
                Ok(factor) => factor,
                // A value of one user that cannot be read is that user's trouble.
                Err(OutageReason::Unreachable(fault)) => {
                    outage = Some(OutageReason::Unreachable(fault));
                    progress.pending.insert(user);
                    continue;
                }
                Err(reason) => {
                    report.fail(store, progress, user, reason.to_string());
                    continue;
                }
            };
            match mirror_one(store, &marks, &user, &factor) {
                Ok(UserMirror::Changed) => report.changed += 1,
                Ok(UserMirror::Same) => {}
                Err(text) => report.fail(store, progress, user, text),
            }
        }
        progress.since = list.revision;
        outage.map_or(Ok(report), Err)
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

    /// Checks that the store is that of the fleet, and has the number of this host.
    pub(crate) fn check_store(&self, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        let keys = [StoreKey::meta(), self.host_key().clone()];
        let mut known = self.standing();
        loop {
            let values = patient(time, || self.gateway().values(&keys, time))?;
            let value = |at: usize| values.get(at).and_then(|(_, value)| value.as_deref());
            let before = std::mem::replace(&mut known, self.standing());
            match known.check(self.key(), self.host_key(), value(0), value(1)) {
                // The host wrote a number meanwhile.
                Err(reason) if reason.is_of_standing() && before != known => {}
                checked => return checked,
            }
        }
    }

    /// The state of a user, as all hosts share it.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn user_state(&self, user: &str, time: &dyn TimeLeft) -> Result<State, OutageReason> {
        Ok(self.factor(user, time)?.state.state)
    }

    /// Record and state of a user, of one revision.
    pub(crate) fn factor(
        &self,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<FleetFactor, OutageReason> {
        let keys = [StoreKey::record(user), StoreKey::state(user)];
        let values = patient(time, || self.gateway().values(&keys, time))?;
        let plain = |at: usize, place: &StoreKey| {
            let sealed = values.get(at).and_then(|(_, value)| value.as_deref());
            let sealed = sealed.ok_or(OutageReason::NoState)?;
            self.key().open(place, sealed).map_err(OutageReason::Seal)
        };
        let [record, state] = &keys;
        let record = SharedRecord::decode(&plain(0, record)?).map_err(OutageReason::Record)?;
        let state = SharedState::decode(&plain(1, state)?).map_err(OutageReason::Value)?;
        Ok(FleetFactor { record, state })
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

/// Puts the record of one user in place, or removes it.
fn mirror_one(
    store: &Store,
    marks: &MirrorMarks,
    user: &str,
    factor: &FleetFactor,
) -> Result<UserMirror, String> {
    let failed = |error: crate::host_error::HostError| error.to_string();
    let revision = factor.record.revision;
    let known = marks.of(user).map_err(failed)?;
    if known.is_some_and(|(known, _)| known > revision) {
        return Err("the store has an older record than this host".to_owned());
    }
    let (done, kind) = match &factor.record.content {
        RecordContent::Removed => (removed(store, user)?, MarkKind::Removed),
        RecordContent::Text(text) => {
            let record = Record::parse(text);
            let record = record.map_err(|error| format!("the record of the fleet: {error}"))?;
            (
                placed(store, user, &record, &factor.state)?,
                MarkKind::Present,
            )
        }
    };
    if known != Some((revision, kind)) {
        marks.note(user, revision, kind).map_err(failed)?;
    }
    Ok(done)
}

fn removed(store: &Store, user: &str) -> Result<UserMirror, String> {
    let text = |error: twofactor_store::Error| error.to_string();
    let Some(record) = store.record_named(user).map_err(text)? else {
        return Ok(UserMirror::Same);
    };
    let locked = store.lock_for_change(&account_of(user, record.uid));
    locked
        .and_then(|locked| locked.mirror_removal())
        .map_err(text)?;
    Ok(UserMirror::Changed)
}

fn placed(
    store: &Store,
    user: &str,
    record: &Record,
    shared: &SharedState,
) -> Result<UserMirror, String> {
    let text = |error: twofactor_store::Error| error.to_string();
    if record.user != user {
        return Err("the record of the fleet is one of another user".to_owned());
    }
    if store
        .record_named(user)
        .map_err(text)?
        .is_some_and(|it| *it.to_toml() == *record.to_toml())
    {
        return Ok(UserMirror::Same);
    }
    refuse_other_uid(user, record.uid)?;
    let account = account_of(user, record.uid);
    let mut locked = store.lock_for_change(&account).map_err(text)?;
    let base = state_join::of_record(record, locked.state(), Some(&shared.state));
    locked.mirror_record(record, base).map_err(text)?;
    Ok(UserMirror::Changed)
}

/// A record whose uid is that of another account of this host would ask that one for a code that it does not have. Where the user
/// has an account with another uid here, the record is put in place nevertheless: it refuses the user.
fn refuse_other_uid(user: &str, uid: u32) -> Result<(), String> {
    let text = |error: twofactor_store::sys::accounts::LookupFailed| error.to_string();
    if accounts::by_name(user).map_err(text)?.is_some() {
        return Ok(());
    }
    match accounts::by_uid(uid).map_err(text)? {
        Some(other) if other.name != user => Err(format!(
            "this host has no user of that name, and uid {uid} is the one of {}",
            other.name
        )),
        _ => Ok(()),
    }
}

fn account_of(user: &str, uid: u32) -> Account {
    Account {
        name: user.to_owned(),
        uid,
        gid: uid,
    }
}
