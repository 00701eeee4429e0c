//! Changes of one user's factor, and of the policy. Each locks, reads, checks, changes and writes; and reports the change to the
//! log of its caller, who asks before it.
//!
//! Nothing here knows a terminal, PAM or a socket. What a caller has to add inside a change, such as the check of a proof, is
//! given as [`ChangeSteps`].

mod audit_sink;
mod bypass_code;
mod change_error;
mod enrollment;
mod import;
mod invitation;
mod policy_replacement;
mod relocation;
mod removal;
mod restoration;
mod restore_target;
mod resync;
mod unlock;
mod user_backup;

#[cfg(test)]
mod tests;

use crate::files::{FactorStore, LockedFactor, StoreError};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::PlainCode;

pub use audit_sink::{AuditSink, UserFactor};
pub use bypass_code::{IssuedBypass, issue_bypass, withdraw_bypass};
pub use change_error::{ChangeCause, ChangeError};
pub use enrollment::{
    DevicesBefore, NewEnrollment, adopt_recovery_codes, enroll, new_recovery_codes, renew, room_for,
};
pub use import::{DeviceWriter, NewcomerImport, import_devices, import_newcomers};
pub use invitation::{
    EarlierInvitation, InvitationResult, InvitationTerms, invite, invite_one_of_many,
    withdraw_invitation,
};
pub use policy_replacement::{
    PolicyAudit, PolicyPlace, PolicyRefusal, PolicyReplacement, replace_policy,
    replace_unusable_policy,
};
pub use relocation::{RelocationReason, RelocationRefusal, preview_relocation, relocate};
pub use removal::{RemovedDevice, ShownRecord, clear, discard, remove_all, remove_device};
pub use restoration::{
    ExistingRecord, RestoreRefusal, RestoreTerms, RestoredFactor, UnknownCodes, preview_restore,
    restore,
};
pub use restore_target::{
    OtherUidTarget, PendingAccount, RestoreTarget, TargetRefusal, restore_targets,
};
pub use resync::{ResyncedDevice, resync};
pub use unlock::{ClockTrust, ForgottenFailures, RebuiltState, rebuild_state, unlock};
pub use user_backup::{BackupFailure, MissingUser, UserBackup, back_up};

/// The caller's part of a change, under its lock. An error ends the change, and nothing is stored.
pub trait ChangeSteps {
    /// The caller's error.
    type Error: From<ChangeError>;

    /// Checks that the change is allowed at this moment: a proof of the user, the policy, an invitation. `record` is what is
    /// stored before the change. A code that is compared here must be charged in the state of `locked` first.
    ///
    /// # Errors
    /// The reason why it is not allowed.
    fn permit(
        &mut self,
        locked: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), Self::Error> {
        let _ = (locked, record);
        Ok(())
    }

    /// Hands over new recovery codes before they count, so that no code counts that its owner does not have. `codes` is empty
    /// where the change makes none.
    ///
    /// # Errors
    /// The reason why they cannot be handed over.
    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), Self::Error> {
        let _ = codes;
        Ok(())
    }
}

/// A change by root, who needs no proof and takes new codes from the result.
#[derive(Debug, Clone, Copy)]
pub struct RootChange;

impl ChangeSteps for RootChange {
    type Error = ChangeError;
}

/// Makes one change under the lock. Where it fails and the account has no record, the state that the lock made is removed.
fn change<'s, T, E: From<ChangeError>>(
    store: &'s FactorStore,
    account: &Account,
    make: impl FnOnce(&mut LockedFactor<'s>, Option<UserRecord>) -> Result<T, E>,
) -> Result<T, E> {
    let (mut locked, before) = begin(store, account)?;
    let is_new = before.is_none();
    let made = make(&mut locked, before);
    if made.is_err() && is_new {
        leave_nothing(locked);
    }
    made
}

/// The lock and what is stored now; makes the state where nothing is kept about the account.
fn begin<'s>(
    store: &'s FactorStore,
    account: &Account,
) -> Result<(LockedFactor<'s>, Option<UserRecord>), ChangeError> {
    with_record(account, store.lock_for_change(account))
}

/// The lock and what is stored now, where something is.
fn begin_existing<'s>(
    store: &'s FactorStore,
    account: &Account,
) -> Result<(LockedFactor<'s>, Option<UserRecord>), ChangeError> {
    with_record(account, store.lock(account))
}

fn with_record<'s>(
    account: &Account,
    locked: Result<LockedFactor<'s>, StoreError>,
) -> Result<(LockedFactor<'s>, Option<UserRecord>), ChangeError> {
    let failed = |error| ChangeError::new(account, error);
    let locked = locked.map_err(failed)?;
    let before = locked.record().map_err(failed)?;
    Ok((locked, before))
}

/// Removes the state that was made for an account without a record, unless it has one by now.
fn leave_nothing(locked: LockedFactor<'_>) {
    if matches!(locked.record(), Ok(None)) {
        // The error before this one is the one to report; a state alone is harmless.
        let _ = locked.remove();
    }
}
