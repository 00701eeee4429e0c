//! The part of a restoration that concerns each user: what one host knows is brought to the store, and the states go into the new epoch.

use std::time::Duration;

use twofactor_core::device::Kind;
use twofactor_core::policy::MAX_WINDOW;
use twofactor_core::record::Record;
use twofactor_core::state::{COUNTER_UNKNOWN, State, furthest_ahead};
use twofactor_store::Store;

use crate::attempt_id::AttemptId;
use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, patient};
use crate::fleet_membership::{STEP_TIME, UserProgress, account_of};
use crate::gateway_fault::GatewayFault;
use crate::membership_error::MembershipError;
use crate::mirror_marks::{MarkKind, MirrorMarks};
use crate::outage::OutageReason;
use crate::shared_record::{RecordContent, SharedRecord};
use crate::shared_state::SharedState;
use crate::state_join;
use crate::store_key::{KeyKind, StoreKey};
use crate::store_values::ChangeAnswer;
use crate::token::FleetMeta;

/// Longest time for the names of all users.
const LIST_TIME: Duration = Duration::from_secs(300);

/// Marks of codes in a state that no host may have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostMarks {
    /// All hosts have brought theirs.
    None,
    /// Some may be lost.
    Possible,
}

impl FleetHost {
    /// Brings what this host knows, and says so unless a user could not be brought: those are returned, each with the reason.
    pub(crate) fn take_part(
        &self,
        store: &Store,
        next: FleetMeta,
        progress: UserProgress<'_>,
    ) -> Result<Vec<(String, String)>, MembershipError> {
        let marks = MirrorMarks::open(self.directory().path())?;
        let mut users = store.users()?;
        users.extend(marks.users()?);
        users.sort_unstable();
        users.dedup();
        let mut failed = Vec::new();
        for (number, user) in users.iter().enumerate() {
            match self.bring_back(store, &marks, user) {
                Ok(()) => {}
                Err(MembershipError::Outage(OutageReason::Unreachable(fault))) => {
                    return Err(OutageReason::Unreachable(fault).into());
                }
                Err(error) => failed.push((user.clone(), error.to_string())),
            }
            progress(number + 1, users.len());
        }
        if !failed.is_empty() {
            return Ok(failed);
        }
        let time = WorkDeadline::after(STEP_TIME);
        let key = StoreKey::restored(self.host_id());
        let base = patient(&time, || {
            self.gateway().values(std::slice::from_ref(&key), &time)
        })?;
        let sealed = self.sealed(&key, &next.encode())?;
        self.put(&base, vec![(key, sealed)], &time)?;
        Ok(failed)
    }

    /// Brings the record of one user where it is newer here, and joins the state.
    fn bring_back(
        &self,
        store: &Store,
        marks: &MirrorMarks,
        user: &str,
    ) -> Result<(), MembershipError> {
        let mark = marks.of(user)?;
        let record = store.record_named(user)?;
        let own = match &record {
            Some(record) => store.peek(&account_of(user, record.uid))?,
            None => None,
        };
        // A mark counts before its record does, which may never have come: the process that changed it was killed.
        let (here, known) = match (&record, &own, mark) {
            (_, _, Some((revision, MarkKind::Removed))) => (Some(RecordContent::Removed), revision),
            (Some(record), Some(_), _) => (
                Some(RecordContent::Text(record.to_toml())),
                marks.revision_of(user, Some(record))?,
            ),
            (Some(record), None, _) => {
                return Err(store.missing_state(&account_of(user, record.uid)).into());
            }
            (None, _, _) => (None, 0),
        };
        self.swap(user, &|there, shared| {
            let is_newer = there.as_ref().is_none_or(|there| known > there.revision);
            let (content, revision) = match (&here, there) {
                (Some(here), None) => (here.clone(), known.max(1)),
                (Some(here), Some(_)) if is_newer => (here.clone(), known),
                (_, Some(there)) => (there.content.clone(), there.revision),
                (None, None) => return Ok(None),
            };
            let state = match (content.text(), &own) {
                (None, _) => State::new(0),
                (Some(text), own) => {
                    let counted = Record::parse(text).map_err(|_| OutageReason::Contradiction)?;
                    let first = State::new(0);
                    let own = own.as_ref().unwrap_or(&first);
                    state_join::of_record(&counted, own, shared.map(|it| &it.state))
                }
            };
            let is_known = there
                .is_some_and(|it| (&it.content, it.revision) == (&content, revision))
                && shared.is_some_and(|it| it.state == state);
            if is_known {
                return Ok(None);
            }
            let epoch = shared.map_or(0, |it| it.epoch);
            Ok(Some((content, revision, state, epoch)))
        })
    }

