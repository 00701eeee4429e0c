//! The note of the changes of setup, for their undoing: each file's text before and after, saved before the first change.
//!
//! The note is `setup.json` in the state directory, root 0600. Comparing each file with its texts shows how far an
//! interrupted setup came, so no order has to be kept.

use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use serde::{Deserialize, Serialize};
use twofactor_core::POLICY_FILE;
use twofactor_store::sys::file::{self, FileAccess};

use super::policy_before_setup;
use crate::command_failure::CommandFailure;

/// Name of the note in the state directory.
const NAME: &str = "setup.json";
/// The version of the format.
const JOURNAL_VERSION: u32 = 1;

/// The texts of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTexts {
    /// Path.
    pub path: PathBuf,
    /// Before the first setup; `null` where there was no file.
    pub original: Option<String>,
    /// Before the latest setup.
    pub previous: Option<String>,
    /// As setup leaves it.
    pub after: String,
}

/// Progress of the latest setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetupProgress {
    /// Begun.
    Begun,
    /// Done.
    Done,
}

/// The note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupJournal {
    version: u32,
    /// Progress of the latest setup.
    pub progress: SetupProgress,
    /// The files, in the order in which they are written.
    pub files: Vec<FileTexts>,
}

/// A file that a setup changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Path.
    pub path: PathBuf,
    /// Its text; `None` where there is none.
    pub before: Option<String>,
    /// Its new text.
    pub after: String,
}

/// State of a file: the text before setup, the text of setup, or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileStanding {
    /// The text before the latest setup.
    Before,
    /// As setup leaves it.
    After,
    /// Another text.
    Other,
}

impl FileTexts {
    /// True if the latest setup changes it. Files of earlier setups are in the note as well.
    pub fn is_changed(&self) -> bool {
        self.previous.as_deref() != Some(self.after.as_str())
    }

    /// Notes a change of a policy that was edited after the earlier setup. Its text without that setup is the edited one
    /// without the switches.
    fn rebase(&mut self, change: &FileChange) -> Result<(), CommandFailure> {
        if let (Some(original), Some(now)) = (&self.original, &change.before) {
            let text = policy_before_setup::text(now, original, &self.after)?;
            self.original = Some(text);
        }
        self.previous.clone_from(&change.before);
        self.after.clone_from(&change.after);
        Ok(())
    }

    /// The text that `now` is, of the one before the latest setup and the one after it. [`FileStanding::After`] where setup
    /// changes nothing.
    pub fn standing(&self, now: Option<&str>) -> FileStanding {
        self.standing_since(self.previous.as_deref(), now)
    }

    /// The text that `now` is, of `before` and the one after the setup. A file that is gone names no module: the package that
    /// it belongs to was removed, and nothing of it has to be restored.
    pub fn standing_since(&self, before: Option<&str>, now: Option<&str>) -> FileStanding {
        match now {
            now if now == Some(self.after.as_str()) => FileStanding::After,
            None => FileStanding::Before,
            now if now == before => FileStanding::Before,
            Some(_) => FileStanding::Other,
        }
    }
}

impl SetupJournal {
    /// The note of a setup that is about to begin, with the files of earlier ones.
    ///
    /// # Errors
    /// A refusal where a file is not what the earlier setup left: its original text is unknown then. The policy may have
    /// any text, since only the switches of setup are undone there.
    pub fn begin(earlier: Option<&Self>, changes: &[FileChange]) -> Result<Self, CommandFailure> {
        let mut journal = earlier.cloned().unwrap_or_else(|| Self {
            version: JOURNAL_VERSION,
            progress: SetupProgress::Begun,
            files: Vec::new(),
        });
        journal.progress = SetupProgress::Begun;
        for file in &mut journal.files {
            file.previous = Some(file.after.clone());
        }
        for change in changes {
            match journal
                .files
                .iter_mut()
                .find(|file| file.path == change.path)
            {
                Some(file) if change.before.as_deref() == Some(file.after.as_str()) => {
                    file.after.clone_from(&change.after);
                }
                Some(file) if file.path == Path::new(POLICY_FILE) => {
                    file.rebase(change)?;
                }
                Some(file) => {
                    return Err(CommandFailure::refused(format!(
                        "{} is not what the earlier setup left",
                        file.path.display()
                    ))
                    .next("Undo that one first: twofactor setup --undo"));
                }
                None => journal.files.push(FileTexts {
                    path: change.path.clone(),
                    original: change.before.clone(),
                    previous: change.before.clone(),
                    after: change.after.clone(),
                }),
            }
        }
        Ok(journal)
    }

    /// The texts of one file.
    pub fn file(&self, path: &Path) -> Option<&FileTexts> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The note without the latest setup; `None` if there was no earlier one.
    pub fn before_latest(mut self) -> Option<Self> {
        // An earlier setup left the text that this one found.
        self.files.retain(|file| file.previous != file.original);
        for file in &mut self.files {
            if let Some(previous) = file.previous.clone() {
                file.after = previous;
            }
        }
        self.progress = SetupProgress::Done;
        (!self.files.is_empty()).then_some(self)
    }

