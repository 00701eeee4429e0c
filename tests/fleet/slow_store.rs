//! A store that answers, and takes longer than a state is waited for whose holder does not move.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::Run;
use harness::enrolled::{SERVICE, Token, auth, login, state_of};
use harness::pam::code;
use serde_json::{Value, json};
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_fleet::host_files::host_file::FleetDirectory;
use twofactor_store::FactorStore;

use super::host_machines::{HostMachine, MemberHost};
use super::outages::until_noted;
use super::relayed_changes::{as_alice, call};
use super::service_tap::{ServiceTap, TappedAnswer};
use super::{is_in, record, two_hosts};
use harness::etcd::cluster::EtcdCluster;

const PATIENT: &str = "deadline_ms = 4000\n";
/// Time of an answer.
const SLOW: Duration = Duration::from_millis(2200);

fn store() -> FactorStore {
    FactorStore::open(Path::new(STATE_DIR), Path::new(POLICY_FILE)).unwrap()
}

fn alice() -> Account {
    let text = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = text.lines().find(|it| it.starts_with("alice:")).unwrap();
    let uid = line.split(':').nth(2).unwrap().parse().unwrap();
    Account {
        name: "alice".to_owned(),
        uid,
        gid: uid,
    }
}

/// Waits until another process holds alice's lock, and for the lock then. Joined, it tells for how long it waited.
fn rival() -> JoinHandle<Duration> {
    thread::spawn(|| {
        let end = Instant::now() + Duration::from_secs(30);
        while store().try_lock(&alice()).unwrap().is_some() {
            assert!(Instant::now() < end, "the lock is never held");
            thread::sleep(Duration::from_millis(2));
        }
        let begin = Instant::now();
        drop(store().lock(&alice()).unwrap());
        begin.elapsed()
    })
}

/// True if a state was ever taken over on a host.
fn was_taken_over() -> bool {
    Path::new(STATE_DIR).join("state/alice+").exists()
}

/// Waits until the service has done what it does at its beginning, for which it takes the locks of users.
fn until_idle(host: &MemberHost) {
    until_noted(host);
    thread::sleep(Duration::from_millis(500));
}

/// The result of a call on a host while the store answers nothing for [`SLOW`], and for how long another process waited for alice's
/// lock, which is not taken over.
fn with_slow_store<T: Send + 'static>(
    host: &MemberHost,
    call: impl FnOnce(&mut HostMachine) -> T + Send + 'static,
) -> (T, Duration) {
    let (begun, begins) = channel();
    thread::scope(|scope| {
        let link = &host.link;
        scope.spawn(move || {
            begins.recv().unwrap();
            thread::sleep(SLOW);
            link.set_held(false);
        });
        let link = Arc::clone(link);
        host.run(move |host| {
            let rival = rival();
            link.set_held(true);
            begun.send(()).unwrap();
            let result = call(host);
            let waited = rival.join().unwrap();
            assert!(!was_taken_over());
            (result, waited)
        })
    })
}

/// The first of the recovery codes that were shown.
fn first_code(shown: &Value) -> String {
    shown["recovery_codes"][0].as_str().unwrap().to_owned()
}

#[test]
fn roots_change_waits_for_a_slow_store() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let host = &hosts[0];
    until_idle(host);
    let (made, waited) = with_slow_store(host, |host| {
        let codes = ["recovery-codes", "alice", "--yes", "--json"];
        host.machine.command(&codes).ok()
    });
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
    let shown = serde_json::from_str(&made.stdout).unwrap();
    assert!(is_in(&hosts[0], &first_code(&shown)));
}

#[test]
fn a_change_without_root_waits_for_a_slow_answer() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    until_idle(&hosts[0]);
    let before = record(&hosts[0]);
    let proof = Token::new("alice").code_at(0).to_owned();
    let begin = json!({"device": "tablet", "code": proof, "kind": "hotp"});
    let stored = as_alice(&hosts[0], move |talk| {
        let shown = call(talk, "Begin", begin);
        let key = shown["secret"].as_str().unwrap().to_owned();
        let code = harness::otp::hotp_codes(&key, 0, 1, 6).remove(0);
        let tap = ServiceTap::insert(TappedAnswer::IsLate(SLOW));
        let rival = rival();
        let stored = call(talk, "Confirm", json!({"code": code}));
        tap.ends();
        let waited = rival.join().unwrap();
        assert!(waited > Duration::from_millis(1500), "{waited:?}");
        stored
    });
    assert_eq!(stored["result"], "stored", "{stored}");
    assert!(!hosts[0].run(|_| was_taken_over()));
    assert_ne!(record(&hosts[0]), before);
}

