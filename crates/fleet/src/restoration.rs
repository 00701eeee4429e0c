//! A backup of the store was restored: what it lost is brought back by the hosts, and a new epoch begins.
//!
//! Until the new epoch no host uses the store: its number there is not the one that it wrote last. A host that takes part brings the
//! records that are newer here, and joins its states: what was used here is used. Each step can be done again.

use twofactor_core::device::Kind;
use twofactor_core::policy::MAX_WINDOW;
use twofactor_core::record::Record;
use twofactor_core::state::{COUNTER_UNKNOWN, State, furthest_ahead};
use twofactor_store::Store;
use twofactor_store::fleet_contact::FleetContact;

use crate::attempt_id::AttemptId;
use crate::beats::BeatFiles;
use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, HostReport, opened_meta, patient};
use crate::fleet_membership::{LocalHost, MembershipRun, STEP_TIME, UserProgress, account_of};
use crate::gateway_fault::GatewayFault;
use crate::host_entry::{HostEntry, HostMembership};
use crate::host_file::HostPlace;
use crate::host_settings::HostSettings;
use crate::membership_error::MembershipError;
use crate::mirror_marks::{MarkKind, MirrorMarks};
use crate::outage::OutageReason;
use crate::shared_record::{RecordContent, SharedRecord};
use crate::shared_state::SharedState;
use crate::state_join;
use crate::store_key::{KeyKind, StoreKey};
use crate::store_values::{ChangeAnswer, KeyedValue};
use crate::token::{FleetMeta, HostBeat};

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

