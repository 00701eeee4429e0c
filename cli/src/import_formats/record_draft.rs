//! The change of one user's record by an import of devices: a pure function of the record, the state and the items.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, Device, DeviceName, MAX_DEVICES};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeForm, RecoverySet, hash, same};
use twofactor_core::state::{DeviceState, UserState};

use super::{ImportMoment, ImportNote, ImportedDevice, SourceLine};
use crate::command_failure::CommandFailure;
use crate::device_info::DeviceInfo;

/// Treatment of existing devices: whether a device may take the place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingDevices {
    /// The existing device stays.
    Keep,
    /// `--replace`.
    Replace,
}

impl ExistingDevices {
    /// Reads `--replace`.
    pub const fn new(replace: &bool) -> Self {
        if *replace { Self::Replace } else { Self::Keep }
    }
}

/// Result for one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportResult {
    /// A new device.
    Taken,
    /// The device takes the place of another.
    Replaced,
    /// The user has this very device already.
    Present,
    /// The device is not imported, for this reason.
    Refused(String),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    /// Place in the source.
    pub place: SourceLine,
    /// The user, where known.
    pub user: Option<String>,
    /// Name of the device.
    pub device: Option<String>,
    /// Kind and settings.
    pub settings: Option<String>,
    /// Result for it.
    pub result: ImportResult,
    /// Scratch codes that go on working.
    pub scratch_codes: usize,
    /// Notes for the administrator.
    pub notes: Vec<ImportNote>,
}

impl ImportRow {
    /// Something that is not taken.
    pub fn refused(place: SourceLine, user: Option<String>, reason: impl Into<String>) -> Self {
        Self {
            place,
            user,
            device: None,
            settings: None,
            result: ImportResult::Refused(reason.into()),
            scratch_codes: 0,
            notes: Vec::new(),
        }
    }

    /// True if it changes the record.
    pub const fn changes(&self) -> bool {
        matches!(self.result, ImportResult::Taken | ImportResult::Replaced)
    }
}

/// A user's record on its way to what it will be.
pub struct RecordDraft {
    /// As it would be now.
    pub record: UserRecord,
    /// The state of the devices that were added.
    pub entries: Vec<DeviceState>,
    before: Option<UserState>,
    existing: ExistingDevices,
    moment: ImportMoment,
    /// Number of times that a name was asked for.
    wished: BTreeMap<String, usize>,
}

impl RecordDraft {
    /// Begins with what there is.
    pub fn new(
        account: &Account,
        kept: Option<(UserRecord, UserState)>,
        existing: ExistingDevices,
        moment: ImportMoment,
    ) -> Self {
        let (record, before) = kept.unzip();
        let none = || UserRecord::new(account.name.clone(), account.uid);
        Self {
            record: record.unwrap_or_else(none),
            entries: Vec::new(),
            before,
            existing,
            moment,
            wished: BTreeMap::new(),
        }
    }

