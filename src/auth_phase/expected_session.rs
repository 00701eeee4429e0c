//! The note of a login with a code that its session may not have to ask again: for applications that open it in the same transaction.

use twofactor_core::policy::Policy;

use crate::login_service;
use crate::transaction::PamTransaction;

/// Leaves the note where the policy has such grace.
pub(super) fn expect(transaction: &mut dyn PamTransaction, policy: &Policy) {
    if policy.grace_session > 0 && login_service::is_login(transaction) {
        transaction.expect_session(true);
    }
}

/// Takes back what an earlier attempt of the transaction left.
pub(super) fn forget(transaction: &mut dyn PamTransaction) {
    if transaction.expects_session() {
        transaction.expect_session(false);
    }
}
