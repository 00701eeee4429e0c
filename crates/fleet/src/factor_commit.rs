//! A change of a user's record, with the state that follows from it, in one transaction of the store.
//!
//! As for attempts: **compared base**, an id of the change by which an unknown end is **read back**, **host beat** and **epoch**.

use std::fmt;
use std::time::Duration;

use twofactor_core::state::State;

use crate::attempt_id::AttemptId;
use crate::fleet_key::FleetKey;
use crate::gateway::{Gateway, TimeLeft};
use crate::gateway_fault::GatewayFault;
use crate::outage::OutageReason;
use crate::shared_attempt::{FleetStanding, StandingSource};
use crate::shared_record::{RecordContent, SharedRecord};
use crate::shared_state::{SharedOutcome, SharedState};
use crate::store_key::StoreKey;
use crate::store_values::{ChangeAnswer, KeyedValue};

/// Pause before an unknown end is read back.
const PAUSE: Duration = Duration::from_millis(10);

/// The record that the store has to have before a change.
#[derive(Clone, Copy)]
pub enum ExpectedRecord<'a> {
    /// None, and none was ever there: a user whose record was removed has one that says so.
    Absent,
    /// This one; none, where it is `None`.
    Text(Option<&'a str>),
    /// One of which this is true; none, where it is given `None`.
    Matching(&'a dyn Fn(Option<&str>) -> bool),
    /// Any, or none: for a removal by root.
    Any,
}

/// Change of the record.
pub enum RecordPart {
    /// This is written.
    Write(RecordContent),
    /// It stays.
    Keep,
}

/// The state that follows from the one in the store.
pub type StateStep<'a> = &'a dyn Fn(Option<&State>) -> State;

/// A change of one user's factor.
pub struct FactorCommit<'a> {
    /// The user, by the name of the record.
    pub user: &'a str,
    /// Record that the store has to have.
    pub expected: ExpectedRecord<'a>,
    /// Change of the record.
    pub record: RecordPart,
    /// Change of the state.
    pub state: StateStep<'a>,
}

/// The parts of a fleet that a change needs.
pub struct CommitTarget<'a> {
    /// The store.
    pub gateway: &'a Gateway,
    /// The key of the fleet.
    pub key: &'a FleetKey,
    /// The host's place in the store.
    pub host: &'a StoreKey,
    /// The host's knowledge of its fleet.
    pub standing: &'a dyn StandingSource,
}

/// Reason why a change was not made, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitFault {
    /// The store cannot be used, and nothing was changed.
    Outage(OutageReason),
    /// The store cannot be used any more, and the change may be done.
    UnknownEnd(OutageReason),
    /// The store has another record of the user.
    Conflict,
}

/// Makes a change. It is done when this returns, with the revision of the record.
///
/// # Errors
/// [`CommitFault`].
pub fn commit(
    target: &CommitTarget<'_>,
    change: &FactorCommit<'_>,
    time: &dyn TimeLeft,
) -> Result<u64, CommitFault> {
    let id = AttemptId::random();
    let id = id.map_err(|error| {
        CommitFault::Outage(OutageReason::Sealing(crate::fleet_key::SealError::Random(
            error,
        )))
    })?;
    let keys = [
        StoreKey::meta(),
        target.host.clone(),
        StoreKey::state(change.user),
        StoreKey::record(change.user),
    ];
    let mut sent: Option<SentChange> = None;
    let mut was_sent = false;
    let mut known = target.standing.standing();
    loop {
        let base = match target.gateway.values(&keys, time) {
            Ok(base) => base,
            Err(GatewayFault::Unknown(_)) if !time.left().is_zero() => {
                time.pause(PAUSE);
                continue;
            }
            Err(fault) => return Err(ended(was_sent, OutageReason::Unreachable(fault))),
        };
        let before = std::mem::replace(&mut known, target.standing.standing());
        let view = match FactorView::open((target, &known), change.user, base) {
            // The host wrote a number meanwhile.
            Err(reason) if reason.is_of_standing() && before != known => continue,
            view => view.map_err(|reason| ended(was_sent, reason))?,
        };
        if view.has(id) {
            return Ok(view.revision());
        }
        let next = match sent.take() {
            // The very same once more: of two copies one is done.
            Some(sent) if sent.base == view.base => sent,
            Some(sent) if view.has_forgotten(&sent) => {
                return Err(CommitFault::UnknownEnd(OutageReason::Forgotten));
            }
            _ => view.next(target, change, id)?,
        };
        match target.gateway.change(&next.base, &next.writes, time) {
            Ok(ChangeAnswer::Done) => return Ok(next.revision),
            // It may be the second copy of one that was done.
            Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) => was_sent = true,
            Err(GatewayFault::NotSent(_)) => {}
        }
        sent = was_sent.then_some(next);
        time.pause(PAUSE);
    }
}

