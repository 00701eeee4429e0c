//! A change of a user's factor that was not made, as an error for a person: what happened, and the next step.

use twofactor_store::operations::{ChangeCause, ChangeError};

use crate::command_context::not_enrolled;
use crate::command_failure::{CommandFailure, for_user};
use crate::failure_kind::FailureKind;
use crate::suggested_command;

impl From<ChangeError> for CommandFailure {
    fn from(error: ChangeError) -> Self {
        let refused = Self::refused(&error).of_kind(kind_of(&error.cause));
        let user = &error.user;
        match error.cause {
            ChangeCause::Failed(failure) => for_user(failure, user),
            ChangeCause::NotEnrolled => not_enrolled(user),
            ChangeCause::AlreadyEnrolled => refused.next(format!(
                "For one more: {}\nFor a way in without it: {}",
                suggested_command::twofactor("enroll", &[user], &[("--device", "NAME")]),
                suggested_command::twofactor("bypass", &[user], &[])
            )),
            ChangeCause::NameTaken(name) => refused.next(format!(
                "For one more: {}\nFor a new key of this one: {}",
                suggested_command::twofactor("enroll", &[user], &[("--device", "NAME")]),
                suggested_command::twofactor("renew", &[user], &[("--device", name.as_str())])
            )),
            ChangeCause::TooManyDevices => refused.next(format!(
                "To remove one: {}",
                suggested_command::twofactor("unset", &[user], &[("--device", "NAME")])
            )),
            ChangeCause::LastDevice(_) => refused.next(format!(
                "To remove it with the recovery codes: {}",
                suggested_command::twofactor("unset", &[user], &[])
            )),
            ChangeCause::CounterNotFound { .. } => refused.next(format!(
                "Press twice more and try again with the two new codes. If that fails, too: {}",
                suggested_command::twofactor("renew", &[user], &[])
            )),
            ChangeCause::StepNotFound(_) => refused.next(format!(
                "Wait for a new code, note it, wait for the next, and type both. If that fails, too: {}",
                suggested_command::twofactor("renew", &[user], &[])
            )),
            ChangeCause::ClockTooFarOff { .. } => refused.next("Set the wrong one right."),
            ChangeCause::NotInvited
            | ChangeCause::DeviceChanged(_)
            | ChangeCause::DevicesChanged => refused,
        }
    }
}

const fn kind_of(cause: &ChangeCause) -> FailureKind {
    match cause {
        ChangeCause::AlreadyEnrolled | ChangeCause::NameTaken(_) => FailureKind::Exists,
        ChangeCause::TooManyDevices => FailureKind::TooManyDevices,
        ChangeCause::NotEnrolled | ChangeCause::NotInvited => FailureKind::NotEnrolled,
        ChangeCause::DeviceChanged(_) | ChangeCause::DevicesChanged => {
            FailureKind::ChangedMeanwhile
        }
        ChangeCause::CounterNotFound { .. } | ChangeCause::StepNotFound(_) => {
            FailureKind::WrongCode
        }
        ChangeCause::ClockTooFarOff { .. } => FailureKind::Clock,
        ChangeCause::LastDevice(_) | ChangeCause::Failed(_) => FailureKind::Refused,
    }
}
