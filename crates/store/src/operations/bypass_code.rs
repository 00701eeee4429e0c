//! The bypass code of a user whose devices are out of reach.

use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::policy::ThrottlePolicy;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeScope, OneTimeCode, PlainCode};
use twofactor_core::state::UserState;
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
    throttle: &ThrottlePolicy,
    expires: u64,
    now: u64,
) -> Result<IssuedBypass, ChangeError> {
    let (bypass, code) =
        OneTimeCode::generate(expires).map_err(|error| ChangeError::new(factor.account, error))?;
    let change = FactorChange::BypassIssued { expires, scope };
    let state = set_bypass(factor, Some(bypass.with_scope(scope)), change)?;
    let gate = verify::gate(throttle, &state, now);
    Ok(IssuedBypass { code, gate })
}

/// Ends the bypass code of a user with a device, if there is one.
///
/// # Errors
/// As [`issue_bypass`].
pub fn withdraw_bypass(factor: &UserFactor<'_>) -> Result<(), ChangeError> {
    set_bypass(factor, None, FactorChange::BypassWithdrawn).map(drop)
}

fn set_bypass(
    factor: &UserFactor<'_>,
    bypass: Option<OneTimeCode>,
    made: FactorChange<'_>,
) -> Result<UserState, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    change(store, account, |locked, before| {
        let Some(mut record) = before.filter(UserRecord::is_enrolled) else {
            return Err(ChangeError::new(account, ChangeCause::NotEnrolled));
        };
        record.bypass = bypass;
        factor.store_record(locked, &mut record, &[], made)?;
        Ok(locked.state().clone())
    })
}
