//! `restore`: users from a backup. Everything is read and checked before the first user is changed.

mod restore_report;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use twofactor_core::account::Account;
use twofactor_core::backup::{Backup, BackupEntry, MAX_BACKUP};
use twofactor_store::FactorStore;
use twofactor_store::operations::{
    self, ExistingRecord, RestoreRefusal, RestoreTerms, RestoredFactor, UnknownCodes,
};
use twofactor_store::sys::accounts::by_uid;
use twofactor_store::sys::clock;

use self::restore_report::{RestoreReport, RestoreRow, RestoreStage};
use super::shut_out_watch::ShutOutWatch;
use crate::args::{RestoreArgs, RestoredCodes};
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::command_log;
use crate::failure_kind::FailureKind;
use crate::formatting::{count, plain, utc};
use crate::import_formats::file_source::{self, UnreadableSource};
use crate::interrupt;
use crate::output::CommandReport as _;
use crate::parallel::{self, ChangeThreads};
use crate::progress::ProgressLine;
use crate::roster::AccountLookup;

/// Seconds by which the clocks of two machines may differ.
const CLOCK_TOLERANCE: u64 = 60;

/// Runs it. The exit code is 1 where a user was not restored.
pub fn run(context: &CommandContext, args: &RestoreArgs) -> Result<ExitCode, CommandFailure> {
    let backup = read_backup(&args.file)?;
    let store = context.existing_store()?;
    let now = clock::now()?;
    refuse_later(&backup, now)?;
    let terms = terms_of(args, now);
    let accounts = AccountLookup::for_names(backup.entries.len());
    let places = backup
        .entries
        .iter()
        .map(|entry| RestorePlace::of(&accounts, entry, args.adopt))
        .collect();
    let places = one_for_each_uid(&store, places, terms);
    let report = |stage, rows| RestoreReport {
        made: utc(backup.made),
        stage,
        users: rows,
        interrupted: false,
        warnings: Vec::new(),
    };
    let plan = report(RestoreStage::Planned, planned(&store, &places, terms));
    if args.dry_run {
        context.write(&plan)?;
        return Ok(plan.exit_code());
    }
    let changes = plan.changes();
    if changes == 0 {
        let done = report(RestoreStage::Done, plan.users);
        context.write(&done)?;
        return Ok(done.exit_code());
    }
    if !context.terminal.is_confirmed() {
        context.terminal.prose(&plan.text())?;
        let users = count(changes as u64, "user");
        context.terminal.confirm(&format!("Restore {users}?"))?;
    }
    // Changes in a fleet are made one after the other, whatever asks for them: several would only wait for its lock.
    let threads = if store.is_in_fleet()? {
        ChangeThreads::One
    } else {
        ChangeThreads::Several
    };
    let watch = ShutOutWatch::begin(context, &store);
    interrupt::arm()?;
    let rows = written(&store, &places, terms, threads);
    let mut done = report(RestoreStage::Done, rows);
    done.interrupted = interrupt::check().is_err();
    done.warnings = watch.warnings();
    context.write(&done)?;
    Ok(done.exit_code())
}

fn read_backup(path: &Path) -> Result<Backup, CommandFailure> {
    Backup::parse(&content(path)?).map_err(|error| {
        CommandFailure::invalid(format!("{}: {error}", path.display())).next("Nothing was changed.")
    })
}

/// Refuses a backup that was made after `now`.
fn refuse_later(backup: &Backup, now: u64) -> Result<(), CommandFailure> {
    if now.saturating_add(CLOCK_TOLERANCE) >= backup.made {
        return Ok(());
    }
    Err(CommandFailure::refused(format!(
        "the backup was made at {}, which is later than the clock shows: codes that were used could work again",
        utc(backup.made)
    ))
    .of_kind(FailureKind::Clock)
    .next("Set the clock right. Nothing was changed."))
}

fn terms_of(args: &RestoreArgs, now: u64) -> RestoreTerms {
    RestoreTerms {
        now,
        existing: if args.replace {
            ExistingRecord::Replace
        } else {
            ExistingRecord::Keep
        },
        one_time_codes: match args.one_time_codes {
            RestoredCodes::Drop => UnknownCodes::Drop,
            RestoredCodes::Keep => UnknownCodes::Keep,
        },
    }
}

fn content(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CommandFailure> {
    if path == Path::new("-") {
        return file_source::read_stream(io::stdin().lock(), MAX_BACKUP).map_err(|error| {
            let what = format!("standard input: {error}");
            // As of a file.
            if matches!(error, UnreadableSource::TooLarge(_)) {
                CommandFailure::refused(what)
            } else {
                CommandFailure::system(what)
            }
        });
    }
    let content = file_source::read(path, &[command_log::invoking_uid()], MAX_BACKUP);
    let content =
        content.map_err(|error| CommandFailure::refused(format!("{}: {error}", path.display())))?;
    Ok(content.bytes)
}

/// The account to which a user of the backup is restored.
struct RestorePlace<'b> {
    entry: &'b BackupEntry,
    account: Result<Account, CommandFailure>,
    /// The steps to take after it.
    note: Option<String>,
}