    /// True if there is a note, also one that cannot be used.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn is_there(state: &Path) -> Result<bool, CommandFailure> {
        let path = state.join(NAME);
        match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(CommandFailure::system(format!(
                "{}: {error}",
                path.display()
            ))),
        }
    }

    /// Reads the note; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is of another version.
    pub fn load(state: &Path) -> Result<Option<Self>, CommandFailure> {
        let path = state.join(NAME);
        let Some(text) = super::config_files::read(&path)? else {
            return Ok(None);
        };
        let broken = |what: String| {
            CommandFailure::invalid(format!("{}: {what}", path.display()))
                .next(
                    "What setup changed cannot be undone automatically. docs/setup.md lists it. Once that is done by hand: \
                     twofactor setup --undo --forget",
                )
        };
        let journal: Self = serde_json::from_str(&text)
            .map_err(|error| broken(format!("line {}", error.line())))?;
        if journal.version != JOURNAL_VERSION {
            return Err(broken("is of another version".to_owned()));
        }
        Ok(Some(journal))
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written; then nothing else must be changed.
    pub fn save(&self, state: &Path) -> Result<(), CommandFailure> {
        let text = serde_json::to_string_pretty(self).map_err(CommandFailure::system)?;
        let directory = open(state)?;
        file::write_file(&directory, NAME, text.as_bytes(), FileAccess::Private)
            .map_err(|error| failed(state, &error))
    }

    /// Removes it, durably.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(state: &Path) -> Result<(), CommandFailure> {
        let directory = open(state)?;
        file::remove(&directory, NAME)
            .and_then(|()| file::flush_directory(&directory))
            .map_err(|error| failed(state, &error))
    }
}

fn open(state: &Path) -> Result<std::os::fd::OwnedFd, CommandFailure> {
    file::open_directory(CWD, state, FileAccess::Private).map_err(|error| failed(state, &error))
}

fn failed(state: &Path, error: &file::FileError) -> CommandFailure {
    CommandFailure::system(format!("{}: {error}", state.join(NAME).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, before: Option<&str>, after: &str) -> FileChange {
        FileChange {
            path: path.into(),
            before: before.map(str::to_owned),
            after: after.to_owned(),
        }
    }

    fn begin(earlier: Option<&SetupJournal>, changes: &[FileChange]) -> SetupJournal {
        SetupJournal::begin(earlier, changes).unwrap()
    }

    #[test]
    fn a_text_tells_how_far_it_came() {
        let journal = begin(
            None,
            &[change("/a", Some("old"), "new"), change("/b", None, "new")],
        );
        let [a, b] = journal.files.as_slice() else {
            panic!("two files")
        };
        assert_eq!(a.standing(Some("old")), FileStanding::Before);
        assert_eq!(a.standing(Some("new")), FileStanding::After);
        assert_eq!(a.standing(Some("edited")), FileStanding::Other);
        assert_eq!(a.standing(None), FileStanding::Before);
        assert_eq!(b.standing(None), FileStanding::Before);
    }

    #[test]
    fn a_second_setup_remembers_what_was_there_at_first() {
        let mut first = begin(None, &[change("/a", Some("0"), "1")]);
        first.progress = SetupProgress::Done;
        let second = begin(
            Some(&first),
            &[change("/a", Some("1"), "2"), change("/b", None, "x")],
        );
        let a = &second.files[0];
        assert_eq!(
            (
                a.original.as_deref(),
                a.previous.as_deref(),
                a.after.as_str()
            ),
            (Some("0"), Some("1"), "2")
        );
        assert_eq!(
            second.before_latest(),
            Some({
                first.files[0].previous = Some("1".to_owned());
                first
            })
        );
    }

    #[test]
    fn a_first_setup_leaves_no_note_once_it_is_put_back() {
        let journal = begin(
            None,
            &[change("/a", Some("0"), "1"), change("/b", None, "x")],
        );
        assert_eq!(journal.before_latest(), None);
    }

    #[test]
    fn a_file_that_was_edited_since_is_not_changed_again() {
        let first = begin(None, &[change("/a", Some("0"), "1")]);
        let again = [change("/a", Some("edited"), "2")];
        let failure = SetupJournal::begin(Some(&first), &again).unwrap_err();
        assert_eq!(failure.what, "/a is not what the earlier setup left");
    }

    #[test]
    fn a_policy_that_was_edited_since_keeps_the_edit() {
        let off = "enabled = false\n";
        let on = "enabled = true\n[services]\nsudo = true\n";
        let edited = "enabled = true\nwindow = 2\n[services]\nsudo = true\n";
        let both = "enabled = true\nwindow = 2\n[services]\nsudo = true\nsshd = true\n";
        let first = begin(None, &[change(POLICY_FILE, Some(off), on)]);
        let second = begin(Some(&first), &[change(POLICY_FILE, Some(edited), both)]);
        let file = &second.files[0];
        let original = file.original.as_deref().unwrap();
        assert!(
            original.contains("enabled = false\n") && original.contains("window = 2\n"),
            "{original}"
        );
        assert_eq!(
            (file.previous.as_deref(), file.after.as_str()),
            (Some(edited), both)
        );
    }

    #[test]
    fn the_latest_setup_leaves_files_of_earlier_ones() {
        let first = begin(None, &[change("/a", Some("0"), "1")]);
        let second = begin(Some(&first), &[change("/b", Some("0"), "1")]);
        let changed: Vec<bool> = second.files.iter().map(FileTexts::is_changed).collect();
        assert_eq!(changed, [false, true]);
    }
}
