//! The invitation of a user without a device to enroll at login: of one user, and what it comes to for one of many.

use crate::account_rules::KnownGroups;
use crate::login_decision;
use twofactor_core::account::Account;
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::policy::Policy;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{OneTimeCode, PlainCode};

use super::{
    ChangeCause, ChangeError, ChangeSteps, RootChange, UserFactor, begin, change, leave_nothing,
};

/// Conditions of an invitation. Times are in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationTerms {
    /// The present.
    pub now: u64,
    /// First second at which the invitation no longer works.
    pub expires: u64,
    /// Treatment of an earlier invitation that still works.
    pub earlier: EarlierInvitation,
}

/// Treatment of an invitation that has not expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierInvitation {
    /// The invitation ends, and a new one takes its place.
    Replace,
    /// The invitation stays: its code may have been handed over.
    Keep,
}

/// The result of the invitation of a user.
pub enum InvitationResult {
    /// The user is invited; the code, the only time.
    Issued(PlainCode),
    /// An earlier invitation goes on working, until this time in seconds since 1970-01-01 UTC.
    Kept {
        /// Its end.
        expires: u64,
    },
    /// The user has a device.
    Enrolled,
    /// The policy asks this user for no code at any service.
    Exempt,
}

/// Invites the one user who was named, exempt or not, to enroll at login.
///
/// # Errors
/// [`ChangeCause::AlreadyEnrolled`], [`ChangeCause::Failed`].
pub fn invite(
    factor: &UserFactor<'_>,
    terms: InvitationTerms,
) -> Result<InvitationResult, ChangeError> {
    match issue(factor, terms, &mut RootChange)? {
        InvitationResult::Enrolled => Err(ChangeError::new(
            factor.account,
            ChangeCause::AlreadyEnrolled,
        )),
        result => Ok(result),
    }
}

/// Invites one of many users, unless the user has a device, an invitation that is to be kept, or an exemption at all services.
/// The code is handed to `steps` before it counts. `login` is the account as it logs in, also where its record has another name; `groups` are those that were looked up for the
/// users before.
///
/// # Errors
/// [`ChangeCause::Failed`]; and those of `steps`. Nothing is stored then.
pub fn invite_one_of_many<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    (policy, login): (&Policy, &Account),
    groups: &mut KnownGroups,
    terms: InvitationTerms,
    steps: &mut S,
) -> Result<InvitationResult, S::Error> {
    if login_decision::is_exempt_everywhere(policy, login, groups) {
        return Ok(InvitationResult::Exempt);
    }
    issue(factor, terms, steps)
}

fn issue<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    terms: InvitationTerms,
    steps: &mut S,
) -> Result<InvitationResult, S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let expires = terms.expires;
    let failed = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    change(store, account, |locked, before| {
        if before.as_ref().is_some_and(UserRecord::is_enrolled) {
            return Ok(InvitationResult::Enrolled);
        }
        let earlier = before.as_ref().and_then(|record| record.invite.as_ref());
        let running = earlier.filter(|invite| invite.is_running(terms.now));
        if let (EarlierInvitation::Keep, Some(invite)) = (terms.earlier, running) {
            let expires = invite.expires;
            return Ok(InvitationResult::Kept { expires });
        }
        steps.permit(locked, before.as_ref())?;
        let (invite, code) =
            OneTimeCode::generate(expires).map_err(|error| failed(error.into()))?;
        let mut record = UserRecord::new(account.name.clone(), account.uid);
        record.changes = before.map(|before| before.changes).unwrap_or_default();
        record.invite = Some(invite);
        let codes = [code];
        steps.deliver(&codes)?;
        let change = FactorChange::Invited { expires };
        factor.store_record(locked, &mut record, &[], change)?;
        let [code] = codes;
        Ok(InvitationResult::Issued(code))
    })
}

/// Withdraws an invitation: the record, which holds nothing else, is removed. This also ends a pair of an invitation and a device under
/// another name of the uid, by which the user of the invitation is refused.
///
/// # Errors
/// [`ChangeCause::NotInvited`] where nothing is kept about the user, [`ChangeCause::AlreadyEnrolled`],
/// [`ChangeCause::Failed`].
pub fn withdraw_invitation(factor: &UserFactor<'_>) -> Result<(), ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| ChangeError::new(account, cause);
    let holder = store.holder_for_change(account);
    // The lock would make a state, which takes room on the disk.
    if holder
        .map_err(|error| refused(error.into()))?
        .record
        .is_none()
    {
        return Err(refused(ChangeCause::NotInvited));
    }
    let (locked, record) = begin(store, account)?;
    let Some(record) = record else {
        leave_nothing(locked);
        return Err(refused(ChangeCause::NotInvited));
    };
    if record.is_enrolled() {
        return Err(refused(ChangeCause::AlreadyEnrolled));
    }
    let change = FactorChange::InvitationWithdrawn;
    let done = locked.remove();
    done.map_err(|error| factor.failed(error, change))?;
    factor.report(change);
    Ok(())
}
