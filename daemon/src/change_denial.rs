//! Reasons why a change by a user is not made.

use twofactor_protocol::service::{ChangeReply, ChangeResult};
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::operations::{ChangeCause, ChangeError};
use twofactor_store::sys::clock::BeforeEpoch;

/// Reason why a change, or a step of one, is not made.
pub enum ChangeDenial {
    /// The user is told so.
    Told(Box<ChangeReply>),
    /// The policy leaves it to root.
    NotAllowed,
    /// A parameter of the call is invalid; its name.
    Parameter(&'static str),
    /// The fleet of this host cannot be asked, and nothing was changed.
    Unmade(AttemptFailure),
    /// Something cannot be used.
    Failed(AttemptFailure),
}

impl From<ChangeResult> for ChangeDenial {
    fn from(result: ChangeResult) -> Self {
        Self::Told(Box::new(ChangeReply::new(result)))
    }
}

impl From<AttemptFailure> for ChangeDenial {
    fn from(failure: AttemptFailure) -> Self {
        if failure.is_fleet_conflict() {
            ChangeResult::Changed.into()
        } else if failure.is_unmade_in_fleet() {
            Self::Unmade(failure)
        } else {
            Self::Failed(failure)
        }
    }
}

impl From<twofactor_store::StoreError> for ChangeDenial {
    fn from(error: twofactor_store::StoreError) -> Self {
        AttemptFailure::from(error).into()
    }
}

impl From<BeforeEpoch> for ChangeDenial {
    fn from(error: BeforeEpoch) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ChangeError> for ChangeDenial {
    fn from(error: ChangeError) -> Self {
        match error.cause {
            ChangeCause::Failed(failure) => failure.into(),
            ChangeCause::NotEnrolled => ChangeResult::Unenrolled.into(),
            ChangeCause::NotInvited => ChangeResult::InvitationRequired.into(),
            ChangeCause::NameTaken(_) => ChangeResult::NameTaken.into(),
            ChangeCause::TooManyDevices => ChangeResult::TooManyDevices.into(),
            ChangeCause::LastDevice(_) => ChangeResult::LastDevice.into(),
            _ => ChangeResult::Changed.into(),
        }
    }
}
