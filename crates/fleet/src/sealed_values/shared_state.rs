//! The value of a user's state in the store: what a file holds on one machine, and the attempts that were made last.

use std::fmt;

use twofactor_core::state::{self, FILE_LEN, OutageId, SLOT_LEN, StateError, UserState};
use twofactor_store::attempt::OutageCount;

use super::attempt_id::AttemptId;

/// Attempts that a state remembers. An attempt that comes back after as many others does not know its end any more.
pub const REMEMBERED_ATTEMPTS: usize = 16;

const MAGIC: [u8; 4] = *b"2FSV";
/// The format that is written and read.
const FORMAT: u16 = 1;
const HEADER_LEN: usize = 4 + 2 + 8 + 8;
const ENTRY_LEN: usize = 16 + 1;
/// Bytes of a value. All have the same length, so that the length tells nothing of an outcome.
pub const VALUE_LEN: usize = HEADER_LEN + REMEMBERED_ATTEMPTS * ENTRY_LEN + SLOT_LEN;

/// Outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedOutcome {
    /// The code was accepted.
    Accepted,
    /// The code was not accepted.
    Rejected,
}

/// The state of a user, as all hosts share it.
///
/// The uid is that of each host, and so is grace: an address means something on one host only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedState {
    /// The epoch of the fleet in which it was written. After a restored backup there is a new one, and nothing that a state of an
    /// earlier one holds may be taken for unused.
    pub epoch: u64,
    /// Revision of the record that it goes with. A host whose record is an older one knows neither devices nor codes that count now.
    pub record: u64,
    /// Writes so far.
    pub sequence: u64,
    /// The attempts that were made last, the newest first, at most [`REMEMBERED_ATTEMPTS`].
    pub attempts: Vec<(AttemptId, SharedOutcome)>,
    /// The state, with uid 0 and without grace.
    pub state: UserState,
}

/// Reason why a value is no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueError {
    /// The value is damaged, or something else.
    Damaged,
    /// The value has a newer format: its number.
    Version(u16),
    /// The state in it is unusable.
    State(StateError),
}

impl SharedState {
    /// The outcome of an attempt, if this state remembers it.
    #[must_use]
    pub fn outcome(&self, id: AttemptId) -> Option<SharedOutcome> {
        let found = self.attempts.iter().find(|(known, _)| *known == id);
        found.map(|(_, outcome)| *outcome)
    }

    /// The wrong codes of an outage that are in this state; 0 where it does not remember them.
    #[must_use]
    pub fn counted(&self, outage: OutageId) -> u32 {
        let counts = self
            .attempts
            .iter()
            .filter_map(|(id, _)| id.counted_in(outage));
        counts.max().unwrap_or(0)
    }

    /// This state with the wrong codes of an outage, which are added in the same write. An earlier count of the outage is replaced.
    #[must_use]
    pub fn with_count(mut self, count: OutageCount) -> Self {
        let before = self.attempts.len();
        self.attempts
            .retain(|(id, _)| id.counted_in(count.id).is_none());
        if self.attempts.len() == before {
            // One attempt less is remembered of those before.
            self.attempts.truncate(REMEMBERED_ATTEMPTS - 1);
            self.sequence += 1;
        }
        let entry = (AttemptId::of_count(count), SharedOutcome::Rejected);
        self.attempts.insert(0, entry);
        self
    }

    /// True if more attempts came between `earlier` and this state than it remembers.
    #[must_use]
    pub const fn has_forgotten_since(&self, earlier: &Self) -> bool {
        self.sequence < earlier.sequence
            || self.sequence - earlier.sequence >= REMEMBERED_ATTEMPTS as u64
    }

    /// The state that follows from this one with an attempt.
    #[must_use]
    pub fn with_attempt(&self, id: AttemptId, outcome: SharedOutcome, state: UserState) -> Self {
        let mut attempts = vec![(id, outcome)];
        let kept = self.attempts.iter().take(REMEMBERED_ATTEMPTS - 1);
        attempts.extend(kept.copied());
        Self {
            epoch: self.epoch,
            record: self.record,
            sequence: self.sequence + 1,
            attempts,
            state: shared(state),
        }
    }

