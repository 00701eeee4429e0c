//! Typed access to a TOML table of a record. What is wrong is told as a place only: lines here hold secrets.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::RecordError;

/// A value, and where it stands.
type RecordValue<'a> = Spanned<DeValue<'a>>;

/// One table of a record.
pub(super) struct RecordFields<'a> {
    text: &'a str,
    /// Offset in `text` at which the table begins.
    at: usize,
    entries: &'a DeTable<'a>,
}

impl<'a> RecordFields<'a> {
    /// The TOML of a whole file.
    pub(super) fn document(text: &'a str) -> Result<Spanned<DeTable<'a>>, RecordError> {
        DeTable::parse(text)
            .map_err(|error| RecordError::at(text, error.span().unwrap_or_default().start))
    }

    /// A table that was found in `text`.
    pub(super) const fn new(text: &'a str, (at, entries): RecordPlace<'a>) -> Self {
        Self { text, at, entries }
    }

    /// Refuses keys that are not among `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), RecordError> {
        let unknown = |key: &&Spanned<_>| !known.contains(&AsRef::<str>::as_ref(key.get_ref()));
        let places = self.entries.keys().filter(unknown);
        match places.map(|key| key.span().start).min() {
            None => Ok(()),
            Some(at) => Err(RecordError::at(self.text, at)),
        }
    }

    /// The value of `key` as `read` takes it; a fault where it is missing or `read` does not.
    pub(super) fn required<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a RecordValue<'a>) -> Option<T>,
    ) -> Result<T, RecordError> {
        match self.entries.get(key).map(read) {
            Some(Some(value)) => Ok(value),
            _ => Err(self.fault(key)),
        }
    }

    /// Reads a key that may be missing.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a RecordValue<'a>) -> Option<T>,
    ) -> Result<Option<T>, RecordError> {
        if self.entries.contains_key(key) {
            self.required(key, read).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A fault at the value of `key`, or at the table where it is missing.
    pub(super) fn fault(&self, key: &str) -> RecordError {
        let value = self.entries.get(key);
        RecordError::at(self.text, value.map_or(self.at, |it| it.span().start))
    }
}

/// A table, and where it begins.
pub(super) type RecordPlace<'a> = (usize, &'a DeTable<'a>);

pub(super) fn string<'a>(value: &'a RecordValue<'a>) -> Option<&'a str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn strings<'a>(value: &'a RecordValue<'a>) -> Option<Vec<&'a str>> {
    match value.get_ref() {
        DeValue::Array(elements) => elements.iter().map(string).collect(),
        _ => None,
    }
}

/// A number from 0 that an `N` can hold.
pub(super) fn number<N: TryFrom<u64>>(value: &RecordValue<'_>) -> Option<N> {
    match value.get_ref() {
        DeValue::Integer(given) => u64::from_str_radix(given.as_str(), given.radix())
            .ok()
            .and_then(|number| N::try_from(number).ok()),
        _ => None,
    }
}

pub(super) fn table<'a>(value: &'a RecordValue<'a>) -> Option<RecordPlace<'a>> {
    match value.get_ref() {
        DeValue::Table(entries) => Some((value.span().start, entries)),
        _ => None,
    }
}

pub(super) fn tables<'a>(value: &'a RecordValue<'a>) -> Option<Vec<RecordPlace<'a>>> {
    match value.get_ref() {
        DeValue::Array(elements) => elements.iter().map(table).collect(),
        _ => None,
    }
}
