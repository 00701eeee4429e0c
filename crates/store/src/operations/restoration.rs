//! The restoration of a user from a backup. It revives no code that may have been used since: what is stored already is
//! merged, and what cannot be known does not work.

use twofactor_core::account::Account;
use twofactor_core::backup::BackupEntry;
use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::policy::MAX_WINDOW;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::{self, COUNTER_UNKNOWN, DeviceState, SpentCodes, UserState};

use super::{ChangeError, UserFactor, leave_nothing};
use crate::files::{FactorStore, FileFault, StoreError};

/// Conditions of a restoration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreTerms {
    /// The present, in seconds since 1970-01-01 UTC.
    pub now: u64,
    /// Treatment of a record that is there.
    pub existing: ExistingRecord,
    /// Treatment of one-time codes of the backup of which nothing is known since.
    pub one_time_codes: UnknownCodes,
}

/// Treatment of a record that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingRecord {
    /// The record on this host stays.
    Keep,
    /// The devices of the backup take the place of its devices.
    Replace,
}

/// Treatment of recovery codes, bypass codes and invitations that may have been used since the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownCodes {
    /// They end.
    Drop,
    /// They go on working, unless they were used before the backup or here.
    Keep,
}

/// The effect of the restoration of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoredFactor {
    /// True if a record that was there is replaced.
    pub replaces: bool,
    /// True if recovery codes, a bypass code or an invitation of the backup end.
    pub drops_codes: bool,
    /// Number of HOTP devices whose counter is lost.
    pub lost_counters: usize,
    /// Devices that were there and are not in the backup.
    pub removed_devices: usize,
}

/// Reason why a user is not restored, beside those of every change.
#[derive(Debug, Clone, PartialEq)]
pub enum RestoreRefusal {
    /// There is a record, and it is to be kept.
    Exists,
    /// The backup holds an invitation, and nothing that goes on working.
    NothingLeft,
    /// The backup holds an invitation, and the user has, or had, a device.
    WouldUnenroll,
    /// A file cannot be used.
    Change(ChangeError),
}

impl From<ChangeError> for RestoreRefusal {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

/// The effect that a restoration would have now. Reads without a lock.
///
/// # Errors
/// [`RestoreRefusal`].
pub fn preview_restore(
    store: &FactorStore,
    account: &Account,
    entry: &BackupEntry,
    terms: RestoreTerms,
) -> Result<RestoredFactor, RestoreRefusal> {
    let failed = |error| RestoreRefusal::Change(ChangeError::new(account, error));
    let live = match store.snapshot(account) {
        Ok(Some(found)) if found.account.name != account.name => {
            return Err(failed(StoreError {
                path: store.record_path(&account.name),
                cause: FileFault::KeptAs(found.account.name),
            }));
        }
        Ok(Some(found)) => (Some(found.record), found.state),
        Ok(None) => (None, peeked(store, account)?),
        Err(error) if matches!(error.cause, FileFault::LostRecord) => {
            (None, peeked(store, account)?)
        }
        Err(error) => return Err(failed(error)),
    };
    merged(entry, account, live.0.as_ref(), &live.1, terms).map(|(_, _, factor)| factor)
}

fn peeked(store: &FactorStore, account: &Account) -> Result<UserState, ChangeError> {
    let state = store.peek(account);
    let state = state.map_err(|error| ChangeError::new(account, error))?;
    Ok(state.unwrap_or_else(|| UserState::new(account.uid)))
}

/// Restores a user, under the lock. `account` has the name of the record, and the uid that the record gets.
///
/// # Errors
/// [`RestoreRefusal`]. Nothing is stored then, but that used codes and lock-outs of the backup can count already.
pub fn restore(
    factor: &UserFactor<'_>,
    entry: &BackupEntry,
    terms: RestoreTerms,
) -> Result<RestoredFactor, RestoreRefusal> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| RestoreRefusal::Change(ChangeError::new(account, error));
    let mut locked = match store.lock_for_change(account) {
        // The state says that there was a record: it is the one to restore. It still knows which codes were used.
        Err(error) if matches!(error.cause, FileFault::LostRecord) => store.lock(account),
        other => other,
    }
    .map_err(failed)?;
    let live = locked.record().map_err(failed)?;
    let result = merged(entry, account, live.as_ref(), locked.state(), terms).and_then(
        |(mut record, base, restored)| {
            factor.note(&mut record, &FactorChange::Restored);
            let done = locked.restore_record(&record, base);
            done.map_err(|error| factor.failed(error, FactorChange::Restored))?;
            factor.report(FactorChange::Restored);
            Ok(restored)
        },
    );
    if result.is_err() && live.is_none() && !locked.state().has_committed() {
        leave_nothing(locked);
    }
    result
}

type MergedFactor = (UserRecord, UserState, RestoredFactor);

