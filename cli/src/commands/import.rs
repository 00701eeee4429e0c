//! `import`: devices from google-authenticator, pam_oath and apps. Shown first, then asked for, then stored.

mod import_plan;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use twofactor_core::account::Account;
use twofactor_store::sys::clock;
use twofactor_store::sys::passwd_listing::{self, PasswdEntry};

use crate::args::transfer_options::{
    GoogleImportArgs, ImportCommand, OathImportArgs, UriImportArgs,
};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::import_formats::file_source::{
    self, MANY_USERS, ONE_USER, SourceContent, UnreadableSource,
};
use crate::import_formats::import_report::unlisted;
use crate::import_formats::record_draft::ImportRow;
use crate::import_formats::user_import::UserImport;
use crate::import_formats::{
    ImportMoment, ImportedDevice, ParsedSource, RefusedEntry, SourceLine, google_authenticator,
    oath_users, unlisted_users, uri_list,
};
use crate::progress::ProgressLine;
use crate::roster::AccountLookup;
use crate::suggested_command;
use import_plan::{ImportPlan, finish};

/// Stands for standard input, as a file.
const STREAM: &str = "-";
const SHARED: &str = "other users could read the file: for a new key, twofactor renew USER";

/// Runs it. The exit code tells of what was not taken.
pub fn run(context: &CommandContext, args: &ImportCommand) -> Result<ExitCode, CommandFailure> {
    let moment = ImportMoment {
        now: clock::now()?,
        window: context.policy_or_default()?.window,
    };
    match args {
        ImportCommand::GoogleAuthenticator(args) => from_google(context, args, moment),
        ImportCommand::UsersOath(args) => from_oath(context, args, moment),
        ImportCommand::Uri(args) => from_uris(context, args, moment),
    }
}

fn from_google(
    context: &CommandContext,
    args: &GoogleImportArgs,
    moment: ImportMoment,
) -> Result<ExitCode, CommandFailure> {
    let (residents, silent) = residents(context, args.user.as_deref())?;
    let (mut imports, mut rows) = (Vec::new(), Vec::new());
    let mut progress = ProgressLine::new("Read", residents.len());
    for PasswdEntry { account, home, .. } in residents {
        progress.add(1);
        let named = args.file.clone();
        let Some(path) = named.or_else(|| args.secret.path(&account.name, &home)) else {
            if !args.all {
                let why = format!("the home directory of {} is not known", account.name);
                return Err(CommandFailure::refused(why).next(
                    "Name the file: twofactor import google-authenticator FILE --user USER",
                ));
            }
            continue;
        };
        let content = if is_stream(&path) {
            stream(ONE_USER)
        } else {
            file_source::read(&path, &[account.uid], ONE_USER)
        };
        let parsed = match content {
            Ok(content) => google_file(&content, &path, &account.name, moment),
            Err(error) if error.is_missing() && args.all => continue,
            Err(error) => unread(&path, Some(&account.name), error),
        };
        rows.extend(refusals(parsed.refused));
        if !parsed.items.is_empty() {
            imports.push(UserImport {
                account,
                items: parsed.items,
            });
        }
    }
    drop(progress);
    if args.all && imports.is_empty() && rows.is_empty() {
        return Err(CommandFailure::refused("no user has such a file").next(format!(
            "{}If pam_google_authenticator has secret= in /etc/pam.d: --secret with the same path",
            unlisted(&silent)
        )));
    }
    let plan = ImportPlan {
        imports,
        refused: rows,
        unlisted: silent,
    };
    finish(context, plan, &args.flags, moment, "google-authenticator")
}

/// The users whose files are read, all or this one, and the directories that are not proven to list theirs.
fn residents(
    context: &CommandContext,
    user: Option<&str>,
) -> Result<(Vec<PasswdEntry>, Vec<String>), CommandFailure> {
    let Some(user) = user else {
        let mut residents = passwd_listing::all()?;
        let silent = unlisted_users::silent(&residents)?;
        let mut seen = BTreeSet::new();
        // As in a lookup, the first of a name counts.
        residents.retain(|one| seen.insert(one.account.name.clone()));
        return Ok((residents, silent));
    };
    let account = context.account(user)?;
    let listed = passwd_listing::all()?
        .into_iter()
        .find(|one| one.account == account);
    // Not listed, or not under that name: then the file has to be named.
    let entry = listed.unwrap_or_else(|| PasswdEntry {
        account,
        full_name: None,
        home: PathBuf::new(),
    });
    Ok((vec![entry], Vec::new()))
}

fn google_file(
    content: &SourceContent,
    path: &Path,
    user: &str,
    moment: ImportMoment,
) -> ParsedSource {
    let file = path.display().to_string();
    let mut parsed = google_authenticator::parse(&content.bytes, &file, user, moment);
    note_shared(&mut parsed, content);
    parsed
}

fn from_oath(
    context: &CommandContext,
    args: &OathImportArgs,
    moment: ImportMoment,
) -> Result<ExitCode, CommandFailure> {
    let content = content_of(&args.file, None)?;
    let mut parsed = oath_users::parse(&content.bytes, &args.file.display().to_string(), moment);
    note_shared(&mut parsed, &content);
    let (imports, rows) = assigned(parsed, |account| format!("there is no user {account}"))?;
    let plan = ImportPlan::new(imports, rows);
    finish(context, plan, &args.flags, moment, "users-oath")
}

