//! Changes of single settings in the text of the policy; comments and order stay as they are.

use std::fmt;

use toml_edit::{DocumentMut, Item, Key, Table, TableLike, Value};
use twofactor_core::policy;

/// Reason why a setting was not changed.
#[derive(Debug, PartialEq, Eq)]
pub enum PolicyTextError {
    /// The key is not written as TOML writes keys.
    Key(String),
    /// The key names a table, not a setting.
    Table(String),
    /// The text was not a valid policy before the change either.
    Before(String),
    /// The policy does not allow the key or the value.
    Refused(String),
}

impl fmt::Display for PolicyTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?} is not the name of a setting"),
            Self::Table(key) => write!(f, "{key} is a table, not a setting"),
            Self::Before(error) | Self::Refused(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for PolicyTextError {}

/// Lists of tables. They decide which users are locked out, and are changed in the file, as a whole.
pub const LISTS: [&str; 2] = ["exempt", "require"];

/// Sets `key` (dotted, as `throttle.attempts`) to `value` in the policy `text` and returns the new text, which is a
/// valid policy.
///
/// The type of a value follows from the type that the policy accepts for the key. `value` is tried as TOML first, then as a
/// string. So `issuer example.org` needs no quotes, and `issuer 42` is still a string.
///
/// # Errors
/// [`PolicyTextError`]; nothing is changed then.
pub fn set(text: &str, key: &str, value: &str) -> Result<String, PolicyTextError> {
    let path = setting_path(key)?;
    let before: DocumentMut = text.parse().map_err(|_| before_error(text))?;
    let mut refusal = None;
    for candidate in candidates(value) {
        let mut document = before.clone();
        assign(&mut document, &path, candidate)
            .ok_or_else(|| PolicyTextError::Table(key.to_owned()))?;
        let after = document.to_string();
        match policy::parse(&after) {
            Ok(_) => return Ok(after),
            Err(error) => refusal.get_or_insert(error.to_string()),
        };
    }
    match policy::parse(text) {
        Ok(_) => Err(PolicyTextError::Refused(refusal.unwrap_or_default())),
        Err(error) => Err(PolicyTextError::Before(error.to_string())),
    }
}

/// Sets several keys at once: the new text is valid with all of them, also where one alone would not be.
///
/// # Errors
/// As [`set`].
pub fn set_all<'s>(
    text: &str,
    settings: impl IntoIterator<Item = (&'s str, &'s str)>,
) -> Result<String, PolicyTextError> {
    let settings: Vec<_> = settings.into_iter().collect();
    if let [(key, value)] = settings.as_slice() {
        return set(text, key, value);
    }
    let mut document: DocumentMut = text.parse().map_err(|_| before_error(text))?;
    for (key, value) in &settings {
        let path = setting_path(key)?;
        let value = typed(text, key, value);
        assign(&mut document, &path, value)
            .ok_or_else(|| PolicyTextError::Table((*key).to_owned()))?;
    }
    let after = document.to_string();
    match (policy::parse(&after), policy::parse(text)) {
        (Ok(_), _) => Ok(after),
        (Err(error), Ok(_)) => Err(PolicyTextError::Refused(error.to_string())),
        (Err(_), Err(error)) => Err(PolicyTextError::Before(error.to_string())),
    }
}

/// The meaning of `value` that the policy takes for the key alone; where it takes none, which another setting may be
/// needed for, the first one.
fn typed(text: &str, key: &str, value: &str) -> Value {
    let accepted = |candidate: &Value| {
        let (Ok(mut document), Ok(path)) = (text.parse::<DocumentMut>(), setting_path(key)) else {
            return false;
        };
        assign(&mut document, &path, candidate.clone()).is_some()
            && policy::parse(&document.to_string()).is_ok()
    };
    let first = candidates(value).next();
    let taken = candidates(value).find(accepted);
    taken.or(first).unwrap_or_else(|| Value::from(value))
}

/// The parts of a key with dots.
fn setting_path(key: &str) -> Result<Vec<Key>, PolicyTextError> {
    let path = Key::parse(key).map_err(|_| PolicyTextError::Key(key.to_owned()))?;
    let first = path.first().map(Key::get).unwrap_or_default();
    if LISTS.contains(&first) {
        return Err(PolicyTextError::Table(first.to_owned()));
    }
    Ok(path)
}

/// The parser of the policy explains errors better than the editor's.
fn before_error(text: &str) -> PolicyTextError {
    PolicyTextError::Before(match policy::parse(text) {
        Err(error) => error.to_string(),
        Ok(_) => "the policy cannot be edited".to_owned(),
    })
}

/// Meanings of `value`: TOML, or a string without its quotes.
fn candidates(value: &str) -> impl Iterator<Item = Value> {
    let literal = value.trim().parse::<Value>().ok();
    literal.into_iter().chain([Value::from(value)])
}

/// Puts `value` at `path`. `None` when a table is there, or something else where a table is needed.
fn assign(document: &mut DocumentMut, path: &[Key], mut value: Value) -> Option<()> {
    let (leaf, parents) = path.split_last()?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for parent in parents {
        let item = table
            .entry(parent.get())
            .or_insert_with(|| Item::Table(Table::new()));
        table = item.as_table_like_mut()?;
    }
    match table.get_mut(leaf.get()) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(Item::Table(_) | Item::ArrayOfTables(_)) => return None,
        Some(Item::None) | None => {
            value.decor_mut().clear();
            table.insert(leaf.get(), Item::Value(value));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
