//! The units of a fleet's service, beside an etcd of one member: they come with the package, are enabled on a host of a fleet, restarted by
//! an upgrade, killed, cut off from the store, and stopped by a removal.

use harness::etcd::certificates;
use harness::pam::code;
use harness::twofactord::FLEET_SOCKET;
use harness::{BootedSystem, Machine};

use super::notify::await_until;
use super::ready::*;
use crate::debian::clean::later;

const SOCKET: &str = "twofactord-fleet.socket";
const SERVICE: &str = "twofactord-fleet.service";
const STORE: &str = "etcd.service";

/// Files that the real system gives to the booted one: etcd, and certificates for it and the host.
struct StoreFiles(Vec<(String, Vec<u8>, u32)>);

impl StoreFiles {
    fn read() -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates::create(directory.path());
        let read = |path: &std::path::Path| std::fs::read(path).unwrap();
        let program = |name: &str| {
            let path = format!("/usr/local/bin/{name}");
            (
                path,
                read(&std::path::Path::new("/usr/bin").join(name)),
                0o755,
            )
        };
        let mut files = vec![program("etcd"), program("etcdctl")];
        for name in [
            "ca.crt",
            "server.crt",
            "server.key",
            "client.crt",
            "client.key",
        ] {
            let content = read(&directory.path().join(name));
            files.push((format!("/etc/fleet/{name}"), content, 0o600));
        }
        Self(files)
    }

    fn write(&self, machine: &Machine) {
        for (path, content, mode) in &self.0 {
            machine.write_file(path, content, *mode);
        }
        let settings = "endpoints = [\"https://127.0.0.1:2379\"]\nauthorities = \"/etc/fleet/ca.crt\"\n\
            certificate = \"/etc/fleet/client.crt\"\nprivate_key = \"/etc/fleet/client.key\"\nuser = \"host\"\n\
            password = \"pw-of-a-host\"\nkey_file = \"/etc/security/fleet.key\"\n";
        machine.write_file("/etc/security/twofactor-fleet.toml", settings, 0o600);
    }
}

fn systemctl(system: &BootedSystem, words: &[&str]) {
    system.run("systemctl", words).ok();
}

fn is_active(system: &BootedSystem, unit: &str) -> bool {
    system.property(unit, "ActiveState") == "active"
}

fn start_store(system: &BootedSystem) {
    let unit = format!("--unit={STORE}");
    let start = [
        "--quiet",
        "--collect",
        &unit,
        "etcd",
        "--data-dir=/var/lib/etcd",
    ];
    let listen = [
        "--listen-client-urls=https://127.0.0.1:2379",
        "--advertise-client-urls=https://127.0.0.1:2379",
        "--cert-file=/etc/fleet/server.crt",
        "--key-file=/etc/fleet/server.key",
        "--trusted-ca-file=/etc/fleet/ca.crt",
        "--client-cert-auth",
    ];
    let words = [&start[..], &listen].concat();
    system.run("systemd-run", &words).ok();
}

fn etcdctl(system: &BootedSystem, words: &[&str]) -> bool {
    let etcdctl = system.program("etcdctl").env("ETCDCTL_API", "3").args(&[
        "--endpoints=https://127.0.0.1:2379",
        "--cacert=/etc/fleet/ca.crt",
        "--cert=/etc/fleet/client.crt",
        "--key=/etc/fleet/client.key",
    ]);
    etcdctl.args(words).run().code == Some(0)
}

fn add_users(system: &BootedSystem) {
    await_until(&|| etcdctl(system, &["endpoint", "health"]));
    for words in [
        &["user", "add", "root:root"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "fleet"],
        &[
            "role",
            "grant-permission",
            "fleet",
            "--prefix=true",
            "readwrite",
            "/twofactor/",
        ],
        &["user", "add", "host:pw-of-a-host"],
        &["user", "grant-role", "host", "fleet"],
        &["auth", "enable"],
    ] {
        assert!(etcdctl(system, words), "{words:?}");
    }
}

/// Lines of the service with this text.
fn logged(system: &BootedSystem, text: &str) -> usize {
    let words = ["--no-pager", "--output=cat", "--unit", SERVICE];
    let log = system.run("journalctl", &words).ok().stdout;
    log.matches(text).count()
}

/// Waits until the service has met the store once more than before.
fn met_again(system: &BootedSystem, before: usize) {
    await_until(&|| logged(system, "result=store-met") > before);
}

#[test]
fn a_hosts_units_keep_it_in_its_fleet() {
    let store = StoreFiles::read();
    let (machine, mut system, mut token) = in_use();
    assert!(!is_active(&system, SOCKET) && !is_active(&system, SERVICE));
    store.write(&machine);
    // In no fleet yet, it ends with a word of that, and begins anew until it is.
    systemctl(&system, &["enable", "--now", SOCKET, SERVICE]);
    await_until(&|| logged(&system, "is in no fleet") > 1);
    start_store(&system);
    add_users(&system);
    system.run("twofactor", &["fleet", "init", "--yes"]).ok();
    met_again(&system, 0);
    assert!(is_active(&system, SOCKET) && is_active(&system, SERVICE));
    // As systemd has loaded it. More than 1.6 fails.
    let words = ["security", "--threshold=16", "--no-pager", SERVICE];
    let rating = system.run("systemd-analyze", &words).ok().stdout;
    assert!(rating.contains("Overall exposure level"), "{rating}");
    // From here on a code that lets in was judged by the store.
    let denying = ["fleet.enabled", "true", "fleet.on_outage", "deny", "--yes"];
    let set = [&["policy", "set"][..], &denying].concat();
    system.run("twofactor", &set).ok();
    opens(&system, "alice", &token.code());
    let mut ssh = ssh(&system, "alice");
    ssh.answer_hidden("assword: ", harness::PASSWORD);
    ssh.answer_hidden(harness::logins::ASK_CODE, &token.code());
    ssh.answer("$ ", "exit");
    assert_eq!(ssh.end().code, Some(0));
    for _ in 0..3 {
        let met = logged(&system, "result=store-met");
        systemctl(&system, &["kill", "--signal=KILL", SERVICE]);
        met_again(&system, met);
        opens(&system, "alice", &token.code());
    }
    let met = logged(&system, "result=store-met");
    systemctl(&system, &["stop", STORE]);
    let refused = locker(&system, "alice", &token.code()).run();
    assert_ne!(refused.auth, code::SUCCESS);
    console_login(system.console(), "alice", Some(&token.code()));
    console_logout(system.console());
    start_store(&system);
    met_again(&system, met);
    opens(&system, "alice", &token.code());
    let (met, before) = (
        logged(&system, "result=store-met"),
        system.property(SERVICE, "MainPID"),
    );
    install(&system, &later(&machine).display().to_string());
    met_again(&system, met);
    assert_ne!(system.property(SERVICE, "MainPID"), before);
    opens(&system, "alice", &token.code());
    apt(&system, &["remove", "libpam-twofactor"]);
    assert!(!is_active(&system, SOCKET) && !is_active(&system, SERVICE));
    assert_eq!(system.run("test", &["-e", FLEET_SOCKET]).code, Some(1));
}
