//! libpam: the calls that pam-bindings lacks, and the application behind a handle as a [`PamTransaction`].
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

use pam::constants::{
    PAM_ERROR_MSG, PAM_PROMPT_ECHO_OFF, PAM_PROMPT_ECHO_ON, PAM_TEXT_INFO, PamMessageStyle,
};
use pam::conv::Conv;
use pam::items::{AuthTok, ItemType, RHost, RUser, Service, Tty};
use pam::module::PamHandle;
use twofactor_store::change_tickets::TicketStore;
use zeroize::{Zeroize, Zeroizing};

use crate::line_break;
use crate::recovery_claim::RecoveryClaim;
use crate::ticket_claim::TicketClaim;
use crate::transaction::{EchoMode, LogPriority, NoAnswer, PamTransaction};
use crate::unenrolled_mark::UnenrolledMark;

#[cfg(test)]
mod tests;

const PAM_SUCCESS: c_int = 0;
/// Names what this module keeps in a transaction. An application that outlives an upgrade may hold two versions of the
/// module, which must not read each other's data.
const MARKS: &str = concat!(
    "pam_twofactor ",
    env!("CARGO_PKG_VERSION"),
    " unenrolled marks"
);
/// Names the other things that it keeps.
const TICKET: &str = concat!("pam_twofactor ", env!("CARGO_PKG_VERSION"), " ticket");
const SESSION: &str = concat!("pam_twofactor ", env!("CARGO_PKG_VERSION"), " session");
const RECOVERY: &str = concat!("pam_twofactor ", env!("CARGO_PKG_VERSION"), " recovery");

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_get_user(pamh: *mut PamHandle, user: *mut *const c_char, prompt: *const c_char)
    -> c_int;
    fn pam_set_item(pamh: *mut PamHandle, item_type: c_int, item: *const c_void) -> c_int;
    fn pam_putenv(pamh: *mut PamHandle, assignment: *const c_char) -> c_int;
    fn pam_getenv(pamh: *mut PamHandle, name: *const c_char) -> *const c_char;
    fn pam_fail_delay(pamh: *mut PamHandle, microseconds: c_uint) -> c_int;
    fn pam_syslog(pamh: *const PamHandle, priority: c_int, format: *const c_char, ...);
}

/// The application of one transaction.
pub struct LibpamTransaction<'a>(pub &'a mut PamHandle);

impl LibpamTransaction<'_> {
    fn converse(
        &self,
        style: PamMessageStyle,
        text: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, NoAnswer> {
        let conv = self.0.get_item::<Conv<'_>>().map_err(|_| NoAnswer)?;
        let answer = conv.ok_or(NoAnswer)?.send(style, text);
        let answer = answer.map_err(|_| NoAnswer)?;
        Ok(answer.map(|answer| Zeroizing::new(answer.as_bytes().to_vec())))
    }

    fn tell(&self, style: PamMessageStyle, text: &str) {
        let text = line_break::for_terminal(self, text);
        let _ = self.converse(style, &text);
    }
}

