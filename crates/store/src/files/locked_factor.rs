//! One user's state under its lock.

mod record_change;
mod record_removal;

use std::cell::RefCell;

use crate::sys::file;
use twofactor_core::account::Account;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::{
    self, COUNTER_UNKNOWN, DaemonFailures, DeviceState, RefusedAnswers, StateSlot, UserState,
};
use twofactor_core::verify::merged_with_own;

use super::known_devices::knows_all;
use super::state_generations::{HeldFile, LockWaiting, StateFiles};
use super::{FactorStore, FileFault, LoadedRecord, RecordHolder, SharedChange, StoreError};

/// Number of times that a state is looked for, or made, before a change.
const CHANGE_TRIES: u32 = 4;

/// Exclusive access to one user's record and state. The kernel ends it when it is dropped or its process dies; it
/// must not be kept while a person is asked something. From a process that does not move it is taken over:
/// [`LockedFactor::confirm`] tells.
pub struct LockedFactor<'s> {
    store: &'s FactorStore,
    account: Account,
    files: StateFiles<'s>,
    held: HeldFile,
    state: UserState,
    sequence: u64,
    /// The slot that holds `state`.
    newest: StateSlot,
    /// The slot whose content has been flushed. Writes go to the other one until they are flushed too, so that a
    /// power cut finds one of them whole. (After a kill between write and flush both may be in flight; each is within
    /// one sector, which a disk writes whole or not at all.)
    flushed: StateSlot,
    /// The largest size of a file, from the first write on.
    size_limit: Option<u64>,
}

impl<'s> LockedFactor<'s> {
    pub(super) fn existing(store: &'s FactorStore, account: &Account) -> Result<Self, StoreError> {
        match Self::find(store, account, LockWaiting::Patient)? {
            Some(locked) => Ok(locked),
            None => Err(state_error(store, account, FileFault::MissingState)),
        }
    }

    /// The lock if it can be had at once.
    pub(super) fn at_once(
        store: &'s FactorStore,
        account: &Account,
    ) -> Result<Option<Self>, StoreError> {
        Self::find(store, account, LockWaiting::Never)
    }

    pub(super) fn existing_or_new(
        store: &'s FactorStore,
        account: &Account,
    ) -> Result<Self, StoreError> {
        let holder = store.holder_for_change(account)?;
        Self::for_change(store, account, holder)
    }

    /// The lock for a change, once the record was looked up. Where there is no state it is looked up again: another process
    /// may have removed both in between.
    pub(super) fn for_change(
        store: &'s FactorStore,
        account: &Account,
        mut holder: RecordHolder,
    ) -> Result<Self, StoreError> {
        let files = StateFiles::of(store, &account.name)?;
        for _ in 0..CHANGE_TRIES {
            if holder.account.name != account.name {
                return Err(StoreError {
                    path: store.record_path(&account.name),
                    cause: FileFault::KeptAs(holder.account.name),
                });
            }
            refuse_while_moving(store, account, holder.record.as_ref())?;
            if let Some(locked) = Self::find(store, account, LockWaiting::Patient)? {
                return Ok(locked);
            }
            if holder.record.is_none() {
                // If another process makes it at the same moment, one of them is told that it exists.
                files.create(&UserState::new(account.uid))?;
            }
            holder = store.holder_for_change(account)?;
        }
        Err(state_error(store, account, FileFault::MissingState))
    }