    /// Takes one item in, or says why not. Several rows where only a part of it is taken.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn take(&mut self, item: &ImportedDevice) -> Result<Vec<ImportRow>, CommandFailure> {
        let name = self.wished_name(&item.name)?;
        let device = Device {
            id: CredentialId::generate().map_err(CommandFailure::system)?,
            name,
            kind: item.token.kind,
            algorithm: item.token.algorithm,
            digits: item.token.digits,
            secret: item.token.secret.clone(),
            created: self.moment.now,
        };
        let mut row = ImportRow {
            place: item.place.clone(),
            user: Some(self.record.user.clone()),
            device: Some(device.name.to_string()),
            settings: Some(DeviceInfo::new(&device, None).settings()),
            result: ImportResult::Taken,
            scratch_codes: 0,
            notes: item.notes.clone(),
        };
        let entry = DeviceState {
            id: device.id,
            next: item.next,
            drift: item.drift,
            last_used: 0,
            committed: false,
        };
        row.result = self.place(device, entry, &mut row.device);
        let mut rows = Vec::new();
        if row.changes() {
            match self.scratch_codes(item)? {
                Ok(count) => row.scratch_codes = count,
                Err(why) => rows.push(ImportRow::refused(
                    item.place.clone(),
                    row.user.clone(),
                    why,
                )),
            }
        } else {
            row.notes.clear();
        }
        rows.insert(0, row);
        Ok(rows)
    }

    /// Several devices of one file that would have one name get numbers, in the order of the file.
    fn wished_name(&mut self, wished: &str) -> Result<DeviceName, CommandFailure> {
        let count = self.wished.entry(wished.to_owned()).or_default();
        *count += 1;
        let numbered = match *count {
            1 => wished.to_owned(),
            number => format!("{wished}-{number}"),
        };
        // Parsers make legal names that leave room for a number.
        numbered.parse().map_err(CommandFailure::system)
    }

    /// Puts a device into the record.
    fn place(
        &mut self,
        mut device: Device,
        mut entry: DeviceState,
        shown: &mut Option<String>,
    ) -> ImportResult {
        let added =
            |id: CredentialId, entries: &[DeviceState]| entries.iter().any(|entry| entry.id == id);
        let twin = self
            .record
            .devices
            .iter()
            .position(|other| is_same(other, &device));
        let namesake = self
            .record
            .devices
            .iter()
            .position(|other| other.name == device.name);
        let found = twin.or(namesake);
        let Some(old) = found.and_then(|position| self.record.devices.get_mut(position)) else {
            if self.record.devices.len() >= MAX_DEVICES {
                return ImportResult::Refused(format!(
                    "{} has {MAX_DEVICES} devices, and no user can have more",
                    self.record.user
                ));
            }
            self.record.enroll(device);
            self.entries.push(entry);
            return ImportResult::Taken;
        };
        *shown = Some(old.name.to_string());
        match (twin.is_some(), self.existing) {
            (true, ExistingDevices::Keep) => ImportResult::Present,
            (true, _) if added(old.id, &self.entries) => ImportResult::Present,
            (false, _) if added(old.id, &self.entries) => ImportResult::Refused(format!(
                "another device of this import is called {}",
                old.name
            )),
            (false, ExistingDevices::Keep) => ImportResult::Refused(format!(
                "{} has another device called {}; --replace puts this one in its place",
                self.record.user, old.name
            )),
            (is_twin, ExistingDevices::Replace) => {
                if is_twin {
                    // This key was used here since: what was used here stays used.
                    let used = self.before.as_ref().and_then(|state| state.device(old.id));
                    entry.next = entry.next.max(used.map_or(0, |used| used.next));
                }
                device.name = old.name.clone();
                *old = device;
                self.entries.push(entry);
                ImportResult::Replaced
            }
        }
    }

    /// Keeps the scratch codes of an item usable. How many, or why none.
    fn scratch_codes(
        &mut self,
        item: &ImportedDevice,
    ) -> Result<Result<usize, &'static str>, CommandFailure> {
        if item.scratch.is_empty() {
            return Ok(Ok(0));
        }
        let old = self.record.recovery.as_ref();
        if old.is_some_and(|set| set.form == CodeForm::Base32) {
            return Ok(Err(
                "the scratch codes are skipped: the user has recovery codes, which are stronger",
            ));
        }
        if old.is_some() && self.existing == ExistingDevices::Keep {
            return Ok(Err("the scratch codes are skipped: the user has others"));
        }
        // One that was used here since an earlier import is still unused in the file.
        let unspent: Vec<&str> = item
            .scratch
            .iter()
            .map(|code| code.as_str())
            .filter(|code| !self.is_spent(code))
            .collect();
        if unspent.is_empty() {
            return Ok(Err("the scratch codes are skipped: all were used"));
        }
        let count = unspent.len();
        let set = RecoverySet::from_scratch_codes(unspent, self.moment.now);
        self.record.recovery = Some(set.map_err(CommandFailure::system)?);
        Ok(Ok(count))
    }

    fn is_spent(&self, code: &str) -> bool {
        let (Some(set), Some(state)) = (&self.record.recovery, &self.before) else {
            return false;
        };
        let typed = hash(&set.salt, code.as_bytes());
        let known = set
            .hashes
            .iter()
            .position(|stored| bool::from(same(stored, &typed)));
        known.is_some_and(|position| state.is_spent(set.id, position))
    }
}

/// True if two devices show the same codes.
fn is_same(one: &Device, two: &Device) -> bool {
    one.kind == two.kind
        && one.algorithm == two.algorithm
        && one.digits == two.digits
        && one.secret.as_bytes() == two.secret.as_bytes()
}

#[cfg(test)]
mod tests;
