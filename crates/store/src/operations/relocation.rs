//! The move of what is kept about a user to the account that it belongs to now: another name, another uid, or both.

use twofactor_core::log::audit_line::FactorChange;

use super::{ChangeError, UserFactor};
use crate::files::RelocationProgress;

/// The reason for a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationReason {
    /// The user has another name now.
    Renamed,
    /// The account is to have these devices, whatever its uid is.
    Adopted,
}

/// Moves record and state from a name to the account of `factor`, or completes a move that was stopped. The caller has made sure
/// that they are the same person: nothing here asks for a proof.
///
/// A move that fails in the middle is reported if it counts: from then on the old user is refused. One that is completed later is
/// reported again then, since it may have been stopped before its first report.
///
/// # Errors
/// [`super::ChangeCause::Failed`], also where there is nothing to move, something is kept under the new name, or the host is in
/// a fleet. Calling again completes the move.
pub fn relocate(
    factor: &UserFactor<'_>,
    from: &str,
    reason: RelocationReason,
) -> Result<(), ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let change = match reason {
        RelocationReason::Renamed => FactorChange::Renamed { from },
        RelocationReason::Adopted => FactorChange::Adopted { from },
    };
    let was_ahead = matches!(
        store.relocation(from, account),
        Ok(Some(RelocationProgress::Ahead(_)))
    );
    let done = store.relocate(from, account);
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
    done.map_err(|error| ChangeError::new(account, error))
}
