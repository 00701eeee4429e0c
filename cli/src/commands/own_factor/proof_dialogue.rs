//! The proof that a change without root takes: the daemon says which, and judges it.

use serde::Serialize;
use twofactor_core::log::event::{LoginEvent, NoInvitation};
use twofactor_core::verify::{CodeOutcome, CodeRejection};
use twofactor_protocol::service::{ChangeCall, ChangeReply, ChangeResult, StatusReply};
use twofactor_store::attempt::closed;
use twofactor_store::daemon_client::HeldConnection;
use zeroize::Zeroizing;

use super::own_failure::{another_login, no_invitation, recent_login, refusal, uncertain};
use super::{OwnFactor, refused_as_locked, unanswered};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::event_dialogue::read_code;
use crate::commands::verify_report::VerifyReport;
use crate::failure_kind::FailureKind;
use crate::output::{CommandReport, OutputFormat};
use crate::suggested_command;

/// Proof that a user is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedProof {
    /// A code of a device, or a recovery code.
    Code,
    /// A code of a device.
    DeviceCode,
    /// The code of an invitation.
    Invitation,
}

impl WantedProof {
    const fn question(self) -> &'static str {
        match self {
            Self::Code => "A code of one of your devices, or a recovery code (Enter to cancel): ",
            Self::DeviceCode => "A code of one of your devices (Enter to cancel): ",
            Self::Invitation => "Enrollment code from your administrator (Enter to cancel): ",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Code | Self::DeviceCode => "code",
            Self::Invitation => "invitation",
        }
    }
}

/// Reason why another proof is asked for.
struct ProofRefusal {
    /// The word of the log.
    word: &'static str,
    /// The message for people.
    message: String,
}

/// The questions for the proof of one change.
pub struct ProofDialogue<'a> {
    /// The person's side.
    pub context: &'a CommandContext,
    /// The user's side of the daemon.
    pub own: &'a OwnFactor,
    /// The user's factor as it is set up.
    pub status: &'a StatusReply,
    /// The codes that prove this change to a user with a device.
    pub codes: WantedProof,
}

/// The next step after a reply.
enum NextStep {
    /// The change, or the part of it that takes a proof, is made.
    Made,
    /// A proof is asked for, once more where one was refused.
    Ask(WantedProof, Option<ProofRefusal>),
}

