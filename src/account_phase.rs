//! The account phase of a user without a device: enrollment in the login dialogue.
//!
//! Applications run this phase only after the whole authentication stack succeeded, so that no user enrolls who did not
//! give the password, whatever the control flags of the stack.

mod enrollment_dialogue;
mod enrollment_text;
mod login_files;
pub mod new_device;
mod new_device_text;
mod shown_invitation;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::PolicyDecision;
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::operations::{ChangeCause, ChangeError};
use twofactor_store::sys::accounts::{self, LookupFailed};
use twofactor_store::sys::clock::BeforeEpoch;

use crate::login_dialogue::{DialogueClose, LoginDialogue};
use crate::module_arguments::ModuleArguments;
use crate::return_codes::AccountResult;
use crate::transaction::{LogPriority, MessageMode, NoAnswer, PamTransaction};
use crate::unenrolled_mark::{self, UnenrolledMark};
use crate::{code_log_lines, login_text};
use enrollment_dialogue::EnrollmentDialogue;
use login_files::LoginFiles;
use twofactor_core::log::event::{LoginEvent, NoInvitation};
use twofactor_core::log::log_line::LogLine;

/// Offers or demands a device. The authentication phase of this transaction has left these marks.
pub fn run(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    messages: MessageMode,
    marks: &[UnenrolledMark],
) -> AccountResult {
    let marked = unenrolled_mark::of(marks, arguments).map_or("", |mark| &mark.account);
    let user = transaction.user().unwrap_or_default();
    let about = LogLine::about(&user, &transaction.rhost().unwrap_or_default());
    let mut dialogue = LoginDialogue::new(transaction, messages);
    let ended = admit(&mut dialogue, arguments, marked, &about);
    // The finding does not hold for another user, who may have been put in that place while a question was open.
    let ended = if is_open(&ended) && dialogue.transaction().user().as_ref() != Ok(&user) {
        Err(EnrollmentAbort::Refused(LoginEvent::AnotherUser))
    } else {
        ended
    };
    if let Err(abort) = &ended {
        let (priority, line) = told(&mut dialogue, about, abort);
        dialogue.transaction().log(priority, line.as_str());
    }
    let (admission, how) = if is_open(&ended) {
        (AccountResult::Open, DialogueClose::Open)
    } else {
        (AccountResult::Refused, DialogueClose::Refused)
    };
    dialogue.close(how);
    admission
}

/// Tells the user why there is no device, where there is something to tell. Returns the line for the log.
fn told(
    dialogue: &mut LoginDialogue<'_>,
    about: LogLine,
    abort: &EnrollmentAbort,
) -> (LogPriority, LogLine) {
    match abort {
        EnrollmentAbort::Skipped => (
            LogPriority::Info,
            about.result(LoginEvent::EnrollmentSkipped),
        ),
        EnrollmentAbort::Enrolled => {
            dialogue.say(enrollment_text::MEANWHILE);
            (
                LogPriority::Notice,
                about.result(LoginEvent::EnrolledMeanwhile),
            )
        }
        EnrollmentAbort::Uninvited(invitation) => {
            let line = about.result(LoginEvent::NotInvited);
            (LogPriority::Info, inviting(line, Some(*invitation)))
        }
        EnrollmentAbort::Withdrawn(what) => {
            dialogue.say(match what {
                EnrollmentPermission::Policy => enrollment_text::WITHDRAWN,
                EnrollmentPermission::Invitation => enrollment_text::INVITATION_WITHDRAWN,
            });
            (LogPriority::Notice, withdrawn(about, *what))
        }
        EnrollmentAbort::Required(uninvited) => {
            let line = about.result(LoginEvent::EnrollmentRequired);
            (LogPriority::Notice, inviting(line, *uninvited))
        }
        EnrollmentAbort::Refused(why) => (LogPriority::Notice, about.result(*why)),
        EnrollmentAbort::Unstored(failure) => {
            dialogue.say(if failure.may_be_made() {
                enrollment_text::UNSURE
            } else {
                enrollment_text::UNSTORED
            });
            let line = about.result(LoginEvent::EnrollmentFailed);
            (LogPriority::Error, line.saying("error", failure))
        }
        EnrollmentAbort::Failed(failure) => {
            dialogue.say(if failure.may_be_made() {
                enrollment_text::UNSURE_AND_REFUSED
            } else {
                enrollment_text::FAILED
            });
            let service = dialogue.transaction().service().unwrap_or_default();
            (
                LogPriority::Error,
                code_log_lines::failed(about, failure, &service),
            )
        }
    }
}

/// The line with what is wrong about the invitation, where that is why.
fn inviting(line: LogLine, why: Option<NoInvitation>) -> LogLine {
    match why {
        Some(invitation) => line.with("invitation", &invitation.word()),
        None => line,
    }
}

/// True if the login goes on.
const fn is_open(ended: &Result<(), EnrollmentAbort>) -> bool {
    matches!(
        ended,
        Ok(())
            | Err(EnrollmentAbort::Skipped
                | EnrollmentAbort::Uninvited(_)
                | EnrollmentAbort::Unstored(_))
    )
}

/// Completes the line about an enrollment that is no longer allowed.
fn withdrawn(about: LogLine, what: EnrollmentPermission) -> LogLine {
    let word = match what {
        EnrollmentPermission::Policy => "policy",
        EnrollmentPermission::Invitation => "invitation",
    };
    let line = about.result(LoginEvent::EnrollmentWithdrawn);
    line.with("changed", &word)
}

