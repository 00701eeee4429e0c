//! An import of many users' devices: first what it would do, then doing it.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::record::Record;
use twofactor_core::state::State;
use twofactor_store::operations;
use twofactor_store::{BATCH, BulkEnrollment, FoundBy, NewRecord, Store};

use super::record_draft::{ExistingDevices, ImportRow, RecordDraft};
use super::{ImportMoment, ImportedDevice};
use crate::audit;
use crate::error::{Failure, for_user};
use crate::progress::ProgressLine;

/// A note of devices whose user is named by an alias.
const ALIAS: &str = "the user is kept under another name of the same uid";

/// One user and the devices that are to be taken.
pub struct UserImport {
    /// The user's account.
    pub account: Account,
    /// In the order of the file.
    pub items: Vec<ImportedDevice>,
}

/// The jobs under the names of the records that count: the devices of an alias go to the user it stands for. Where that
/// cannot be told, the job is refused when it is looked at.
pub fn resolved(store: &Store, jobs: Vec<UserImport>) -> Vec<UserImport> {
    let mut resolved: Vec<UserImport> = Vec::with_capacity(jobs.len());
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for mut job in jobs {
        if let Ok(holder) = store.holder(&job.account)
            && holder.found_by == FoundBy::Uid
        {
            job.items
                .iter_mut()
                .for_each(|item| item.notes.push(ALIAS.into()));
            job.account = holder.account;
        }
        let next = resolved.len();
        let position = *positions.entry(job.account.name.clone()).or_insert(next);
        match resolved.get_mut(position) {
            Some(same) => same.items.append(&mut job.items),
            None => resolved.push(job),
        }
    }
    resolved
}

/// Options of an import.
#[derive(Clone, Copy)]
pub struct ImportOptions {
    /// Devices that may be replaced.
    pub existing: ExistingDevices,
    /// When, under which policy.
    pub moment: ImportMoment,
    /// The format, for the log.
    pub from: &'static str,
}

/// The plan of an import. Without a state directory, no user has a device.
///
/// # Errors
/// When the kernel gives no randomness. What is wrong with one user's files refuses that user's devices.
pub fn plan(
    store: Option<&Store>,
    jobs: &[UserImport],
    manner: ImportOptions,
) -> Result<Vec<ImportRow>, Failure> {
    let mut progress = ProgressLine::new("Looked at", jobs.len());
    let mut rows = Vec::new();
    for job in jobs {
        rows.extend(
            match store.map_or(Ok(None), |store| kept(store, &job.account)) {
                Ok(kept) => drafted(job, kept, manner)?.1,
                Err(failure) => refused(job, &failure),
            },
        );
        progress.add(1);
    }
    Ok(rows)
}

/// Does it. Users without a record are enrolled many at a time.
///
/// # Errors
/// When the kernel gives no randomness, or a whole batch cannot be stored: what was stored before stays.
pub fn write(
    store: &Store,
    jobs: &[UserImport],
    manner: ImportOptions,
) -> Result<Vec<ImportRow>, Failure> {
    let mut progress = ProgressLine::new("Imported", jobs.len());
    let mut rows: Vec<Vec<ImportRow>> = Vec::with_capacity(jobs.len());
    let mut batch = Vec::with_capacity(BATCH);
    for (position, job) in jobs.iter().enumerate() {
        let enrolled = store.record(&job.account);
        rows.push(match enrolled {
            Ok(None) => {
                let (draft, planned) = drafted(job, None, manner)?;
                if planned.iter().any(ImportRow::changes) {
                    let newcomer = NewRecord {
                        account: job.account.clone(),
                        record: draft.record,
                        entries: draft.entries,
                    };
                    batch.push((position, newcomer));
                }
                planned
            }
            Ok(Some(_)) | Err(_) => one_by_one(store, job, manner)?,
        });
        if batch.len() == BATCH || position + 1 == jobs.len() {
            let count = batch.len();
            flush(store, jobs, manner, std::mem::take(&mut batch), &mut rows)?;
            progress.add(count);
        }
    }
    for row in rows.iter().flatten().filter(|row| row.changes()) {
        let (user, device) = (row.user.as_deref(), row.device.as_deref());
        audit::log(
            CommandEvent::Import,
            Some(user.unwrap_or_default()),
            &[
                ("device", device.unwrap_or_default()),
                ("from", manner.from),
            ],
        );
    }
    Ok(rows.into_iter().flatten().collect())
}

