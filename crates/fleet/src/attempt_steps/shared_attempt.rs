//! One attempt against the store, without I/O: what it asks next, and what it may conclude from the answer.
//!
//! The rules, which the model of a fleet knows by the same names:
//!
//! * **compared base**: a write names the values that it was decided on, and is done only while they hold.
//! * **attempt id**: a write carries the id of its attempt. Of a write with an unknown end, the stored state tells the end by it.
//! * **read back**: an unknown end is no end. The attempt reads. If its id is there, the write was done. If the base is still
//!   there, the same write is sent again. If something else is there, the write was not done and never will be.
//! * **no early release**: nothing is told before the write is known to be done.
//! * **host beat**: a host writes a number of its own from time to time. Where the store has another one, the store went back in time.
//! * **newest revision**: what is read is of the newest revision of the store, by a transaction that all members agree on.
//! * **counted once**: wrong codes that a host counted by itself are added in one write with the id of their outage. What the state has of
//!   them is not added again.
//! * **own record is the newest**: a state names the revision of its record. A host with an older one judges nothing before it has that.
//! * **epoch**: after that an administrator begins a new epoch; a state of an earlier one has nothing that may be taken for unused. It
//!   comes into the new one with its record in the store, and not without: by a damaged record no host could tell whose is the newest.

use std::cmp::Ordering;

use twofactor_core::state::UserState;
use twofactor_store::attempt::{OutageCount, SharedEpoch};

use super::outage_reason::OutageReason;
use crate::etcd::gateway_message::{StoreView, TransactionAnswer};
use crate::sealed_values::attempt_id::AttemptId;
use crate::sealed_values::fleet_entry::{EpochPhase, FleetMeta, HostBeat};
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::shared_record::SharedRecord;
use crate::sealed_values::shared_state::{SharedOutcome, SharedState};
use crate::sealed_values::store_key::StoreKey;

/// The decision on one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptDecision<E> {
    /// Nothing is compared, nothing changes: a lock-out, or an answer that is no guess.
    Unchanged(E),
    /// The code was compared. `end` may be told once `state` is stored.
    Judged {
        /// The state that follows.
        state: Box<UserState>,
        /// Acceptance or refusal.
        outcome: SharedOutcome,
        /// The result, told after the write.
        end: E,
    },
}

/// Decides about a code, given the state of the user. It is called again where another attempt came first.
pub trait AttemptJudge {
    /// The result of an attempt.
    type End: Clone;

    /// Revision of the record by which it decides; 0 for none that the store ever had.
    fn record(&self) -> u64;

    /// The wrong codes of an outage that it adds.
    fn outage_count(&self) -> Option<OutageCount>;

    /// The decision. `shared` has no uid and no grace, and `known` of the wrong codes that are added already.
    fn decide(
        &mut self,
        shared: &UserState,
        known: u32,
        epoch: SharedEpoch,
    ) -> AttemptDecision<Self::End>;
}

/// The host's knowledge of its fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetStanding {
    /// The fleet and its epoch, as this host knows them.
    pub meta: FleetMeta,
    /// The number that this host wrote last.
    pub beat: HostBeat,
    /// The number after it, from before it is sent to the store until it is known to be there.
    pub coming: Option<HostBeat>,
}

/// The host's knowledge of its fleet at each moment: it writes numbers while attempts are under way.
pub trait StandingSource {
    /// Its knowledge now.
    fn standing(&self) -> FleetStanding;
}

impl StandingSource for FleetStanding {
    fn standing(&self) -> FleetStanding {
        self.clone()
    }
}

impl FleetStanding {
    /// Checks that the store has this fleet at its epoch, and the number that this host wrote last.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn check(
        &self,
        key: &FleetKey,
        place: &StoreKey,
        meta: Option<&[u8]>,
        host: Option<&[u8]>,
    ) -> Result<(), OutageReason> {
        let meta = meta.ok_or(OutageReason::NoFleet)?;
        let meta = key.open(&StoreKey::meta(), meta);
        let meta = FleetMeta::decode(&meta.map_err(OutageReason::Seal)?);
        let meta = meta.map_err(OutageReason::Entry)?;
        check_meta(self.meta, meta)?;
        let beat = key.open(place, host.ok_or(OutageReason::WentBack)?);
        let beat = HostBeat::decode(&beat.map_err(OutageReason::Seal)?);
        let beat = beat.map_err(OutageReason::Entry)?;
        if beat != self.beat && Some(beat) != self.coming {
            return Err(OutageReason::WentBack);
        }
        Ok(())
    }
}

