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

/// The imports under the names of the records that count: the devices of an alias go to the user it stands for. Where that
/// cannot be told, the import is refused when it is looked at.
pub fn resolved(store: &FactorStore, imports: Vec<UserImport>) -> Vec<UserImport> {
    let mut resolved: Vec<UserImport> = Vec::with_capacity(imports.len());
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for mut import in imports {
        if let Ok(holder) = store.holder(&import.account)
            && holder.found_by == FoundBy::Uid
        {
            import
                .items
                .iter_mut()
                .for_each(|item| item.notes.push(ALIAS.into()));
            import.account = holder.account;
        }
        let next = resolved.len();
        let position = *positions.entry(import.account.name.clone()).or_insert(next);
        match resolved.get_mut(position) {
            Some(same) => same.items.append(&mut import.items),
            None => resolved.push(import),
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
    imports: &[UserImport],
    options: ImportOptions,
) -> Result<Vec<ImportRow>, CommandFailure> {
    let mut progress = ProgressLine::new("Looked at", imports.len());
    let mut rows = Vec::new();
    for import in imports {
        rows.extend(
            match store.map_or(Ok(None), |store| kept(store, &import.account)) {
                Ok(kept) => drafted(import, kept, options)?.1,
                Err(failure) => refused(import, &failure),
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
pub fn write(store: &FactorStore, imports: &[UserImport], options: ImportOptions) -> ImportOutcome {
    let mut writer = ImportWriter {
        store,
        imports,
        options,
        rows: Vec::with_capacity(imports.len()),
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
    imports: &'a [UserImport],
    options: ImportOptions,
    /// The rows of each import so far.
    rows: Vec<Vec<ImportRow>>,
    /// The imports of `newcomers`.
    positions: Vec<usize>,
    /// New users whose rows are there already, and whose records are not stored yet.
    newcomers: Vec<NewRecord>,
}

impl ImportWriter<'_> {
    fn all(&mut self) -> Result<(), CommandFailure> {
        let mut progress = ProgressLine::new("Imported", self.imports.len());
        for (position, import) in self.imports.iter().enumerate() {
            interrupt::check()?;
            let rows = match self.store.record(&import.account) {
                Ok(None) => self.planned(position, import)?,
                Ok(Some(_)) | Err(_) => self.one_by_one(import)?,
            };
            self.rows.push(rows);
            if self.newcomers.len() == BATCH || position + 1 == self.imports.len() {
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
        import: &UserImport,
    ) -> Result<Vec<ImportRow>, CommandFailure> {
        let (draft, planned) = drafted(import, None, self.options)?;
        if planned.iter().any(ImportRow::changes) {
            let newcomer = NewRecord {
                account: import.account.clone(),
                record: draft.record,
                entries: draft.entries,
            };
            self.positions.push(position);
            self.newcomers.push(newcomer);
        }
        Ok(planned)
    }

    fn one_by_one(&self, import: &UserImport) -> Result<Vec<ImportRow>, CommandFailure> {
        one_by_one(self.store, import, self.options)
    }

    /// Stores the newcomers. A user who got a record meanwhile is treated like all users who have one.
    fn flush(&mut self) -> Result<(), CommandFailure> {
        if self.newcomers.is_empty() {
            return Ok(());
        }
        interrupt::check()?;
        let imported = command_log::newcomers(self.store, &self.newcomers, self.options.from);
        self.newcomers.clear();
        let mut occupied = Vec::new();
        for (position, result) in self.positions.drain(..).zip(imported.results) {
            let (Some(import), Some(rows)) =
                (self.imports.get(position), self.rows.get_mut(position))
            else {
                continue;
            };
            match result {
                Ok(BulkEnrollment::Done) => {}
                Ok(BulkEnrollment::Occupied) => {
                    rows.clear();
                    occupied.push((position, import));
                }
                // The failure of all is told of each.
                Err(_) if imported.ended.is_some() => rows.clear(),
                Err(error) => *rows = refused(import, &for_user(error, &import.account.name)),
            }
        }
        if let Some(error) = imported.ended {
            return Err(error.into());
        }
        for (position, import) in occupied {
            let done = self.one_by_one(import)?;
            if let Some(rows) = self.rows.get_mut(position) {
                *rows = done;
            }
        }
        Ok(())
    }

    /// Rows of what did not come about: of newcomers who were not stored, and of the imports after them.
    fn give_up(&mut self, failure: &CommandFailure) {
        for position in self.positions.drain(..) {
            if let Some(rows) = self.rows.get_mut(position) {
                rows.clear();
            }
        }
        self.rows.resize(self.imports.len(), Vec::new());
        let without_rows = self.imports.iter().zip(&mut self.rows);
        for (import, rows) in without_rows.filter(|(_, rows)| rows.is_empty()) {
            *rows = refused(import, failure);
        }
    }
}

/// Stores one device after the other.
fn one_by_one(
    store: &FactorStore,
    import: &UserImport,
    options: ImportOptions,
) -> Result<Vec<ImportRow>, CommandFailure> {
    let factor = command_log::factor(store, &import.account);
    let imported = operations::import_devices(&factor, options.from, |kept, writer| {
        let mut draft = RecordDraft::new(&import.account, kept, options.existing, options.moment);
        let mut rows = Vec::new();
        for item in &import.items {
            let taken = draft.take(item)?;
            let changed = taken.iter().any(ImportRow::changes);
            let entry = draft.entries.last().copied();
            if let (true, Some(entry)) = (changed, entry)
                && let Err(error) = writer.store(&mut draft.record, entry)
            {
                // The draft is no longer what is stored, so nothing can be built upon it.
                let failure = error.into();
                let left = import.items.iter().skip(rows.len());
                rows.extend(left.map(|item| refused_item(import, item, &failure)));
                break;
            }
            rows.extend(taken);
        }
        Ok(rows)
    });
    imported.unwrap_or_else(|error| Ok(refused(import, &error.into())))
}

fn drafted(
    import: &UserImport,
    kept: Option<(UserRecord, UserState)>,
    options: ImportOptions,
) -> Result<(RecordDraft, Vec<ImportRow>), CommandFailure> {
    let mut draft = RecordDraft::new(&import.account, kept, options.existing, options.moment);
    let mut rows = Vec::with_capacity(import.items.len());
    for item in &import.items {
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

fn refused(import: &UserImport, failure: &CommandFailure) -> Vec<ImportRow> {
    let items = import.items.iter();
    items
        .map(|item| refused_item(import, item, failure))
        .collect()
}

fn refused_item(import: &UserImport, item: &ImportedDevice, failure: &CommandFailure) -> ImportRow {
    let user = Some(import.account.name.clone());
    ImportRow::refused(
        item.place.clone(),
        user,
        failure.to_string().replace('\n', ". "),
    )
}
