//! The command `twofactor fleet`, as `make build` made it, on hosts with files of their own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::test_hosts::TestHost;
use harness::etcd::cluster::EtcdCluster;
use twofactor_store::testing;

impl TestHost {
    /// Runs `twofactor --json`: its exit code, and what it reports.
    pub fn run(&self, words: &[&str]) -> (Option<i32>, Value) {
        let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(top, PathBuf::from);
        let done = Command::new(target.join("release/twofactor"))
            .args(["--json", "--yes", "--policy"])
            .arg(self.files.policy())
            .arg("--state")
            .arg(self.files.top())
            .args(words)
            .output()
            .unwrap();
        let report = serde_json::from_slice(&done.stdout);
        let report = report.unwrap_or_else(|error| panic!("{words:?}: {error}: {done:?}"));
        (done.status.code(), report)
    }
}

/// One that etcd's gateway refuses.
fn named_certificate() -> Vec<u8> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args([
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "/dev/null",
        ])
        .args(["-days", "1", "-subj", "/O=fleet/CN=web1"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    made.stdout
}

#[test]
fn a_fleet_is_set_up_by_commands() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    a.enroll("alice", 64001);
    let (code, refused) = a.run(&["fleet", "status"]);
    assert_eq!(
        (code, &refused["error"]["kind"]),
        (Some(1), &Value::from("fleet"))
    );
    let (code, planned) = a.run(&["fleet", "init", "--dry-run"]);
    assert_eq!((code, &planned["host"]), (Some(0), &Value::Null));
    let (code, founded) = a.run(&["fleet", "init"]);
    assert_eq!((code, &founded["users"]), (Some(0), &Value::from(1)));
    let key = a.key();
    let key = key.to_str().unwrap();
    // Another record of the same user: nothing is overwritten.
    let account = testing::account("alice", 64001);
    testing::enroll_devices(&b.files.store(), &account, &[testing::token()]);
    let (code, refused) = b.run(&["fleet", "join", key]);
    assert_eq!(
        (code, &refused["conflicts"][0]["user"]),
        (Some(1), &Value::from("alice"))
    );
    b.files.store().discard("alice").unwrap();
    let certificate = b.files.path().join("client.crt");
    let usable = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, named_certificate()).unwrap();
    let (code, refused) = b.run(&["fleet", "join", key]);
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    assert_eq!(
        (code, message.contains("empty CN")),
        (Some(1), true),
        "{refused}"
    );
    std::fs::write(&certificate, usable).unwrap();
    let (code, joined) = b.run(&["fleet", "join", key]);
    assert_eq!(
        (code, &joined["fetched"]),
        (Some(0), &Value::from(1)),
        "{joined}"
    );
    assert!(b.record("alice").is_some());
    let (code, status) = b.run(&["fleet", "status"]);
    assert_eq!(
        (code, &status["users"]),
        (Some(0), &Value::from(1)),
        "{status}"
    );
    assert_eq!(status["hosts"].as_array().unwrap().len(), 2);
    let (code, rotated) = a.run(&["fleet", "rotate-key"]);
    assert_eq!(
        (code, &rotated["dry_run"]),
        (Some(0), &Value::from(false)),
        "{rotated}"
    );
    let (code, cut_off) = b.run(&["fleet", "status"]);
    assert_eq!(code, Some(1));
    assert!(cut_off["problem"].is_string(), "{cut_off}");
    let (code, joined) = b.run(&["fleet", "join", key]);
    assert_eq!(code, Some(0), "{joined}");
    let policy = |text: &str| std::fs::write(b.files.policy(), text).unwrap();
    policy("enabled = true\n[fleet]\nenabled = true\n");
    let (code, refused) = b.run(&["fleet", "leave"]);
    assert_eq!(
        (code, &refused["error"]["kind"]),
        (Some(1), &Value::from("fleet")),
        "{refused}"
    );
    policy("enabled = true\n");
    let (code, left) = b.run(&["fleet", "leave"]);
    assert_eq!(code, Some(0), "{left}");
    let (code, status) = a.run(&["fleet", "status"]);
    assert_eq!(
        (code, status["hosts"].as_array().unwrap().len()),
        (Some(0), 1)
    );
}
