//! Changes without root that were not made, as errors for a person: in the words of root's commands where these have them.

use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_protocol::service::{ChangeReply, ChangeResult};
use twofactor_store::attempt::closed;
use twofactor_store::daemon_client::{DaemonError, DaemonFault};
use twofactor_store::operations::{ChangeCause, ChangeError};

use super::{OwnFactor, refused_as_locked, unanswered};
use crate::command_context::not_enrolled;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::suggested_command;

/// The error of a reply that reports no change.
pub fn refusal(own: &OwnFactor, reply: &ChangeReply) -> CommandFailure {
    let user = own.user.as_str();
    match reply.result {
        ChangeResult::Locked => refused_as_locked(user, closed(reply.seconds)),
        ChangeResult::Unenrolled => not_enrolled(user),
        ChangeResult::TooManyDevices => ChangeError {
            user: user.to_owned(),
            cause: ChangeCause::TooManyDevices,
        }
        .into(),
        ChangeResult::LoginRequired => CommandFailure::refused(format!(
            "this takes {}",
            recent_login(user)
        ))
        .of_kind(FailureKind::LoginRequired)
        .next(format!(
            "Next: {}\nIt counts where it asks for a code. If none does, ask your administrator.",
            another_login(user)
        )),
        ChangeResult::InvitationRequired => {
            no_invitation(user).next("Ask your administrator for one.")
        }
        ChangeResult::NothingPending => CommandFailure::refused(
            "the code came later than 10 minutes after the key, so nothing was stored",
        )
        .of_kind(FailureKind::Cancelled)
        .next("Begin again."),
        ChangeResult::Outage => {
            CommandFailure::system("the store of the fleet cannot be used, so nothing was changed")
                .of_kind(FailureKind::Fleet)
                .next("Try again later, or tell your administrator.")
        }
        ChangeResult::Changed
        | ChangeResult::NameTaken
        | ChangeResult::NoSuchDevice
        | ChangeResult::LastDevice
        | ChangeResult::CodeRequired => CommandFailure::refused(
            "devices or settings were changed meanwhile, so nothing was changed here",
        )
        .of_kind(FailureKind::ChangedMeanwhile)
        .next("Look at the devices again: twofactor status"),
        _ => unanswered(&own.client.error(ReplyError::Malformed)),
    }
}

/// No invitation lets the user enroll the first device.
pub fn no_invitation(user: &str) -> CommandFailure {
    CommandFailure::refused(format!("there is no enrollment code for {user} that works"))
        .of_kind(FailureKind::NotEnrolled)
}

/// The step after which a change is made that takes a login. A login by ssh gives no proof, and neither does a service that the policy
/// switches off.
pub fn another_login(user: &str) -> String {
    format!(
        "log in with the password in this session, as with su {} or sudo -k -v, and try again there.",
        suggested_command::operand(user)
    )
}

/// The login that a change takes.
pub fn recent_login(user: &str) -> String {
    format!("a login of {user} in this session, at most 10 minutes ago")
}

/// The daemon gave no answer to a call that may have been made.
pub fn uncertain(error: &DaemonError) -> CommandFailure {
    match error.cause {
        // These come before anything is done.
        DaemonFault::Connect(_)
        | DaemonFault::Ended
        | DaemonFault::NotRoot(_)
        | DaemonFault::Reply(ReplyError::Service(
            ServiceError::NotAllowed | ServiceError::NotYours | ServiceError::Busy,
        )) => unanswered(error),
        _ => CommandFailure::system(format!(
            "twofactord gave no answer, and may have made the change: {error}"
        ))
        .next(format!(
            "To see what is stored: twofactor status\nFor an administrator: {}",
            error.hint()
        )),
    }
}
