//! The files that `setup --undo` restores, and those that it leaves away.

use std::path::Path;

use super::pam_profile::{self, ProfileResult};
use super::restored_files::{self, FoundFile};
use super::setup_journal::{FileChange, FileStanding, FileTexts, SetupJournal};
use super::{config_files, shown_changes};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;

/// The plan of an undo.
pub struct UndoPlan<'a> {
    files: Vec<FoundFile<'a>>,
    /// Files of pam-auth-update without the profile, where it has written them since.
    pub profile: Vec<FileChange>,
}

impl<'a> UndoPlan<'a> {
    /// Compares the files with the note. The policy may differ, since it is edited at any time.
    ///
    /// # Errors
    /// A refusal where a file was edited since; the reason why one cannot be read.
    pub fn of(context: &CommandContext, journal: &'a SetupJournal) -> Result<Self, CommandFailure> {
        let mut files = Vec::new();
        for texts in &journal.files {
            if texts.path == context.policy_path() {
                continue;
            }
            let now = config_files::read(&texts.path)?;
            let standing = texts.standing_since(texts.original.as_deref(), now.as_deref());
            files.push(FoundFile {
                texts,
                standing,
                now,
            });
        }
        let is_of_profile = |file: &FoundFile<'_>| pam_profile::writes(&file.texts.path);
        let is_other = |file: &&FoundFile<'_>| file.standing == FileStanding::Other;
        let mut profile = Vec::new();
        if files.iter().filter(is_other).any(is_of_profile)
            && let ProfileResult::Written(changes) = pam_profile::removal()?
        {
            files.retain(|file| !is_of_profile(file));
            profile = changes;
        }
        restored_files::refuse_edited(context, &files)?;
        Ok(Self { files, profile })
    }

    /// The files that get their old text again, with it.
    pub fn restored(&self) -> impl Iterator<Item = (&'a FileTexts, Option<&'a str>)> {
        let written = self.files.iter();
        let written = written.filter(|file| file.standing == FileStanding::After);
        written.map(|file| (file.texts, file.texts.original.as_deref()))
    }

    /// The files that are gone, with their text before setup. Of a package that was removed they must not come back, and an
    /// administrator may have deleted one.
    pub fn missing(&self) -> impl Iterator<Item = (&'a Path, &'a str)> {
        let gone = self.files.iter().filter(|file| file.now.is_none());
        gone.filter_map(|file| {
            let texts: &'a FileTexts = file.texts;
            Some((texts.path.as_path(), texts.original.as_deref()?))
        })
    }

    /// Shows each file that is written, and those that are gone.
    ///
    /// # Errors
    /// When it cannot be shown.
    pub fn show(&self, context: &CommandContext) -> Result<(), CommandFailure> {
        for (texts, original) in self.restored() {
            let change = (Some(texts.after.as_str()), original);
            shown_changes::show_file(context, &texts.path, change)?;
        }
        for change in &self.profile {
            let texts = (change.before.as_deref(), Some(change.after.as_str()));
            shown_changes::show_file(context, &change.path, texts)?;
        }
        for (path, original) in self.missing() {
            let told = format!(
                "Note: {} is gone, and stays so. Before setup it was:\n",
                path.display()
            );
            context.terminal.prose(&told)?;
            shown_changes::show_file(context, path, (None, Some(original)))?;
        }
        Ok(())
    }

    /// Writes the files.
    ///
    /// # Errors
    /// When one was changed meanwhile, or cannot be written.
    pub fn write(&self) -> Result<(), CommandFailure> {
        for change in self.profile.iter().rev() {
            config_files::remove_leftover(&change.path)?;
            config_files::write(&change.path, change.before.as_deref(), &change.after)?;
        }
        for FoundFile {
            texts: file,
            standing,
            ..
        } in self.files.iter().rev()
        {
            config_files::remove_leftover(&file.path)?;
            if *standing == FileStanding::After {
                restored_files::write(&file.path, &file.after, file.original.as_deref())?;
            }
        }
        Ok(())
    }
}
