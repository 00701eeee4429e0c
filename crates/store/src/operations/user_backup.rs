//! The backup of all users. Nothing is changed; the lock of each user is held for a moment.

use twofactor_core::account::Account;
use twofactor_core::backup::{BackupError, BackupText};
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use crate::files::{FactorStore, FileFault, StoreError};

/// A backup of all users who can be read.
pub struct UserBackup {
    /// Their records and states.
    pub text: BackupText,
    /// The others, with the reason.
    pub missing: Vec<MissingUser>,
}

/// A user who is in no backup.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingUser {
    /// The name of the record.
    pub user: String,
    /// The reason.
    pub cause: StoreError,
}

/// Reason why there is no backup. `E` is the caller's.
#[derive(Debug, Clone, PartialEq)]
pub enum BackupFailure<E> {
    /// The state directory cannot be read.
    Store(StoreError),
    /// The backup would be too large to be restored.
    TooLarge(BackupError),
    /// The caller has stopped it.
    Stopped(E),
}

impl<E> From<StoreError> for BackupFailure<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Collects all users at `now`, in seconds since 1970-01-01 UTC. `step` is called before each record, with their number, and may
/// stop it.
///
/// # Errors
/// [`BackupFailure`]. What is wrong with one user is in [`UserBackup::missing`].
pub fn back_up<E>(
    store: &FactorStore,
    now: u64,
    mut step: impl FnMut(usize) -> Result<(), E>,
) -> Result<UserBackup, BackupFailure<E>> {
    let mut text = BackupText::new(now);
    let mut missing = Vec::new();
    let mut failed = |user: &str, cause| {
        let user = user.to_owned();
        missing.push(MissingUser { user, cause });
    };
    let found = store.inventory()?;
    for name in &found.records {
        step(found.records.len()).map_err(BackupFailure::Stopped)?;
        match read(store, name) {
            Ok(Some((record, state))) => {
                text.add(&record, &state).map_err(BackupFailure::TooLarge)?;
            }
            Ok(None) => {}
            Err(error) => failed(name, error),
        }
    }
    // A record that its state tells of, and that is not there.
    let without = |name: &&String| found.records.binary_search(name).is_err();
    for name in found.states.iter().filter(without) {
        if let Err(error) = store.prove_removed(name) {
            failed(name, error);
        }
    }
    Ok(UserBackup { text, missing })
}

/// Reads a user, whose lock is held for a moment: record and state belong together. `None` where the user was removed
/// meanwhile.
fn read(store: &FactorStore, name: &str) -> Result<Option<(UserRecord, UserState)>, StoreError> {
    let Some(found) = store.record_named(name)? else {
        return Ok(None);
    };
    if found.user != name {
        let path = store.record_path(name);
        let cause = FileFault::OtherUser(found.user);
        return Err(StoreError { path, cause });
    }
    let account = Account {
        name: found.user,
        uid: found.uid,
        gid: 0,
    };
    let locked = store.lock(&account)?;
    let record = locked.record()?;
    Ok(record.map(|record| (record, locked.state().clone())))
}