    /// The first value of a user.
    #[must_use]
    pub fn first(epoch: u64, state: UserState) -> Self {
        Self {
            epoch,
            record: 0,
            sequence: 1,
            attempts: Vec::new(),
            state: shared(state),
        }
    }

    /// This state, marked as written by the change with this id.
    #[must_use]
    pub fn with_id(mut self, id: AttemptId) -> Self {
        self.attempts = vec![(id, SharedOutcome::Rejected)];
        self
    }

    /// Its bytes: [`VALUE_LEN`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(VALUE_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.record.to_le_bytes());
        for position in 0..REMEMBERED_ATTEMPTS {
            let entry = self.attempts.get(position);
            bytes.extend_from_slice(&entry.map_or([0; 16], |(id, _)| id.bytes()));
            bytes.push(match entry {
                None => 0,
                Some((_, SharedOutcome::Accepted)) => 1,
                Some((_, SharedOutcome::Rejected)) => 2,
            });
        }
        bytes.extend_from_slice(&state::encode(&self.state, self.sequence));
        bytes
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`ValueError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(ValueError::Damaged)?;
        let (format, rest) = rest.split_first_chunk::<2>().ok_or(ValueError::Damaged)?;
        match (*magic, u16::from_le_bytes(*format)) {
            (MAGIC, FORMAT) => {}
            (MAGIC, newer) if newer > FORMAT => return Err(ValueError::Version(newer)),
            _ => return Err(ValueError::Damaged),
        }
        if bytes.len() != VALUE_LEN {
            return Err(ValueError::Damaged);
        }
        let (epoch, rest) = rest.split_first_chunk::<8>().ok_or(ValueError::Damaged)?;
        let (record, rest) = rest.split_first_chunk::<8>().ok_or(ValueError::Damaged)?;
        let ring = REMEMBERED_ATTEMPTS * ENTRY_LEN;
        let (ring, slot) = rest.split_at_checked(ring).ok_or(ValueError::Damaged)?;
        let mut attempts = Vec::new();
        for entry in ring.chunks_exact(ENTRY_LEN) {
            attempts.extend(remembered(entry)?);
        }
        // The reader of files wants a whole one.
        let mut file = slot.to_vec();
        file.resize(FILE_LEN, 0);
        let stored = state::decode_file(&file).map_err(ValueError::State)?;
        Ok(Self {
            epoch: u64::from_le_bytes(*epoch),
            record: u64::from_le_bytes(*record),
            sequence: stored.sequence,
            attempts,
            state: stored.state,
        })
    }
}

/// One entry; `None` for an empty one.
fn remembered(entry: &[u8]) -> Result<Option<(AttemptId, SharedOutcome)>, ValueError> {
    let (id, outcome) = entry.split_first_chunk().ok_or(ValueError::Damaged)?;
    match (AttemptId::from_bytes(*id), outcome) {
        (None, [0]) => Ok(None),
        (Some(id), [1]) => Ok(Some((id, SharedOutcome::Accepted))),
        (Some(id), [2]) => Ok(Some((id, SharedOutcome::Rejected))),
        _ => Err(ValueError::Damaged),
    }
}

/// The part of a state that hosts share.
fn shared(mut state: UserState) -> UserState {
    state.uid = 0;
    state.end_grace();
    state.grace_policy = 0;
    state.end_outage();
    state
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("a state in the store is damaged"),
            Self::Version(format) => write!(
                f,
                "a state in the store has format {format}; this program reads format {FORMAT}"
            ),
            Self::State(error) => write!(f, "a state in the store {error}"),
        }
    }
}

impl std::error::Error for ValueError {}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::state::GracePeriod;

    fn id(number: u8) -> AttemptId {
        AttemptId::from_bytes([number; 16]).unwrap()
    }

    fn some_state() -> UserState {
        let mut state = UserState::new(1000);
        state.failures = 3;
        state.grace.push(GracePeriod {
            address: [192, 0, 2, 1].into(),
            service: 7,
            since: 1,
        });
        state.session_grace.boot = 3;
        state
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let mut value = SharedState::first(4, some_state());
        for number in 1..=20 {
            assert_eq!(value.encode().len(), VALUE_LEN);
            assert_eq!(SharedState::decode(&value.encode()).unwrap(), value);
            let outcome = match number % 2 {
                0 => SharedOutcome::Accepted,
                _ => SharedOutcome::Rejected,
            };
            value = value.with_attempt(id(number), outcome, some_state());
        }
        assert_eq!((value.epoch, value.sequence), (4, 21));
        assert_eq!(value.attempts.len(), REMEMBERED_ATTEMPTS);
        assert_eq!(value.outcome(id(20)), Some(SharedOutcome::Accepted));
        assert_eq!(value.outcome(id(5)), Some(SharedOutcome::Rejected));
        assert_eq!(value.outcome(id(4)), None, "the oldest is forgotten");
    }

    #[test]
    fn uid_and_grace_stay_with_the_host() {
        let value = SharedState::first(1, some_state());
        assert_eq!((value.state.uid, value.state.grace.len()), (0, 0));
        assert_eq!(value.state.session_grace.boot, 0);
        assert_eq!(value.state.failures, 3);
    }

    #[test]
    fn a_ring_that_went_round_is_noticed() {
        let first = SharedState::first(1, some_state());
        let mut later = first.clone();
        for number in 1..REMEMBERED_ATTEMPTS {
            later = later.with_attempt(id(number as u8), SharedOutcome::Rejected, some_state());
            assert!(!later.has_forgotten_since(&first), "{number}");
        }
        later = later.with_attempt(id(99), SharedOutcome::Rejected, some_state());
        assert!(later.has_forgotten_since(&first));
        assert!(first.has_forgotten_since(&later), "the store went back");
    }

    fn count(outage: u8, counted: u32) -> OutageCount {
        let id = [outage; 12];
        OutageCount { id, counted }
    }

    #[test]
    fn a_count_of_an_outage_is_remembered_once() {
        let first = SharedState::first(1, some_state());
        assert_eq!(first.counted([7; 12]), 0);
        let mut value = first.clone().with_count(count(7, 3));
        assert_eq!((value.counted([7; 12]), value.counted([8; 12])), (3, 0));
        assert_eq!(SharedState::decode(&value.encode()).unwrap(), value);
        value = value.with_count(count(7, 5)).with_count(count(8, 1));
        assert_eq!((value.counted([7; 12]), value.counted([8; 12])), (5, 1));
        assert_eq!((value.attempts.len(), value.sequence), (2, 3));
    }

    /// It takes the place of an attempt, of which a host may have to know that it is forgotten.
    #[test]
    fn a_count_makes_the_ring_go_round_earlier() {
        let first = SharedState::first(1, some_state());
        let mut later = first.with_attempt(id(1), SharedOutcome::Rejected, some_state());
        let mine = later.clone();
        for number in 2..=REMEMBERED_ATTEMPTS {
            later = later.with_attempt(id(number as u8), SharedOutcome::Rejected, some_state());
        }
        assert!(!later.has_forgotten_since(&mine));
        assert!(later.outcome(id(1)).is_some());
        later = later.with_count(count(77, 3));
        assert!(later.has_forgotten_since(&mine));
        assert!(later.outcome(id(1)).is_none());
        assert_eq!(later.attempts.len(), REMEMBERED_ATTEMPTS);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let bytes = SharedState::first(1, some_state())
            .with_attempt(id(1), SharedOutcome::Accepted, some_state())
            .encode();
        for len in 0..bytes.len() {
            assert!(SharedState::decode(&bytes[..len]).is_err(), "{len}");
        }
        let long = [bytes.as_slice(), &[0]].concat();
        assert_eq!(SharedState::decode(&long), Err(ValueError::Damaged));
        let mut newer = bytes.clone();
        newer[4] = 9;
        assert_eq!(SharedState::decode(&newer), Err(ValueError::Version(9)));
        let mut outcome = bytes.clone();
        outcome[HEADER_LEN + 16] = 3;
        assert_eq!(SharedState::decode(&outcome), Err(ValueError::Damaged));
        let mut state = bytes;
        *state.last_mut().unwrap() ^= 1;
        assert!(matches!(
            SharedState::decode(&state),
            Err(ValueError::State(_))
        ));
    }
}
