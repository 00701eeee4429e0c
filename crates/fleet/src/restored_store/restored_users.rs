//! The part of a restoration that concerns each user: what one host knows is brought to the store.
//!
//! Revisions are compared within one history only. What the store has of an epoch that this host has not seen comes from another one: it
//! wins, whatever number this host's record has, and the states alone are merged.

use twofactor_core::state::UserState;
use twofactor_store::FactorStore;

use super::factor_swap::{FactorSwap, LACKING_EPOCH, SwapFault, parsed};
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::factor_changes::fleet_changes::{content, stored_kind};
use crate::host::fleet_host::FleetHost;
use crate::host_membership::fleet_membership::{STEP_TIME, UserProgress, UserReasons, account_of};
use crate::host_membership::membership_error::MembershipError;
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mark::{MarkKind, RecordMark};
use crate::sealed_values::fleet_entry::{EpochPhase, FleetMeta};
use crate::sealed_values::shared_record::{RecordContent, SharedRecord};
use crate::sealed_values::shared_state::SharedState;
use crate::sealed_values::shared_state_merge;
use crate::sealed_values::store_key::StoreKey;

/// The end of a host's part.
#[derive(Default)]
pub(crate) struct PartReport {
    /// Users with something that this host could not bring. It is waited for.
    pub(crate) failed: UserReasons,
    /// Users with values in the store that cannot be read here. They are left as they are, and concern no other user.
    pub(crate) left: UserReasons,
}

/// A host's knowledge of a user.
struct HostKnowledge {
    /// The record; `None` where there is none, and no note that it was removed.
    content: Option<RecordContent>,
    /// The revision of that; 0 where no mark tells it.
    revision: u64,
    state: Option<UserState>,
    mark: Option<RecordMark>,
    /// Mark of the record that is here, if it is the content. The second one is that of its form in the store.
    held: Option<(RecordMark, RecordMark)>,
}

impl FleetHost {
    /// Brings what this host knows, and says so unless a user could not be brought. `own` is the epoch that this host was in.
    pub(crate) fn take_part(
        &self,
        store: &FactorStore,
        (own, next): (u64, FleetMeta),
        progress: UserProgress<'_>,
    ) -> Result<PartReport, MembershipError> {
        let marks = MirrorMarks::open(self.directory().path())?;
        let mut users = store.users()?;
        users.extend(marks.users()?);
        users.sort_unstable();
        users.dedup();
        let mut part = PartReport::default();
        for (number, user) in users.iter().enumerate() {
            match known_of(store, &marks, user) {
                Ok(known) => self.bring_one((&marks, user), &known, (own, next), &mut part)?,
                Err(error) => {
                    if next.phase == EpochPhase::Settled {
                        // This host goes over all the same, and what is here is looked at anew.
                        marks.forget(user)?;
                    }
                    part.failed.push((user.clone(), error.to_string()));
                }
            }
            progress(number + 1, users.len());
        }
        if !part.failed.is_empty() {
            return Ok(part);
        }
        let time = WorkDeadline::after(STEP_TIME);
        let key = StoreKey::restored(self.host_id());
        let base = patient(&time, || {
            self.gateway().values(std::slice::from_ref(&key), &time)
        })?;
        let sealed = self.sealed(&key, &next.encode())?;
        self.put(&base, vec![(key, sealed)], &time)?;
        Ok(part)
    }

    /// Brings what is known of one user, and notes in `part` where it cannot be brought.
    fn bring_one(
        &self,
        (marks, user): (&MirrorMarks, &str),
        known: &HostKnowledge,
        (own, next): (u64, FleetMeta),
        part: &mut PartReport,
    ) -> Result<(), MembershipError> {
        let mut brought = self.bring_back(user, known, (own, next));
        if let Err(SwapFault::Value(reason)) = &brought {
            let reason = reason.to_string();
            brought = match next.phase {
                EpochPhase::Restoring => self.distrust(user, next).map(|()| None),
                // What this host may have used is unusable already.
                EpochPhase::Settled => Ok(None),
            };
            if brought.is_ok() {
                part.left.push((user.to_owned(), reason));
            }
        }
        let there = match brought {
            Ok(there) => there,
            Err(SwapFault::Ended(error)) => return Err(error),
            Err(SwapFault::User(reason)) | Err(SwapFault::Value(reason)) => {
                part.failed.push((user.to_owned(), reason.to_string()));
                None
            }
        };
        let stored = there.as_ref().and_then(mark_of);
        let is_lost = match (known.mark, stored) {
            (Some(mark), Some(stored)) => mark.0 >= stored.0 && mark != stored,
            // What cannot be read now may be older than the mark.
            (Some(_), None) => next.phase == EpochPhase::Settled,
            (None, _) => false,
        };
        match known.held {
            // What is here is as old as before, also for another restoration.
            Some((here, brought)) if is_lost && stored == Some(brought) => {
                marks.replace(user, here)?;
            }
            // It is of the history that the store lost: with it no record of the store would come here, and the one that is here would
            // pass for the newest.
            _ if is_lost => marks.forget(user)?,
            _ => {}
        }
        Ok(())
    }

