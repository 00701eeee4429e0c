//! Commands that hold the lock of the fleet's files for long.

use std::path::Path;

use harness::enrolled::{SERVICE, Token, auth, login};
use harness::pam::code;
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_fleet::host_files::host_file::{FleetDirectory, FleetLock};

use super::outages::until_noted;
use super::{is_in, two_hosts, until_met};
use harness::etcd::cluster::EtcdCluster;

/// An outage lets no code in.
const DENY: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";

fn busy() -> FleetLock {
    let directory = FleetDirectory::open(Path::new(STATE_DIR)).unwrap();
    directory.lock().unwrap()
}

#[test]
fn a_busy_lock_is_no_outage() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, DENY);
    let token = Token::new("alice");
    let first = token.code_at(0).to_owned();
    let is_let_in = hosts[0].run(move |_| {
        let _lock = busy();
        auth(login("alice").service(SERVICE).answer(&first)) == code::SUCCESS
    });
    assert!(is_let_in);
    assert!(!is_in(&hosts[1], token.code_at(0)), "the store had it");
}

/// Its service begins while the lock is held, and writes no number before it is free.
#[test]
fn a_service_begins_behind_a_busy_lock() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, DENY);
    let token = Token::new("alice");
    // A service that is killed while it writes a number has to look for it under the lock.
    until_noted(&hosts[0]);
    hosts[0].run(|host| host.daemon.take().unwrap().kill());
    // Held until the end of the test, by a thread of the machine's files.
    let lock = hosts[0].run(|_| busy());
    hosts[0].serve();
    until_met(&hosts[0], 1);
    assert!(is_in(&hosts[0], token.code_at(0)));
    assert!(!is_in(&hosts[1], token.code_at(0)));
    drop(lock);
}
