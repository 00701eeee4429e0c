//! `restore`: users from a backup. Everything is read and checked before the first user is changed.

mod restore_report;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use twofactor_core::backup::{Backup, MAX_BACKUP};
use twofactor_store::FactorStore;
use twofactor_store::operations::{
    self, ExistingRecord, OtherUidTarget, PendingAccount, RestoreRefusal, RestoreTarget,
    RestoreTerms, RestoredFactor, TargetRefusal, UnknownCodes,
};
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
    let other_uid = if args.adopt {
        OtherUidTarget::Adopt
    } else {
        OtherUidTarget::Keep
    };
    let find = |name: &str| accounts.find(name);
    let targets = operations::restore_targets(&store, &backup.entries, other_uid, terms, find);
    let report = |stage, rows| RestoreReport {
        made: utc(backup.made),
        stage,
        users: rows,
        interrupted: false,
        warnings: Vec::new(),
    };
    let plan = report(RestoreStage::Planned, planned(&store, &targets, terms));
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
    let rows = written(&store, &targets, terms, threads);
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

/// The failure of a user who is restored to no account.
fn refused(refusal: &TargetRefusal) -> CommandFailure {
    CommandFailure::refused(match refusal {
        TargetRefusal::OtherSpelling(name) => format!("the login name here is {}", plain(name)),
        TargetRefusal::UidTaken {
            uid,
            owner,
            adoptable,
        } => format!(
            "the user id {uid} of the backup is that of {} here{}",
            plain(owner),
            if *adoptable {
                "; with --adopt the account of the name gets the devices"
            } else {
                ""
            }
        ),
        TargetRefusal::UidShared { uid, user } => format!(
            "the user id {uid} goes to {} of this backup, and to one user alone",
            plain(user)
        ),
        TargetRefusal::Lookup(error) => return (*error).into(),
    })
}

/// The row of a user with an account, with the steps to take after it.
fn row(target: &RestoreTarget<'_>, result: Result<RestoredFactor, RestoreRefusal>) -> RestoreRow {
    let user = &target.entry.record.user;
    let note = target.pending.map(|pending| match pending {
        PendingAccount::OtherUid => {
            "has another user id here and is refused until adopted; next: twofactor adopt"
        }
        PendingAccount::Missing => "has no account here yet",
    });
    match result {
        Ok(restored) => RestoreRow::restored(user, restored, note.map(str::to_owned)),
        Err(refusal) => RestoreRow::refused(user, refusal),
    }
}

fn planned(
    store: &FactorStore,
    targets: &[RestoreTarget<'_>],
    terms: RestoreTerms,
) -> Vec<RestoreRow> {
    let mut progress = ProgressLine::new("Looked at", targets.len());
    let look = |target: &RestoreTarget<'_>| {
        progress.add(1);
        match &target.account {
            Ok(account) => {
                let preview = operations::preview_restore(store, account, target.entry, terms);
                row(target, preview)
            }
            Err(refusal) => RestoreRow::failed(&target.entry.record.user, &refused(refusal)),
        }
    };
    targets.iter().map(look).collect()
}

/// Restores the users, each under the lock and with the flushes of one alone, several at a time. What is wrong with one
/// stops no other one.
fn written(
    store: &FactorStore,
    targets: &[RestoreTarget<'_>],
    terms: RestoreTerms,
    threads: ChangeThreads,
) -> Vec<RestoreRow> {
    let restore = |target: &RestoreTarget<'_>| {
        let user = &target.entry.record.user;
        match &target.account {
            _ if interrupt::check().is_err() => RestoreRow::failed(
                user,
                &CommandFailure::refused("not tried").of_kind(FailureKind::Interrupted),
            ),
            Ok(account) => {
                let factor = command_log::factor(store, account);
                // Steps that passed since the call began may have been used.
                let now = clock::now().unwrap_or(terms.now).max(terms.now);
                let terms = RestoreTerms { now, ..terms };
                row(target, operations::restore(&factor, target.entry, terms))
            }
            Err(refusal) => RestoreRow::failed(user, &refused(refusal)),
        }
    };
    parallel::change_each("Restored", threads, targets, restore)
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
