//! A change of a user's record, with the state that follows from it, in one transaction of the store.
//!
//! As for attempts: **compared base**, an id of the change by which an unknown end is **read back**, **host beat** and **epoch**.

use std::fmt;
use std::time::Duration;

use twofactor_core::state::UserState;
use twofactor_store::attempt::OutageCount;

use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::shared_attempt::{FleetStanding, StandingSource};
use crate::etcd::etcd_gateway::{EtcdGateway, TimeLeft};
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::store_values::{ChangeAnswer, KeyedValue};
use crate::sealed_values::attempt_id::AttemptId;
use crate::sealed_values::fleet_key::{FleetKey, SealError};
use crate::sealed_values::shared_record::{RecordContent, SharedRecord};
use crate::sealed_values::shared_state::{SharedOutcome, SharedState};
use crate::sealed_values::store_key::StoreKey;

/// Pause before an unknown end is read back.
const PAUSE: Duration = Duration::from_millis(10);
/// Distance of a removal's revision from the newest one that this host and the store know of. It is more than the changes that
/// another host may have made since, so that no host takes the removal for an older one.
const LEAP: u64 = 1 << 32;

/// The record that the store has to have before a change.
#[derive(Clone, Copy)]
pub enum ExpectedRecord<'a> {
    /// None, and none was ever there: a user whose record was removed has one that says so.
    Absent,
    /// This one; none, where it is `None`.
    Text(Option<&'a str>),
    /// A record for which this is true; none, if it is true for `None`.
    Matching(&'a dyn Fn(Option<&str>) -> bool),
    /// As `Matching`, for a change by root. A record that cannot be opened matches if its state names this revision; 0 for no
    /// known revision.
    Held(&'a dyn Fn(Option<&str>) -> bool, u64),
    /// Any record, or none, or values that cannot be opened: for a removal by root. The number is the newest revision that this
    /// host knows of.
    Any(u64),
    /// As `Any`, if record or state cannot be used.
    Unusable(u64),
}

/// Change of the record.
pub enum RecordPart {
    /// This is written.
    Write(RecordContent),
    /// The record stays.
    Keep,
}

/// The state that follows from the one in the store, which has so many of the wrong codes of an outage already.
pub type StateStep<'a> = &'a dyn Fn(Option<&UserState>, u32) -> UserState;

/// A change of one user's factor.
pub struct FactorCommit<'a> {
    /// The user, by the name of the record.
    pub user: &'a str,
    /// Record that the store has to have.
    pub expected: ExpectedRecord<'a>,
    /// Change of the record.
    pub record: RecordPart,
    /// Change of the state. Where the record stays, and the state is the same afterwards, nothing is written.
    pub state: StateStep<'a>,
    /// Wrong codes of an outage that the change of the state adds.
    pub count: Option<OutageCount>,
}

/// The parts of a fleet that a change needs.
pub struct CommitTarget<'a> {
    /// The store.
    pub gateway: &'a EtcdGateway,
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
    let id = new_id()?;
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
            _ => match view.next(target, change, id) {
                // What was sent may have been done before the value was damaged.
                Err(CommitFault::Outage(reason)) if reason.is_of_value() => {
                    return Err(ended(was_sent, reason));
                }
                next => match next? {
                    Some(next) => next,
                    None => return Ok(view.revision()),
                },
            },
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

fn new_id() -> Result<AttemptId, CommitFault> {
    AttemptId::random().map_err(|error| {
        let reason = OutageReason::Sealing(SealError::Random(error));
        CommitFault::Outage(reason)
    })
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
    /// Revision of the record after the change.
    revision: u64,
}

/// The values of a user in the store.
struct FactorView {
    base: Vec<KeyedValue>,
    epoch: u64,
    state: FoundValue<SharedState>,
    record: FoundValue<SharedRecord>,
}

/// A value of a user; `None` where there is none. The error is one of the value.
type FoundValue<T> = Result<Option<T>, OutageReason>;

impl FactorView {
    fn open(
        (target, known): (&CommitTarget<'_>, &FleetStanding),
        user: &str,
        base: Vec<KeyedValue>,
    ) -> Result<Self, OutageReason> {
        let value = |at: usize| base.get(at).and_then(|(_, value)| value.as_deref());
        let CommitTarget { key, host, .. } = *target;
        known.check(key, host, value(0), value(1))?;
        let plain = |at: usize, place: StoreKey| {
            let opened = value(at).map(|sealed| key.open(&place, sealed));
            opened.transpose().map_err(OutageReason::UserSeal)
        };
        let state = plain(2, StoreKey::state(user)).and_then(|plain| {
            let state = plain.map(|plain| SharedState::decode(&plain));
            state.transpose().map_err(OutageReason::Value)
        });
        let record = plain(3, StoreKey::record(user)).and_then(|plain| {
            let record = plain.map(|plain| SharedRecord::decode(&plain));
            record.transpose().map_err(OutageReason::Record)
        });
        Ok(Self {
            state: found(state)?,
            record: found(record)?,
            epoch: known.meta.epoch,
            base,
        })
    }

    fn state(&self) -> Option<&SharedState> {
        self.state.as_ref().ok().and_then(Option::as_ref)
    }

    fn record(&self) -> Option<&SharedRecord> {
        self.record.as_ref().ok().and_then(Option::as_ref)
    }

    /// True if the change with this id is done.
    fn has(&self, id: AttemptId) -> bool {
        let is_of_state = |it: &SharedState| it.outcome(id).is_some();
        self.record().is_some_and(|it| it.change == id) || self.state().is_some_and(is_of_state)
    }

    /// Revision of the record; the one that the state names, if the record cannot be opened or is lost.
    fn revision(&self) -> u64 {
        let of_state = || self.state().map_or(0, |it| it.record);
        self.record().map_or_else(of_state, |it| it.revision)
    }

    fn has_forgotten(&self, sent: &SentChange) -> bool {
        match (self.state(), &sent.state) {
            (Some(now), Some(then)) => now.has_forgotten_since(then),
            (Some(now), None) => {
                now.sequence as usize >= crate::sealed_values::shared_state::REMEMBERED_ATTEMPTS
            }
            (None, _) => false,
        }
    }

    /// True for a record with its state.
    fn is_usable(&self) -> bool {
        self.record().is_some() && self.state().is_some()
    }

    /// The revision that is replaced, where the record is the expected one.
    fn replaced(&self, expected: ExpectedRecord<'_>) -> Result<u64, CommitFault> {
        let known = match expected {
            ExpectedRecord::Unusable(_) if self.is_usable() => return Err(CommitFault::Conflict),
            // Whatever is there is overwritten. It may be damaged, or an old one that was put there anew, and this host may be behind:
            // the revision is above those that other hosts have noted.
            ExpectedRecord::Any(known) | ExpectedRecord::Unusable(known) => {
                return Ok(known.max(self.revision()).saturating_add(LEAP));
            }
            ExpectedRecord::Held(_, known) => known,
            _ => 0,
        };
        let state = self.state.as_ref().map_err(Clone::clone);
        let state = state.map_err(CommitFault::Outage)?;
        let record = match &self.record {
            Ok(Some(record)) => Some(record),
            Ok(None) if self.revision() == 0 => None,
            // What this host has is what the store had.
            _ if known > 0 && known == self.revision() && self.is_of_epoch() => return Ok(known),
            // A user who was removed has a record that says so.
            Ok(None) => return Err(CommitFault::Outage(OutageReason::NoState)),
            Err(reason) => return Err(CommitFault::Outage(reason.clone())),
        };
        let text = record.and_then(|it| it.content.text());
        let is_expected = match expected {
            ExpectedRecord::Absent => record.is_none(),
            ExpectedRecord::Text(expected) => expected == text,
            ExpectedRecord::Matching(matches) | ExpectedRecord::Held(matches, _) => matches(text),
            ExpectedRecord::Any(_) | ExpectedRecord::Unusable(_) => true,
        };
        if !is_expected {
            return Err(CommitFault::Conflict);
        }
        if record.is_some() && state.is_none() {
            // Each record came with a state.
            return Err(CommitFault::Outage(OutageReason::NoState));
        }
        Ok(self.revision())
    }

    /// True if the state is of this epoch. After a restoration that some host could not bring its knowledge to, it is of one before: the
    /// newest record may be another one than it tells of.
    fn is_of_epoch(&self) -> bool {
        self.state().is_some_and(|it| it.epoch == self.epoch)
    }

    fn next_state(&self, change: &FactorCommit<'_>, id: AttemptId) -> SharedState {
        let Some(shared) = self.state() else {
            return SharedState::first(self.epoch, (change.state)(None, 0)).with_id(id);
        };
        let known = change.count.map_or(0, |it| shared.counted(it.id));
        let state = (change.state)(Some(&shared.state), known);
        let mut before = shared.clone();
        if let Some(count) = change.count {
            before = before.with_count(count);
        }
        before.with_attempt(id, SharedOutcome::Rejected, state)
    }

    /// True for a record of which all codes are new, and for a removal: nothing that an earlier epoch may have lost is of it.
    fn begins(&self, part: &RecordPart) -> bool {
        match (part, &self.record) {
            (RecordPart::Write(RecordContent::Removed), _) | (RecordPart::Write(_), Ok(None)) => {
                true
            }
            (RecordPart::Write(_), Ok(Some(before))) => before.content.text().is_none(),
            (RecordPart::Write(_), Err(_)) | (RecordPart::Keep, _) => false,
        }
    }

    /// The change, or `None` where nothing is left to be changed.
    fn next(
        &self,
        target: &CommitTarget<'_>,
        change: &FactorCommit<'_>,
        id: AttemptId,
    ) -> Result<Option<SentChange>, CommitFault> {
        let mut revision = self.replaced(change.expected)?;
        let mut next = self.next_state(change, id);
        let is_same = |known: &SharedState| known.state == next.state;
        if matches!(change.record, RecordPart::Keep) && self.state().is_some_and(is_same) {
            return Ok(None);
        }
        let seal = |place: StoreKey, plain: &[u8]| {
            let sealed = target.key.seal(&place, plain);
            let sealed = sealed.map_err(OutageReason::Sealing);
            Ok((place, sealed.map_err(CommitFault::Outage)?))
        };
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
        if self.begins(&change.record) {
            next.epoch = self.epoch;
        }
        next.record = revision;
        writes.push(seal(StoreKey::state(change.user), &next.encode())?);
        Ok(Some(SentChange {
            state: self.state().cloned(),
            base: self.base.clone(),
            writes,
            revision,
        }))
    }
}

/// A value that cannot be opened is that of one user; what else is wrong ends the change.
fn found<T>(value: FoundValue<T>) -> Result<FoundValue<T>, OutageReason> {
    match value {
        Err(reason) if !reason.is_of_value() => Err(reason),
        value => Ok(value),
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