/// The record and the state that are stored; of the state all but the marks of what has a record.
fn merged(
    entry: &BackupEntry,
    account: &Account,
    live: Option<&UserRecord>,
    state: &UserState,
    terms: RestoreTerms,
) -> Result<MergedFactor, RestoreRefusal> {
    if live.is_some() && terms.existing == ExistingRecord::Keep {
        return Err(RestoreRefusal::Exists);
    }
    let had_device = state.has_committed() || live.is_some_and(UserRecord::is_enrolled);
    if had_device && !entry.record.is_enrolled() {
        return Err(RestoreRefusal::WouldUnenroll);
    }
    let mut record = entry.record.clone();
    record.user.clone_from(&account.name);
    record.uid = account.uid;
    record.take_changes_of(live);
    let mut base = with_failures(state, &entry.state);
    let drops_codes = merge_codes(&mut record, &mut base, entry, live, terms.one_time_codes);
    if !record.is_enrolled() && record.invite.is_none() {
        return Err(RestoreRefusal::NothingLeft);
    }
    let mut lost_counters = 0;
    for device in &record.devices {
        let merged = merged_device(device, entry.state.device(device.id), state, terms);
        lost_counters += usize::from(merged.next == COUNTER_UNKNOWN);
        base.devices.retain(|other| other.id != device.id);
        base.devices.push(merged);
    }
    let stays = |device: &&Device| !record.devices.iter().any(|other| other.id == device.id);
    let removed_devices = live.map_or(0, |live| live.devices.iter().filter(stays).count());
    let restored = RestoredFactor {
        replaces: live.is_some(),
        drops_codes,
        lost_counters,
        removed_devices,
    };
    Ok((record, base, restored))
}

/// The live state with the wrong codes of both: lock-outs stay.
fn with_failures(live: &UserState, backup: &UserState) -> UserState {
    let mut state = live.clone();
    state.failures = live.failures.max(backup.failures);
    state.unreported = live.unreported.max(backup.unreported);
    state.last_failure = live.last_failure.max(backup.last_failure);
    state.daemon = live.daemon.with_all_of(&backup.daemon);
    state
}

/// The one-time codes. Those of a record that is there are newer and stay; true if any of the backup end. A bypass code of one host
/// ends in any case: the backup may be of another host, and what it was to do is over.
fn merge_codes(
    record: &mut UserRecord,
    base: &mut UserState,
    entry: &BackupEntry,
    live: Option<&UserRecord>,
    unknown: UnknownCodes,
) -> bool {
    let had = (
        record.recovery.as_ref().map(|set| set.id),
        record.bypass.as_ref().map(|code| code.id),
        record.invite.as_ref().map(|code| code.id),
    );
    record.bypass = record
        .bypass
        .take()
        .filter(|code| code.scope != CodeScope::ThisHost);
    if let Some(live) = live.filter(|live| live.is_enrolled()) {
        record.recovery.clone_from(&live.recovery);
        record.bypass.clone_from(&live.bypass);
    } else {
        let (set, spent) = (had.0, &entry.state.recovery);
        // A state that knows spent codes of this very set knows all of them; one of another set has replaced it.
        let is_known = set.is_some() && base.recovery.set == set;
        let is_replaced = base.recovery.set.is_some() && !is_known;
        if is_replaced || (unknown == UnknownCodes::Drop && !is_known) {
            record.recovery = None;
        } else if spent.set.is_some() && spent.set == set {
            let bits = spent.bits | if is_known { base.recovery.bits } else { 0 };
            base.recovery = SpentCodes { set, bits };
        }
        let is_over = |code| unknown == UnknownCodes::Drop || was_used(code, &entry.state, base);
        if is_over(had.1) {
            record.bypass = None;
        }
        if is_over(had.2) {
            record.invite = None;
        }
        base.bypass = base.bypass.or(entry.state.bypass);
        if let Some(live) = live.filter(|_| !record.is_enrolled()) {
            record.invite.clone_from(&live.invite);
        }
    }
    let has = (
        record.recovery.as_ref().map(|set| set.id),
        record.bypass.as_ref().map(|code| code.id),
        record.invite.as_ref().map(|code| code.id),
    );
    (had.0.is_some() && had.0 != has.0)
        || (had.1.is_some() && had.1 != has.1)
        || (had.2.is_some() && had.2 != has.2)
}

/// True if a one-time code of the backup was used before the backup or here. A state remembers the last code that was used:
/// another one than at the backup was issued after those of the backup, and took their place.
fn was_used(code: Option<CredentialId>, backup: &UserState, live: &UserState) -> bool {
    let has_moved_on = live.bypass.is_some() && live.bypass != backup.bypass;
    code.is_some() && (code == backup.bypass || code == live.bypass || has_moved_on)
}

/// The state of a device: of both the later, and no TOTP step that could have been accepted by now.
fn merged_device(
    device: &Device,
    backup: Option<&DeviceState>,
    state: &UserState,
    terms: RestoreTerms,
) -> DeviceState {
    let live = state.device(device.id);
    let both = || live.into_iter().chain(backup);
    let latest = both().map(|entry| entry.next).max().unwrap_or(0);
    let next = match device.kind {
        OtpKind::Totp { interval } => {
            // The policy may have had another window since: the widest one counts.
            let ahead = state::furthest_ahead(MAX_WINDOW);
            let first = interval.step(terms.now).saturating_add(ahead + 1);
            latest.max(first)
        }
        OtpKind::Hotp if live.is_some() => latest,
        OtpKind::Hotp => COUNTER_UNKNOWN,
    };
    DeviceState {
        id: device.id,
        next,
        drift: live.or(backup).map_or(0, |entry| entry.drift),
        last_used: both().map(|entry| entry.last_used).max().unwrap_or(0),
        committed: live.is_some_and(|entry| entry.committed),
    }
}