/// Checks that a store is that of the same fleet, in the same epoch, and that the epoch has begun there.
///
/// # Errors
/// [`OutageReason`].
pub fn check_meta(known: FleetMeta, there: FleetMeta) -> Result<(), OutageReason> {
    if there.fleet != known.fleet {
        Err(OutageReason::OtherFleet)
    } else if there.phase == EpochPhase::Restoring {
        Err(OutageReason::Restoration)
    } else if there == known {
        Ok(())
    } else {
        Err(OutageReason::OtherEpoch)
    }
}

/// The next step of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptStep<E> {
    /// Read the values.
    Read,
    /// Read the record.
    ReadRecord,
    /// Write this state, if the values are still those of the base.
    Write(StateWrite),
    /// The result, which may be told.
    Ended(E),
    /// The store cannot be used.
    Outage(OutageReason),
}

/// A write that is done only on its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWrite {
    /// The values that were read.
    pub base: StoreView,
    /// The new state, sealed.
    pub state: Vec<u8>,
}

/// The end of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteEnd {
    /// The store answered.
    Answered(TransactionAnswer),
    /// The request was not sent, or was refused before it could be done.
    NotSent,
    /// The request may have been done, or may be done yet.
    Unknown,
}

/// An attempt under way.
pub struct FleetAttempt<'a, J: AttemptJudge> {
    id: AttemptId,
    key: &'a FleetKey,
    place: StoreKey,
    host: StoreKey,
    source: &'a dyn StandingSource,
    /// As it was after the last answer of the store.
    standing: FleetStanding,
    judge: J,
    /// Revision of the record in the store, where it was looked at.
    record: Option<u64>,
    sent: Option<SentWrite<J::End>>,
}

/// The last write that was sent, until its end is known.
struct SentWrite<E> {
    write: StateWrite,
    base: SharedState,
    end: E,
}

impl<'a, J: AttemptJudge> FleetAttempt<'a, J> {
    /// Begins an attempt for the state at `place`, on the host at `host`.
    pub fn new(
        id: AttemptId,
        key: &'a FleetKey,
        (place, host): (StoreKey, StoreKey),
        source: &'a dyn StandingSource,
        judge: J,
    ) -> Self {
        Self {
            id,
            key,
            place,
            host,
            source,
            standing: source.standing(),
            judge,
            record: None,
            sent: None,
        }
    }

    /// The step after the values were read.
    pub fn after_read(&mut self, view: StoreView) -> AttemptStep<J::End> {
        let now = self.source.standing();
        let before = std::mem::replace(&mut self.standing, now);
        match self.step(view) {
            // The host wrote a number meanwhile: this was read before, or is of after.
            Err(reason) if reason.is_of_standing() && before != self.standing => AttemptStep::Read,
            step => step.unwrap_or_else(AttemptStep::Outage),
        }
    }

    /// The step after the record was read, which is sealed for this key.
    pub fn after_record(&mut self, key: &StoreKey, sealed: Option<&[u8]>) -> AttemptStep<J::End> {
        let opened = || {
            let sealed = sealed.ok_or(OutageReason::NoState)?;
            let plain = self.key.open(key, sealed).map_err(OutageReason::UserSeal)?;
            SharedRecord::decode(&plain).map_err(OutageReason::Record)
        };
        match opened() {
            Ok(record) => {
                self.record = Some(record.revision);
                // What came between the two is known then.
                AttemptStep::Read
            }
            Err(reason) => AttemptStep::Outage(reason),
        }
    }