impl<'b> RestorePlace<'b> {
    fn of(accounts: &AccountLookup, entry: &'b BackupEntry, adopt: bool) -> Self {
        let (user, uid) = (&entry.record.user, entry.record.uid);
        let kept = |uid| Account {
            name: user.clone(),
            uid,
            gid: 0,
        };
        let place = |account, note| Self {
            entry,
            account,
            note,
        };
        let refused = |reason: String| place(Err(CommandFailure::refused(reason)), None);
        let found = match accounts.find(user) {
            Ok(Some(account)) if account.name != *user => {
                return refused(format!("the login name here is {}", plain(&account.name)));
            }
            Ok(found) => found,
            Err(error) => return place(Err(error.into()), None),
        };
        match found {
            Some(account) if account.uid == uid => return place(Ok(kept(uid)), None),
            Some(account) if adopt => return place(Ok(kept(account.uid)), None),
            _ => {}
        }
        // The record of a user id that another person has here would count for that one.
        match by_uid(uid) {
            Ok(Some(other)) => refused(format!(
                "the user id {uid} of the backup is that of {} here{}",
                plain(&other.name),
                if found.is_some() {
                    "; with --adopt the account of the name gets the devices"
                } else {
                    ""
                }
            )),
            Ok(None) => {
                let note = match found {
                    Some(_) => {
                        "has another user id here and is refused until adopted; next: twofactor adopt"
                    }
                    None => "has no account here yet",
                };
                place(Ok(kept(uid)), Some(note.to_owned()))
            }
            Err(error) => place(Err(error.into()), None),
        }
    }

    fn row(&self, result: Result<RestoredFactor, RestoreRefusal>) -> RestoreRow {
        let user = &self.entry.record.user;
        match result {
            Ok(restored) => RestoreRow::restored(user, restored, self.note.clone()),
            Err(refusal) => RestoreRow::refused(user, refusal),
        }
    }
}

/// Refuses all users but one of each user id: what is kept is kept about one user of that id.
fn one_for_each_uid<'b>(
    store: &FactorStore,
    mut places: Vec<RestorePlace<'b>>,
    terms: RestoreTerms,
) -> Vec<RestorePlace<'b>> {
    let mut by_uid: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        if let Ok(account) = &place.account {
            by_uid.entry(account.uid).or_default().push(index);
        }
    }
    for (uid, indexes) in by_uid.into_iter().filter(|(_, them)| them.len() > 1) {
        let Some((first, name)) = first_of_uid(store, &places, &indexes, terms) else {
            continue;
        };
        let others = indexes.into_iter().filter(|index| *index != first);
        for index in others {
            if let Some(place) = places.get_mut(index) {
                place.account = Err(CommandFailure::refused(format!(
                    "the user id {uid} goes to {name} of this backup, and to one user alone"
                )));
                place.note = None;
            }
        }
    }
    places
}

/// Chooses among several users of one uid: the user of a record here, else the first that can be restored, else the first, whose
/// failure is reported. Returns the index, and the name for people.
fn first_of_uid(
    store: &FactorStore,
    places: &[RestorePlace<'_>],
    indexes: &[usize],
    terms: RestoreTerms,
) -> Option<(usize, String)> {
    let users = indexes.iter().filter_map(|index| {
        let place = places.get(*index)?;
        let account = place.account.as_ref().ok()?;
        Some((*index, account, place.entry))
    });
    let is_kept = |account: &Account| {
        let kept = store.snapshot(account);
        matches!(kept, Ok(Some(kept)) if kept.account.name == account.name)
    };
    let holder = users.clone().find(|(_, account, _)| is_kept(account));
    let able = || {
        users.clone().find(|(_, account, entry)| {
            operations::preview_restore(store, account, entry, terms).is_ok()
        })
    };
    let (index, account, _) = holder.or_else(able).or_else(|| users.clone().next())?;
    Some((index, plain(&account.name)))
}

fn planned(
    store: &FactorStore,
    places: &[RestorePlace<'_>],
    terms: RestoreTerms,
) -> Vec<RestoreRow> {
    let mut progress = ProgressLine::new("Looked at", places.len());
    let look = |place: &RestorePlace<'_>| {
        progress.add(1);
        match &place.account {
            Ok(account) => place.row(operations::preview_restore(
                store,
                account,
                place.entry,
                terms,
            )),
            Err(failure) => RestoreRow::failed(&place.entry.record.user, failure),
        }
    };
    places.iter().map(look).collect()
}

/// Restores the users, each under the lock and with the flushes of one alone, several at a time. What is wrong with one
/// stops no other one.
fn written(
    store: &FactorStore,
    places: &[RestorePlace<'_>],
    terms: RestoreTerms,
    threads: ChangeThreads,
) -> Vec<RestoreRow> {
    let restore = |place: &RestorePlace<'_>| {
        let user = &place.entry.record.user;
        match &place.account {
            _ if interrupt::check().is_err() => RestoreRow::failed(
                user,
                &CommandFailure::refused("not tried").of_kind(FailureKind::Interrupted),
            ),
            Ok(account) => {
                let factor = command_log::factor(store, account);
                // Steps that passed since the call began may have been used.
                let now = clock::now().unwrap_or(terms.now).max(terms.now);
                let terms = RestoreTerms { now, ..terms };
                place.row(operations::restore(&factor, place.entry, terms))
            }
            Err(failure) => RestoreRow::failed(user, failure),
        }
    };
    parallel::change_each("Restored", threads, places, restore)
}

impl RestoreReport {
    fn exit_code(&self) -> ExitCode {
        if self.is_partial() {
            ExitCode::from(ExitStatus::Refused as u8)
        } else {
            ExitCode::SUCCESS
        }
    }
}
