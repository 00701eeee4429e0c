//! Putting files back.

use std::path::Path;

use super::journal::{FileStanding, FileTexts, SetupJournal};
use super::{diff, dropin, policy_reversal, reload, replace};
use crate::audit;
use crate::commands::change::PolicyChange;
use crate::context::Context;
use crate::error::Failure;
use crate::interrupt;
use twofactor_core::log::event::CommandEvent;

/// A file as it is found.
pub struct FoundFile<'a> {
    /// What is noted of it.
    pub texts: &'a FileTexts,
    /// Which of the texts it has.
    pub standing: FileStanding,
    /// Its text.
    pub now: Option<String>,
}

/// Puts back what a setup has changed that failed, and returns its failure, with what became of the files.
pub fn after(context: &Context, failure: Failure) -> Failure {
    let hint = failure
        .next
        .clone()
        .map_or_else(String::new, |next| format!("{next}\n"));
    match put_back(context) {
        Ok(()) => failure.next(format!("{hint}Everything is as it was before.")),
        Err(more) => {
            let cure = more
                .next
                .clone()
                .map_or_else(String::new, |next| format!("{next}\n"));
            Failure::system(format!(
                "{}; and it could not be undone: {more}",
                failure.what
            ))
            .next(format!("{cure}Once that is fixed: twofactor setup --undo"))
        }
    }
}

/// Puts back what the latest setup has changed, however far it came, and notes that.
///
/// # Errors
/// As [`PutBack::prepare`] and [`PutBack::make`].
pub fn put_back(context: &Context) -> Result<(), Failure> {
    PutBack::prepare(context)?.make(context)
}

/// What is put back of the latest setup. Files that it does not change are none of its business.
pub struct PutBack {
    journal: SetupJournal,
    /// The files that have the text of the setup, in the order in which they were written.
    written: Vec<FileTexts>,
    policy: Option<PolicyChange>,
}

impl PutBack {
    /// Finds out what has to be put back.
    ///
    /// # Errors
    /// A refusal where a file is neither what was there before nor what setup left; the error of a file or a policy that
    /// cannot be read.
    pub fn prepare(context: &Context) -> Result<Self, Failure> {
        let journal = SetupJournal::load(context.state_path())?
            .ok_or_else(|| Failure::system("the note of what the files were before is gone"))?;
        let mut found = Vec::new();
        for texts in changed_files(context, &journal) {
            let now = replace::read(&texts.path)?;
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

    /// Shows it, for a setup that was stopped.
    ///
    /// # Errors
    /// When it cannot be shown.
    pub fn show(&self, context: &Context) -> Result<(), Failure> {
        let terminal = &context.terminal;
        terminal.say("An earlier setup was interrupted. It must be undone first.\n")?;
        for file in &self.written {
            let path = file.path.display().to_string();
            terminal.say(&diff::unified(
                &path,
                Some(&file.after),
                file.previous.as_deref(),
            ))?;
        }
        if let Some(policy) = &self.policy {
            let path = context.policy_path().display().to_string();
            terminal.say(&diff::unified(&path, policy.text(), Some(policy.edited())))?;
            terminal.say(&format!("\n{}", policy.announcement()))?;
        }
        Ok(())
    }

    /// Asks once, and makes it.
    ///
    /// # Errors
    /// When the answer is no, and as [`Self::make`].
    pub fn confirm_and_make(self, context: &Context) -> Result<(), Failure> {
        context.terminal.confirm("Undo it?")?;
        interrupt::arm()?;
        self.make(context)
    }

    /// Makes it, and notes that.
    ///
    /// # Errors
    /// A system error when a file cannot be written or sshd cannot be told.
    pub fn make(self, context: &Context) -> Result<(), Failure> {
        // First of all no code is asked for any more.
        if let Some(policy) = &self.policy {
            policy.commit(context)?;
        }
        for file in changed_files(context, &self.journal) {
            replace::remove_leftover(&file.path)?;
        }
        for file in self.written.iter().rev() {
            write(&file.path, &file.after, file.previous.as_deref())?;
        }
        verify(context, &self.journal)?;
        // Also where it was put back already: sshd may not have been told.
        let sshd = self.journal.file(Path::new(dropin::PATH));
        if sshd.is_some_and(FileTexts::is_changed) {
            reload::reload()?;
        }
        let state = context.state_path();
        match self.journal.before_latest() {
            Some(earlier) => earlier.save(state)?,
            None => SetupJournal::remove(state)?,
        }
        audit::log(CommandEvent::SetupPutBack, None, &[]);
        Ok(())
    }
}

/// The files of the latest setup but for the policy, which has a way back of its own.
fn changed_files<'a>(
    context: &'a Context,
    journal: &'a SetupJournal,
) -> impl Iterator<Item = &'a FileTexts> {
    journal
        .files
        .iter()
        .filter(|file| file.is_changed() && file.path != context.policy_path())
}

/// Refuses where a file was edited, and shows how.
///
/// # Errors
/// A refusal that names the files.
pub fn refuse_edited(context: &Context, files: &[FoundFile<'_>]) -> Result<(), Failure> {
    let mut names = Vec::new();
    for file in files {
        if file.standing != FileStanding::Other {
            continue;
        }
        let path = file.texts.path.display().to_string();
        context.terminal.say(&diff::unified(
            &path,
            Some(&file.texts.after),
            file.now.as_deref(),
        ))?;
        names.push(path);
    }
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "changed since setup wrote it: {}. Nothing was touched",
        names.join(", ")
    ))
    .next(
        "Above is how it differs from what setup left. Take your changes out, or take out the lines with pam_twofactor.so \
         (the package: pam-auth-update --disable twofactor) and then: twofactor setup --undo --forget",
    ))
}

/// The text of a file; the policy is read as the policy is.
///
/// # Errors
/// When it cannot be read.
pub fn read(context: &Context, path: &Path) -> Result<Option<String>, Failure> {
    if path != context.policy_path() {
        return replace::read(path);
    }
    match context.policy.text() {
        Err(error) if error.is_missing() => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Writes a text in place of another one; `None` removes the file.
///
/// # Errors
/// When another text stands there by now, or it cannot be written.
pub fn write(path: &Path, now: &str, text: Option<&str>) -> Result<(), Failure> {
    match text {
        Some(text) => replace::write(path, Some(now), text),
        None => replace::remove(path, now),
    }
}

/// Looks whether each file is what it was.
fn verify(context: &Context, journal: &SetupJournal) -> Result<(), Failure> {
    for file in changed_files(context, journal) {
        if replace::read(&file.path)? != file.previous {
            return Err(Failure::system(format!(
                "{} is not what it was before",
                file.path.display()
            )));
        }
    }
    Ok(())
}