/// Reason that ends the phase without a device.
enum EnrollmentAbort {
    /// Nothing was enrolled, and nothing had to be.
    Skipped,
    /// Another login or an administrator changed the devices of this account meanwhile: what was asked of this login is
    /// no longer enough.
    Enrolled,
    /// The enrollment needs an invitation, and there is none that counts. Otherwise as if it was skipped.
    Uninvited(NoInvitation),
    /// An offered enrollment failed. The login continues, since no device is required.
    Unstored(AttemptFailure),
    /// The permission is gone.
    Withdrawn(EnrollmentPermission),
    /// The policy wants a device, and none was enrolled; with the reason, if it was the invitation.
    Required(Option<NoInvitation>),
    /// The login is refused.
    Refused(LoginEvent),
    /// Something cannot be used.
    Failed(AttemptFailure),
}

impl From<AttemptFailure> for EnrollmentAbort {
    fn from(failure: AttemptFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<twofactor_store::StoreError> for EnrollmentAbort {
    fn from(error: twofactor_store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<BeforeEpoch> for EnrollmentAbort {
    fn from(error: BeforeEpoch) -> Self {
        Self::Failed(error.into())
    }
}

impl From<LookupFailed> for EnrollmentAbort {
    fn from(error: LookupFailed) -> Self {
        Self::Failed(error.into())
    }
}

impl From<getrandom::Error> for EnrollmentAbort {
    fn from(error: getrandom::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// All other causes are that the devices are no longer those of the beginning.
impl From<ChangeError> for EnrollmentAbort {
    fn from(error: ChangeError) -> Self {
        match error.cause {
            // On another host of the fleet, which this one does not know of yet.
            ChangeCause::Failed(failure) if failure.is_fleet_conflict() => Self::Enrolled,
            ChangeCause::Failed(failure) => Self::Failed(failure),
            _ => Self::Enrolled,
        }
    }
}

/// A client that cannot answer has skipped.
impl From<NoAnswer> for EnrollmentAbort {
    fn from(_: NoAnswer) -> Self {
        Self::Skipped
    }
}

/// Permission to enroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnrollmentPermission {
    Policy,
    Invitation,
}

/// Mode of the enrollment: whether the user may go on without a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnrollmentMode {
    Offered,
    Demanded,
}

/// Finds out what the policy wants by now, and gets it.
fn admit(
    dialogue: &mut LoginDialogue<'_>,
    arguments: &ModuleArguments,
    marked: &str,
    about: &LogLine,
) -> Result<(), EnrollmentAbort> {
    let account = account(dialogue.transaction(), marked)?;
    // As in the authentication phase no record is looked at then: the switch must help where one cannot be used.
    if login_files::are_codes_off(dialogue.transaction(), arguments)? {
        return Ok(());
    }
    let files = LoginFiles::open(dialogue.transaction(), arguments, &account)?;
    let mut newcomer = EnrollmentDialogue {
        attempt: files.attempt()?,
        account: &account,
        mode: EnrollmentMode::Offered,
        about,
    };
    match newcomer.wanted(dialogue.transaction())? {
        PolicyDecision::Disabled
        | PolicyDecision::ServiceOff
        | PolicyDecision::Exempt(_)
        | PolicyDecision::NotRequired => {
            return Ok(());
        }
        PolicyDecision::CodeRequired => return Err(EnrollmentAbort::Enrolled),
        PolicyDecision::DeviceRequired => {
            dialogue.say(login_text::DEVICE_REQUIRED);
            return Err(EnrollmentAbort::Refused(LoginEvent::DeviceRequired));
        }
        PolicyDecision::EnrollmentOffered => {}
        PolicyDecision::EnrollmentRequired => newcomer.mode = EnrollmentMode::Demanded,
    }
    let stop = match newcomer.enroll(dialogue) {
        Err(stop @ (EnrollmentAbort::Skipped | EnrollmentAbort::Uninvited(_))) => stop,
        Err(EnrollmentAbort::Failed(failure)) if newcomer.mode == EnrollmentMode::Offered => {
            EnrollmentAbort::Unstored(failure)
        }
        Ok(()) => {
            // A stack may have a second account line. What was skipped here is not its to forget.
            let others = |mark: &UnenrolledMark| !mark.is_in(&arguments.state);
            let _ = dialogue.transaction().keep_marks(&others);
            return Ok(());
        }
        ended => return ended,
    };
    // A user who holds a dialogue open must not be let in by what was asked when it began.
    newcomer.attempt.current_policy()?;
    match (newcomer.wanted(dialogue.transaction())?, newcomer.mode) {
        (PolicyDecision::CodeRequired, _) => Err(EnrollmentAbort::Enrolled),
        (PolicyDecision::EnrollmentRequired | PolicyDecision::DeviceRequired, _)
        | (_, EnrollmentMode::Demanded) => {
            let uninvited = match stop {
                EnrollmentAbort::Uninvited(invitation) => Some(invitation),
                _ => None,
            };
            dialogue.say(uninvited.map_or(enrollment_text::REQUIRED, enrollment_text::uninvited));
            Err(EnrollmentAbort::Required(uninvited))
        }
        (_, EnrollmentMode::Offered) => Err(stop),
    }
}

/// The account of `PAM_USER`, which must be the one that was marked.
fn account(transaction: &mut dyn PamTransaction, marked: &str) -> Result<Account, EnrollmentAbort> {
    let user = transaction
        .user()
        .ok()
        .and_then(|user| String::from_utf8(user).ok());
    let account = accounts::by_name(&user.unwrap_or_default())?;
    account
        .filter(|account| account.name == marked)
        .ok_or(EnrollmentAbort::Refused(LoginEvent::AnotherUser))
}