    /// The step after a write.
    pub fn after_write(&mut self, end: WriteEnd) -> AttemptStep<J::End> {
        match (end, self.sent.take()) {
            (WriteEnd::Answered(TransactionAnswer::Done), Some(sent)) => {
                AttemptStep::Ended(sent.end)
            }
            (WriteEnd::Answered(TransactionAnswer::Other(view)), Some(sent)) => {
                // Both are of one moment: if all is as it was, the store contradicts itself.
                if view == sent.write.base {
                    return AttemptStep::Outage(OutageReason::Contradiction);
                }
                // It may be the second copy of a write whose first one was done.
                self.sent = Some(sent);
                self.after_read(view)
            }
            // Also for a write that was not sent: reading costs little, and is right in every case.
            (WriteEnd::NotSent | WriteEnd::Unknown, sent) => {
                self.sent = sent;
                AttemptStep::Read
            }
            (WriteEnd::Answered(_), None) => AttemptStep::Outage(OutageReason::Contradiction),
        }
    }

    fn step(&mut self, view: StoreView) -> Result<AttemptStep<J::End>, OutageReason> {
        let shared = self.checked(&view)?;
        if let Some(sent) = self.sent.take() {
            if shared.outcome(self.id).is_some() {
                return Ok(AttemptStep::Ended(sent.end));
            }
            if view == sent.write.base {
                let write = sent.write.clone();
                self.sent = Some(sent);
                return Ok(AttemptStep::Write(write));
            }
            if shared.has_forgotten_since(&sent.base) {
                return Err(OutageReason::Forgotten);
            }
        }
        self.decided(view, shared)
    }

    fn decided(
        &mut self,
        view: StoreView,
        shared: SharedState,
    ) -> Result<AttemptStep<J::End>, OutageReason> {
        let epoch = if shared.epoch < self.standing.meta.epoch {
            SharedEpoch::Earlier
        } else {
            SharedEpoch::Current
        };
        match self.record {
            None if epoch == SharedEpoch::Earlier => return Ok(AttemptStep::ReadRecord),
            // A change may have come since, and has brought the state into this epoch then.
            Some(record) if epoch == SharedEpoch::Earlier && record != shared.record => {
                return Err(OutageReason::Contradiction);
            }
            _ => {}
        }
        match shared.record.cmp(&self.judge.record()) {
            Ordering::Greater => return Err(OutageReason::OlderRecord),
            Ordering::Less => return Err(OutageReason::NewerRecord),
            Ordering::Equal => {}
        }
        let count = self.judge.outage_count();
        let known = count.map_or(0, |it| shared.counted(it.id));
        let (state, outcome, end) = match self.judge.decide(&shared.state, known, epoch) {
            AttemptDecision::Unchanged(end) => return Ok(AttemptStep::Ended(end)),
            AttemptDecision::Judged {
                state,
                outcome,
                end,
            } => (state, outcome, end),
        };
        let before = count.map_or_else(|| shared.clone(), |it| shared.clone().with_count(it));
        let mut next = before.with_attempt(self.id, outcome, *state);
        next.epoch = self.standing.meta.epoch;
        let sealed = self.key.seal(&self.place, &next.encode());
        let write = StateWrite {
            base: view,
            state: sealed.map_err(OutageReason::Sealing)?,
        };
        self.sent = Some(SentWrite {
            write: write.clone(),
            base: shared,
            end,
        });
        Ok(AttemptStep::Write(write))
    }

    /// The state, if the store is that of the fleet and did not go back. Nothing that is missing says anything about a user.
    fn checked(&self, view: &StoreView) -> Result<SharedState, OutageReason> {
        let (meta, host) = (view.meta.as_deref(), view.host.as_deref());
        self.standing.check(self.key, &self.host, meta, host)?;
        let state = view.state.as_ref().ok_or(OutageReason::NoState)?;
        let state = self
            .key
            .open(&self.place, state)
            .map_err(OutageReason::UserSeal)?;
        let shared = SharedState::decode(&state).map_err(OutageReason::Value)?;
        // The fleet's epoch is of the same moment.
        if shared.epoch > self.standing.meta.epoch {
            return Err(OutageReason::Contradiction);
        }
        Ok(shared)
    }
}
