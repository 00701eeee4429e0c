//! The move of what is kept about a user to the account that it belongs to now: another name, another uid, or both.

use twofactor_core::account::Account;
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::record::UserRecord;

use super::removal::ids;
use super::{ChangeCause, ChangeError, UserFactor};
use crate::files::{FactorStore, FileFault, RelocationProgress, StoreError};
use crate::sys::accounts;

/// The reason for a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationReason {
    /// The user has another name now.
    Renamed,
    /// The account is to have these devices, whatever its uid is.
    Adopted,
}

/// Reason why nothing is moved.
#[derive(Debug, Clone, PartialEq)]
pub enum RelocationRefusal {
    /// The old name is that of another user now.
    NameReused {
        /// The uid of that user.
        uid: u32,
        /// The uid of the record.
        recorded: u32,
    },
    /// A user who was renamed keeps the uid, and the account has another one.
    OtherUid {
        /// The uid of the record.
        recorded: u32,
    },
    /// The devices belong to a user of this machine, who has their name and their uid.
    OwnerPresent {
        /// That uid.
        uid: u32,
    },
    /// Something is kept under the new name.
    Occupied,
    /// The move failed, or the devices are others than those that were shown.
    Change(ChangeError),
}

/// The record as it is, or the progress of a move that was stopped; `None` when there is nothing to move. What has not begun is
/// refused here where [`relocate`] would refuse it. Reads without a lock.
///
/// # Errors
/// [`RelocationRefusal`].
pub fn preview_relocation(
    store: &FactorStore,
    account: &Account,
    from: &str,
    reason: RelocationReason,
) -> Result<Option<RelocationProgress>, RelocationRefusal> {
    let failed = |error: StoreError| failed(from, error);
    let progress = store.relocation(from, account).map_err(failed)?;
    let Some(RelocationProgress::Ahead(record)) = &progress else {
        return Ok(progress);
    };
    permit(from, account, record, reason)?;
    let new = &account.name;
    let of_new = |error| self::failed(new, error);
    let is_occupied = from != new.as_str()
        && (!matches!(store.record_named(new), Ok(None))
            || store.peek_named(new).map_err(of_new)?.is_some());
    if is_occupied {
        return Err(RelocationRefusal::Occupied);
    }
    Ok(progress)
}

/// Moves record and state from a name to the account of `factor`, or completes a move that was stopped. The caller has made sure
/// that they are the same person: nothing here asks for a proof. `shown` is the record of which that was made sure; it is not
/// needed for a move that has begun.
///
/// A move that fails in the middle is reported if it counts: from then on the old user is refused. One that is completed later is
/// reported again then, since it may have been stopped before its first report.
///
/// # Errors
/// [`RelocationRefusal`], also [`ChangeCause::DevicesChanged`] where the record is another one than `shown` by now, and
/// [`ChangeCause::Failed`] where there is nothing to move, or the host is in a fleet. Calling again completes the move.
pub fn relocate(
    factor: &UserFactor<'_>,
    from: &str,
    shown: Option<&UserRecord>,
    reason: RelocationReason,
) -> Result<(), RelocationRefusal> {
    let UserFactor { store, account, .. } = *factor;
    let change = match reason {
        RelocationReason::Renamed => FactorChange::Renamed { from },
        RelocationReason::Adopted => FactorChange::Adopted { from },
    };
    let was_ahead = matches!(
        store.relocation(from, account),
        Ok(Some(RelocationProgress::Ahead(_)))
    );
    let done = store.relocate_if(from, account, |record| {
        if !shown.is_some_and(|shown| is_same(shown, record)) {
            let changed = ChangeError::new(account, ChangeCause::DevicesChanged);
            return Err(StoppedMove::Refused(RelocationRefusal::Change(changed)));
        }
        permit(from, account, record, reason).map_err(StoppedMove::Refused)
    });
    let counts = || {
        let progress = store.relocation(from, account);
        matches!(
            progress,
            Ok(Some(RelocationProgress::Begun | RelocationProgress::Moved))
        )
    };
    if done.is_ok() || (was_ahead && counts()) {
        factor.report(change);
    }
    done.map_err(|error| match error {
        StoppedMove::Refused(refusal) => refusal,
        StoppedMove::Failed(error) => failed(&account.name, error),
    })
}

/// The error of a move in the store.
enum StoppedMove {
    Refused(RelocationRefusal),
    Failed(StoreError),
}

impl From<StoreError> for StoppedMove {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Refuses a move that would mix two users.
fn permit(
    from: &str,
    to: &Account,
    record: &UserRecord,
    reason: RelocationReason,
) -> Result<(), RelocationRefusal> {
    let named = accounts::by_name(from).map_err(|error| {
        RelocationRefusal::Change(ChangeError {
            user: from.to_owned(),
            cause: error.into(),
        })
    })?;
    let recorded = record.uid;
    match (reason, named.map(|account| account.uid)) {
        (RelocationReason::Renamed, Some(uid)) if uid != recorded => {
            Err(RelocationRefusal::NameReused { uid, recorded })
        }
        (RelocationReason::Renamed, _) if recorded != to.uid => {
            Err(RelocationRefusal::OtherUid { recorded })
        }
        // The devices of a user who is there, and owns them, are no other one's.
        (RelocationReason::Adopted, Some(uid)) if uid == recorded && uid != to.uid => {
            Err(RelocationRefusal::OwnerPresent { uid })
        }
        _ => Ok(()),
    }
}

fn is_same(shown: &UserRecord, record: &UserRecord) -> bool {
    shown.uid == record.uid && ids(shown).eq(ids(record))
}

fn failed(user: &str, error: StoreError) -> RelocationRefusal {
    if error.cause == FileFault::Occupied {
        return RelocationRefusal::Occupied;
    }
    RelocationRefusal::Change(ChangeError {
        user: user.to_owned(),
        cause: error.into(),
    })
}
