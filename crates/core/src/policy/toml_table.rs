//! Typed access to a parsed TOML table: every way in which a value can be of the wrong kind becomes
//! a message with its place, so that `policy_keys.rs` only says what is allowed.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::policy_error::{PolicyFault, cut, quoted};
use super::start_day::StartDay;
use crate::spelling_suggestion;

/// A value with its place.
pub(super) type PolicyValue<'t> = Spanned<DeValue<'t>>;

/// Strings that a key may hold: how they are described, and the check.
pub(super) struct TextRule {
    pub(super) allowed: &'static str,
    pub(super) check: fn(&str) -> bool,
}

/// One table of the policy whose keys are all known.
pub(super) struct PolicyTable<'a, 't> {
    /// Name of the table in messages; empty at the top.
    name: &'static str,
    entries: &'a DeTable<'t>,
}

impl<'a, 't> PolicyTable<'a, 't> {
    /// A table whose keys are all among `valid`.
    pub(super) fn new(
        name: &'static str,
        valid: &[&str],
        entries: &'a DeTable<'t>,
    ) -> Result<Self, PolicyFault> {
        let is_unknown = |key: &&Spanned<DeString<'t>>| !valid.contains(&key.get_ref().as_ref());
        let unknown = entries.keys().filter(is_unknown);
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(Self { name, entries }),
            Some(key) => Err(PolicyFault::new(
                key.span().start,
                format!(
                    "unknown key {}{}; valid keys here: {}",
                    quoted(key.get_ref()),
                    meant(key.get_ref(), valid),
                    valid.join(", ")
                ),
            )),
        }
    }

    /// A whole number.
    pub(super) fn number<N>(
        &self,
        key: &str,
        allowed: RangeInclusive<N>,
    ) -> Result<Option<N>, PolicyFault>
    where
        N: Copy + Into<i64> + TryFrom<i64>,
    {
        self.number_as(key, allowed, Some)
    }

    /// A whole number that makes a `T`.
    pub(super) fn number_as<N, T>(
        &self,
        key: &str,
        allowed: RangeInclusive<N>,
        make: impl Fn(N) -> Option<T>,
    ) -> Result<Option<T>, PolicyFault>
    where
        N: Copy + Into<i64> + TryFrom<i64>,
    {
        let (least, most) = ((*allowed.start()).into(), (*allowed.end()).into());
        let mut made = None;
        self.whole_number(key, least..=most, &mut |number| {
            made = N::try_from(number).ok().and_then(&make);
            made.is_some()
        })?;
        Ok(made)
    }

    /// A whole number that `take` takes, where the key is there.
    fn whole_number(
        &self,
        key: &str,
        allowed: RangeInclusive<i64>,
        take: &mut dyn FnMut(i64) -> bool,
    ) -> Result<(), PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(());
        };
        let range = || format!("{} to {}", allowed.start(), allowed.end());
        let DeValue::Integer(given) = value.get_ref() else {
            let wanted = format!("be a whole number from {}", range());
            return Err(self.wrong_kind(key, &wanted, value));
        };
        let number = i64::from_str_radix(given.as_str(), given.radix()).ok();
        if number.is_some_and(|number| allowed.contains(&number) && take(number)) {
            return Ok(());
        }
        // After an underscore the parser lets anything pass for a digit: such a number is no better than a string.
        let shown = cut(&given.to_string()).escape_debug().to_string();
        Err(self.not_allowed(key, value, &shown, &range()))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(Some(*flag)),
            _ => Err(self.wrong_kind(key, "be true or false", value)),
        }
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        let is_given =
            |word: &str| matches!(value.get_ref(), DeValue::String(given) if given == word);
        match words.iter().find(|(word, _)| is_given(word)) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.no_such_word(key, value, &known))
            }
        }
    }

    fn no_such_word(&self, key: &str, value: &PolicyValue<'_>, known: &[&str]) -> PolicyFault {
        let known: Vec<_> = known.iter().map(|word| quoted(word)).collect();
        let known = known.join(", ");
        match value.get_ref() {
            DeValue::String(given) => self.not_allowed(key, value, &quoted(given), &known),
            _ => self.wrong_kind(key, &format!("be one of {known}"), value),
        }
    }

    /// A string.
    pub(super) fn text(&self, key: &str, text: &TextRule) -> Result<Option<String>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::String(given) if (text.check)(given) => Ok(Some(given.as_ref().to_owned())),
            DeValue::String(given) => {
                Err(self.not_allowed(key, value, &quoted(given), text.allowed))
            }
            _ => Err(self.wrong_kind(key, "be a string", value)),
        }
    }

    /// A date, without time and zone.
    pub(super) fn day(&self, key: &str) -> Result<Option<StartDay>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        let wrong = || self.wrong_kind(key, "be a date such as 2027-03-01, without quotes", value);
        let DeValue::Datetime(given) = value.get_ref() else {
            return Err(wrong());
        };
        let (Some(date), None, None) = (given.date, given.time, given.offset) else {
            return Err(wrong());
        };
        let day = StartDay::new(date.year, date.month, date.day);
        day.map(Some).ok_or_else(|| {
            let allowed = "1970-01-01 to 9999-12-31";
            self.not_allowed(key, value, &given.to_string(), allowed)
        })
    }

    /// A list of strings with at least one element; `make` turns an element into a `T` or says what
    /// is wrong with it. A key that is missing is an empty list.
    pub(super) fn list<T>(
        &self,
        key: &str,
        make: &dyn Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, PolicyFault> {
        let list = self.list_or_none(key, make)?;
        match self.entries.get(key) {
            Some(value) if list.is_empty() => {
                let path = self.path(key);
                let message = format!("{path} is empty; remove it or name at least one");
                Err(PolicyFault::new(value.span().start, message))
            }
            _ => Ok(list),
        }
    }

    /// [`Self::list`] that may be empty.
    pub(super) fn list_or_none<T>(
        &self,
        key: &str,
        make: &dyn Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(Vec::new());
        };
        let DeValue::Array(elements) = value.get_ref() else {
            return Err(self.wrong_kind(key, "be a list of strings", value));
        };
        let element = |element: &PolicyValue<'_>| match element.get_ref() {
            DeValue::String(text) => make(text).map_err(|reason| {
                PolicyFault::new(
                    element.span().start,
                    format!("{}: {reason}", self.path(key)),
                )
            }),
            _ => Err(wrong_kind(&self.path(key), "hold strings only", element)),
        };
        elements.iter().map(element).collect()
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &str) -> Result<Option<&'a DeTable<'t>>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(table)),
            _ => Err(self.wrong_kind(key, &format!("be a table, [{key}]"), value)),
        }
    }

    /// Tables with the same header, each with its place.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<(usize, &'a DeTable<'t>)>, PolicyFault> {
        let Some(value) = self.entries.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = |value| self.wrong_kind(key, &format!("be written as [[{key}]]"), value);
        let DeValue::Array(elements) = value.get_ref() else {
            return Err(wrong(value));
        };
        let table = |element: &'a PolicyValue<'t>| match element.get_ref() {
            DeValue::Table(table) => Ok((element.span().start, table)),
            _ => Err(wrong(element)),
        };
        elements.iter().map(table).collect()
    }

    /// A fault at the value of `key`, or at the start of the file where it is missing.
    pub(super) fn fault(&self, key: &str, message: String) -> PolicyFault {
        PolicyFault::new(
            self.entries.get(key).map_or(0, |value| value.span().start),
            message,
        )
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn not_allowed(
        &self,
        key: &str,
        value: &PolicyValue<'_>,
        given: &str,
        allowed: &str,
    ) -> PolicyFault {
        let message = format!("{} is {given}; allowed: {allowed}", self.path(key));
        PolicyFault::new(value.span().start, message)
    }

    fn wrong_kind(&self, key: &str, wanted: &str, value: &PolicyValue<'_>) -> PolicyFault {
        wrong_kind(&self.path(key), wanted, value)
    }
}

/// The question whether a known key was meant, where one is close.
fn meant(key: &str, valid: &[&str]) -> String {
    spelling_suggestion::closest(key, valid.iter().copied())
        .map(|known| format!(" (did you mean {known}?)"))
        .unwrap_or_default()
}

/// The fault of a value of another kind than the key must have (`wanted`, a verb phrase).
pub(super) fn wrong_kind(path: &str, wanted: &str, value: &PolicyValue<'_>) -> PolicyFault {
    let given = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(given) if given.time.is_some() => "a time",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    PolicyFault::new(
        value.span().start,
        format!("{path} must {wanted}, not {given}"),
    )
}
