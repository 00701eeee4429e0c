//! The claim of a user who has given a recovery or bypass code: the account phase may offer a new device.

use twofactor_core::account::Account;
use twofactor_core::enroll::RecoveryLogin;

use super::LoginContext;
use crate::login_service;
use crate::module_arguments::PromptLayout;
use crate::recovery_claim::RecoveryClaim;
use crate::transaction::{MessageMode, PamTransaction};

impl LoginContext<'_> {
    /// Claims the offer for logins that can show it. A client with one field has no place for a dialogue, and its password is yet to be
    /// checked.
    pub(super) fn claim_recovery(
        &self,
        transaction: &mut dyn PamTransaction,
        account: Option<&Account>,
        login: Option<RecoveryLogin>,
    ) {
        let (Some(account), Some(login)) = (account, login) else {
            return;
        };
        let has_place = self.arguments.layout == PromptLayout::Code
            && self.messages == MessageMode::Wanted
            && login_service::is_login(transaction);
        if has_place {
            transaction.claim_recovery(Some(RecoveryClaim {
                user: self.user.clone(),
                account: account.name.clone(),
                uid: account.uid,
                login,
            }));
        }
    }
}

/// Forgets what an earlier attempt of the transaction claimed.
pub(super) fn forget(transaction: &mut dyn PamTransaction) {
    if transaction.recovery_claim().is_some() {
        transaction.claim_recovery(None);
    }
}
