//! The members of the store, one by one, as each of them says of itself: `/v3/maintenance/status` of etcd's gateway, and the history
//! that the store keeps.

use serde_json::{Value, json};

use super::etcd_gateway::{EtcdGateway, TimeLeft, malformed};
use super::gateway_fault::GatewayFault;
use super::gateway_message::encoded;
use crate::sealed_values::store_key::StoreKey;

const STATUS: &str = "/v3/maintenance/status";
const RANGE: &str = "/v3/kv/range";
/// The first revision of a store, in which nothing is written yet.
const FIRST_REVISION: &str = "1";

/// A member, by its address in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its address.
    pub address: String,
    /// Its report on itself.
    pub said: Result<MemberFacts, GatewayFault>,
}

/// A member's report on itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberFacts {
    /// Id of its cluster.
    pub cluster: String,
    /// True if it knows a leader.
    pub has_leader: bool,
    /// True if it only learns, and answers nothing that needs a majority.
    pub is_learner: bool,
    /// True if it has raised the alarm that there is no space, so that it takes no writes.
    pub is_full: bool,
    /// Bytes of its file, which count towards the quota, and those of them that hold something.
    pub size: u64,
    /// See [`Self::size`].
    pub in_use: u64,
    /// The quota. etcd before 3.6 does not tell it.
    pub quota: Option<u64>,
}

/// The history that a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreHistory {
    /// All of it: this many revisions.
    Whole(u64),
    /// An earlier part was dropped by a compaction.
    Compacted,
}

impl EtcdGateway {
    /// Asks each member for itself, whether it is in a majority or not.
    pub fn member_statuses(&self, time: &dyn TimeLeft) -> Vec<MemberStatus> {
        let asked = self.endpoints().iter().enumerate().map(|(at, address)| {
            let reply = self.ask_one(at, STATUS, "{}", time);
            MemberStatus {
                address: address.clone(),
                said: reply.and_then(|reply| facts(&reply).ok_or_else(malformed)),
            }
        });
        asked.collect()
    }

    /// Looks whether the store still has its first revision.
    ///
    /// # Errors
    /// [`GatewayFault`].
    pub fn history(&self, time: &dyn TimeLeft) -> Result<StoreHistory, GatewayFault> {
        let request = json!({"key": encoded(&StoreKey::meta()), "revision": FIRST_REVISION});
        match self.call(RANGE, &request.to_string(), time) {
            Ok(reply) => revision(&reply)
                .map(StoreHistory::Whole)
                .ok_or_else(malformed),
            Err(fault) if fault.to_string().contains("revision has been compacted") => {
                Ok(StoreHistory::Compacted)
            }
            Err(fault) => Err(fault),
        }
    }
}

fn revision(reply: &str) -> Option<u64> {
    let reply: Value = serde_json::from_str(reply).ok()?;
    number(reply.get("header")?, "revision")
}

/// Fields with the value 0 or false are left out. A reply without a header is empty: no member sent it.
fn facts(reply: &str) -> Option<MemberFacts> {
    let reply: Value = serde_json::from_str(reply).ok()?;
    let cluster = reply.get("header")?.get("cluster_id")?.as_str()?;
    let alarms = reply.get("errors").and_then(Value::as_array);
    let is_of_space = |it: &Value| it.as_str().is_some_and(|it| it.contains("NOSPACE"));
    Some(MemberFacts {
        cluster: cluster.to_owned(),
        has_leader: number(&reply, "leader").is_some_and(|id| id != 0),
        is_learner: reply.get("isLearner").and_then(Value::as_bool) == Some(true),
        is_full: alarms.is_some_and(|alarms| alarms.iter().any(is_of_space)),
        size: number(&reply, "dbSize").unwrap_or(0),
        in_use: number(&reply, "dbSizeInUse").unwrap_or(0),
        quota: number(&reply, "dbSizeQuota").filter(|quota| *quota > 0),
    })
}

/// 64-bit numbers are strings in JSON.
fn number(object: &Value, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    value
        .as_str()
        .map_or_else(|| value.as_u64(), |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_what_it_leaves_out() {
        let least = r#"{"header":{"cluster_id":"7"}}"#;
        let cluster = "7".to_owned();
        let empty = MemberFacts {
            cluster: cluster.clone(),
            ..MemberFacts::default()
        };
        assert_eq!(facts(least), Some(empty));
        let whole = r#"{"header":{"cluster_id":"7","revision":"3"},"version":"3.6.0","dbSize":"4096","leader":"99",
            "errors":["memberID:1 alarm:NOSPACE "],"dbSizeInUse":"1024","isLearner":true,"dbSizeQuota":"8192"}"#;
        let known = MemberFacts {
            cluster,
            has_leader: true,
            is_learner: true,
            is_full: true,
            size: 4096,
            in_use: 1024,
            quota: Some(8192),
        };
        assert_eq!(facts(whole), Some(known));
        for none in ["", "{}", "{\"header\":{}}", "null"] {
            assert_eq!(facts(none), None, "{none}");
        }
    }

    #[test]
    fn a_reply_without_a_revision_has_no_history() {
        assert_eq!(revision(r#"{"header":{"revision":"8"}}"#), Some(8));
        assert_eq!(revision("{}"), None);
    }
}
