//! Values of several keys: read at one revision, changed together, and listed.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::etcd_gateway::{EtcdGateway, TRANSACTION, TimeLeft, malformed};
use super::gateway_fault::GatewayFault;
use super::gateway_message::{MalformedReply, comparison, encoded, found, is_done, is_success};
use crate::sealed_values::store_key::{KeyKind, StoreKey};

/// Entries of one page of a list.
const PAGE: u64 = 50;
/// Names of one page of a list without values.
const NAMES_PAGE: u64 = 1000;
const RANGE: &str = "/v3/kv/range";

/// A key with its value, `None` where it has none.
pub type KeyedValue = (StoreKey, Option<Vec<u8>>);

/// The store's answer to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// All values were as it was compared with, and the change is done.
    Done,
    /// They were not, and nothing was written.
    Refused,
}

/// The entries of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreList {
    /// The revision of the store at which it was read.
    pub revision: u64,
    /// Names with their sealed values.
    pub entries: Vec<(String, Vec<u8>)>,
}

/// The names of a list, without the values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreNames {
    /// The revision of the store at which it was read.
    pub revision: u64,
    /// The names.
    pub names: Vec<String>,
}

/// Contents of a list: keys alone, or values too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListPart {
    Entries,
    Names,
}

impl EtcdGateway {
    /// Reads the values of keys, all of one revision.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn values(
        &self,
        keys: &[StoreKey],
        time: &dyn TimeLeft,
    ) -> Result<Vec<KeyedValue>, GatewayFault> {
        let ranges: Vec<Value> = keys.iter().map(range).collect();
        let request = json!({"compare": [], "success": ranges, "failure": []}).to_string();
        let reply = self.call(TRANSACTION, &request, time)?;
        values_of(keys, &reply).map_err(|_| malformed())
    }

    /// Writes values if all keys of `base` still have theirs. It is sent to one member, once.
    ///
    /// # Errors
    /// [`GatewayFault`]; after [`GatewayFault::Unknown`] it may be done.
    pub fn change(
        &self,
        base: &[KeyedValue],
        writes: &[(StoreKey, Vec<u8>)],
        time: &dyn TimeLeft,
    ) -> Result<ChangeAnswer, GatewayFault> {
        let compare: Vec<Value> = base
            .iter()
            .map(|(key, value)| comparison(key, value))
            .collect();
        let put = |(key, value): &(StoreKey, Vec<u8>)| json!({"request_put": {"key": encoded(key), "value": BASE64.encode(value)}});
        let puts: Vec<Value> = writes.iter().map(put).collect();
        let request = json!({"compare": compare, "success": puts}).to_string();
        let reply = self.call(TRANSACTION, &request, time)?;
        let reply: Value = serde_json::from_str(&reply).map_err(|_| malformed())?;
        Ok(
            match is_done(&reply, puts.len()).map_err(|_| malformed())? {
                true => ChangeAnswer::Done,
                false => ChangeAnswer::Refused,
            },
        )
    }

    /// All entries of a kind that were written after revision `since`.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn list(
        &self,
        kind: KeyKind,
        since: u64,
        time: &dyn TimeLeft,
    ) -> Result<StoreList, GatewayFault> {
        let mut entries = Vec::new();
        let revision = self.pages((kind, ListPart::Entries, since), time, |page| {
            entries.extend(page);
        })?;
        Ok(StoreList { revision, entries })
    }

    /// The names of all entries of a kind that were written after revision `since`. No value is asked for, so that a large fleet needs
    /// little memory.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn names(
        &self,
        kind: KeyKind,
        since: u64,
        time: &dyn TimeLeft,
    ) -> Result<StoreNames, GatewayFault> {
        let mut names = Vec::new();
        let revision = self.pages((kind, ListPart::Names, since), time, |page| {
            names.extend(page.into_iter().map(|(name, _)| name));
        })?;
        Ok(StoreNames { revision, names })
    }

    /// Reads a list by pages, all of one revision, which is returned.
    fn pages(
        &self,
        (kind, part, since): (KeyKind, ListPart, u64),
        time: &dyn TimeLeft,
        mut take: impl FnMut(Vec<(String, Vec<u8>)>),
    ) -> Result<u64, GatewayFault> {
        let prefix = kind.prefix();
        let mut from = prefix.clone().into_bytes();
        let mut revision = 0;
        loop {
            let request = list_request((&from, &prefix), part, since, revision);
            let reply = self.call(RANGE, &request, time)?;
            let page = ListPage::read(&reply, kind).map_err(|_| malformed())?;
            // Of a list that leaves out nothing it is known how long it is.
            if since == 0 && !page.has_all() {
                return Err(malformed());
            }
            if revision == 0 {
                revision = page.revision;
            }
            take(page.entries);
            match page.last {
                // Each page ends behind the one before.
                Some(last) if page.has_more && last < from => return Err(malformed()),
                Some(mut last) if page.has_more => {
                    last.push(0);
                    from = last;
                }
                _ => return Ok(revision),
            }
        }
    }
}

fn range(key: &StoreKey) -> Value {
    json!({"request_range": {"key": encoded(key)}})
}

fn values_of(keys: &[StoreKey], reply: &str) -> Result<Vec<KeyedValue>, MalformedReply> {
    let reply: Value = serde_json::from_str(reply).map_err(|_| MalformedReply)?;
    let answers = reply.get("responses").and_then(Value::as_array);
    let answers = answers.ok_or(MalformedReply)?;
    if !is_success(&reply)? || answers.len() != keys.len() {
        return Err(MalformedReply);
    }
    let value = |(key, answer): (&StoreKey, &Value)| Ok((key.clone(), found(answer, key)?));
    keys.iter().zip(answers).map(value).collect()
}

