//! `backup`: records and states of all users in one file, to be restored here or on another server.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::backup::BackupText;
use twofactor_core::log::event::CommandEvent;
use twofactor_store::sys::clock;
use twofactor_store::{Cause, Error as StoreError, Store};
use zeroize::Zeroizing;

use crate::args::BackupArgs;
use crate::audit;
use crate::context::Context;
use crate::error::{ExitStatus, Failure, for_user};
use crate::formatting::count;
use crate::output::{OutputFormat, Report};
use crate::output_stream::OutputStream;
use crate::private_file::PrivateFile;
use crate::progress::ProgressLine;

/// Runs it. The exit code is 1 where a user is missing in the backup.
pub fn run(context: &Context, args: &BackupArgs) -> Result<ExitCode, Failure> {
    let output = args.output.as_deref();
    let file = output.filter(|path| *path != Path::new("-"));
    check_stream(context, file)?;
    let store = context.existing_store()?;
    let file = file.map(PrivateFile::reserve).transpose()?;
    let mut text = BackupText::new(clock::now()?);
    let mut report = BackupReport {
        file: file.as_ref().map(|file| file.path().display().to_string()),
        users: 0,
        failed: Vec::new(),
    };
    let found = store.inventory()?;
    let mut progress = ProgressLine::new("Read", found.records.len());
    let mut failed = |name: &str, error| {
        let reason = for_user(error, name).to_string();
        let user = name.to_owned();
        report.failed.push(MissingUser { user, reason });
    };
    for name in &found.records {
        if let Err(error) = add(&store, name, &mut text) {
            failed(name, error);
        }
        progress.add(1);
    }
    // A record that its state tells of, and that is not there.
    let without = |name: &&String| found.records.binary_search(name).is_err();
    for name in found.states.iter().filter(without) {
        if let Err(error) = store.prove_removed(name) {
            failed(name, error);
        }
    }
    drop(progress);
    report.users = text.users();
    let bytes = text.finish();
    let to = report.file.as_deref().unwrap_or("standard output");
    // Before it is handed out: whatever happens then, it may have been read.
    audit::log(
        CommandEvent::Backup,
        None,
        &[("users", &report.users.to_string()), ("to", to)],
    );
    match file {
        Some(file) => {
            file.write(&bytes)?;
            file.flush_name()?;
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

/// Keys of all users are not shown on a terminal, and are no JSON.
fn check_stream(context: &Context, file: Option<&Path>) -> Result<(), Failure> {
    if file.is_some() {
        return Ok(());
    }
    if context.format == OutputFormat::Json {
        return Err(Failure::usage("--json needs --output FILE"));
    }
    if OutputStream::Stdout.is_terminal() {
        return Err(
            Failure::usage("a backup holds all keys and is not shown on a terminal")
                .next("Name a file: twofactor backup --output FILE, or a pipe: twofactor backup | age -r KEY >FILE"),
        );
    }
    Ok(())
}

/// Adds a user, whose lock is held for a moment: record and state belong together.
fn add(store: &Store, name: &str, text: &mut BackupText) -> Result<(), StoreError> {
    // Removed meanwhile.
    let Some(found) = store.record_named(name)? else {
        return Ok(());
    };
    if found.user != name {
        let path = store.record_path(name);
        let cause = Cause::OtherUser(found.user);
        return Err(StoreError { path, cause });
    }
    let account = Account {
        name: found.user,
        uid: found.uid,
        gid: 0,
    };
    let locked = store.lock(&account)?;
    if let Some(record) = locked.record()? {
        text.add(&record, locked.state());
    }
    Ok(())
}

/// Report of `backup`.
#[derive(Serialize)]
struct BackupReport {
    /// The file.
    file: Option<String>,
    /// Number of users in it.
    users: usize,
    /// Users who are not in it.
    failed: Vec<MissingUser>,
}

#[derive(Serialize)]
struct MissingUser {
    user: String,
    reason: String,
}

impl Report for BackupReport {
    fn text(&self) -> Zeroizing<String> {
        let users = count(self.users as u64, "user");
        let to = match &self.file {
            Some(file) => format!(": {file} (only root can read it)"),
            None => String::new(),
        };
        let mut text = format!(
            "Backup of {users}{to}. It holds all keys: encrypt it, or keep it as the machine's own files.\n"
        );
        for MissingUser { user, reason } in &self.failed {
            text.push_str(&format!(
                "Not in it: {user}: {}\n",
                reason.replace('\n', ". ")
            ));
        }
        Zeroizing::new(text)
    }
}
