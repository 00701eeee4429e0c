//! `rename` and `adopt`: what is kept about a user under another name, or for another uid.

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::verify::{AnswerForm, CodeOutcome};
use twofactor_store::attempt::{AttemptResult, LoginAttempt};
use twofactor_store::operations::{self, RelocationReason, RelocationRefusal};
use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, RelocationProgress};
use zeroize::Zeroizing;

use super::verify::locked_out;
use crate::args::{AdoptArgs, RenameArgs};
use crate::clock_vouching;
use crate::command_context::{CommandContext, not_enrolled};
use crate::command_failure::{CommandFailure, for_user};
use crate::command_log;
use crate::failure_kind::FailureKind;
use crate::formatting::plain;
use crate::output::CommandReport;
use crate::suggested_command;

/// Stands for a PAM service.
const SERVICE: &str = "twofactor";

/// `rename`.
pub fn rename(context: &CommandContext, args: &RenameArgs) -> Result<(), CommandFailure> {
    let to = context.account(&args.new)?;
    let store = context.existing_store()?;
    let from = args.old.as_str();
    let reason = RelocationReason::Renamed;
    let begun = operations::preview_relocation(&store, &to, from, reason)
        .map_err(|refusal| refused(refusal, from, &to))?;
    if let Some(RelocationProgress::Ahead(_)) = &begun {
        context.terminal.confirm(&format!(
            "Move what is kept about {} to {} (uid {})?",
            plain(from),
            plain(&to.name),
            to.uid
        ))?;
    }
    finish(context, &store, from, &to, begun, reason)
}

/// The refusal of a move, with the next step.
fn refused(refusal: RelocationRefusal, from: &str, to: &Account) -> CommandFailure {
    let (old, new) = (plain(from), plain(&to.name));
    let adopt = suggested_command::twofactor("adopt", &[&to.name], &[("--from", from)]);
    match refusal {
        RelocationRefusal::NameReused { uid, recorded } => CommandFailure::refused(format!(
            "{old} is now another user (uid {uid}), and the record is that of uid {recorded}"
        ))
        .next(format!("If it is that of {new}: {adopt}")),
        RelocationRefusal::OtherUid { recorded } => CommandFailure::refused(format!(
            "{new} has uid {}, and the record of {old} is that of uid {recorded}",
            to.uid
        ))
        .next(format!("If they are the same person: {adopt}")),
        RelocationRefusal::OwnerPresent { uid } => CommandFailure::refused(format!(
            "{old} (uid {uid}) is a user of this machine, and the devices belong to that user"
        ))
        .next(format!(
            "For a device of {new}: {}",
            suggested_command::twofactor("enroll", &[&to.name], &[])
        )),
        RelocationRefusal::Occupied => {
            CommandFailure::refused(format!("something is kept about {new} already"))
                .of_kind(FailureKind::Exists)
                .next(format!(
                    "To remove that: {}",
                    suggested_command::twofactor("unset", &[&to.name], &[])
                ))
        }
        RelocationRefusal::Change(error) => error.into(),
    }
}

/// `adopt`.
pub fn adopt(context: &CommandContext, args: &AdoptArgs) -> Result<(), CommandFailure> {
    let to = context.account(&args.user)?;
    let store = context.existing_store()?;
    let from = args.from.as_deref().unwrap_or(&to.name);
    let reason = RelocationReason::Adopted;
    let begun = operations::preview_relocation(&store, &to, from, reason)
        .map_err(|refusal| refused(refusal, from, &to))?;
    if let Some(RelocationProgress::Ahead(record)) = &begun {
        context.terminal.prose(&format!(
            "Kept:     {} (uid {}), {}\nTo adopt: {} (uid {})\n",
            plain(&record.user),
            record.uid,
            devices(record).join(", "),
            plain(&to.name),
            to.uid
        ))?;
        if args.force {
            context
                .terminal
                .confirm("Give these devices to that user without a code?")?;
            usable_state(context, args, &store, record)?;
        } else {
            code_of_device(context, &store, record)?;
        }
    }
    finish(context, &store, from, &to, begun, reason)
}

/// A new machine may have got the records only. What may have been used before does not work in the new state.
fn usable_state(
    context: &CommandContext,
    args: &AdoptArgs,
    store: &FactorStore,
    record: &UserRecord,
) -> Result<(), CommandFailure> {
    let holder = holder(record);
    match store.snapshot(&holder) {
        Err(error) if error.fixed_by_unlock() => {
            context.terminal.prose(&format!("{error}\n"))?;
            let from = args.from.iter().map(|old| ("--from", old.as_str()));
            let options: Vec<_> = from.collect();
            let adopt = "adopt --force --clock-is-right";
            let command = suggested_command::twofactor(adopt, &[&args.user], &options);
            let trust = clock_vouching::known_trust(args.clock_is_right);
            clock_vouching::prove_for_rebuild(context, Some(record), trust, &command)?;
            context.terminal.prose("A new state is made.\n")?;
            let window = context.policy_or_default()?.window;
            operations::rebuild_state(&command_log::factor(store, &holder), window, clock::now()?)?;
            Ok(())
        }
        other => other.map(|_| ()).map_err(CommandFailure::from),
    }
}

