//! An import of many users' devices: first what it would do, then doing it.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;
use twofactor_store::operations;
use twofactor_store::{BATCH, BulkEnrollment, FactorStore, FoundBy, NewRecord};

use super::record_draft::{ExistingDevices, ImportRow, RecordDraft};
use super::{ImportMoment, ImportedDevice};
use crate::command_failure::{CommandFailure, for_user};
use crate::command_log;
use crate::interrupt;
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
pub fn resolved(store: &FactorStore, jobs: Vec<UserImport>) -> Vec<UserImport> {
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
    /// Time and policy of the import.
    pub moment: ImportMoment,
    /// The format, for the log.
    pub from: &'static str,
}

/// The plan of an import. Without a state directory, no user has a device.
///
/// # Errors
/// When the kernel gives no randomness. What is wrong with one user's files refuses that user's devices.
pub fn plan(
    store: Option<&FactorStore>,
    jobs: &[UserImport],
    manner: ImportOptions,
) -> Result<Vec<ImportRow>, CommandFailure> {
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

/// An import that was done, as far as it came.
pub struct ImportOutcome {
    /// One for each device, also of users that it did not come to: these are refused, for the reason that ended it.
    pub rows: Vec<ImportRow>,
    /// The reason why it ended before all users; what was stored before stays.
    pub ended: Option<CommandFailure>,
}

/// Does it. Users without a record are enrolled many at a time. The operations log what is stored.
///
/// It ends early when the kernel gives no randomness, a whole batch cannot be stored, or a signal has come.
pub fn write(store: &FactorStore, jobs: &[UserImport], manner: ImportOptions) -> ImportOutcome {
    let mut writer = ImportWriter {
        store,
        jobs,
        manner,
        rows: Vec::with_capacity(jobs.len()),
        positions: Vec::with_capacity(BATCH),
        newcomers: Vec::with_capacity(BATCH),
    };
    let ended = writer.all().err();
    if let Some(failure) = &ended {
        writer.give_up(failure);
    }
    ImportOutcome {
        rows: writer.rows.into_iter().flatten().collect(),
        ended,
    }
}

/// The work of [`write()`].
struct ImportWriter<'a> {
    store: &'a FactorStore,
    jobs: &'a [UserImport],
    manner: ImportOptions,
    /// The rows of each job so far.
    rows: Vec<Vec<ImportRow>>,
    /// The jobs of `newcomers`.
    positions: Vec<usize>,
    /// New users whose rows are there already, and whose records are not stored yet.
    newcomers: Vec<NewRecord>,
}

impl ImportWriter<'_> {
    fn all(&mut self) -> Result<(), CommandFailure> {
        let mut progress = ProgressLine::new("Imported", self.jobs.len());
        for (position, job) in self.jobs.iter().enumerate() {
            interrupt::check()?;
            let rows = match self.store.record(&job.account) {
                Ok(None) => self.planned(position, job)?,
                Ok(Some(_)) | Err(_) => self.one_by_one(job)?,
            };
            self.rows.push(rows);
            if self.newcomers.len() == BATCH || position + 1 == self.jobs.len() {
                let count = self.newcomers.len();
                self.flush()?;
                progress.add(count);
            }
        }
        Ok(())
    }

    /// A newcomer, who comes with the next batch.
    fn planned(
        &mut self,
        position: usize,
        job: &UserImport,
    ) -> Result<Vec<ImportRow>, CommandFailure> {
        let (draft, planned) = drafted(job, None, self.manner)?;
        if planned.iter().any(ImportRow::changes) {
            let newcomer = NewRecord {
                account: job.account.clone(),
                record: draft.record,
                entries: draft.entries,
            };
            self.positions.push(position);
            self.newcomers.push(newcomer);
        }
        Ok(planned)
    }

    fn one_by_one(&self, job: &UserImport) -> Result<Vec<ImportRow>, CommandFailure> {
        one_by_one(self.store, job, self.manner)
    }

    /// Stores the newcomers. A user who got a record meanwhile is treated like all users who have one.
    fn flush(&mut self) -> Result<(), CommandFailure> {
        if self.newcomers.is_empty() {
            return Ok(());
        }
        interrupt::check()?;
        let imported = command_log::newcomers(self.store, &self.newcomers, self.manner.from);
        self.newcomers.clear();
        let mut occupied = Vec::new();
        for (position, result) in self.positions.drain(..).zip(imported.results) {
            let (Some(job), Some(rows)) = (self.jobs.get(position), self.rows.get_mut(position))
            else {
                continue;
            };
            match result {
                Ok(BulkEnrollment::Done) => {}
                Ok(BulkEnrollment::Occupied) => {
                    rows.clear();
                    occupied.push((position, job));
                }
                // The failure of all is told of each.
                Err(_) if imported.ended.is_some() => rows.clear(),
                Err(error) => *rows = refused(job, &for_user(error, &job.account.name)),
            }
        }
        if let Some(error) = imported.ended {
            return Err(error.into());
        }
        for (position, job) in occupied {
            let done = self.one_by_one(job)?;
            if let Some(rows) = self.rows.get_mut(position) {
                *rows = done;
            }
        }
        Ok(())
    }

    /// Rows of what did not come about: of newcomers who were not stored, and of the jobs after them.
    fn give_up(&mut self, failure: &CommandFailure) {
        for position in self.positions.drain(..) {
            if let Some(rows) = self.rows.get_mut(position) {
                rows.clear();
            }
        }
        self.rows.resize(self.jobs.len(), Vec::new());
        let without_rows = self.jobs.iter().zip(&mut self.rows);
        for (job, rows) in without_rows.filter(|(_, rows)| rows.is_empty()) {
            *rows = refused(job, failure);
        }
    }
}

/// Stores one device after the other.
fn one_by_one(
    store: &FactorStore,
    job: &UserImport,
    manner: ImportOptions,
) -> Result<Vec<ImportRow>, CommandFailure> {
    let factor = command_log::factor(store, &job.account);
    let imported = operations::import_devices(&factor, manner.from, |kept, writer| {
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
    kept: Option<(UserRecord, UserState)>,
    manner: ImportOptions,
) -> Result<(RecordDraft, Vec<ImportRow>), CommandFailure> {
    let mut draft = RecordDraft::new(&job.account, kept, manner.existing, manner.moment);
    let mut rows = Vec::with_capacity(job.items.len());
    for item in &job.items {
        rows.extend(draft.take(item)?);
    }
    Ok((draft, rows))
}

fn kept(
    store: &FactorStore,
    account: &Account,
) -> Result<Option<(UserRecord, UserState)>, CommandFailure> {
    let named = |error| for_user(CommandFailure::from(error), &account.name);
    let snapshot = store.snapshot(account).map_err(named)?;
    Ok(snapshot.map(|snapshot| (snapshot.record, snapshot.state)))
}

fn refused(job: &UserImport, failure: &CommandFailure) -> Vec<ImportRow> {
    let items = job.items.iter();
    items.map(|item| refused_item(job, item, failure)).collect()
}

fn refused_item(job: &UserImport, item: &ImportedDevice, failure: &CommandFailure) -> ImportRow {
    let user = Some(job.account.name.clone());
    ImportRow::refused(
        item.place.clone(),
        user,
        failure.to_string().replace('\n', ". "),
    )
}
