//! The user whose factor is changed, and the log of its changes.

use crate::files::{FactorStore, LockedFactor, StoreError};
use crate::sys::clock;
use twofactor_core::account::Account;
use twofactor_core::device::DeviceName;
use twofactor_core::log::audit_line::{AuditEvent, ChangeEnd, FactorChange};
use twofactor_core::record::UserRecord;
use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, RecentChange,
};
use twofactor_core::state::DeviceState;

use super::ChangeError;

/// Log of changes, which also knows where they come from: the user is told.
pub trait AuditSink {
    /// The place that the change is made from.
    fn origin(&self) -> ChangeOrigin;

    /// The time of the change, in seconds since 1970-01-01 UTC; 0 where the clock cannot be used.
    fn time(&self) -> u64 {
        clock::now().unwrap_or_default()
    }

    /// Reports a change that is on the disk, or may count in the fleet. A log that cannot be reached must neither delay nor fail a change.
    fn changed(&self, event: &AuditEvent<'_>);
}

/// The factor of one user: where it is kept, and where its changes are reported.
#[derive(Clone, Copy)]
pub struct UserFactor<'a> {
    /// The place of records and states.
    pub store: &'a FactorStore,
    /// The user, by the name of the record.
    pub account: &'a Account,
    /// The log that gets one event for each change that was made, or may have been, and none for a change that was not.
    pub audit: &'a dyn AuditSink,
}

impl UserFactor<'_> {
    pub(super) fn report(&self, change: FactorChange<'_>) {
        self.report_end(change, ChangeEnd::Made);
    }

    pub(super) fn report_end(&self, change: FactorChange<'_>, end: ChangeEnd) {
        let user = self.account.name.as_str();
        self.audit.changed(&AuditEvent { user, change, end });
    }

    /// The error of a change; one that may count all the same is reported as such.
    pub(super) fn failed(&self, error: StoreError, change: FactorChange<'_>) -> ChangeError {
        if error.is_unsure() {
            self.report_end(change, ChangeEnd::Unsure);
        }
        ChangeError::new(self.account, error)
    }

    /// Stores the record that a change has made, with a note of the change for its user, and reports it.
    pub(super) fn store_record(
        &self,
        locked: &mut LockedFactor<'_>,
        record: &mut UserRecord,
        entries: &[DeviceState],
        change: FactorChange<'_>,
    ) -> Result<(), ChangeError> {
        self.note(record, &change);
        locked
            .replace_record(record, entries)
            .map_err(|error| self.failed(error, change))?;
        self.report(change);
        Ok(())
    }

    /// A first device that root enrolls is not told: root hands it over, and its user has no other to log in with.
    pub(super) fn note(&self, record: &mut UserRecord, change: &FactorChange<'_>) {
        let Some((kind, device)) = told(change) else {
            return;
        };
        let origin = self.audit.origin();
        let is_handed_over = kind == ChangeWord::DeviceAdded
            && origin.channel == ChangeChannel::Command
            && record.devices.len() < 2;
        if !is_handed_over {
            record.note(RecentChange {
                time: self.audit.time(),
                kind,
                device: device.cloned(),
                origin,
            });
        }
    }
}

/// The words in which users are told of a change. What changes no factor is for the log alone, and so is the removal of all
/// devices: the record that would tell of it goes with them.
const fn told<'c>(change: &FactorChange<'c>) -> Option<(ChangeWord, Option<&'c DeviceName>)> {
    Some(match change {
        FactorChange::DeviceAdded { device, .. } => (ChangeWord::DeviceAdded, Some(*device)),
        FactorChange::DeviceRenewed { device, .. } => (ChangeWord::DeviceRenewed, Some(*device)),
        FactorChange::DeviceImported {
            device,
            replaces: false,
            ..
        } => (ChangeWord::DeviceAdded, Some(*device)),
        FactorChange::DeviceImported { device, .. } => (ChangeWord::DeviceRenewed, Some(*device)),
        FactorChange::DeviceRemoved(device) => (ChangeWord::DeviceRemoved, Some(*device)),
        FactorChange::RecoveryCodesReplaced => (ChangeWord::RecoveryCodes, None),
        FactorChange::BypassIssued { .. } => (ChangeWord::BypassIssued, None),
        FactorChange::BypassWithdrawn => (ChangeWord::BypassWithdrawn, None),
        FactorChange::Invited { .. } => (ChangeWord::Invited, None),
        FactorChange::Restored => (ChangeWord::Restored, None),
        FactorChange::AllRemoved
        | FactorChange::InvitationWithdrawn
        | FactorChange::Unlocked
        | FactorChange::StateRebuilt
        | FactorChange::Renamed { .. }
        | FactorChange::Adopted { .. }
        | FactorChange::Resynced(_) => return None,
    })
}