/// A code that the store has judged is told, and not lost to another process.
#[test]
fn a_code_waits_for_a_slow_store() {
    let cluster = EtcdCluster::start(&[]);
    let keys = format!("{PATIENT}on_outage = \"deny\"\n");
    let hosts = two_hosts(&cluster, OtpKind::Hotp, &keys);
    let host = &hosts[0];
    let typed = Token::new("alice").code_at(0).to_owned();
    until_idle(host);
    let (result, _) = with_slow_store(host, move |_| {
        auth(login("alice").service(SERVICE).answer(&typed))
    });
    let log = host.run(|host| host.daemon.as_ref().unwrap().log());
    assert_eq!(result, code::SUCCESS, "{log}");
}

/// Reported result of new recovery codes.
#[derive(Debug)]
enum ToldCodes {
    Made(String),
    NotMade,
    Unknown,
}

impl ToldCodes {
    /// The rest of a change that counts is made at once: no other end is left.
    fn of(made: Run) -> Self {
        if made.code == Some(0) {
            let shown = serde_json::from_str(&made.stdout).unwrap();
            return Self::Made(first_code(&shown));
        }
        match format!("{}{}", made.stdout, made.stderr) {
            text if text.contains("nothing was changed") => Self::NotMade,
            text if text.contains("may have been made") => Self::Unknown,
            text => panic!("{text}"),
        }
    }
}

/// However late each answer is: a change is made here as well, or not at all, or its end is unknown; and its user's lock is left to it.
#[test]
fn with_a_slow_store_a_change_is_made_here_or_not() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let host = &hosts[0];
    until_idle(host);
    let mut made = 0;
    for delay in [100, 600, 900, 3000] {
        host.link.set_delay(Duration::from_millis(delay));
        let told = host.run(|host| {
            let rival = rival();
            let codes = ["recovery-codes", "alice", "--yes", "--json"];
            let told = host.machine.command(&codes);
            rival.join().unwrap();
            assert!(!was_taken_over());
            ToldCodes::of(told)
        });
        host.link.set_delay(Duration::ZERO);
        if let ToldCodes::Made(code) = told {
            assert!(is_in(host, &code), "{delay}");
            made += 1;
        }
    }
    assert!(made > 0);
}

/// The lock of the fleet's files, and the store after it, are waited for in one time.
#[test]
fn a_change_waits_for_lock_and_store_in_one_time() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let host = &hosts[0];
    until_idle(host);
    let link = std::sync::Arc::clone(&host.link);
    let told = host.run(move |host| {
        let rival = rival();
        let lock = FleetDirectory::open(Path::new(STATE_DIR)).unwrap();
        let lock = lock.lock().unwrap();
        link.set_held(true);
        let free = thread::spawn(move || {
            thread::sleep(Duration::from_millis(1800));
            drop(lock);
        });
        let codes = ["recovery-codes", "alice", "--yes", "--json"];
        let told = host.machine.command(&codes);
        link.set_held(false);
        rival.join().unwrap();
        free.join().unwrap();
        assert!(!was_taken_over());
        ToldCodes::of(told)
    });
    assert!(matches!(told, ToldCodes::NotMade), "{told:?}");
}

/// Also where a merge takes longer than the half of a code.
#[test]
fn a_slow_store_is_told_what_was_counted_alone() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, "deadline_ms = 900\n");
    let host = &hosts[0];
    let wrong: Vec<String> = Token::new("alice").wrong_codes().take(2).collect();
    until_idle(host);
    host.link.set_cut(true);
    let is_marked = || state_of("alice").outage_mark().is_some();
    // The first one may be refused, while the state goes to a store that is gone.
    while !host.run(move |_| is_marked()) {
        assert!(!is_in(host, &wrong[0]));
    }
    // Of its answers a merge needs two.
    host.link.set_delay(Duration::from_millis(200));
    host.link.set_cut(false);
    host.until(move |_| !is_marked());
    host.link.set_delay(Duration::ZERO);
    let failures = hosts[1].run(|_| MemberHost::shared_state("alice").failures);
    assert_eq!(failures, host.run(|_| state_of("alice").failures));
    assert!(failures > 0);
}
