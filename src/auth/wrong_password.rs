//! The line after a wrong password (`authfail`), as pam_faillock(8) has one.
//!
//! In one field the module is asked before the password is checked, and libpam tells it nothing of the result. Only a stack can: it
//! jumps over this line where the password was right. Both ways to get that wrong deny: without the line the mark of a user who must
//! enroll stays, and where the line is reached after the right password, it refuses.

use crate::return_codes::AuthResult;
use crate::ticket;
use crate::transaction::{NoAnswer, PamTransaction};

/// Takes back what this attempt left for the account phase, and refuses.
pub fn refuse(host: &mut dyn PamTransaction) -> AuthResult {
    ticket::forget(host);
    match host.unmark() {
        Ok(()) => AuthResult::Refused,
        Err(NoAnswer) => AuthResult::NoAnswer,
    }
}
