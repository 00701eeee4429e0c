//! A new device that waits for a code of it: made by this process for root, or by the daemon for its user.

use twofactor_core::account::Account;
use twofactor_core::device::Device;
use twofactor_core::enroll::{ConfirmedDevice, PendingDevice, UnconfirmedCode};
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::device_info;

/// A new device that is shown to its owner, and counts only after a code of it.
pub trait WaitingDevice {
    /// A device that may be stored, or is stored already.
    type Confirmed;

    /// The device.
    fn device(&self) -> &Device;

    /// The user under whose name it is kept.
    fn user(&self) -> &str;

    /// The forms of the URI that an app reads, the whole one first.
    fn uris(&self) -> Vec<Zeroizing<String>>;

    /// Compares a code with it.
    ///
    /// # Errors
    /// [`CommandFailure`], after which the device does not wait any more.
    fn confirm(&mut self, code: &str) -> Result<CodeResult<Self::Confirmed>, CommandFailure>;

    /// Takes it without a code.
    ///
    /// # Errors
    /// A refusal to all but root.
    fn vouch(self) -> Result<Self::Confirmed, CommandFailure>;
}

/// Result of a code of a new device.
pub enum CodeResult<T> {
    /// The code is right.
    Confirmed(T),
    /// The code is not right.
    Refused(UnconfirmedCode),
}

/// A device that this process made and has in its memory alone.
pub struct MadeDevice<'a> {
    /// The user.
    pub account: &'a Account,
    /// The policy, which says how far a clock may be off.
    pub policy: &'a Policy,
    /// The device.
    pub pending: PendingDevice,
}

impl WaitingDevice for MadeDevice<'_> {
    type Confirmed = ConfirmedDevice;

    fn device(&self) -> &Device {
        self.pending.device()
    }

    fn user(&self) -> &str {
        &self.account.name
    }

    fn uris(&self) -> Vec<Zeroizing<String>> {
        device_info::uris(self.device(), &self.account.name, self.policy, None)
    }

    fn confirm(&mut self, code: &str) -> Result<CodeResult<ConfirmedDevice>, CommandFailure> {
        let now = clock::now()?;
        let confirmed = self
            .pending
            .confirm(self.policy, self.account, code.as_bytes(), now);
        Ok(match confirmed {
            Ok(confirmed) => CodeResult::Confirmed(confirmed),
            Err(refused) => CodeResult::Refused(refused),
        })
    }

    fn vouch(self) -> Result<ConfirmedDevice, CommandFailure> {
        Ok(self.pending.vouched())
    }
}
