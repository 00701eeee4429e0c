//! `backup`: records and states of all users in one file, to be restored here or on another server.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use twofactor_core::backup::{BackupError, BackupText};
use twofactor_core::log::event::CommandEvent;
use twofactor_store::FactorStore;
use twofactor_store::operations::{self, BackupFailure};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::BackupArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus, for_user};
use crate::command_log;
use crate::formatting::count;
use crate::interrupt;
use crate::output::{CommandReport, OutputFormat};
use crate::output_stream::OutputStream;
use crate::private_file::PrivateFile;
use crate::progress::ProgressLine;

/// Runs it. The exit code is 1 where a user is missing in the backup.
pub fn run(context: &CommandContext, args: &BackupArgs) -> Result<ExitCode, CommandFailure> {
    let output = args.output.as_deref();
    let file = output.filter(|path| *path != Path::new("-"));
    check_stream(context, file)?;
    let store = context.existing_store()?;
    if file.is_some() {
        // A signal ends the call all the same, and no part of a backup is left. A pipe needs no such care, and one that
        // is not read must not keep a signal from ending the call.
        interrupt::arm()?;
    }
    let file = file.map(PrivateFile::reserve).transpose()?;
    let (text, failed) = collected(&store)?;
    let report = BackupReport {
        file: file.as_ref().map(|file| file.path().display().to_string()),
        users: text.users(),
        failed,
    };
    let bytes = text.finish();
    interrupt::check()?;
    let to = report.file.as_deref().unwrap_or("standard output");
    // Before it is handed out: whatever happens then, it may have been read.
    command_log::log(
        CommandEvent::Backup,
        None,
        &[("users", &report.users.to_string()), ("to", to)],
    );
    match file {
        Some(file) => {
            file.write(&bytes)?;
            file.flush_name()?;
            interrupt::check()?;
            file.keep();
            context.write(&report)?;
        }
        None => {
            OutputStream::Stdout.bytes_for_programs(&bytes)?;
            // Standard output has the backup.
            OutputStream::Stderr.prose(&report.text())?;
        }
    }
    Ok(if report.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ExitStatus::Refused as u8)
    })
}

/// The backup of all users who can be read, and the others.
fn collected(store: &FactorStore) -> Result<(BackupText, Vec<OmittedUser>), CommandFailure> {
    let mut progress: Option<ProgressLine> = None;
    let step = |records| -> Result<(), CommandFailure> {
        interrupt::check()?;
        let progress = progress.get_or_insert_with(|| ProgressLine::new("Read", records));
        progress.add(1);
        Ok(())
    };
    let backup =
        operations::back_up(store, clock::now()?, step).map_err(|failure| match failure {
            BackupFailure::Store(error) => error.into(),
            BackupFailure::TooLarge(error) => too_large(error),
            BackupFailure::Stopped(failure) => failure,
        })?;
    let missing = backup.missing.into_iter().map(|missing| {
        let failure = for_user(missing.cause, &missing.user);
        OmittedUser {
            reason: failure.to_string(),
            kind: failure.kind.word(),
            user: missing.user,
        }
    });
    Ok((backup.text, missing.collect()))
}

/// Keys of all users are not shown on a terminal, and are no JSON.
fn check_stream(context: &CommandContext, file: Option<&Path>) -> Result<(), CommandFailure> {
    if file.is_some() {
        return Ok(());
    }
    if context.format == OutputFormat::Json {
        return Err(CommandFailure::usage("--json needs --output FILE"));
    }
    if OutputStream::Stdout.is_terminal() {
        return Err(
            CommandFailure::usage("a backup holds all keys and is not shown on a terminal")
                .next("Name a file: twofactor backup --output FILE, or a pipe: twofactor backup | age -r KEY >FILE"),
        );
    }
    refuse_open_file(
        "a backup holds all keys",
        "Have a private file made: twofactor backup --output FILE",
    )
}

/// Refuses to write keys to a standard output that is a file of others.
///
/// # Errors
/// That refusal, with the step `cure`.
pub fn refuse_open_file(why: &str, cure: &str) -> Result<(), CommandFailure> {
    if !OutputStream::Stdout.is_file_of_others()? {
        return Ok(());
    }
    Err(CommandFailure::refused(format!(
        "{why}, and standard output is a file that other users can open"
    ))
    .next(cure))
}

fn too_large(error: BackupError) -> CommandFailure {
    CommandFailure::refused(error)
        .next("It could not be restored. Copy the state directory as a whole instead.")
}

/// Report of `backup`.
#[derive(Serialize)]
struct BackupReport {
    /// The file.
    file: Option<String>,
    /// Number of users in it.
    users: usize,
    /// Users who are not in it.
    failed: Vec<OmittedUser>,
}

#[derive(Serialize)]
struct OmittedUser {
    user: String,
    reason: String,
    /// The word for its kind, for programs.
    kind: &'static str,
}

impl CommandReport for BackupReport {
    fn text(&self) -> Zeroizing<String> {
        let users = count(self.users as u64, "user");
        let to = match &self.file {
            Some(file) => format!(": {file} (only root can read it)"),
            None => String::new(),
        };
        let mut text = format!(
            "Backup of {users}{to}. It holds all keys: encrypt it, or keep it as the machine's own files.\n"
        );
        for OmittedUser { user, reason, .. } in &self.failed {
            text.push_str(&format!(
                "Not in it: {user}: {}\n",
                reason.replace('\n', ". ")
            ));
        }
        Zeroizing::new(text)
    }
}