impl PamTransaction for LibpamTransaction<'_> {
    fn user(&mut self) -> Result<Vec<u8>, NoAnswer> {
        let mut user: *const c_char = std::ptr::null();
        // SAFETY: the handle is libpam's own, `user` is valid for writes, a null prompt means the default
        // (pam_get_user(3)).
        let result = unsafe { pam_get_user(&raw mut *self.0, &raw mut user, std::ptr::null()) };
        if result != PAM_SUCCESS || user.is_null() {
            return Err(NoAnswer);
        }
        // SAFETY: on success it points to a C string that stays until PAM_USER changes; it is copied at once.
        Ok(unsafe { CStr::from_ptr(user) }.to_bytes().to_vec())
    }

    fn service(&self) -> Option<Vec<u8>> {
        let item = self.0.get_item::<Service<'_>>().ok()??;
        Some(item.to_bytes().to_vec())
    }

    fn rhost(&self) -> Option<Vec<u8>> {
        let item = self.0.get_item::<RHost<'_>>().ok()??;
        Some(item.to_bytes().to_vec())
    }

    fn ruser(&self) -> Option<Vec<u8>> {
        let item = self.0.get_item::<RUser<'_>>().ok()??;
        Some(item.to_bytes().to_vec())
    }

    fn has_terminal(&self) -> bool {
        let item = self.0.get_item::<Tty<'_>>().ok().flatten();
        item.is_some_and(|tty| !tty.is_empty())
    }

    fn tty(&self) -> Option<Vec<u8>> {
        let item = self.0.get_item::<Tty<'_>>().ok()??;
        Some(item.to_bytes().to_vec())
    }

    fn columns(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(std::io::stdin()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    fn set_variable(&mut self, assignment: &str) -> Result<(), NoAnswer> {
        let assignment = CString::new(assignment).map_err(|_| NoAnswer)?;
        // SAFETY: the handle is libpam's own; libpam copies the C string (pam_putenv(3)).
        let result = unsafe { pam_putenv(&raw mut *self.0, assignment.as_ptr()) };
        (result == PAM_SUCCESS).then_some(()).ok_or(NoAnswer)
    }

    fn variable(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // SAFETY: the handle is libpam's own, which only reads it here; the name is valid for the call (pam_getenv(3)).
        let value = unsafe { pam_getenv((&raw const *self.0).cast_mut(), name.as_ptr()) };
        if value.is_null() {
            return None;
        }
        // SAFETY: it is a C string that stays until the variable changes; it is copied at once.
        let value = unsafe { CStr::from_ptr(value) };
        value.to_str().ok().map(str::to_owned)
    }

    fn password(&self) -> Option<Zeroizing<Vec<u8>>> {
        let item = self.0.get_item::<AuthTok<'_>>().ok()??;
        Some(Zeroizing::new(item.as_bytes().to_vec()))
    }

    fn set_password(&mut self, password: &[u8]) -> Result<(), NoAnswer> {
        let mut bytes = Vec::with_capacity(password.len() + 1);
        bytes.extend_from_slice(password);
        let password = CString::new(bytes).map_err(|error| {
            error.into_vec().zeroize();
            NoAnswer
        })?;
        // SAFETY: the handle is libpam's own; libpam copies the C string (pam_set_item(3)).
        let result = unsafe {
            pam_set_item(
                &raw mut *self.0,
                ItemType::AuthTok as c_int,
                password.as_ptr().cast(),
            )
        };
        password.into_bytes_with_nul().zeroize();
        (result == PAM_SUCCESS).then_some(()).ok_or(NoAnswer)
    }

    fn ask(&mut self, prompt: &str, echo: EchoMode) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
        let style = match echo {
            EchoMode::Hidden => PAM_PROMPT_ECHO_OFF,
            EchoMode::Shown => PAM_PROMPT_ECHO_ON,
        };
        self.converse(style, prompt)?.ok_or(NoAnswer)
    }

    fn inform(&mut self, text: &str) {
        self.tell(PAM_TEXT_INFO, text);
    }

    fn complain(&mut self, text: &str) {
        self.tell(PAM_ERROR_MSG, text);
    }

    fn claim_ticket(&mut self, claim: Option<TicketClaim>) {
        let _ = self.0.set_data(TICKET, Box::new(claim));
    }

    fn has_daemon(&self) -> bool {
        TicketStore::default().has_daemon()
    }

    fn ticket_claim(&self) -> Option<TicketClaim> {
        // SAFETY: this name belongs to this version of this module, which stores nothing but an `Option<TicketClaim>` under it.
        let claim: &Option<TicketClaim> = unsafe { self.0.get_data(TICKET) }.ok()?;
        claim.clone()
    }

    fn expect_session(&mut self, is_expected: bool) {
        let _ = self.0.set_data(SESSION, Box::new(is_expected));
    }

    fn expects_session(&self) -> bool {
        // SAFETY: this name belongs to this version of this module, which stores nothing but a `bool` under it.
        let is_expected: Option<&bool> = unsafe { self.0.get_data(SESSION) }.ok();
        is_expected.copied().unwrap_or(false)
    }

    fn claim_recovery(&mut self, claim: Option<RecoveryClaim>) {
        let _ = self.0.set_data(RECOVERY, Box::new(claim));
    }

    fn recovery_claim(&self) -> Option<RecoveryClaim> {
        // SAFETY: this name belongs to this version of this module, which stores nothing but an `Option<RecoveryClaim>` under it.
        let claim: &Option<RecoveryClaim> = unsafe { self.0.get_data(RECOVERY) }.ok()?;
        claim.clone()
    }

    fn set_unenrolled_marks(&mut self, marks: Vec<UnenrolledMark>) -> Result<(), NoAnswer> {
        let marks = self.0.set_data(MARKS, Box::new(marks));
        marks.map_err(|_| NoAnswer)
    }

    fn unenrolled_marks(&self) -> Vec<UnenrolledMark> {
        // SAFETY: this name belongs to this version of this module, which stores nothing but a `Vec<UnenrolledMark>` under it.
        let marks: Option<&Vec<UnenrolledMark>> = unsafe { self.0.get_data(MARKS) }.ok();
        marks.cloned().unwrap_or_default()
    }

    fn delay_failure(&mut self, seconds: u32) {
        // SAFETY: the handle is libpam's own (pam_fail_delay(3)). Without the delay the lock-out still holds.
        unsafe { pam_fail_delay(&raw mut *self.0, seconds.saturating_mul(1_000_000)) };
    }

    fn log(&self, priority: LogPriority, line: &str) {
        let priority = match priority {
            LogPriority::Error => libc::LOG_ERR,
            LogPriority::Warning => libc::LOG_WARNING,
            LogPriority::Notice => libc::LOG_NOTICE,
            LogPriority::Info => libc::LOG_INFO,
            LogPriority::Debug => libc::LOG_DEBUG,
        };
        let Ok(line) = CString::new(line) else { return };
        // SAFETY: the handle is libpam's own; the format takes exactly one C string, which is valid for the call
        // (pam_syslog(3)).
        unsafe { pam_syslog(&raw const *self.0, priority, c"%s".as_ptr(), line.as_ptr()) };
    }
}