/// Checked and charged as at a login.
fn code_of_device(
    context: &CommandContext,
    store: &FactorStore,
    record: &UserRecord,
) -> Result<(), CommandFailure> {
    let named = |failure: twofactor_store::attempt::AttemptFailure| for_user(failure, &record.user);
    let holder = holder(record);
    let loaded = context.existing_policy()?;
    let mut session = LoginAttempt::new(&context.policy, loaded, store, &holder, SERVICE);
    let Some(typed) = context
        .terminal
        .ask("A code of one of these devices, or a recovery code: ")?
    else {
        return Err(
            CommandFailure::refused("no code was typed, so nothing was changed")
                .of_kind(FailureKind::Cancelled)
                .next("Without a code: --force"),
        );
    };
    match session
        .attempt(typed.as_bytes(), AnswerForm::Code)
        .map_err(named)?
    {
        AttemptResult::Compared(CodeOutcome::Accepted(_)) => Ok(()),
        AttemptResult::Compared(CodeOutcome::Rejected(_)) | AttemptResult::Repeated => {
            Err(CommandFailure::refused(
                "that is no code that works for these devices now, so nothing was changed",
            )
            .of_kind(FailureKind::WrongCode)
            .next("Try again with a new one. Without a code: --force"))
        }
        AttemptResult::Refused(gate) => Err(locked_out(&record.user, gate)),
        AttemptResult::Gone => Err(not_enrolled(&record.user)),
    }
}

/// The user that the record is of, whether there is such an account or not.
fn holder(record: &UserRecord) -> Account {
    Account {
        name: record.user.clone(),
        uid: record.uid,
        gid: record.uid,
    }
}

fn devices(record: &UserRecord) -> Vec<String> {
    let names = record.devices.iter().map(|device| device.name.to_string());
    names.collect()
}

fn finish(
    context: &CommandContext,
    store: &FactorStore,
    from: &str,
    to: &Account,
    begun: Option<RelocationProgress>,
    reason: RelocationReason,
) -> Result<(), CommandFailure> {
    let Some(begun) = begun else {
        return Err(nothing_to_move(store, from, to));
    };
    let shown = match &begun {
        RelocationProgress::Ahead(record) => Some(record.as_ref()),
        RelocationProgress::Begun | RelocationProgress::Moved => None,
    };
    operations::relocate(&command_log::factor(store, to), from, shown, reason)
        .map_err(|refusal| refused(refusal, from, to))?;
    let from_uid = shown.map_or(to.uid, |record| record.uid);
    let record = store.record(to).map_err(CommandFailure::from)?;
    context.write(&RelocationReport {
        user: &to.name,
        uid: to.uid,
        from,
        from_uid,
        completed: !matches!(begun, RelocationProgress::Ahead(_)),
        devices: record.as_ref().map(devices).unwrap_or_default(),
    })
}

fn nothing_to_move(store: &FactorStore, from: &str, to: &Account) -> CommandFailure {
    let (old, new) = (plain(from), plain(&to.name));
    match store.holder(to) {
        Ok(holder) if holder.record.is_some() && holder.account.name == to.name => {
            CommandFailure::refused(format!(
                "there is nothing to move: {new} has devices, with the right uid"
            ))
        }
        Ok(holder) if holder.record.is_some() => {
            let kept = plain(&holder.account.name);
            CommandFailure::refused(format!(
                "nothing is kept as {old}; what is kept of {new} is kept as {kept}"
            ))
            .next(format!(
                "To move it: {}",
                suggested_command::twofactor("rename", &[&holder.account.name, &to.name], &[])
            ))
        }
        Err(error) => for_user(error, &to.name),
        Ok(_) => CommandFailure::refused(format!("nothing is kept about {old}"))
            .of_kind(FailureKind::NotEnrolled)
            .next("To list what is kept: twofactor status"),
    }
}

/// Report of `rename` and `adopt`.
#[derive(Serialize)]
struct RelocationReport<'a> {
    user: &'a str,
    uid: u32,
    /// The old name.
    from: &'a str,
    /// The old uid.
    from_uid: u32,
    /// True if this completed a move that was stopped before.
    completed: bool,
    /// The names of the devices.
    devices: Vec<String>,
}

impl CommandReport for RelocationReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let old = if self.completed {
            "a move that was stopped before is complete".to_owned()
        } else {
            format!("formerly {}, uid {}", plain(self.from), self.from_uid)
        };
        Zeroizing::new(format!(
            "Moved: what is kept of {} (uid {}; {old}).\n",
            plain(self.user),
            self.uid
        ))
    }
}
