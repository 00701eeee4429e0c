//! One-time codes that an administrator gives out: the bypass of a user whose devices are out of reach, and the invitation of
//! a user who has none.

use crate::files::Store;
use twofactor_core::account::Account;
use twofactor_core::log::factor_change::FactorChange;
use twofactor_core::policy::Throttle;
use twofactor_core::record::Record;
use twofactor_core::recovery::{CodeScope, OneTimeCode, PlainCode};
use twofactor_core::state::State;
use twofactor_core::verify::{self, ThrottleStatus};

use super::{ChangeCause, ChangeError, UserFactor, change};

/// A bypass code that works from now on.
pub struct IssuedBypass {
    /// The code, the only time.
    pub code: PlainCode,
    /// The throttle: whether a code is looked at now, or the user is locked out.
    pub gate: ThrottleStatus,
}

/// Gives a user with a device a bypass code, which replaces an earlier one. It works before `expires`; times are in seconds
/// since 1970-01-01 UTC.
///
/// # Errors
/// [`ChangeCause::NotEnrolled`], [`ChangeCause::Failed`].
pub fn issue_bypass(
    factor: &UserFactor<'_>,
    scope: CodeScope,
    throttle: &Throttle,
    expires: u64,
    now: u64,
) -> Result<IssuedBypass, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let (bypass, code) =
        OneTimeCode::generate(expires).map_err(|error| ChangeError::new(account, error))?;
    let state = set_bypass(store, account, Some(bypass.with_scope(scope)))?;
    factor.report(FactorChange::BypassIssued { expires });
    let gate = verify::gate(throttle, &state, now);
    Ok(IssuedBypass { code, gate })
}

/// Ends the bypass code of a user with a device, if there is one.
///
/// # Errors
/// As [`issue_bypass`].
pub fn withdraw_bypass(factor: &UserFactor<'_>) -> Result<(), ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    set_bypass(store, account, None)?;
    factor.report(FactorChange::BypassWithdrawn);
    Ok(())
}

fn set_bypass(
    store: &Store,
    account: &Account,
    bypass: Option<OneTimeCode>,
) -> Result<State, ChangeError> {
    change(store, account, |locked, before| {
        let Some(mut record) = before.filter(Record::is_enrolled) else {
            return Err(ChangeError::new(account, ChangeCause::NotEnrolled));
        };
        record.bypass = bypass;
        locked
            .replace_record(&record, &[])
            .map_err(|error| ChangeError::new(account, error))?;
        Ok(locked.state().clone())
    })
}

/// Invites a user without a device to enroll at login; an earlier invitation ends. It works before `expires`, in seconds since
/// 1970-01-01 UTC.
///
/// # Errors
/// [`ChangeCause::AlreadyEnrolled`], [`ChangeCause::Failed`].
pub fn invite(factor: &UserFactor<'_>, expires: u64) -> Result<PlainCode, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let (invite, code) =
        OneTimeCode::generate(expires).map_err(|error| ChangeError::new(account, error))?;
    change(store, account, |locked, before| {
        if before.as_ref().is_some_and(Record::is_enrolled) {
            return Err(ChangeError::new(account, ChangeCause::AlreadyEnrolled));
        }
        let mut record = Record::new(account.name.clone(), account.uid);
        record.invite = Some(invite);
        locked
            .replace_record(&record, &[])
            .map_err(|error| ChangeError::new(account, error))?;
        factor.report(FactorChange::Invited { expires });
        Ok(code)
    })
}

/// Withdraws an invitation: the record, which holds nothing else, is removed.
///
/// # Errors
/// [`ChangeCause::NotInvited`] where nothing is kept about the user, [`ChangeCause::AlreadyEnrolled`],
/// [`ChangeCause::Failed`].
pub fn withdraw_invitation(factor: &UserFactor<'_>) -> Result<(), ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| ChangeError::new(account, error);
    let refused = |cause: ChangeCause| ChangeError::new(account, cause);
    let holder = store.holder(account).map_err(failed)?;
    if holder.record.is_none() {
        return Err(refused(ChangeCause::NotInvited));
    }
    let locked = store.lock_for_change(account).map_err(failed)?;
    let record = locked.record().map_err(failed)?;
    if record.is_some_and(|record| record.is_enrolled()) {
        return Err(refused(ChangeCause::AlreadyEnrolled));
    }
    locked.remove().map_err(failed)?;
    factor.report(FactorChange::InvitationWithdrawn);
    Ok(())
}