    /// A state in which no code works that may have been used before `now` (seconds since 1970-01-01 UTC). TOTP codes work only
    /// from later steps than any that could have been accepted, HOTP codes after `twofactor resync`, recovery and bypass codes
    /// not at all. In a fleet it is merged into the state of the store, which never goes back.
    pub(super) fn rebuilt(
        store: &'s FactorStore,
        account: &Account,
        window: u8,
        now: u64,
    ) -> Result<Self, StoreError> {
        let Some(record) = store.record(account)? else {
            return Err(StoreError::file(&store.record_path(&account.name))(
                file::FileError::System("open", rustix::io::Errno::NOENT),
            ));
        };
        let state = rebuilt_everywhere(
            store,
            account,
            &record,
            nothing_reusable(&record, window, now),
        )?;
        let files = StateFiles::of(store, &account.name)?;
        match Self::find(store, account, LockWaiting::Patient) {
            Ok(Some(mut locked)) if locked.sequence < u64::MAX => {
                if !locked.knows(&state) {
                    locked.write(state)?;
                    locked.flush()?;
                    locked.confirm()?;
                }
                return Ok(locked);
            }
            Ok(None) => {
                files.create(&state)?;
            }
            Ok(Some(_)) => files.replace_unreadable(&state)?,
            Err(error) if error.fixed_by_unlock() => files.replace_unreadable(&state)?,
            Err(error) => return Err(error),
        }
        Self::existing(store, account)
    }

    /// The state as it is now.
    #[must_use]
    pub const fn state(&self) -> &UserState {
        &self.state
    }

    /// The record as it is now, `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] also when the state does not know one of its devices.
    pub fn record(&self) -> Result<Option<UserRecord>, StoreError> {
        let loaded = self.record_again(None)?;
        Ok(loaded.map(|loaded| loaded.record))
    }

    /// [`LockedFactor::record`] where it was read before: read again only where the file is another one, or was changed.
    ///
    /// # Errors
    /// [`StoreError`] as for [`LockedFactor::record`].
    pub fn record_again(
        &self,
        before: Option<LoadedRecord>,
    ) -> Result<Option<LoadedRecord>, StoreError> {
        let loaded = self.store.record_again(&self.account, before)?;
        if let Some(loaded) = &loaded {
            knows_all(&self.state, &loaded.record).map_err(|cause| self.error(cause))?;
        }
        Ok(loaded)
    }

    /// Checks that no other process has taken the state over: only then may anything be said about what was judged, and
    /// what was written and flushed before is what others read.
    ///
    /// # Errors
    /// [`StoreError`] with [`FileFault::TakenOver`].
    pub fn confirm(&self) -> Result<(), StoreError> {
        self.files.confirm(&self.held)
    }

    /// Writes the state, in place; it is seen by others at once, and survives a power cut after [`LockedFactor::flush`].
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; then the state is what was flushed last, or what was written last.
    pub fn write(&mut self, state: UserState) -> Result<(), StoreError> {
        let Some(sequence) = self.sequence.checked_add(1) else {
            return Err(self.error(FileFault::Exhausted));
        };
        let bytes = state::encode(&state, sequence);
        let slot = self.flushed.other();
        let limit = self.size_limit.map_or_else(file::size_limit, Ok);
        let written = limit.and_then(|limit| {
            self.size_limit = Some(limit);
            file::write_below(&self.held.fd, &bytes, slot.offset(), limit)
        });
        written.map_err(StoreError::file(&self.path()))?;
        self.sequence = sequence;
        self.newest = slot;
        self.state = state;
        Ok(())
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// [`StoreError`] when that is not sure.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        file::flush(&self.held.fd).map_err(StoreError::file(&self.path()))?;
        self.flushed = self.newest;
        Ok(())
    }

    /// Writes the state once more as it is, which shows processes that wait for the lock that this one moves. Nothing follows from a
    /// write that fails, nor from one after the state was taken over: [`LockedFactor::confirm`] tells of that.
    pub fn write_heartbeat(&mut self) {
        let _ = self.write(self.state.clone());
    }

    /// The state of a user who is new, from a file that was just made.
    pub(super) fn of_new(
        store: &'s FactorStore,
        account: &Account,
        files: StateFiles<'s>,
        held: HeldFile,
    ) -> Self {
        Self {
            store,
            account: account.clone(),
            files,
            state: held.stored.state.clone(),
            sequence: held.stored.sequence,
            newest: held.stored.slot,
            flushed: held.stored.slot,
            size_limit: None,
            held,
        }
    }

