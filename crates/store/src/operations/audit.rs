//! The user whose factor is changed, and the log of its changes.

use crate::files::Store;
use twofactor_core::account::Account;
use twofactor_core::log::factor_change::{ChangeEvent, FactorChange};

/// Log of changes.
pub trait AuditSink {
    /// Reports a change that is on the disk. A log that cannot be reached must neither delay nor fail a change.
    fn changed(&self, event: &ChangeEvent<'_>);
}

/// The factor of one user: where it is kept, and where its changes are reported.
#[derive(Clone, Copy)]
pub struct UserFactor<'a> {
    /// The place of records and states.
    pub store: &'a Store,
    /// The user, by the name of the record.
    pub account: &'a Account,
    /// The log that gets one event for each change that was made, and none for a change that was not.
    pub audit: &'a dyn AuditSink,
}

impl UserFactor<'_> {
    pub(super) fn report(&self, change: FactorChange<'_>) {
        let user = self.account.name.as_str();
        self.audit.changed(&ChangeEvent { user, change });
    }
}