    /// Puts all states into the new epoch. A code that no host may have brought as used does not work in it.
    pub(crate) fn heal(
        &self,
        next: FleetMeta,
        (lost, window, now): (LostMarks, u8, u64),
        progress: UserProgress<'_>,
    ) -> Result<usize, MembershipError> {
        let time = WorkDeadline::after(LIST_TIME);
        let list = patient(&time, || self.gateway().names(KeyKind::Record, 0, &time))?;
        let total = list.names.len();
        for (number, user) in list.names.into_iter().enumerate() {
            self.swap(&user, &|there, shared| {
                let (Some(there), Some(shared)) = (there, shared) else {
                    return Err(OutageReason::NoState);
                };
                if shared.epoch == next.epoch {
                    return Ok(None);
                }
                let state = match there.content.text() {
                    None => shared.state.clone(),
                    Some(text) => {
                        let record =
                            Record::parse(text).map_err(|_| OutageReason::Contradiction)?;
                        healed(&record, &shared.state, (lost, window, now))
                    }
                };
                let content = there.content.clone();
                Ok(Some((content, there.revision, state, next.epoch)))
            })?;
            progress(number + 1, total);
        }
        Ok(total)
    }

    /// Changes record and state of a user by what follows from them, until no other host came first.
    fn swap(&self, user: &str, step: SwapStep<'_>) -> Result<(), MembershipError> {
        let time = WorkDeadline::after(STEP_TIME);
        let keys = [StoreKey::record(user), StoreKey::state(user)];
        loop {
            let base = patient(&time, || self.gateway().values(&keys, &time))?;
            let plain = |at: usize| -> Result<_, OutageReason> {
                let value = base
                    .get(at)
                    .and_then(|(key, value)| Some((key, value.as_deref()?)));
                let open = |(key, sealed)| self.key().open(key, sealed).map_err(OutageReason::Seal);
                value.map(open).transpose()
            };
            let there = plain(0)?.map(|it| SharedRecord::decode(&it)).transpose();
            let there = there.map_err(OutageReason::Record)?;
            let shared = plain(1)?.map(|it| SharedState::decode(&it)).transpose();
            let shared = shared.map_err(OutageReason::Value)?;
            let Some((content, revision, state, epoch)) = step(there.as_ref(), shared.as_ref())?
            else {
                return Ok(());
            };
            let id = AttemptId::random().map_err(|error| {
                OutageReason::Sealing(crate::fleet_key::SealError::Random(error))
            })?;
            let mut value = SharedState::first(epoch, state);
            value.record = revision;
            if let Some(shared) = &shared {
                value.sequence = shared.sequence.saturating_add(1);
                value.attempts.clone_from(&shared.attempts);
            }
            let record = SharedRecord {
                revision,
                change: id,
                content,
            };
            let [record_key, state_key] = &keys;
            let writes = [
                (
                    record_key.clone(),
                    self.sealed(record_key, &record.encode())?,
                ),
                (
                    state_key.clone(),
                    self.sealed(state_key, &SharedState::encode(&value))?,
                ),
            ];
            match self.gateway().change(&base, &writes, &time) {
                Ok(ChangeAnswer::Done) => return Ok(()),
                // Each step can be done again: what is there is looked at anew.
                Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_))
                    if !time_is_over(&time) => {}
                Ok(ChangeAnswer::Refused) => return Err(OutageReason::Contradiction.into()),
                Err(fault) => return Err(OutageReason::Unreachable(fault).into()),
            }
        }
    }
}

/// What becomes of record and state: the content with its revision, the state with its epoch; `None` where they stay.
type SwapResult = Result<Option<(RecordContent, u64, State, u64)>, OutageReason>;
type SwapStep<'a> = &'a dyn Fn(Option<&SharedRecord>, Option<&SharedState>) -> SwapResult;

/// The state of the new epoch.
fn healed(record: &Record, shared: &State, (lost, window, now): (LostMarks, u8, u64)) -> State {
    let mut state = shared.clone();
    let window = match lost {
        LostMarks::None => window,
        // A host that is left out may have had a wider one.
        LostMarks::Possible => MAX_WINDOW,
    };
    for device in &record.devices {
        let Some(entry) = state.device_mut(device.id) else {
            continue;
        };
        match device.kind {
            // No host can have accepted a code of a later step.
            Kind::Totp { interval } => {
                let first = interval.step(now) + furthest_ahead(window) + 1;
                entry.next = entry.next.max(first);
            }
            Kind::Hotp if lost == LostMarks::Possible => entry.next = COUNTER_UNKNOWN,
            Kind::Hotp => {}
        }
    }
    if lost == LostMarks::Possible {
        if let Some(set) = &record.recovery {
            (0..set.hashes.len()).for_each(|position| state.spend(set.id, position));
        }
        state.bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    }
    state
}

fn time_is_over(time: &WorkDeadline) -> bool {
    crate::gateway::TimeLeft::left(time).is_zero()
}
