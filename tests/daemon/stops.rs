//! The daemon is told to stop, as by an upgrade: what was asked is answered.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use harness::enrolled::{enroll_token, machine};
use harness::twofactord::SOCKET;
use serde_json::json;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_store::FactorStore;

use super::QUICK;

const VERIFY: &str = "io.twofactor.Verify";

#[test]
fn what_is_being_answered_is_answered_at_a_stop() {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let mut asks = machine.talk_to_daemon("alice");
    let account = twofactor_store::sys::accounts::by_name("alice");
    let account = account.unwrap().unwrap();
    let store = FactorStore::open(Path::new(STATE_DIR), Path::new(POLICY_FILE)).unwrap();
    // While this is held no code of hers is judged.
    let held = store.lock_for_change(&account).unwrap();
    asks.send(VERIFY, &json!({"user": "alice", "code": alice.code()}));
    daemon.signal("TERM");
    drop(held);
    assert_eq!(asks.reply().unwrap()["result"], "accepted");
    drop(asks);
    assert_eq!(daemon.ends(), Some(0));
}

#[test]
fn what_has_arrived_is_answered_at_a_stop() {
    let machine = machine(QUICK);
    let daemon = machine.daemon();
    let call = b"{\"method\":\"org.varlink.service.GetInfo\"}\0";
    let mut asks = UnixStream::connect(SOCKET).unwrap();
    asks.write_all(call).unwrap();
    let mut byte = [1];
    while byte != [0] {
        asks.read_exact(&mut byte).unwrap();
    }
    // It is accepted now. While the daemon stands still, no byte of the next calls is read.
    daemon.signal("STOP");
    asks.write_all(&call.repeat(3)).unwrap();
    daemon.signal("TERM");
    daemon.signal("CONT");
    let mut replies = String::new();
    asks.read_to_string(&mut replies).unwrap();
    assert_eq!(replies.matches("twofactord").count(), 3, "{replies}");
    assert!(replies.ends_with('\0'));
    assert_eq!(daemon.ends(), Some(0));
}

#[test]
fn silent_connections_hold_up_no_stop() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let mut silent: Vec<UnixStream> = (0..8)
        .map(|_| UnixStream::connect(SOCKET).unwrap())
        .collect();
    silent[0].write_all(b"{\"method\":\"io.twofactor").unwrap();
    // The last one is admitted once it is answered.
    silent[7]
        .write_all(b"{\"method\":\"org.varlink.service.GetInfo\"}\0")
        .unwrap();
    silent[7].read_exact(&mut [0]).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));
}