const fn ended(was_sent: bool, reason: OutageReason) -> CommitFault {
    if was_sent {
        CommitFault::UnknownEnd(reason)
    } else {
        CommitFault::Outage(reason)
    }
}

/// A change that was sent.
struct SentChange {
    base: Vec<KeyedValue>,
    writes: Vec<(StoreKey, Vec<u8>)>,
    state: Option<SharedState>,
    /// Of the record, afterwards.
    revision: u64,
}

/// The values of a user in the store.
struct FactorView {
    base: Vec<KeyedValue>,
    epoch: u64,
    state: Option<SharedState>,
    record: Option<SharedRecord>,
}

impl FactorView {
    fn open(
        (target, known): (&CommitTarget<'_>, &FleetStanding),
        user: &str,
        base: Vec<KeyedValue>,
    ) -> Result<Self, OutageReason> {
        let value = |at: usize| base.get(at).and_then(|(_, value)| value.as_deref());
        let CommitTarget { key, host, .. } = *target;
        known.check(key, host, value(0), value(1))?;
        let state = value(2).map(|sealed| {
            let plain = key.open(&StoreKey::state(user), sealed);
            let plain = plain.map_err(OutageReason::UserSeal)?;
            SharedState::decode(&plain).map_err(OutageReason::Value)
        });
        let record = value(3).map(|sealed| {
            let plain = key.open(&StoreKey::record(user), sealed);
            let plain = plain.map_err(OutageReason::UserSeal)?;
            SharedRecord::decode(&plain).map_err(OutageReason::Record)
        });
        Ok(Self {
            state: state.transpose()?,
            record: record.transpose()?,
            epoch: known.meta.epoch,
            base,
        })
    }

    /// True if the change with this id is done.
    fn has(&self, id: AttemptId) -> bool {
        self.record.as_ref().is_some_and(|it| it.change == id)
            || self
                .state
                .as_ref()
                .is_some_and(|it| it.outcome(id).is_some())
    }

    fn revision(&self) -> u64 {
        self.record.as_ref().map_or(0, |it| it.revision)
    }

    fn has_forgotten(&self, sent: &SentChange) -> bool {
        match (&self.state, &sent.state) {
            (Some(now), Some(then)) => now.has_forgotten_since(then),
            (Some(now), None) => now.sequence as usize >= crate::shared_state::REMEMBERED_ATTEMPTS,
            (None, _) => false,
        }
    }

    fn next(
        self,
        target: &CommitTarget<'_>,
        change: &FactorCommit<'_>,
        id: AttemptId,
    ) -> Result<SentChange, CommitFault> {
        let stored = self.record.as_ref().and_then(|it| it.content.text());
        let is_expected = match change.expected {
            ExpectedRecord::Absent => self.record.is_none(),
            ExpectedRecord::Text(expected) => expected == stored,
            ExpectedRecord::Matching(matches) => matches(stored),
            ExpectedRecord::Any => true,
        };
        if !is_expected {
            return Err(CommitFault::Conflict);
        }
        if self.record.is_some() && self.state.is_none() {
            // Each record came with a state.
            return Err(CommitFault::Outage(OutageReason::NoState));
        }
        let state = (change.state)(self.state.as_ref().map(|it| &it.state));
        let mut next = match &self.state {
            Some(shared) => shared.with_attempt(id, SharedOutcome::Rejected, state),
            None => SharedState::first(self.epoch, state).with_id(id),
        };
        let seal = |place: StoreKey, plain: &[u8]| {
            let sealed = target.key.seal(&place, plain);
            let sealed = sealed.map_err(OutageReason::Sealing);
            Ok((place, sealed.map_err(CommitFault::Outage)?))
        };
        let mut revision = self.revision();
        let mut writes = Vec::new();
        if let RecordPart::Write(content) = &change.record {
            revision += 1;
            let record = SharedRecord {
                revision,
                change: id,
                content: content.clone(),
            };
            writes.push(seal(StoreKey::record(change.user), &record.encode())?);
        }
        next.record = revision;
        writes.push(seal(StoreKey::state(change.user), &next.encode())?);
        Ok(SentChange {
            base: self.base,
            writes,
            state: self.state,
            revision,
        })
    }
}

impl fmt::Display for CommitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outage(reason) => write!(f, "{reason}; nothing was changed"),
            Self::UnknownEnd(reason) => write!(
                f,
                "{reason}; the change may have been made, and the next poll of the fleet tells"
            ),
            Self::Conflict => f.write_str(
                "the fleet has another record of this user; nothing was changed, and the next poll brings it here",
            ),
        }
    }
}

impl std::error::Error for CommitFault {}