impl ProofDialogue<'_> {
    /// Puts the call without a proof, which shows what it takes, and then with one, until one is right.
    ///
    /// # Errors
    /// A refusal of the daemon, the end of the answers, or too many wrong codes: the change is not made. An error of the daemon's
    /// after a code was sent says that it may have been made.
    pub fn run(
        &self,
        call: impl Fn(Option<String>) -> ChangeCall,
    ) -> Result<(HeldConnection, ChangeReply), CommandFailure> {
        let tries = u32::from(self.context.existing_policy()?.policy.tries);
        let mut tries_left = tries;
        let mut given = None;
        let mut code = None;
        loop {
            let call = call(code.take());
            let put = self.own.client.converse(&call.message(), ChangeReply::read);
            let (conversation, reply) = put.map_err(|error| match (&call, given) {
                (ChangeCall::Unset(_) | ChangeCall::NewRecoveryCodes(_), Some(_)) => {
                    uncertain(&error)
                }
                _ => unanswered(&error),
            })?;
            let (wanted, refused) = match self.step(&reply, given)? {
                NextStep::Made => return Ok((conversation, reply)),
                NextStep::Ask(wanted, refused) => (wanted, refused),
            };
            // A user who looks for a phone holds no place of the daemon's.
            drop(conversation);
            self.tell(refused.as_ref())?;
            if tries_left == 0 {
                return Err(all_wrong(tries));
            }
            code = Some(self.ask(wanted, refused.as_ref(), tries_left)?);
            given = Some(wanted);
            tries_left = tries_left.saturating_sub(1);
        }
    }

    fn step(
        &self,
        reply: &ChangeReply,
        given: Option<WantedProof>,
    ) -> Result<NextStep, CommandFailure> {
        let user = self.own.user.as_str();
        let (wanted, refused) = match (reply.result, given) {
            (
                ChangeResult::Pending
                | ChangeResult::Stored
                | ChangeResult::Removed
                | ChangeResult::Replaced,
                _,
            ) => return Ok(NextStep::Made),
            (ChangeResult::CodeRequired, None) => return Ok(NextStep::Ask(self.codes, None)),
            (ChangeResult::InvitationRequired, None) => {
                return Ok(NextStep::Ask(WantedProof::Invitation, None));
            }
            (ChangeResult::LoginRequired, None) if self.status.devices.is_empty() => {
                let why = login_required(user);
                return Ok(NextStep::Ask(WantedProof::Invitation, Some(why)));
            }
            // Without an invitation the daemon looks at no code.
            (ChangeResult::LoginRequired, Some(WantedProof::Invitation)) => {
                return Err(no_invitation(user).next(format!(
                    "Ask your administrator for one, or {}",
                    another_login(user)
                )));
            }
            (result, Some(wanted)) => match refused_proof(user, result) {
                Some(refused) => (wanted, refused),
                None => return Err(refusal(self.own, reply)),
            },
            _ => return Err(refusal(self.own, reply)),
        };
        Ok(NextStep::Ask(wanted, Some(refused)))
    }

    /// Says what was wrong; in a dialogue the next event does.
    fn tell(&self, refused: Option<&ProofRefusal>) -> Result<(), CommandFailure> {
        match refused {
            Some(refused) if self.context.format != OutputFormat::Dialogue => {
                let text = format!("{}\n", refused.message);
                Ok(self.context.terminal.prose(&text)?)
            }
            _ => Ok(()),
        }
    }

    fn ask(
        &self,
        wanted: WantedProof,
        refused: Option<&ProofRefusal>,
        tries_left: u32,
    ) -> Result<String, CommandFailure> {
        if self.status.locked {
            let gate = closed(self.status.locked_for_seconds);
            return Err(refused_as_locked(&self.own.user, gate));
        }
        let context = self.context;
        let answer = if context.format == OutputFormat::Dialogue {
            context.write(&ProofEvent {
                event: "proof",
                wants: wanted.word(),
                reason: refused.map(|refused| refused.word),
                tries_left,
            })?;
            read_code(context)?
        } else {
            context.terminal.ask(wanted.question())?.ok_or_else(|| {
                CommandFailure::refused("no code was typed, so nothing was changed")
                    .of_kind(FailureKind::Cancelled)
            })?
        };
        Ok(answer.trim().to_owned())
    }
}

fn all_wrong(tries: u32) -> CommandFailure {
    let what = match tries {
        1 => "the code was wrong, so nothing was changed".to_owned(),
        _ => format!("{tries} codes were wrong, so nothing was changed"),
    };
    CommandFailure::refused(what).of_kind(FailureKind::WrongCode)
}

/// A proof that was judged and does not count; `None` for any other reply.
fn refused_proof(user: &str, result: ChangeResult) -> Option<ProofRefusal> {
    let rejected = |why: CodeRejection| ProofRefusal {
        word: why.event().word(),
        message: VerifyReport::new(user, &CodeOutcome::Rejected(why)).message,
    };
    let device = String::new();
    Some(match result {
        ChangeResult::Wrong => rejected(CodeRejection::Wrong),
        ChangeResult::Used => rejected(CodeRejection::Used { device }),
        ChangeResult::Spent => rejected(CodeRejection::Spent),
        ChangeResult::Repeated => ProofRefusal {
            word: LoginEvent::RepeatedCode.word(),
            message: VerifyReport::repeated(user).message,
        },
        ChangeResult::Clock => ProofRefusal {
            word: LoginEvent::ClockSetBack.word(),
            message: "This machine's clock is behind the last code that was accepted.".to_owned(),
        },
        ChangeResult::Expired => ProofRefusal {
            word: NoInvitation::Expired.word(),
            message: "The code has expired.".to_owned(),
        },
        _ => return None,
    })
}

fn login_required(user: &str) -> ProofRefusal {
    ProofRefusal {
        word: LoginEvent::LoginRequired.word(),
        message: format!(
            "This takes {}, as with su {}, or an enrollment code.",
            recent_login(user),
            suggested_command::operand(user)
        ),
    }
}

/// A line of a dialogue: a proof is asked for.
#[derive(Serialize)]
struct ProofEvent {
    event: &'static str,
    wants: &'static str,
    reason: Option<&'static str>,
    tries_left: u32,
}

impl CommandReport for ProofEvent {
    /// None: a dialogue is between programs.
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::default()
    }
}
