//! All values that a user's state had in the store.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use data_encoding::BASE64;
use serde_json::Value;

use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_fleet::sealed_values::shared_state::{SharedOutcome, SharedState};
use twofactor_fleet::sealed_values::store_key::StoreKey;

use super::enrolled::EnrolledFleet;
use harness::etcd::cluster::EtcdCluster;

/// The outcomes of all attempts that were ever stored, read from etcd's own history; nothing was compacted.
pub fn stored_outcomes(
    cluster: &EtcdCluster,
    fleet: &EnrolledFleet,
    user: &str,
) -> HashMap<AttemptId, SharedOutcome> {
    let place = StoreKey::state(user);
    let last = fleet.fleet.stored(user).sequence;
    let key = place.to_string();
    let words = ["watch", "--rev=1", "--write-out=json", &key];
    let mut watch = cluster
        .etcdctl_at(&cluster.endpoints()[..1], &words, true)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut outcomes = HashMap::new();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    'reading: for line in lines {
        let reply: Value = serde_json::from_str(&line.unwrap()).unwrap();
        for event in reply["Events"].as_array().into_iter().flatten() {
            let sealed = event["kv"]["value"].as_str().unwrap();
            let sealed = BASE64.decode(sealed.as_bytes()).unwrap();
            let plain = fleet.fleet.key.open(&place, &sealed).unwrap();
            let state = SharedState::decode(&plain).unwrap();
            outcomes.extend(state.attempts.iter().copied());
            if state.sequence == last {
                break 'reading;
            }
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    outcomes
}
