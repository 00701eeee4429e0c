//! The password that a user gives during grace, for the modules after this one.

use super::verdict_source::VerdictSource;
use super::{AuthAbort, LoginContext};
use crate::login_text;
use crate::module_arguments::PromptLayout;
use crate::transaction::PamTransaction;

impl LoginContext<'_> {
    /// Hands the password to the modules after this one during grace: the answer, without the code of the last login where that was
    /// sent again. True if it was asked for.
    pub(super) fn forward_password(
        &self,
        transaction: &mut dyn PamTransaction,
        source: &dyn VerdictSource,
    ) -> Result<bool, AuthAbort> {
        let is_asked = self.forward_whole(transaction, login_text::PASSWORD)?;
        if let Some(answer) = transaction
            .password()
            .filter(|_| self.arguments.layout == PromptLayout::PasswordThenCode)
        {
            let len = source.password_len(&answer)?;
            let password = answer.get(..len).filter(|_| len < answer.len());
            password.map_or(Ok(()), |password| transaction.set_password(password))?;
        }
        Ok(is_asked)
    }
}
