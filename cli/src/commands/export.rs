//! `export`: devices for other programs. Reveals their keys, and says so in the log.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use twofactor_core::device::Device;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::Policy;
use twofactor_core::state::UserState;
use twofactor_store::{FactorSnapshot, FactorStore};
use zeroize::Zeroizing;

use super::backup::refuse_open_file;
use crate::args::transfer_options::{ExportArgs, ExportCommand};
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus, for_user};
use crate::command_log;
use crate::device_info;
use crate::export_oath;
use crate::failure_kind::FailureKind;
use crate::formatting::{count, plain};
use crate::interrupt;
use crate::output::{CommandReport, LineLayout, OutputFormat};
use crate::output_stream::OutputStream;
use crate::private_file::PrivateFile;
use crate::progress::ProgressLine;
use crate::roster::{AccountLookup, RecordOwner};

/// Runs it. The exit code tells of what was left out.
pub fn run(context: &CommandContext, args: &ExportCommand) -> Result<ExitCode, CommandFailure> {
    let (format, options) = match args {
        ExportCommand::UsersOath(options) => ("users-oath", options),
        ExportCommand::Uri(options) => ("uri", options),
    };
    let policy = context.policy_or_default()?;
    let line = |user: &str, device: &Device, state: &UserState| match args {
        ExportCommand::UsersOath(_) => export_oath::line(user, device, state),
        ExportCommand::Uri(_) => uri(user, device, state, &policy),
    };
    let mut exported = ExportReport::new(format, options.output.as_deref());
    let names = match (&options.user, context.store()?) {
        (Some(user), _) => vec![context.enrolled(user)?.0.name],
        (None, Some(store)) => store.users()?,
        (None, None) => Vec::new(),
    };
    if let Some(store) = context.store()? {
        let accounts = AccountLookup::for_names(names.len());
        let mut progress = ProgressLine::new("Read", names.len());
        for name in &names {
            exported.add_user(&store, &accounts, name, line)?;
            progress.add(1);
        }
    }
    exported.finish(context, options)
}

fn uri(
    user: &str,
    device: &Device,
    state: &UserState,
    policy: &Policy,
) -> Result<Zeroizing<String>, String> {
    match export_oath::next(device, state) {
        Some(_) => Ok(device_info::uri(device, user, policy, Some(state))),
        None => Err(export_oath::COUNTER_LOST.to_owned()),
    }
}

/// Report of `export`.
#[derive(Serialize)]
struct ExportReport {
    format: &'static str,
    /// `null`: standard output.
    file: Option<String>,
    exported: Vec<ExportedDevice>,
    left_out: Vec<SkippedUser>,
    /// Empty when they went to a file.
    lines: Vec<Zeroizing<String>>,
    #[serde(skip)]
    recovery_codes: bool,
}

#[derive(Serialize)]
struct ExportedDevice {
    user: String,
    device: String,
}

#[derive(Serialize)]
struct SkippedUser {
    user: String,
    device: Option<String>,
    reason: String,
}

impl ExportReport {
    fn new(format: &'static str, file: Option<&Path>) -> Self {
        Self {
            format,
            file: file.map(|file| file.display().to_string()),
            exported: Vec::new(),
            left_out: Vec::new(),
            lines: Vec::new(),
            recovery_codes: false,
        }
    }

