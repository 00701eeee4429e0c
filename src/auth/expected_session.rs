//! The note of a login with a code that its session may not have to ask again: for applications that open it in the same transaction.

use twofactor_core::policy::Policy;

use crate::login_service;
use crate::transaction::PamTransaction;

/// Leaves the note where the policy has such grace.
pub(super) fn expect(host: &mut dyn PamTransaction, policy: &Policy) {
    if policy.grace_session > 0 && login_service::is_login(host) {
        host.expect_session(true);
    }
}

/// Takes back what an earlier attempt of the transaction left.
pub(super) fn forget(host: &mut dyn PamTransaction) {
    if host.expects_session() {
        host.expect_session(false);
    }
}
