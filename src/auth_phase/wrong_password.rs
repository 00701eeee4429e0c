//! The line after a wrong password (`authfail`), as pam_faillock(8) has one.
//!
//! In one field the module is asked before the password is checked, and libpam tells it nothing of the result. Only a stack can: it
//! jumps over this line where the password was right. Both ways to get that wrong deny: without the line the mark of a user who must
//! enroll stays, and where the line is reached after the right password, it refuses.

use super::{expected_session, recovery_offer};
use crate::notice_delivery;
use crate::return_codes::AuthResult;
use crate::ticket_issue;
use crate::transaction::{NoAnswer, PamTransaction};

/// Takes back what this attempt left for the later phases, and refuses.
pub fn refuse(transaction: &mut dyn PamTransaction) -> AuthResult {
    ticket_issue::forget(transaction);
    recovery_offer::forget(transaction);
    expected_session::forget(transaction);
    notice_delivery::forget(transaction);
    match transaction.keep_marks(&|_| false) {
        Ok(()) => AuthResult::Refused,
        Err(NoAnswer) => AuthResult::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery_claim::RecoveryClaim;
    use crate::tests::stage::{ENROLLED, StagedTransaction};
    use crate::ticket_claim::TicketClaim;
    use twofactor_core::enroll::RecoveryLogin;
    use twofactor_core::verify::Credential;
    use twofactor_store::sys::accounts;

    #[test]
    fn nothing_of_the_attempt_is_left() {
        let mut stage = StagedTransaction::new("enabled = true\n");
        let account = accounts::by_name(ENROLLED).unwrap().unwrap();
        let factor = stage.scratch.store().snapshot(&account).unwrap().unwrap();
        let by = Credential::RecoveryCode { left: 9 };
        stage.claimed = Some(TicketClaim {
            user: ENROLLED.into(),
            uid: 0,
        });
        stage.recovered = Some(RecoveryClaim {
            user: ENROLLED.into(),
            account: ENROLLED.into(),
            uid: 0,
            login: RecoveryLogin::of(&factor.record, &by).unwrap(),
        });
        stage.expects_session = true;
        stage.mark(ENROLLED);
        let notice = ("TWOFACTOR_NOTICE".to_owned(), "-,3".to_owned());
        stage.variables.extend([notice]);
        assert_eq!(refuse(&mut stage), AuthResult::Refused);
        assert!(stage.claimed.is_none() && stage.recovered.is_none());
        assert!(!stage.expects_session && stage.marks.is_empty());
        assert!(stage.variables.is_empty());
    }
}