    /// Brings the record of one user where it is newer here, and merges the state. The record that the store has then.
    fn bring_back(
        &self,
        user: &str,
        known: &HostKnowledge,
        (own, next): (u64, FleetMeta),
    ) -> Result<Option<SharedRecord>, SwapFault> {
        self.swap(user, next, &|there, shared| {
            let is_settled = next.phase == EpochPhase::Settled;
            let wins = is_settled || shared.is_some_and(|it| it.epoch > own);
            let newer = there.is_none_or(|it| !wins && known.revision > it.revision);
            let (content, revision) = match (&known.content, there) {
                (Some(here), None) => (here.clone(), known.revision.max(1)),
                (Some(here), Some(_)) if newer => (here.clone(), known.revision),
                (_, Some(there)) => (there.content.clone(), there.revision),
                (None, None) => return Ok(None),
            };
            if is_settled && there.is_some() && (content.text().is_none() || known.state.is_none())
            {
                return Ok(None);
            }
            let epoch = match (there, shared) {
                (None, _) if is_settled => LACKING_EPOCH,
                (_, Some(shared)) => shared.epoch,
                (None, None) => own,
                // What was used is not known.
                (Some(_), None) if is_settled => return Err(OutageReason::NoState),
                (Some(_), None) => LACKING_EPOCH,
            };
            let state = brought_state(&content, known.state.as_ref(), shared)?;
            // As the store has it.
            let state = SharedState::first(epoch, state).state;
            let is_known = there
                .is_some_and(|it| (&it.content, it.revision) == (&content, revision))
                && shared.is_some_and(|it| it.state == state && it.record == revision);
            let factor = FactorSwap {
                content,
                revision,
                state,
                epoch,
            };
            Ok((!is_known).then_some(factor))
        })
    }
}

/// This host's knowledge of a user.
fn known_of(
    store: &FactorStore,
    marks: &MirrorMarks,
    user: &str,
) -> Result<HostKnowledge, MembershipError> {
    let mark = marks.of(user)?;
    let record = store.record_named(user)?;
    let state = match &record {
        Some(record) => store.peek(&account_of(user, record.uid))?,
        None => None,
    };
    // A mark counts before its record does, which may never have come: the process that changed it was killed.
    let (content, revision) = match (&record, &state, mark) {
        (_, _, Some((revision, MarkKind::Removed))) => (Some(RecordContent::Removed), revision),
        (Some(record), Some(_), _) => (
            Some(content(record)),
            marks.revision_of(user, Some(record))?,
        ),
        (Some(record), None, _) => {
            return Err(store.missing_state(&account_of(user, record.uid)).into());
        }
        // A new record that never came, in the place of one that was removed.
        (None, _, _) => match marks.revision_of(user, None)? {
            0 => (None, 0),
            revision => (Some(RecordContent::Removed), revision),
        },
    };
    let is_here = content.as_ref().is_some_and(|it| it.text().is_some()) && revision > 0;
    let kinds = (MarkKind::of(record.as_ref()), stored_kind(record.as_ref()));
    Ok(HostKnowledge {
        held: is_here.then_some(((revision, kinds.0), (revision, kinds.1))),
        content,
        revision,
        state,
        mark,
    })
}

fn brought_state(
    content: &RecordContent,
    own: Option<&UserState>,
    shared: Option<&SharedState>,
) -> Result<UserState, OutageReason> {
    let first = UserState::new(0);
    let Some(text) = content.text() else {
        return Ok(first);
    };
    let own = own.unwrap_or(&first);
    let shared = shared.map(|it| &it.state);
    Ok(shared_state_merge::of_record(&parsed(text)?, own, shared))
}

/// The mark of a host that has what the store has; `None` where that cannot be read.
fn mark_of(there: &SharedRecord) -> Option<RecordMark> {
    let kind = match there.content.text() {
        None => MarkKind::Removed,
        Some(text) => MarkKind::of(Some(&parsed(text).ok()?)),
    };
    Some((there.revision, kind))
}
