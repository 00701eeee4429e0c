//! `setup --undo`: restores every file as it was before the first setup.

use std::path::Path;

use twofactor_core::log::event::CommandEvent;

use super::restored_files::PutBack;
use super::setup_journal::{SetupJournal, SetupProgress};
use super::setup_report::UndoReport;
use super::sshd_reload::{self, SshdReload};
use super::undo_plan::UndoPlan;
use super::{policy_reversal, shown_changes, sshd_dropin};
use crate::args::SetupArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::doctor::stack_preview::MachinePreview;
use crate::interrupt;

/// Runs it.
///
/// # Errors
/// A refusal where a file was edited since; the reason why a file cannot be restored.
pub fn run(context: &CommandContext, args: &SetupArgs) -> Result<(), CommandFailure> {
    let state = context.state_path();
    if args.forget {
        return forget(context);
    }
    let mut journal = SetupJournal::load(state)?.ok_or_else(nothing)?;
    let mut interrupted = None;
    if journal.progress == SetupProgress::Begun {
        let stopped = PutBack::prepare(context)?;
        stopped.show(context)?;
        let restored = stopped.written.iter();
        let restored = restored.map(|file| (file, file.previous.as_deref()));
        let report = UndoReport::planned(restored, stopped.policy.as_ref());
        if args.dry_run {
            return context.write(&report);
        }
        let report = report.done(stopped.confirm_and_make(context)?);
        let Some(earlier) = SetupJournal::load(state)? else {
            return context.write(&report);
        };
        interrupted = Some(report);
        journal = earlier;
    }
    let plan = UndoPlan::of(context, &journal)?;
    let policy = match journal.file(context.policy_path()) {
        Some(file) => policy_reversal::change(context, file, file.original.as_deref())?,
        None => None,
    };
    plan.show(context)?;
    if let Some(policy) = &policy {
        shown_changes::show_policy(context, policy)?;
    }
    let report =
        UndoReport::planned(plan.restored(), policy.as_ref()).and(&plan.profile, plan.missing());
    if args.dry_run {
        return context.write(&report);
    }
    context.terminal.confirm("Undo the setup?")?;
    interrupt::arm()?;
    // First of all, stop asking for codes. From here on a signal waits for the end, which is near.
    if let Some(mut policy) = policy {
        policy.commit(context)?;
    }
    plan.write()?;
    let reloaded = reload_sshd(&journal)?;
    SetupJournal::remove(state)?;
    command_log::log(CommandEvent::SetupUndo, None, &[]);
    context.write(&report.done(reloaded).after(interrupted))
}

/// Removes the note, also one that cannot be read.
fn forget(context: &CommandContext) -> Result<(), CommandFailure> {
    let state = context.state_path();
    if !SetupJournal::is_there(state)? {
        return Err(nothing());
    }
    context
        .terminal
        .confirm("Forget what the files were before? They stay as they are: logins go on asking for codes, and `twofactor setup --undo` can no longer take that back.")?;
    SetupJournal::remove(state)?;
    context.write(&UndoReport::forgotten())
}

/// Lets sshd read its old settings, even if an interrupted undo has restored them: it may not have been reloaded. Where sshd
/// was removed there is nothing to reload.
fn reload_sshd(journal: &SetupJournal) -> Result<Option<SshdReload>, CommandFailure> {
    let preview = MachinePreview::look();
    if journal.file(Path::new(sshd_dropin::PATH)).is_none() || !preview.has_sshd() {
        return Ok(None);
    }
    preview.test_sshd().map_err(|error| {
        CommandFailure::refused(format!("sshd -t refuses its configuration: {error}"))
            .next("Correct it, then: twofactor setup --undo")
    })?;
    sshd_reload::reload().map(Some)
}

/// The refusal where setup keeps no texts of before. After `--forget` the lines that it wrote are still there.
fn nothing() -> CommandFailure {
    let named = MachinePreview::look().used();
    if named.is_empty() {
        return CommandFailure::refused("there is nothing to undo: setup has changed nothing here")
            .next("To ask for no code: twofactor disable");
    }
    CommandFailure::refused("there is nothing to undo: setup keeps no file of before").next(format!(
        "To ask for no code: twofactor disable\n\
         To take it out by hand: remove {}, if it is there, and the lines with pam_twofactor.so from the PAM files of {}",
        sshd_dropin::PATH,
        named.join(", ")
    ))
}
