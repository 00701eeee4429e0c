//! Members as each of them says of itself, and what doctor finds of them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use twofactor_fleet::etcd::member_status::{MemberFacts, StoreHistory};
use twofactor_fleet::host::member_certificate;
use twofactor_fleet::host_files::host_settings::{self, HostSettings};

use super::test_hosts::{TestHost, founded, soon};
use harness::etcd::certificates;
use harness::etcd::cluster::EtcdCluster;

/// Longest wait for what has to become true.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest time of a handshake, on a busy machine.
const HANDSHAKE: Duration = Duration::from_secs(20);

impl TestHost {
    fn said(&self) -> Vec<Option<MemberFacts>> {
        let members = self.open().gateway().member_statuses(&soon());
        members.into_iter().map(|it| it.said.ok()).collect()
    }

    /// Doctor's findings on the fleet: level, check and subject.
    fn findings(&self) -> Vec<(String, String, String)> {
        let (_, report) = self.run(&["doctor"]);
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        let all = findings.map(|it| (text(it, "level"), text(it, "check"), text(it, "subject")));
        all.filter(|(_, check, _)| check.starts_with("fleet-"))
            .collect()
    }
}

#[test]
fn each_member_tells_its_size_and_its_leader() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let said: Vec<MemberFacts> = a.said().into_iter().map(Option::unwrap).collect();
    for facts in &said {
        assert!(facts.has_leader && !facts.is_learner && !facts.is_full);
        assert!(facts.size >= facts.in_use && facts.in_use > 0, "{facts:?}");
        assert_eq!(facts.cluster, said[0].cluster);
    }
    let learner = cluster.add_learner();
    let learner = cluster.gateway_of(vec![learner], "client", HANDSHAKE);
    let end = Instant::now() + LIMIT;
    // It was started just now.
    let facts = loop {
        match learner.member_statuses(&soon()).remove(0).said {
            Ok(facts) => break facts,
            Err(fault) => assert!(Instant::now() < end, "{fault}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(facts.is_learner);
    cluster.kill(1);
    let known: Vec<bool> = a.said().iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, true]);
}

#[test]
fn a_full_member_says_so() {
    let cluster = EtcdCluster::start(&["--quota-backend-bytes", "4000000"]);
    let (a, _b) = founded(&cluster);
    let filler = "x".repeat(100_000);
    let fill = || cluster.etcdctl(&["put", "/filler", &filler], true);
    assert!((0..200).any(|_| !fill().status.success()));
    let gateway = cluster.gateway(HANDSHAKE);
    let said = gateway.member_statuses(&soon());
    assert!(said.iter().any(|it| it.said.as_ref().unwrap().is_full));
    drop(a);
}

#[test]
fn a_compaction_shows_in_the_history() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let host = a.open();
    let whole = host.gateway().history(&soon());
    assert_eq!(whole, Ok(StoreHistory::Whole(cluster.revision())));
    let compacted = cluster.etcdctl(&["compact", &cluster.revision().to_string()], true);
    assert!(compacted.status.success(), "{compacted:?}");
    let history = host.gateway().history(&soon());
    assert_eq!(history, Ok(StoreHistory::Compacted));
}

#[test]
fn a_member_shows_its_certificate() {
    let cluster = EtcdCluster::start(&[]);
    let a = TestHost::new(&cluster);
    let settings = HostSettings::load(&a.settings).unwrap();
    let of = |address: &str| member_certificate::of_member(&settings, address, HANDSHAKE);
    let own = host_settings::facts_of(&cluster.path("server.crt")).unwrap();
    for address in &settings.endpoints {
        assert_eq!(of(address).unwrap(), own[0]);
    }
    // One that is not in the certificate.
    let other = settings.endpoints[0].replace("127.0.0.1", "localhost");
    assert!(of(&other).is_err());
}

#[test]
fn doctor_looks_at_each_member_anew() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    for host in [&a, &b] {
        fs::write(
            host.files.policy(),
            "enabled = true\n[fleet]\nenabled = true\n",
        )
        .unwrap();
        host.open();
        host.beat_of_service().unwrap();
    }
    let endpoints = cluster.endpoints();
    let file = |name: &str| a.files.path().join(name).display().to_string();
    let warned = |check: &str, subject: &str| {
        let [level, check, subject] = ["warning", check, subject].map(str::to_owned);
        (level, check, subject)
    };
    let mut found = a.findings();
    // All certificates here end in two days; the authority's is that of the file.
    for subject in endpoints
        .iter()
        .cloned()
        .chain([file("client.crt"), file("ca.crt")])
    {
        let warning = warned("fleet-certificate", &subject);
        assert!(found.contains(&warning), "{warning:?}: {found:?}");
        found.retain(|it| *it != warning);
    }
    let rest: Vec<&str> = found.iter().map(|(_, check, _)| check.as_str()).collect();
    assert_eq!(rest, ["fleet-service"], "{found:?}");
    cluster.kill(2);
    let found = a.findings();
    assert!(found.contains(&warned("fleet-member", &endpoints[2])));
    assert!(!found.contains(&warned("fleet-certificate", &endpoints[2])));
    assert!(found.contains(&warned("fleet-certificate", &endpoints[1])));
    // Of a host whose certificate etcd does not take, the store cannot be used, and the members answer.
    let extensions = "extendedKeyUsage=clientAuth\n";
    certificates::sign(&cluster.path(""), "named", "/CN=web1", extensions);
    for kind in ["crt", "key"] {
        let named = fs::read(cluster.path(&format!("named.{kind}"))).unwrap();
        fs::write(file(&format!("client.{kind}")), named).unwrap();
    }
    let found = a.findings();
    let problem = |check: &str| {
        let is_it = |it: &&(String, String, String)| it.0 == "problem" && it.1 == check;
        found.iter().find(is_it).is_some()
    };
    assert!(
        problem("fleet-store") && problem("fleet-certificate"),
        "{found:?}"
    );
}
