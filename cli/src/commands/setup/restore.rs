//! Putting files back.

use std::path::Path;

use super::journal::{FileStanding, FileTexts, SetupJournal};
use super::{diff, dropin, reload, replace};
use crate::audit;
use crate::context::Context;
use crate::error::Failure;
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
pub fn after(context: &Context, journal: SetupJournal, failure: Failure) -> Failure {
    let hint = failure
        .next
        .clone()
        .map_or_else(String::new, |next| format!("{next}\n"));
    match put_back(context, journal) {
        Ok(()) => failure.next(format!("{hint}Everything is as it was before.")),
        Err(more) => Failure::system(format!(
            "{}; and it could not be put back: {more}",
            failure.what
        ))
        .next("Once that is cured: twofactor setup --undo"),
    }
}

/// Puts back what the latest setup has changed, however far it came, and notes that.
///
/// # Errors
/// A refusal where a file is neither what was there before nor what setup left: that one stays as it is, and so do the
/// others; a system error when a file cannot be written.
pub fn put_back(context: &Context, journal: SetupJournal) -> Result<(), Failure> {
    let mut found = Vec::new();
    for texts in &journal.files {
        replace::remove_leftover(&texts.path)?;
        let now = read(context, &texts.path)?;
        found.push(FoundFile {
            texts,
            standing: texts.standing(now.as_deref()),
            now,
        });
    }
    refuse_edited(context, &found)?;
    let mut sshd = false;
    for FoundFile {
        texts: file,
        standing,
        ..
    } in found.iter().rev()
    {
        if *standing == FileStanding::After && file.previous.as_deref() != Some(file.after.as_str())
        {
            write(context, &file.path, &file.after, file.previous.as_deref())?;
            sshd |= file.path == Path::new(dropin::PATH);
        }
    }
    verify(context, &journal.files)?;
    if sshd {
        reload::reload()?;
    }
    let state = context.state_path();
    match journal.before_latest() {
        Some(earlier) => earlier.save(state)?,
        None => SetupJournal::remove(state)?,
    }
    audit::log(CommandEvent::SetupPutBack, None, &[]);
    Ok(())
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
pub fn write(context: &Context, path: &Path, now: &str, text: Option<&str>) -> Result<(), Failure> {
    match text {
        Some(text) if path == context.policy_path() => {
            // Without the lock where the state directory is broken: switching off must work.
            let store = context.store().ok().flatten();
            context.policy.edit(store.as_ref(), |current| {
                if current == Some(now) {
                    Ok(text.to_owned())
                } else {
                    Err(Failure::refused("the policy was changed meanwhile").next("Try again."))
                }
            })
        }
        Some(text) => replace::write(path, Some(now), text),
        None => replace::remove(path, now),
    }
}

/// Looks whether each file is what it was.
fn verify(context: &Context, files: &[FileTexts]) -> Result<(), Failure> {
    for file in files {
        if read(context, &file.path)? != file.previous {
            return Err(Failure::system(format!(
                "{} is not what it was before",
                file.path.display()
            )));
        }
    }
    Ok(())
}
