//! The commands for users without root: of their own factor alone, through the daemon.

mod own_device;
mod own_enrollment;
mod own_failure;
mod own_recovery;
mod own_removal;
mod own_status;
mod proof_dialogue;

use std::path::Path;
use std::process::ExitCode;

use twofactor_core::account::Account;
use twofactor_core::verify::ThrottleStatus;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_protocol::SOCKET;
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_protocol::service::{StatusReply, status_request};
use twofactor_protocol::verify_call::CodeLayout;
use twofactor_store::attempt::{AttemptResult, closed};
use twofactor_store::daemon_client::{DaemonClient, DaemonError, DaemonFault};
use twofactor_store::sys::accounts;

use super::verify::{CodeDialogue, judged_report, locked_out};
use crate::args::{StatusArgs, TwofactorCommand};
use crate::command_context::{CommandContext, not_enrolled};
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use own_status::OwnStatusReport;

/// Runs the command if it is one that needs no root; `None` for all others.
pub fn run(
    context: &CommandContext,
    command: &TwofactorCommand,
) -> Option<Result<ExitCode, CommandFailure>> {
    match command {
        TwofactorCommand::Status(args) if !lists_users(args) => {
            Some(done(status(context, args.user.as_deref())))
        }
        TwofactorCommand::Verify(args) => Some(verify(context, args.user.as_deref())),
        TwofactorCommand::Enroll(args) => Some(done(own_enrollment::enroll(context, args))),
        TwofactorCommand::Renew(args) => Some(done(own_enrollment::renew(context, args))),
        TwofactorCommand::Unset(args) => Some(done(own_removal::run(context, args))),
        TwofactorCommand::RecoveryCodes(args) => Some(done(own_recovery::run(context, args))),
        _ => None,
    }
}

fn done(result: Result<(), CommandFailure>) -> Result<ExitCode, CommandFailure> {
    result.map(|()| ExitCode::SUCCESS)
}

/// True if the figures of all users are asked for.
const fn lists_users(args: &StatusArgs) -> bool {
    args.missing || args.locked || args.all || args.prometheus
}

fn status(context: &CommandContext, user: Option<&str>) -> Result<(), CommandFailure> {
    let own = OwnFactor::of_caller(context, user)?;
    let status = own.status()?;
    let malformed = || unanswered(&own.client.error(ReplyError::Malformed));
    context.write(&OwnStatusReport::new(&status).ok_or_else(malformed)?)
}

fn verify(context: &CommandContext, user: Option<&str>) -> Result<ExitCode, CommandFailure> {
    let own = OwnFactor::of_caller(context, user)?;
    let policy = context.existing_policy()?.policy;
    let user = own.user.as_str();
    match own.client.gate().map_err(|error| unanswered(&error))? {
        GateAnswer::Ask => {}
        GateAnswer::Unenrolled => return Err(not_enrolled(user)),
        GateAnswer::Locked(seconds) => {
            return Err(refused_as_locked(user, closed(seconds)));
        }
    }
    let dialogue = CodeDialogue {
        context,
        prompt: &policy.prompt,
        tries: policy.tries,
    };
    let report = dialogue.run(|typed| {
        let answer = own.client.verify(typed, CodeLayout::Code);
        let answer = answer.map_err(|error| unanswered(&error))?;
        // All that was typed is the code.
        let judged = AttemptResult::answered(answer, |_| Some(0));
        let judged = judged.ok_or_else(|| unanswered(&own.client.error(ReplyError::Malformed)))?;
        let mut report = match judged {
            AttemptResult::Refused(status) => return Err(refused_as_locked(user, status)),
            judged => judged_report(user, judged)?,
        };
        // The daemon does not tell how far off a clock is.
        report.offset = None;
        Ok(report)
    });
    Ok(report?.exit_code())
}

/// The factor of the user that this process runs as.
struct OwnFactor {
    user: String,
    client: DaemonClient,
}

impl OwnFactor {
    /// The user's factor as it is set up.
    fn status(&self) -> Result<StatusReply, CommandFailure> {
        // Changes make it longer than the reply of a login.
        let request = status_request(&self.user);
        let status = self.client.converse(&request, StatusReply::read);
        let (_, status) = status.map_err(|error| unanswered(&error))?;
        Ok(status)
    }

    /// The status, if the policy lets users change something.
    fn managed_status(&self) -> Result<StatusReply, CommandFailure> {
        let status = self.status()?;
        if status.may.manage {
            Ok(status)
        } else {
            Err(left_to_administrator())
        }
    }

    /// Checks that no other user and no other files are meant: the daemon would answer for its own.
    fn of_caller(context: &CommandContext, given: Option<&str>) -> Result<Self, CommandFailure> {
        let is_default = |path: &Path, default| path == Path::new(default);
        if !is_default(context.policy_path(), POLICY_FILE)
            || !is_default(context.state_path(), STATE_DIR)
        {
            return Err(needs_root("--policy and --state need root"));
        }
        let uid = rustix::process::geteuid().as_raw();
        let own = accounts::by_uid(uid)?;
        let account: Option<Account> = match given {
            Some(name) => accounts::by_name(name)?.filter(|it| it.uid == uid),
            None => own.clone(),
        };
        match (account, own) {
            (Some(account), _) => Ok(Self {
                client: DaemonClient::new(Path::new(SOCKET), &account.name),
                user: account.name,
            }),
            (None, Some(own)) => Err(needs_root(&format!(
                "without root this is about your own devices, and you are {}",
                own.name
            ))),
            (None, None) => Err(needs_root(&format!("no account has your user id, {uid}"))),
        }
    }
}

fn needs_root(what: &str) -> CommandFailure {
    CommandFailure::refused(what)
        .of_kind(FailureKind::NotRoot)
        .next("For all else: run it with sudo")
}

/// The daemon, which alone reads records for users, gave no answer.
fn unanswered(error: &DaemonError) -> CommandFailure {
    if error.cause == DaemonFault::Reply(ReplyError::Service(ServiceError::NotAllowed)) {
        return left_to_administrator();
    }
    CommandFailure::system(format!("twofactord gave no answer: {error}")).next(format!(
        "With sudo it works without twofactord. For an administrator: {}",
        error.hint()
    ))
}

fn left_to_administrator() -> CommandFailure {
    CommandFailure::refused("the policy leaves this change to the administrator")
        .of_kind(FailureKind::NotRoot)
        .next("To see what you may change: twofactor status")
}

/// Refuses options that only root's command has, by name.
fn refuse_root_options(options: &[(&str, bool)]) -> Result<(), CommandFailure> {
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(needs_root(&format!("{option} needs root"))),
        None => Ok(()),
    }
}

/// The names of the user's devices.
///
/// # Errors
/// The refusal of a user who has none.
fn device_names<'a>(user: &str, status: &'a StatusReply) -> Result<Vec<&'a str>, CommandFailure> {
    let names: Vec<&str> = status.devices.iter().map(|it| it.name.as_str()).collect();
    if names.is_empty() {
        return Err(not_enrolled(user));
    }
    Ok(names)
}

/// The refusal of a user who is locked out, whose end only an administrator can bring forward.
fn refused_as_locked(user: &str, status: ThrottleStatus) -> CommandFailure {
    let step = match status {
        ThrottleStatus::LockedFor(_) => "Wait, or ask your administrator to unlock you.",
        ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => {
            "Ask your administrator to unlock you."
        }
    };
    locked_out(user, status).next(step)
}
