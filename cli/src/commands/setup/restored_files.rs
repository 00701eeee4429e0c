//! Restoring files after a failed or interrupted setup.

use std::path::Path;

use super::setup_journal::{FileStanding, FileTexts, SetupJournal};
use super::sshd_reload::{self, SshdReload};
use super::{config_files, policy_reversal, shown_changes, sshd_dropin};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::commands::policy_change::PolicyChange;
use crate::interrupt;
use twofactor_core::log::event::CommandEvent;

/// A file, compared with its noted texts.
pub struct FoundFile<'a> {
    /// The noted texts.
    pub texts: &'a FileTexts,
    /// The one that it has.
    pub standing: FileStanding,
    /// Its present text.
    pub now: Option<String>,
}

/// Restores the files of a failed setup. Returns its failure, with the result of restoring.
pub fn after(context: &CommandContext, failure: CommandFailure) -> CommandFailure {
    let hint = failure
        .next
        .clone()
        .map_or_else(String::new, |next| format!("{next}\n"));
    match put_back(context) {
        Ok(()) => failure.next(format!("{hint}Everything is as it was before.")),
        Err(more) => not_undone(&failure.what, &more),
    }
}

/// The failure of a setup that ended with `what`, and whose files could not be restored.
pub fn not_undone(what: &str, more: &CommandFailure) -> CommandFailure {
    let cure = more
        .next
        .clone()
        .map_or_else(String::new, |next| format!("{next}\n"));
    CommandFailure::system(format!("{what}; and it could not be undone: {}", more.what))
        .next(format!("{cure}Once that is fixed: twofactor setup --undo"))
}

/// Restores the files of the latest setup, complete or not, and updates the note.
///
/// # Errors
/// As [`PutBack::prepare`] and [`PutBack::make`].
pub fn put_back(context: &CommandContext) -> Result<(), CommandFailure> {
    PutBack::prepare(context)?.make(context)?;
    Ok(())
}

/// The files of the latest setup that are restored.
pub struct PutBack {
    journal: SetupJournal,
    /// Files that have the text of the setup, in the order of writing.
    pub written: Vec<FileTexts>,
    /// The change that undoes it in the policy.
    pub policy: Option<PolicyChange>,
}

impl PutBack {
    /// Finds the files that must be restored.
    ///
    /// # Errors
    /// A refusal where a file has neither its old text nor that of setup; the error of a file or a policy that
    /// cannot be read.
    pub fn prepare(context: &CommandContext) -> Result<Self, CommandFailure> {
        let journal = SetupJournal::load(context.state_path())?.ok_or_else(|| {
            CommandFailure::system("the note of what the files were before is gone")
        })?;
        let mut found = Vec::new();
        for texts in changed_files(context, &journal) {
            let now = config_files::read(&texts.path)?;
            found.push(FoundFile {
                texts,
                standing: texts.standing(now.as_deref()),
                now,
            });
        }
        refuse_edited(context, &found)?;
        let written = found
            .into_iter()
            .filter(|file| file.standing == FileStanding::After)
            .map(|file| file.texts.clone())
            .collect();
        let policy = match journal.file(context.policy_path()) {
            Some(file) if file.is_changed() => {
                policy_reversal::change(context, file, file.previous.as_deref())?
            }
            _ => None,
        };
        Ok(Self {
            journal,
            written,
            policy,
        })
    }

    /// Shows the changes that undo an interrupted setup.
    ///
    /// # Errors
    /// When it cannot be shown.
    pub fn show(&self, context: &CommandContext) -> Result<(), CommandFailure> {
        let terminal = &context.terminal;
        terminal.prose("An earlier setup was interrupted. It must be undone first.\n")?;
        for file in &self.written {
            let texts = (Some(file.after.as_str()), file.previous.as_deref());
            shown_changes::show_file(context, &file.path, texts)?;
        }
        if let Some(policy) = &self.policy {
            shown_changes::show_policy(context, policy)?;
        }
        Ok(())
    }

    /// Asks once, then restores the files.
    ///
    /// # Errors
    /// When the answer is no, and as [`Self::make`].
    pub fn confirm_and_make(
        self,
        context: &CommandContext,
    ) -> Result<Option<SshdReload>, CommandFailure> {
        context.terminal.confirm("Undo it?")?;
        interrupt::arm()?;
        self.make(context)
    }

    /// Restores the files and updates the note. Returns the reload of sshd, where its settings are among them.
    ///
    /// # Errors
    /// A system error when a file cannot be written or sshd cannot be reloaded.
    pub fn make(mut self, context: &CommandContext) -> Result<Option<SshdReload>, CommandFailure> {
        // First of all, stop asking for codes.
        if let Some(policy) = &mut self.policy {
            policy.commit(context)?;
        }
        for file in changed_files(context, &self.journal) {
            config_files::remove_leftover(&file.path)?;
        }
        for file in self.written.iter().rev() {
            write(&file.path, &file.after, file.previous.as_deref())?;
        }
        verify(context, &self.journal)?;
        // Even if the file was restored before: sshd may not have been reloaded.
        let sshd = self.journal.file(Path::new(sshd_dropin::PATH));
        let reloaded = match sshd {
            Some(file) if file.is_changed() => Some(sshd_reload::reload()?),
            _ => None,
        };
        let state = context.state_path();
        match self.journal.before_latest() {
            Some(earlier) => earlier.save(state)?,
            None => SetupJournal::remove(state)?,
        }
        command_log::log(CommandEvent::SetupPutBack, None, &[]);
        Ok(reloaded)
    }
}

/// The files of the latest setup without the policy, which is undone separately.
fn changed_files<'a>(
    context: &'a CommandContext,
    journal: &'a SetupJournal,
) -> impl Iterator<Item = &'a FileTexts> {
    journal
        .files
        .iter()
        .filter(|file| file.is_changed() && file.path != context.policy_path())
}

/// Refuses where a file was edited, and shows the difference.
///
/// # Errors
/// A refusal that names the files.
pub fn refuse_edited(
    context: &CommandContext,
    files: &[FoundFile<'_>],
) -> Result<(), CommandFailure> {
    let mut names = Vec::new();
    for file in files {
        if file.standing != FileStanding::Other {
            continue;
        }
        let texts = (Some(file.texts.after.as_str()), file.now.as_deref());
        shown_changes::show_file(context, &file.texts.path, texts)?;
        names.push(file.texts.path.display().to_string());
    }
    if names.is_empty() {
        return Ok(());
    }
    Err(CommandFailure::refused(format!(
        "changed since setup wrote it: {}. Nothing was touched",
        names.join(", ")
    ))
    .next(
        "Above is how it differs from what setup left. Take your changes out, or take out the lines with pam_twofactor.so \
         (the package: pam-auth-update --disable twofactor) and then: twofactor setup --undo --forget",
    ))
}

/// Writes a text in place of another one; `None` removes the file.
///
/// # Errors
/// When the file has another text by now, or cannot be written.
pub fn write(path: &Path, now: &str, text: Option<&str>) -> Result<(), CommandFailure> {
    match text {
        Some(text) => config_files::write(path, Some(now), text),
        None => config_files::remove(path, now),
    }
}

/// Checks that each file has its old text again.
fn verify(context: &CommandContext, journal: &SetupJournal) -> Result<(), CommandFailure> {
    for file in changed_files(context, journal) {
        let now = config_files::read(&file.path)?;
        if now.is_some() && now != file.previous {
            return Err(CommandFailure::system(format!(
                "{} is not what it was before",
                file.path.display()
            )));
        }
    }
    Ok(())
}
