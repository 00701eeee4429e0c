//! Messages of etcd's JSON gateway (`/v3/kv/txn`), without I/O. Keys and values are base64 in them.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::sealed_values::store_key::StoreKey;

/// The keys that an attempt reads and compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKeys {
    /// The fleet.
    pub meta: StoreKey,
    /// The host on which the attempt is made.
    pub host: StoreKey,
    /// The user's state.
    pub state: StoreKey,
    /// The user's record, which is looked at where the state is of an earlier epoch, and not compared.
    pub record: StoreKey,
}

/// The values of [`AttemptKeys`] but the record, read at one revision of the store: `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreView {
    /// The fleet.
    pub meta: Option<Vec<u8>>,
    /// The host.
    pub host: Option<Vec<u8>>,
    /// The user's state.
    pub state: Option<Vec<u8>>,
}

/// The store's answer to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionAnswer {
    /// Everything was as it was compared with, and the write is done.
    Done,
    /// Something was not, and nothing was written; this is what there was.
    Other(StoreView),
}

/// The error that a reply is none of those that the gateway gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedReply;

impl AttemptKeys {
    fn all(&self) -> [&StoreKey; 3] {
        [&self.meta, &self.host, &self.state]
    }

    /// The request that reads them all at once. It is answered from the newest revision.
    #[must_use]
    pub fn read_request(&self) -> String {
        json!({"compare": [], "success": self.ranges(), "failure": []}).to_string()
    }

    /// The request that writes a new state if all of them still have the values of `base`.
    #[must_use]
    pub fn write_request(&self, base: &StoreView, state: &[u8]) -> String {
        let values = [&base.meta, &base.host, &base.state];
        let compared = self.all().into_iter().zip(values);
        let compare: Vec<Value> = compared
            .map(|(key, value)| comparison(key, value))
            .collect();
        let put =
            json!({"request_put": {"key": encoded(&self.state), "value": BASE64.encode(state)}});
        json!({"compare": compare, "success": [put], "failure": self.ranges()}).to_string()
    }

    /// Reads the reply to [`Self::read_request`].
    ///
    /// # Errors
    /// [`MalformedReply`].
    pub fn read_reply(&self, reply: &str) -> Result<StoreView, MalformedReply> {
        let reply: Value = serde_json::from_str(reply).map_err(|_| MalformedReply)?;
        match is_success(&reply)? {
            true => self.view(&reply),
            false => Err(MalformedReply),
        }
    }

    /// Reads the reply to [`Self::write_request`].
    ///
    /// # Errors
    /// [`MalformedReply`].
    pub fn write_reply(&self, reply: &str) -> Result<TransactionAnswer, MalformedReply> {
        let reply: Value = serde_json::from_str(reply).map_err(|_| MalformedReply)?;
        if is_done(&reply, 1)? {
            return Ok(TransactionAnswer::Done);
        }
        self.view(&reply).map(TransactionAnswer::Other)
    }

    fn ranges(&self) -> Vec<Value> {
        let range = |key| json!({"request_range": {"key": encoded(key)}});
        self.all().into_iter().map(range).collect()
    }

    fn view(&self, reply: &Value) -> Result<StoreView, MalformedReply> {
        let answers = reply.get("responses").and_then(Value::as_array);
        let [meta, host, state] = answers.map(Vec::as_slice).ok_or(MalformedReply)? else {
            return Err(MalformedReply);
        };
        Ok(StoreView {
            meta: found(meta, &self.meta)?,
            host: found(host, &self.host)?,
            state: found(state, &self.state)?,
        })
    }
}

pub(crate) fn encoded(key: &StoreKey) -> String {
    BASE64.encode(key.as_bytes())
}

/// True while the key has this value, or while it has none.
pub(crate) fn comparison(key: &StoreKey, value: &Option<Vec<u8>>) -> Value {
    let key = encoded(key);
    match value {
        Some(value) => json!({
            "key": key, "target": "VALUE", "result": "EQUAL", "value": BASE64.encode(value)
        }),
        None => json!({
            "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"
        }),
    }
}

/// Fields with the value false are left out. A reply without a header is empty: no member of the cluster sent it.
pub(crate) fn is_success(reply: &Value) -> Result<bool, MalformedReply> {
    if reply
        .get("header")
        .and_then(|it| it.get("revision"))
        .is_none()
    {
        return Err(MalformedReply);
    }
    match reply.get("succeeded") {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or(MalformedReply),
    }
}

/// True for the reply to a transaction that has done so many writes, and to no other: that of a read says that it succeeded, too.
pub(crate) fn is_done(reply: &Value, writes: usize) -> Result<bool, MalformedReply> {
    if !is_success(reply)? {
        return Ok(false);
    }
    let answers = reply.get("responses").and_then(Value::as_array);
    let answers = answers.ok_or(MalformedReply)?;
    let is_put = |answer: &Value| answer.get("response_put").is_some_and(Value::is_object);
    if answers.len() == writes && answers.iter().all(is_put) {
        Ok(true)
    } else {
        Err(MalformedReply)
    }
}