    fn add_user(
        &mut self,
        store: &FactorStore,
        accounts: &AccountLookup,
        name: &str,
        line: impl Fn(&str, &Device, &UserState) -> Result<Zeroizing<String>, String>,
    ) -> Result<(), CommandFailure> {
        let owner = RecordOwner::of(accounts, store, name)?;
        // Other programs know a user who was renamed by the new name.
        let login = match &owner {
            RecordOwner::Renamed(entry) => entry.account.name.clone(),
            RecordOwner::Named(_) | RecordOwner::Gone => name.to_owned(),
        };
        let Some(account) = owner.account() else {
            self.leave_out(name, None, "there is no such user any more".to_owned());
            return Ok(());
        };
        match store.snapshot(&account) {
            Ok(None) => {}
            Ok(Some(FactorSnapshot { record, state, .. })) => {
                self.recovery_codes |= record.recovery.is_some();
                for device in &record.devices {
                    match line(&login, device, &state) {
                        Ok(line) => {
                            self.lines.push(line);
                            self.exported.push(ExportedDevice {
                                user: login.clone(),
                                device: device.name.to_string(),
                            });
                        }
                        Err(reason) => self.leave_out(name, Some(device), reason),
                    }
                }
            }
            Err(error) => {
                let failure = for_user(error, name).to_string().replace('\n', ". ");
                self.leave_out(name, None, failure);
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, user: &str, device: Option<&Device>, reason: String) {
        self.left_out.push(SkippedUser {
            user: user.to_owned(),
            device: device.map(|device| device.name.to_string()),
            reason,
        });
    }

    /// Asks on standard error: standard output may be a file or another program.
    fn ask(&self, context: &CommandContext) -> Result<(), CommandFailure> {
        if self.exported.is_empty() {
            return Ok(());
        }
        let users: BTreeSet<&str> = self.exported.iter().map(|one| one.user.as_str()).collect();
        let devices = count(self.exported.len() as u64, "device");
        let users = match users.first() {
            Some(user) if users.len() == 1 => plain(user),
            _ => count(users.len() as u64, "user"),
        };
        let place = self.file.as_deref().unwrap_or("standard output");
        let question = format!(
            "Write the keys of {devices} of {users} to {place}? Each reader of them has the devices."
        );
        context.terminal.at(OutputStream::Stderr).confirm(&question)
    }

    fn finish(
        mut self,
        context: &CommandContext,
        options: &ExportArgs,
    ) -> Result<ExitCode, CommandFailure> {
        if options.output.is_none() {
            refuse_open_file(
                "an export holds the keys",
                "Have a private file made: --output FILE",
            )?;
        }
        self.ask(context)?;
        let mut text = Zeroizing::new(String::new());
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        let file = options
            .output
            .as_deref()
            .map(|path| ExportFile::reserve(path, options));
        let file = file.transpose()?;
        // Before they are handed out: whatever happens then, they may have been read.
        for one in &self.exported {
            command_log::log(
                CommandEvent::Export,
                Some(&one.user),
                &[("device", &one.device)],
            );
        }
        if let Some(file) = file {
            file.finish(text.as_bytes())?;
            self.lines.clear();
        }
        // A report that cannot be shown is in the exit code.
        let tell = |line: String| {
            let _ = OutputStream::Stderr.prose(&line);
        };
        for one in &self.left_out {
            let device = one.device.as_deref().map(|device| format!(", {device}"));
            let (user, device) = (plain(&one.user), device.unwrap_or_default());
            tell(format!("Not exported: {user}{device}: {}\n", one.reason));
        }
        if self.recovery_codes {
            tell("Recovery codes are not exported: only their hashes are kept.\n".to_owned());
        }
        match (context.format, &options.output) {
            // Nothing but the lines: they go into a file or another program.
            (OutputFormat::Text, None) => OutputStream::Stdout.lines_for_programs(&text)?,
            _ => context.write(&self)?,
        }
        Ok(if self.left_out.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(ExitStatus::Refused as u8)
        })
    }
}

impl CommandReport for ExportReport {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    fn text(&self) -> Zeroizing<String> {
        let file = self.file.as_deref().unwrap_or_default();
        let devices = count(self.exported.len() as u64, "device");
        Zeroizing::new(format!(
            "Written: {devices} to {file}. It holds their keys: remove it when it is no longer needed.\n"
        ))
    }
}

/// The file for the keys: new, or with `--force` beside another one that it replaces whole.
struct ExportFile {
    file: PrivateFile,
    /// The name of the other one.
    replaced: Option<OsString>,
}

impl ExportFile {
    /// Makes it, empty. From now on a signal ends the call, and no part of the file is left.
    ///
    /// # Errors
    /// As [`PrivateFile::reserve`].
    fn reserve(path: &Path, options: &ExportArgs) -> Result<Self, CommandFailure> {
        interrupt::arm()?;
        let failure = match PrivateFile::reserve(path) {
            Ok(file) => {
                return Ok(Self {
                    file,
                    replaced: None,
                });
            }
            Err(failure) => failure,
        };
        if failure.kind != FailureKind::Exists {
            return Err(failure);
        }
        if !options.force {
            return Err(
                CommandFailure::refused(format!("{} exists already", path.display()))
                    .of_kind(FailureKind::Exists)
                    .next("Name another file. To overwrite it: --force"),
            );
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        Ok(Self {
            file: PrivateFile::reserve(Path::new(&beside))?,
            replaced: path.file_name().map(ToOwned::to_owned),
        })
    }

    /// Writes it to the disk, and puts it where it belongs.
    ///
    /// # Errors
    /// A system error, or a refusal once a signal has come. Then it is gone, and the other one is as it was.
    fn finish(self, bytes: &[u8]) -> Result<(), CommandFailure> {
        self.file.write(bytes)?;
        interrupt::check()?;
        match self.replaced {
            Some(name) => self.file.replace(&name),
            None => {
                self.file.keep();
                Ok(())
            }
        }
    }
}