fn from_uris(
    context: &CommandContext,
    args: &UriImportArgs,
    moment: ImportMoment,
) -> Result<ExitCode, CommandFailure> {
    let user = args
        .user
        .as_ref()
        .map(|user| context.account(user))
        .transpose()?;
    let file = args.file.as_deref().unwrap_or(Path::new(STREAM));
    let given = file.to_string_lossy().to_ascii_lowercase();
    if given.starts_with("otpauth") {
        return Err(CommandFailure::usage(
            "keys are not taken from the command line, where every user of this machine could see them",
        )
        .next("Put the URI into a file, or on standard input: twofactor import uri -\nThe key of this one is no secret any more."));
    }
    let content = content_of(file, user.as_ref())?;
    let mut parsed = uri_list::parse(&content.bytes, &file.display().to_string(), moment);
    note_shared(&mut parsed, &content);
    let (imports, rows) = match user {
        Some(account) => {
            let items = std::mem::take(&mut parsed.items);
            let imports = if items.is_empty() {
                Vec::new()
            } else {
                vec![UserImport { account, items }]
            };
            (imports, refusals(parsed.refused).collect())
        }
        None => assigned(parsed, |account| {
            format!("its label names no user of this machine ({account}); --user says whose it is")
        })?,
    };
    let plan = ImportPlan::new(imports, rows);
    finish(context, plan, &args.flags, moment, "uri")
}

/// True if a file stands for standard input.
fn is_stream(path: &Path) -> bool {
    path == Path::new(STREAM)
}

/// Standard input to its end. Who else could read it is unknown.
fn stream(limit: usize) -> Result<SourceContent, UnreadableSource> {
    Ok(SourceContent {
        bytes: file_source::read_stream(io::stdin().lock(), limit)?,
        shared: false,
    })
}

/// Standard input, or the file of that name.
fn content_of(path: &Path, user: Option<&Account>) -> Result<SourceContent, CommandFailure> {
    if is_stream(path) {
        stream(MANY_USERS)
            .map_err(|error| CommandFailure::system(format!("standard input: {error}")))
    } else {
        file_of_caller(path, user)
    }
}

/// A file that the administrator names: root's, the user's it is for, or the administrator's own.
fn file_of_caller(path: &Path, user: Option<&Account>) -> Result<SourceContent, CommandFailure> {
    let mut owners = vec![command_log::invoking_uid()];
    owners.extend(user.map(|user| user.uid));
    file_source::read(path, &owners, MANY_USERS).map_err(|error| {
        let failure = CommandFailure::refused(format!("{}: {error}", path.display()));
        match error {
            UnreadableSource::Owner(_) => failure.next(format!(
                "See whose it is; then: {}",
                suggested_command::other("chown root", path)
            )),
            UnreadableSource::Writable(_) => failure.next(format!(
                "See who changed it; then: {}",
                suggested_command::other("chmod go-w", path)
            )),
            _ => failure,
        }
    })
}

fn note_shared(parsed: &mut ParsedSource, content: &SourceContent) {
    if content.shared {
        parsed
            .items
            .iter_mut()
            .for_each(|item| item.notes.push(SHARED.into()));
    }
}

fn unread(path: &Path, user: Option<&str>, error: UnreadableSource) -> ParsedSource {
    let place = SourceLine {
        file: path.display().to_string().into(),
        line: 0,
    };
    let refused = RefusedEntry {
        place,
        user: user.map(str::to_owned),
        reason: error.to_string(),
    };
    ParsedSource {
        items: Vec::new(),
        refused: vec![refused],
    }
}

fn refusals(refused: Vec<RefusedEntry>) -> impl Iterator<Item = ImportRow> {
    let row = |one: RefusedEntry| ImportRow::refused(one.place, one.user, one.reason);
    refused.into_iter().map(row)
}

/// The items by user, in the order of the file; those of no user are refused.
fn assigned(
    parsed: ParsedSource,
    unknown: impl Fn(&str) -> String,
) -> Result<(Vec<UserImport>, Vec<ImportRow>), CommandFailure> {
    let mut rows: Vec<ImportRow> = refusals(parsed.refused).collect();
    let accounts = AccountLookup::for_names(parsed.items.len());
    let mut imports: Vec<UserImport> = Vec::new();
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut progress = ProgressLine::new("Looked up", parsed.items.len());
    for item in parsed.items {
        progress.add(1);
        let Some(account) = accounts.find(&item.user)? else {
            let reason = unknown(&crate::formatting::plain(&item.user));
            rows.push(ImportRow::refused(item.place, None, reason));
            continue;
        };
        add(&mut imports, &mut positions, account, item);
    }
    Ok((imports, rows))
}

fn add(
    imports: &mut Vec<UserImport>,
    positions: &mut BTreeMap<String, usize>,
    account: Account,
    item: ImportedDevice,
) {
    let position = *positions
        .entry(account.name.clone())
        .or_insert(imports.len());
    match imports.get_mut(position) {
        Some(import) => import.items.push(item),
        None => imports.push(UserImport {
            account,
            items: vec![item],
        }),
    }
}