/// The first page is read at the newest revision, the others at that of the first.
fn list_request(
    (from, prefix): (&[u8], &str),
    part: ListPart,
    since: u64,
    revision: u64,
) -> String {
    let limit = match part {
        ListPart::Entries => PAGE,
        ListPart::Names => NAMES_PAGE,
    };
    // The first key after all that begin with the prefix, which ends with a slash.
    let end = format!("{}0", prefix.trim_end_matches('/'));
    json!({
        "key": BASE64.encode(from),
        "range_end": BASE64.encode(end.as_bytes()),
        "limit": limit.to_string(),
        "keys_only": part == ListPart::Names,
        "revision": revision.to_string(),
        "min_mod_revision": since.saturating_add(1).to_string(),
    })
    .to_string()
}

struct ListPage {
    revision: u64,
    entries: Vec<(String, Vec<u8>)>,
    last: Option<Vec<u8>>,
    has_more: bool,
    /// Keys from the first one of the page on, also of pages that follow, and those that were written too early.
    count: usize,
}

impl ListPage {
    /// True if it has as many entries as it says, or more pages follow.
    const fn has_all(&self) -> bool {
        self.has_more || self.entries.len() == self.count
    }

    fn read(reply: &str, kind: KeyKind) -> Result<Self, MalformedReply> {
        let reply: Value = serde_json::from_str(reply).map_err(|_| MalformedReply)?;
        let revision = reply.get("header").and_then(|it| it.get("revision"));
        let revision = revision.and_then(number).ok_or(MalformedReply)?;
        let count = match reply.get("count") {
            None => 0,
            Some(count) => number(count).ok_or(MalformedReply)?,
        };
        let mut page = Self {
            revision,
            count: usize::try_from(count).map_err(|_| MalformedReply)?,
            entries: Vec::new(),
            last: None,
            has_more: reply.get("more").and_then(Value::as_bool) == Some(true),
        };
        let none = Vec::new();
        let entries = match reply.get("kvs") {
            None => &none,
            Some(entries) => entries.as_array().ok_or(MalformedReply)?,
        };
        for entry in entries {
            let field = |name| {
                let text = entry.get(name).and_then(Value::as_str).unwrap_or_default();
                BASE64.decode(text.as_bytes()).map_err(|_| MalformedReply)
            };
            let (key, value) = (field("key")?, field("value")?);
            let name = StoreKey::name_in(&key, kind).ok_or(MalformedReply)?;
            page.entries.push((name, value));
            page.last = Some(key);
        }
        if page.has_more && page.last.is_none() {
            return Err(MalformedReply);
        }
        Ok(page)
    }
}

/// 64-bit numbers are strings in JSON.
fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(reply: &Value) -> Result<ListPage, MalformedReply> {
        ListPage::read(&reply.to_string(), KeyKind::Record)
    }

    #[test]
    fn a_page_without_a_revision_says_nothing() {
        for broken in [
            json!({}),
            json!(null),
            json!({"header": {}}),
            json!({"header": {"revision": "x"}}),
            json!({"header": {"revision": "7"}, "kvs": {}}),
            json!({"header": {"revision": "7"}, "more": true}),
            json!({"header": {"revision": "7"}, "count": 1}),
            json!({"header": {"revision": "7"}, "kvs": [{"key": "!"}]}),
        ] {
            assert!(page(&broken).is_err(), "{broken}");
        }
        let empty = page(&json!({"header": {"revision": "7"}})).unwrap();
        assert!(empty.revision == 7 && empty.entries.is_empty() && !empty.has_more);
    }

    #[test]
    fn entries_of_another_kind_are_refused() {
        let list = |key: &StoreKey| {
            json!({"header": {"revision": "7"}, "kvs": [
                {"key": encoded(key), "value": BASE64.encode(b"v")}
            ]})
        };
        let own = page(&list(&StoreKey::record("a/b"))).unwrap();
        assert_eq!(own.entries, [("a/b".to_owned(), b"v".to_vec())]);
        assert!(!own.has_all(), "it does not say how many there are");
        let mut counted = list(&StoreKey::record("a/b"));
        for (count, has_all) in [("1", true), ("2", false), ("0", false)] {
            counted["count"] = json!(count);
            assert_eq!(page(&counted).unwrap().has_all(), has_all);
        }
        assert!(page(&list(&StoreKey::state("a"))).is_err());
    }

    #[test]
    fn values_are_of_the_keys_that_were_asked_for() {
        let keys = [StoreKey::meta(), StoreKey::record("a")];
        let reply = |first: &StoreKey| {
            json!({"header": {"revision": "7"}, "succeeded": true, "responses": [
                {"response_range": {"kvs": [{"key": encoded(first), "value": "AA=="}]}},
                {"response_range": {}},
            ]})
            .to_string()
        };
        let values = values_of(&keys, &reply(&keys[0])).unwrap();
        assert_eq!(values[0].1, Some(vec![0]));
        assert_eq!(values[1].1, None);
        assert!(values_of(&keys, &reply(&keys[1])).is_err());
        assert!(values_of(&keys[..1], &reply(&keys[0])).is_err());
        assert!(values_of(&keys, "{}").is_err());
    }
}