/// Stores the newcomers. A user who got a record meanwhile is treated like all users who have one.
fn flush(
    store: &Store,
    jobs: &[UserImport],
    manner: ImportOptions,
    batch: Vec<(usize, NewRecord)>,
    rows: &mut [Vec<ImportRow>],
) -> Result<(), Failure> {
    let (positions, newcomers): (Vec<usize>, Vec<NewRecord>) = batch.into_iter().unzip();
    if newcomers.is_empty() {
        return Ok(());
    }
    let results = audit::newcomers(store, &newcomers)?;
    for (position, result) in positions.into_iter().zip(results) {
        let (Some(job), Some(rows)) = (jobs.get(position), rows.get_mut(position)) else {
            continue;
        };
        match result {
            Ok(BulkEnrollment::Done) => {}
            Ok(BulkEnrollment::Occupied) => *rows = one_by_one(store, job, manner)?,
            Err(error) => *rows = refused(job, &for_user(error, &job.account.name)),
        }
    }
    Ok(())
}

/// Stores one device after the other.
fn one_by_one(
    store: &Store,
    job: &UserImport,
    manner: ImportOptions,
) -> Result<Vec<ImportRow>, Failure> {
    let imported =
        operations::import_devices(&audit::factor(store, &job.account), |kept, writer| {
            let mut draft = RecordDraft::new(&job.account, kept, manner.existing, manner.moment);
            let mut rows = Vec::new();
            for item in &job.items {
                let taken = draft.take(item)?;
                let changed = taken.iter().any(ImportRow::changes);
                let entry = draft.entries.last().copied();
                if let (true, Some(entry)) = (changed, entry)
                    && let Err(error) = writer.store(&mut draft.record, entry)
                {
                    // The draft is no longer what is stored, so nothing can be built upon it.
                    let failure = error.into();
                    let left = job.items.iter().skip(rows.len());
                    rows.extend(left.map(|item| refused_item(job, item, &failure)));
                    break;
                }
                rows.extend(taken);
            }
            Ok(rows)
        });
    imported.unwrap_or_else(|error| Ok(refused(job, &error.into())))
}

fn drafted(
    job: &UserImport,
    kept: Option<(Record, State)>,
    manner: ImportOptions,
) -> Result<(RecordDraft, Vec<ImportRow>), Failure> {
    let mut draft = RecordDraft::new(&job.account, kept, manner.existing, manner.moment);
    let mut rows = Vec::with_capacity(job.items.len());
    for item in &job.items {
        rows.extend(draft.take(item)?);
    }
    Ok((draft, rows))
}

fn kept(store: &Store, account: &Account) -> Result<Option<(Record, State)>, Failure> {
    let named = |error| for_user(Failure::from(error), &account.name);
    let snapshot = store.snapshot(account).map_err(named)?;
    Ok(snapshot.map(|snapshot| (snapshot.record, snapshot.state)))
}

fn refused(job: &UserImport, failure: &Failure) -> Vec<ImportRow> {
    let items = job.items.iter();
    items.map(|item| refused_item(job, item, failure)).collect()
}

fn refused_item(job: &UserImport, item: &ImportedDevice, failure: &Failure) -> ImportRow {
    let user = Some(job.account.name.clone());
    ImportRow::refused(
        item.place.clone(),
        user,
        failure.to_string().replace('\n', ". "),
    )
}
