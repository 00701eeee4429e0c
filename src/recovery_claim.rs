//! The memory of a login with a recovery or bypass code in its transaction: the account phase may offer a new device.

use twofactor_core::enroll::RecoveryLogin;

/// A user whose devices may be out of reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryClaim {
    /// `PAM_USER`.
    pub user: Vec<u8>,
    /// The name of its account.
    pub account: String,
    /// The uid of its account.
    pub uid: u32,
    /// The code, and the factor at that moment.
    pub login: RecoveryLogin,
}