    /// Notes that the record with all devices is in place; not flushed.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let mut state = self.state.clone();
        state.devices.iter_mut().for_each(|d| d.committed = true);
        self.write(state)
    }

    fn find(
        store: &'s FactorStore,
        account: &Account,
        waiting: LockWaiting,
    ) -> Result<Option<Self>, StoreError> {
        let mut files = StateFiles::of(store, &account.name)?;
        let mut held = files.acquire(waiting);
        let is_missing = |error: &StoreError| matches!(error.cause, FileFault::MissingState);
        if held.as_ref().map_or_else(is_missing, Option::is_none)
            && !files.is_in_use()?
            && let Some(successor) = store.successor(&account.name, account.uid)?
        {
            files = StateFiles::of(store, &successor)?;
            held = files.acquire(waiting);
        }
        let Some(held) = held? else {
            return Ok(None);
        };
        let recorded = held.stored.state.uid;
        if recorded != account.uid {
            let cause = FileFault::OtherUid {
                recorded,
                current: account.uid,
            };
            return Err(state_error(store, account, cause));
        }
        Ok(Some(Self::of_new(store, account, files, held)))
    }

    fn knows(&self, other: &UserState) -> bool {
        let mut devices = other.devices.iter();
        devices.all(|device| self.state.device(device.id).is_some())
    }

    fn path(&self) -> std::path::PathBuf {
        self.store.state_path(&self.account.name)
    }

    fn error(&self, cause: FileFault) -> StoreError {
        state_error(self.store, &self.account, cause)
    }
}

/// A record that is on its way to another name is not changed: the rest of the move would not find it.
fn refuse_while_moving(
    store: &FactorStore,
    account: &Account,
    record: Option<&UserRecord>,
) -> Result<(), StoreError> {
    match record {
        Some(record) if record.user != account.name => Err(StoreError {
            path: store.record_path(&account.name),
            cause: FileFault::OtherUser(record.user.clone()),
        }),
        _ => Ok(()),
    }
}

/// The state in the place of a lost one, merged into the state of the fleet if this host is in one. The store's knowledge stays:
/// other devices, codes that are newer than this host's record, and counters that are further. The codes of this record may have
/// been used here while this host was cut off. Wrong codes no longer count, as after each unlock.
fn rebuilt_everywhere(
    store: &FactorStore,
    account: &Account,
    record: &UserRecord,
    lost: UserState,
) -> Result<UserState, StoreError> {
    let told = RefCell::new(None);
    let mut of_all = record.clone();
    // No other host knows of a code of this one alone, whose mark would stand in the place of that of theirs.
    of_all.bypass = of_all
        .bypass
        .filter(|code| code.scope != CodeScope::ThisHost);
    let step = |shared: &UserState| {
        let mut state = merged_with_own(shared, &lost, &of_all);
        (state.failures, state.last_failure) = (0, 0);
        state.daemon = DaemonFailures::NONE;
        state.refused = RefusedAnswers::default();
        told.replace(Some(state.clone()));
        state
    };
    let _ = store.share(&account.name, &SharedChange::State(&step), &mut || ())?;
    let Some(told) = told.into_inner() else {
        return Ok(lost);
    };
    // Devices are those of the record that is here.
    let mut state = merged_with_own(&lost, &told, record);
    state.uid = lost.uid;
    state.unreported = told.unreported;
    Ok(state)
}

/// The state at `now` (seconds since 1970-01-01 UTC) of a record whose own state is lost.
pub(crate) fn nothing_reusable(record: &UserRecord, window: u8, now: u64) -> UserState {
    let mut state = UserState::new(record.uid);
    let entry = |device: &Device| DeviceState {
        id: device.id,
        next: match device.kind {
            OtpKind::Totp { interval } => interval.step(now) + state::furthest_ahead(window) + 1,
            OtpKind::Hotp => COUNTER_UNKNOWN,
        },
        drift: 0,
        last_used: 0,
        committed: true,
    };
    state.devices = record.devices.iter().map(entry).collect();
    if let Some(set) = &record.recovery {
        (0..set.hashes.len()).for_each(|position| state.spend(set.id, position));
    }
    state.bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    state
}

fn state_error(store: &FactorStore, account: &Account, cause: FileFault) -> StoreError {
    StoreError {
        path: store.state_path(&account.name),
        cause,
    }
}