/// Marks of codes in a state that no host may have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LostMarks {
    /// All hosts have brought theirs.
    None,
    /// Some may be lost.
    Possible,
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
    let begun = host.restoration_of(&base, meta)?;
    let next = begun.unwrap_or(FleetMeta {
        epoch: meta.epoch.max(place.meta.epoch) + 1,
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
    let waiting = host.waiting(local.state, next, without, &time)?;
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
    /// [`OutageReason`].
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
            part.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
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

    /// The values that no step of a restoration may miss a change of: the fleet, this host, and the restoration.
    fn restoration_base(&self, time: &WorkDeadline) -> Result<Vec<KeyedValue>, OutageReason> {
        let keys = [
            StoreKey::meta(),
            self.host_key().clone(),
            StoreKey::restoration(),
        ];
        patient(time, || self.gateway().values(&keys, time))
    }

    fn meta_of(&self, base: &[KeyedValue], place: &HostPlace) -> Result<FleetMeta, OutageReason> {
        let meta = base.first().and_then(|(_, value)| value.as_deref());
        let meta = opened_meta(self.key(), meta)?;
        if meta.fleet == place.meta.fleet {
            Ok(meta)
        } else {
            Err(OutageReason::OtherFleet)
        }
    }

    /// The epoch to come, or that began: `None` where no restoration was begun since.
    fn restoration_of(
        &self,
        base: &[KeyedValue],
        meta: FleetMeta,
    ) -> Result<Option<FleetMeta>, OutageReason> {
        let Some(sealed) = base.get(2).and_then(|(_, value)| value.as_deref()) else {
            return Ok(None);
        };
        let next = self.opened_epoch(&StoreKey::restoration(), sealed)?;
        Ok((next.fleet == meta.fleet && next.epoch >= meta.epoch).then_some(next))
    }

    fn opened_epoch(&self, place: &StoreKey, sealed: &[u8]) -> Result<FleetMeta, OutageReason> {
        let plain = self.key().open(place, sealed).map_err(OutageReason::Seal)?;
        FleetMeta::decode(&plain).map_err(OutageReason::Token)
    }

    fn has_taken_part(
        &self,
        host: &str,
        next: FleetMeta,
        time: &WorkDeadline,
    ) -> Result<Option<u64>, OutageReason> {
        let key = StoreKey::restored(host);
        let values = patient(time, || {
            self.gateway().values(std::slice::from_ref(&key), time)
        })?;
        let sealed = values.first().and_then(|(_, value)| value.as_deref());
        let told = sealed
            .map(|sealed| self.opened_epoch(&key, sealed))
            .transpose()?;
        Ok(told.filter(|it| it.fleet == next.fleet).map(|it| it.epoch))
    }

    /// Hosts that did not take part.
    fn waiting(
        &self,
        state: &std::path::Path,
        next: FleetMeta,
        without: &[String],
        time: &WorkDeadline,
    ) -> Result<Vec<String>, OutageReason> {
        let list = patient(time, || self.gateway().list(KeyKind::Restored, 0, time))?;
        let mut parts = Vec::new();
        for (host, sealed) in list.entries {
            let told = self.opened_epoch(&StoreKey::restored(&host), &sealed)?;
            if told == next {
                parts.push(host);
            }
        }
        let members = self.members(time)?;
        let mut waiting: Vec<String> = members
            .iter()
            .map(|member| member.id.clone())
            .filter(|id| !parts.contains(id) && id != self.host_id())
            .collect();
        let late = parts
            .iter()
            .filter(|id| members.iter().all(|it| it.id != **id));
        let found = members.len() + late.count();
        let known = FleetContact::read(state)
            .ok()
            .flatten()
            .map_or(0, |it| it.hosts);
        if found < usize::try_from(known).unwrap_or(usize::MAX) {
            waiting.push(UNKNOWN_HOSTS.to_owned());
        }
        waiting.retain(|id| !without.contains(id));
        Ok(waiting)
    }

    /// Brings what this host knows, and says so.
    fn take_part(
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
        let here = match (&record, &own, mark) {
            (Some(record), Some(_), _) => Some(RecordContent::Text(record.to_toml())),
            (None, _, Some((_, MarkKind::Removed))) => Some(RecordContent::Removed),
            (Some(record), None, _) => {
                return Err(store.missing_state(&account_of(user, record.uid)).into());
            }
            (None, _, _) => None,
        };
        self.swap(user, &|there, shared| {
            let known = mark.map_or(0, |(revision, _)| revision);
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
            let epoch = shared.map_or(0, |it| it.epoch);
            Ok(Some((content, revision, state, epoch)))
        })
    }

    /// Puts all states into the new epoch. A code that no host may have brought as used does not work in it.
    fn heal(
        &self,
        next: FleetMeta,
        (lost, window, now): (LostMarks, u8, u64),
        progress: UserProgress<'_>,
    ) -> Result<usize, MembershipError> {
        let time = WorkDeadline::after(STEP_TIME);
        let list = patient(&time, || self.gateway().list(KeyKind::Record, 0, &time))?;
        let total = list.entries.len();
        for (number, (user, _)) in list.entries.into_iter().enumerate() {
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

    fn next_place(&self, place: &HostPlace, next: FleetMeta) -> HostPlace {
        let beat = HostBeat {
            count: place.current.count.saturating_add(1),
            ..place.current
        };
        HostPlace {
            meta: next,
            host: place.host.clone(),
            previous: beat,
            current: beat,
        }
    }

    fn entry_of(
        &self,
        place: &HostPlace,
        report: HostReport,
    ) -> Result<(StoreKey, Vec<u8>), OutageReason> {
        let entry = HostEntry {
            beat: place.current,
            membership: HostMembership::Member,
            policy: report.policy,
            time: report.time,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Ok((place.key(), self.sealed(&place.key(), &entry.encode())?))
    }

    fn sealed(&self, place: &StoreKey, plain: &[u8]) -> Result<Vec<u8>, OutageReason> {
        self.key().seal(place, plain).map_err(OutageReason::Sealing)
    }

    /// Writes values where all of the base still hold. An unknown end is read back by these values, which are sealed anew each time.
    fn put(
        &self,
        base: &[KeyedValue],
        writes: Vec<(StoreKey, Vec<u8>)>,
        time: &WorkDeadline,
    ) -> Result<(), OutageReason> {
        loop {
            match self.gateway().change(base, &writes, time) {
                Ok(ChangeAnswer::Done) => return Ok(()),
                Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) => {}
                Err(fault) => return Err(OutageReason::Unreachable(fault)),
            }
            let keys: Vec<StoreKey> = writes.iter().map(|(key, _)| key.clone()).collect();
            let now = patient(time, || self.gateway().values(&keys, time))?;
            let is_there = |((_, now), (_, written)): (&KeyedValue, &(StoreKey, Vec<u8>))| {
                now.as_ref() == Some(written)
            };
            if now.iter().zip(&writes).all(is_there) {
                return Ok(());
            }
            let keys: Vec<StoreKey> = base.iter().map(|(key, _)| key.clone()).collect();
            if patient(time, || self.gateway().values(&keys, time))? != base {
                return Err(OutageReason::Contradiction);
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

fn refused(text: &str) -> MembershipError {
    MembershipError::Refused(text.to_owned())
}
