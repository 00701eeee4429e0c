//! The login flow's view of the PAM application: a trait, so that the flow neither knows libpam nor `unsafe`.

use pam::constants::{PAM_SILENT, PamFlag};
use zeroize::Zeroizing;

use crate::recovery_claim::RecoveryClaim;
use crate::ticket_claim::TicketClaim;
use crate::unenrolled_mark::UnenrolledMark;

/// The application gave no answer: it cannot ask, was interrupted, or returned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// Visibility of an answer while it is typed.
pub use twofactor_core::policy::EchoMode;

/// Permission to send messages to the application (`PAM_SILENT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageMode {
    /// Messages are sent.
    Wanted,
    /// `PAM_SILENT` is set: no message is sent.
    Unwanted,
}

impl From<PamFlag> for MessageMode {
    fn from(flags: PamFlag) -> Self {
        match flags & PAM_SILENT {
            0 => Self::Wanted,
            _ => Self::Unwanted,
        }
    }
}

/// Importance of a log line (syslog(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPriority {
    /// The login cannot be judged.
    Error,
    /// A guess may be going on.
    Warning,
    /// A login was refused.
    Notice,
    /// A login went as it should.
    Info,
    /// Only with the module argument `debug`.
    Debug,
}

/// One PAM transaction. Everything it returns is an owned copy: libpam's own strings change under a conversation.
pub trait PamTransaction {
    /// `PAM_USER`, asked for by libpam if no module did yet. Any bytes.
    ///
    /// # Errors
    /// [`NoAnswer`].
    fn user(&mut self) -> Result<Vec<u8>, NoAnswer>;
    /// `PAM_SERVICE`.
    fn service(&self) -> Option<Vec<u8>>;
    /// `PAM_RHOST`. Any bytes.
    fn rhost(&self) -> Option<Vec<u8>>;
    /// `PAM_RUSER`: the user who called the application, as it says. Any bytes.
    fn ruser(&self) -> Option<Vec<u8>>;
    /// True if `PAM_TTY` is set: a user sits before a terminal.
    fn has_terminal(&self) -> bool;
    /// `PAM_TTY`. Any bytes.
    fn tty(&self) -> Option<Vec<u8>>;
    /// Columns of the terminal that the application reads from; `None` where it reads from none, or the size is not known.
    fn columns(&self) -> Option<usize>;
    /// Sets a variable of PAM's environment (`NAME=VALUE`), or removes it (`NAME`). The user's programs see it.
    ///
    /// # Errors
    /// [`NoAnswer`] when libpam refuses.
    fn set_variable(&mut self, assignment: &str) -> Result<(), NoAnswer>;
    /// A variable of PAM's environment; `None` where its value is not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;
    /// `PAM_AUTHTOK`: the password, when an earlier module asked for it.
    fn password(&self) -> Option<Zeroizing<Vec<u8>>>;
    /// Sets `PAM_AUTHTOK` for the modules after this one.
    ///
    /// # Errors
    /// [`NoAnswer`] when libpam refuses, or it contains NUL.
    fn set_password(&mut self, password: &[u8]) -> Result<(), NoAnswer>;
    /// Asks and waits.
    ///
    /// # Errors
    /// [`NoAnswer`].
    fn ask(&mut self, prompt: &str, echo: EchoMode) -> Result<Zeroizing<Vec<u8>>, NoAnswer>;
    /// Shows a line of information. A client that cannot show it is no reason to fail.
    fn inform(&mut self, text: &str);
    /// Shows a line about something that went wrong. A client that cannot show it is no reason to fail.
    fn complain(&mut self, text: &str);
    /// Stores, until the end of the transaction, the user who is to get a ticket. There is none if libpam refuses.
    fn claim_ticket(&mut self, claim: Option<TicketClaim>);
    /// True if there is a daemon on this machine that takes tickets.
    fn has_daemon(&self) -> bool;
    /// The user who is to get a ticket.
    fn ticket_claim(&self) -> Option<TicketClaim>;
    /// Stores, until the end of the transaction, if a session is expected that begins with a code. Nothing is stored if libpam refuses.
    fn expect_session(&mut self, is_expected: bool);
    /// True if such a session is expected. False in sshd, whose sessions begin in another process.
    fn expects_session(&self) -> bool;
    /// Stores, until the end of the transaction, the user who has given a recovery or bypass code. Nothing is stored if libpam refuses.
    fn claim_recovery(&mut self, claim: Option<RecoveryClaim>);
    /// The claim that [`Self::claim_recovery`] stored, if there is one.
    fn recovery_claim(&self) -> Option<RecoveryClaim>;
    /// Stores, until the end of the transaction, the accounts that the authentication phase found without a device.
    ///
    /// # Errors
    /// [`NoAnswer`] when libpam refuses.
    fn set_unenrolled_marks(&mut self, marks: Vec<UnenrolledMark>) -> Result<(), NoAnswer>;
    /// The marks that [`Self::set_unenrolled_marks`] stored.
    fn unenrolled_marks(&self) -> Vec<UnenrolledMark>;
    /// Forgets all marks but these.
    ///
    /// # Errors
    /// [`NoAnswer`] when libpam refuses.
    fn keep_marks(&mut self, kept: &dyn Fn(&UnenrolledMark) -> bool) -> Result<(), NoAnswer> {
        let mut marks = self.unenrolled_marks();
        let all = marks.len();
        marks.retain(kept);
        if marks.len() == all {
            return Ok(());
        }
        self.set_unenrolled_marks(marks)
    }
    /// Asks libpam to wait so many seconds before it reports a failure (pam_fail_delay(3)).
    fn delay_failure(&mut self, seconds: u32);
    /// Writes a log line (pam_syslog(3)).
    fn log(&self, priority: LogPriority, line: &str);
}