/// The value of one key. That there is none is said by a range without entries that counts none, never by a reply without a range.
pub(crate) fn found(answer: &Value, key: &StoreKey) -> Result<Option<Vec<u8>>, MalformedReply> {
    let range = answer.get("response_range").ok_or(MalformedReply)?;
    let entries = match range.get("kvs") {
        None if range.get("count").is_none_or(|it| it == "0") => return Ok(None),
        None => return Err(MalformedReply),
        Some(entries) => entries.as_array().ok_or(MalformedReply)?,
    };
    let [entry] = entries.as_slice() else {
        return Err(MalformedReply);
    };
    let field = |name| entry.get(name).and_then(Value::as_str);
    if field("key") != Some(&encoded(key)) {
        return Err(MalformedReply);
    }
    let value = field("value").unwrap_or_default();
    let value = BASE64.decode(value.as_bytes());
    value.map(Some).map_err(|_| MalformedReply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AttemptKeys {
        AttemptKeys {
            meta: StoreKey::meta(),
            host: StoreKey::host("h"),
            state: StoreKey::state("alice"),
            record: StoreKey::record("alice"),
        }
    }

    fn reply(is_success: bool, values: [Option<&[u8]>; 3]) -> Value {
        let keys = keys();
        let range = |(key, value): (&StoreKey, Option<&[u8]>)| match value {
            None => json!({"response_range": {"header": {}}}),
            Some(value) => json!({"response_range": {"count": "1", "kvs": [
                {"key": encoded(key), "value": BASE64.encode(value), "version": "3"}
            ]}}),
        };
        let responses: Vec<Value> = keys.all().into_iter().zip(values).map(range).collect();
        let mut reply = json!({"header": {"revision": "7"}, "responses": responses});
        if is_success {
            reply["succeeded"] = json!(true);
        }
        reply
    }

    #[test]
    fn a_write_compares_all_values_that_were_read() {
        let base = StoreView {
            meta: Some(b"m".to_vec()),
            host: None,
            state: Some(b"s".to_vec()),
        };
        let request: Value = serde_json::from_str(&keys().write_request(&base, b"new")).unwrap();
        let compare = request["compare"].as_array().unwrap();
        assert_eq!(compare.len(), 3);
        assert_eq!(compare[0]["target"], "VALUE");
        assert_eq!(compare[0]["value"], BASE64.encode(b"m"));
        assert_eq!(compare[1]["target"], "CREATE");
        assert_eq!(compare[1]["create_revision"], "0");
        assert_eq!(compare[2]["value"], BASE64.encode(b"s"));
        let put = &request["success"][0]["request_put"];
        assert_eq!(put["value"], BASE64.encode(b"new"));
        assert_eq!(request["failure"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn replies_are_read() {
        let view = StoreView {
            meta: Some(b"m".to_vec()),
            host: Some(Vec::new()),
            state: None,
        };
        let values = [Some(b"m".as_slice()), Some(b"".as_slice()), None];
        let read = reply(true, values).to_string();
        assert_eq!(keys().read_reply(&read), Ok(view.clone()));
        let done = put_reply(1).to_string();
        assert_eq!(keys().write_reply(&done), Ok(TransactionAnswer::Done));
        let other = reply(false, values).to_string();
        assert_eq!(
            keys().write_reply(&other),
            Ok(TransactionAnswer::Other(view))
        );
        assert_eq!(keys().read_reply(&other), Err(MalformedReply));
    }

    /// The reply to a transaction with so many writes.
    fn put_reply(writes: usize) -> Value {
        let put = json!({"response_put": {"header": {"revision": "7"}}});
        json!({"header": {"revision": "7"}, "succeeded": true, "responses": vec![put; writes]})
    }

    /// The reply to another request on the same connection.
    #[test]
    fn the_reply_to_a_read_is_no_write() {
        let read = reply(true, [Some(b"m"), Some(b"h"), Some(b"s")]);
        let mut none = put_reply(1);
        none["responses"] = json!([]);
        for other in [read, none, put_reply(2)] {
            let text = other.to_string();
            assert_eq!(keys().write_reply(&text), Err(MalformedReply), "{text}");
        }
        assert_eq!(is_done(&put_reply(2), 2), Ok(true));
        assert_eq!(
            keys().read_reply(&put_reply(3).to_string()),
            Err(MalformedReply)
        );
    }

    #[test]
    fn a_range_that_lost_its_entries_says_nothing() {
        let mut lost = reply(true, [Some(b"m"), Some(b"h"), Some(b"s")]);
        let range = lost["responses"][2]["response_range"].as_object_mut();
        range.unwrap().remove("kvs");
        assert_eq!(keys().read_reply(&lost.to_string()), Err(MalformedReply));
    }

    /// An empty answer would say of every user that there is nothing to find.
    #[test]
    fn an_empty_reply_says_nothing() {
        let whole = reply(false, [None, None, None]);
        for broken in [
            json!({}),
            json!(null),
            json!({"header": {}}),
            json!({"header": {"revision": "7"}}),
            json!({"header": {"revision": "7"}, "responses": []}),
            json!({"header": {"revision": "7"}, "responses": [{}, {}, {}]}),
            json!({"header": {"revision": "7"}, "succeeded": "yes"}),
            json!({"responses": whole["responses"]}),
        ] {
            let text = broken.to_string();
            assert_eq!(keys().write_reply(&text), Err(MalformedReply), "{text}");
            assert_eq!(keys().read_reply(&text), Err(MalformedReply), "{text}");
        }
        assert_eq!(keys().read_reply(""), Err(MalformedReply));
    }

    #[test]
    fn a_value_of_another_key_is_refused() {
        let mut changed = reply(false, [Some(b"m"), Some(b"h"), Some(b"s")]);
        let entry = &mut changed["responses"][2]["response_range"]["kvs"][0];
        entry["key"] = json!(encoded(&StoreKey::state("bob")));
        let text = changed.to_string();
        assert_eq!(keys().write_reply(&text), Err(MalformedReply));
        let mut twice = reply(false, [Some(b"m"), Some(b"h"), Some(b"s")]);
        let entries = &mut twice["responses"][0]["response_range"]["kvs"];
        let again = entries[0].clone();
        entries.as_array_mut().unwrap().push(again);
        assert_eq!(keys().write_reply(&twice.to_string()), Err(MalformedReply));
    }
}
