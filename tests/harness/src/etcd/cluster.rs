//! Three members of etcd on loopback, with TLS on all sides and users; they end with the test.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::certificates;
use super::member::ClusterMember;
use twofactor_fleet::etcd::etcd_gateway::{EtcdGateway, GatewaySettings};

/// Members of a cluster.
pub const MEMBERS: usize = 3;
/// Password of the hosts in etcd.
pub const PASSWORD: &str = "pw-of-a-host";

/// A cluster.
pub struct EtcdCluster {
    directory: TempDir,
    members: Vec<ClusterMember>,
    learners: Vec<ClusterMember>,
}

impl EtcdCluster {
    /// Starts one, with the users that `options` of etcd's command line need.
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates::create(directory.path());
        let ports: Vec<u16> = free_ports(2 * MEMBERS);
        let members = (0..MEMBERS).map(|number| ClusterMember {
            name: format!("m{number}"),
            client: ports[2 * number],
            peer: ports[2 * number + 1],
            process: None,
        });
        let members = members.collect();
        let mut cluster = Self {
            directory,
            members,
            learners: Vec::new(),
        };
        (0..MEMBERS).for_each(|number| cluster.begin(number, options));
        cluster.until_healthy(None);
        cluster.add_users();
        cluster
    }

    /// A client as a host has it.
    pub fn gateway(&self, request_time: Duration) -> EtcdGateway {
        self.gateway_of(self.endpoints(), "client", request_time)
    }

    /// A client with another certificate, or of other members.
    pub fn gateway_of(
        &self,
        endpoints: Vec<String>,
        certificate: &str,
        request_time: Duration,
    ) -> EtcdGateway {
        let read = |name: &str| fs::read(self.path(name)).unwrap();
        EtcdGateway::new(GatewaySettings {
            endpoints,
            authorities: read("ca.crt"),
            certificate: read(&format!("{certificate}.crt")),
            private_key: Zeroizing::new(read(&format!("{certificate}.key"))),
            user: "host".to_owned(),
            password: Zeroizing::new(PASSWORD.to_owned()),
            request_time,
        })
        .unwrap()
    }

    /// Writes the settings of a host, and its files, into a directory of its own.
    pub fn write_settings(&self, directory: &Path) -> PathBuf {
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path
        };
        for name in ["ca.crt", "client.crt", "client.key"] {
            write(name, &fs::read(self.directory.path().join(name)).unwrap());
        }
        let file = |name: &str| directory.join(name);
        let text = format!(
            "endpoints = {:?}\nauthorities = {:?}\ncertificate = {:?}\nprivate_key = {:?}\n\
             user = \"host\"\npassword = \"{PASSWORD}\"\nkey_file = {:?}\n",
            self.endpoints(),
            file("ca.crt"),
            file("client.crt"),
            file("client.key"),
            file("fleet.key"),
        );
        write("policy-fleet.toml", text.as_bytes())
    }

    /// Number of the member that leads.
    pub fn leader(&self) -> usize {
        for _ in 0..100 {
            let status = self.etcdctl(&["endpoint", "status", "--write-out=simple"], true);
            let text = String::from_utf8(status.stdout).unwrap();
            let lead = text
                .lines()
                .find(|line| line.split(", ").nth(4) == Some("true"));
            let leader = lead.and_then(|line| {
                let is_its = |member: &ClusterMember| line.starts_with(&member.endpoint());
                self.members.iter().position(is_its)
            });
            if let Some(leader) = leader {
                return leader;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("no member leads");
    }

    /// Sends a signal to a member.
    pub fn signal(&self, number: usize, signal: Signal) {
        let pid = Pid::from_child(self.members[number].process.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Kills a member and starts it again with its data.
    pub fn restart(&mut self, number: usize, options: &[&str]) {
        self.kill(number);
        self.begin(number, options);
    }

    /// Kills a member.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut process) = self.members[number].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts a member with the data that it has.
    pub fn begin(&mut self, number: usize, options: &[&str]) {
        let initial = self.initial();
        let directory = self.directory.path();
        self.members[number].begin(directory, &initial, options);
    }

    /// The members, as etcd's option `--initial-cluster` has them.
    pub fn initial(&self) -> String {
        let members = self.members.iter();
        let members = members.map(|it| format!("{}={}", it.name, it.peer_address()));
        members.collect::<Vec<_>>().join(",")
    }

    /// Adds a member that learns, and takes no part in a majority. Its address.
    pub fn add_learner(&mut self) -> String {
        let ports = free_ports(2);
        let mut learner = ClusterMember {
            name: "learner".to_owned(),
            client: ports[0],
            peer: ports[1],
            process: None,
        };
        let peer = learner.peer_address();
        let address = format!("--peer-urls={peer}");
        let words = ["member", "add", "learner", "--learner", &address];
        // Refused until the members have been connected for some seconds.
        self.until_done(&words);
        let initial = format!("{},learner={peer}", self.initial());
        let state = ["--initial-cluster-state", "existing"];
        learner.begin(self.directory.path(), &initial, &state);
        self.learners.push(learner);
        self.learners[0].endpoint()
    }

    fn until_done(&self, words: &[&str]) {
        for _ in 0..300 {
            if self.etcdctl(words, true).status.success() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{words:?}");
    }

    /// The newest revision of the store.
    pub fn revision(&self) -> u64 {
        let got = self.etcdctl(&["get", "/", "--write-out=json"], true);
        let reply: Value = serde_json::from_slice(&got.stdout).unwrap();
        reply["header"]["revision"].as_u64().unwrap()
    }

    /// The directory of certificates and data.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until the members answer.
    pub fn until_healthy(&self, user: Option<()>) {
        self.until_all_are_healthy(&self.endpoints(), user);
    }

    /// Waits until a member answers that is alone.
    pub fn until_one_is_healthy(&self, number: usize) {
        let endpoints = &self.endpoints()[number..=number];
        self.until_all_are_healthy(endpoints, Some(()));
    }

    fn until_all_are_healthy(&self, endpoints: &[String], user: Option<()>) {
        for _ in 0..300 {
            let words = ["endpoint", "health"];
            let health = self.etcdctl_at(endpoints, &words, user.is_some()).output();
            if health.unwrap().status.success() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the cluster does not get healthy");
    }

    /// Address at which a member is reached by the others.
    pub fn peer_address_of(&self, number: usize) -> String {
        self.members[number].peer_address()
    }

    /// Runs etcdctl(1), as etcd's root or, before there are users, as any client.
    pub fn etcdctl(&self, words: &[&str], as_root: bool) -> Output {
        self.etcdctl_at(&self.endpoints(), words, as_root)
            .output()
            .unwrap()
    }

    /// etcdctl(1) for these members.
    pub fn etcdctl_at(&self, endpoints: &[String], words: &[&str], as_root: bool) -> Command {
        let path = |name: &str| self.directory.path().join(name);
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", endpoints.join(",")))
            .arg(format!("--cacert={}", path("ca.crt").display()))
            .arg(format!("--cert={}", path("client.crt").display()))
            .arg(format!("--key={}", path("client.key").display()));
        if as_root {
            command.arg("--user=root:root");
        }
        command.args(words);
        command
    }

    /// Address of each member.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(ClusterMember::endpoint).collect()
    }

    fn add_users(&self) {
        let new_user = format!("host:{PASSWORD}");
        for words in [
            vec!["user", "add", "root:root"],
            vec!["user", "grant-role", "root", "root"],
            vec!["role", "add", "fleet"],
            vec![
                "role",
                "grant-permission",
                "fleet",
                "--prefix=true",
                "readwrite",
                "/twofactor/",
            ],
            vec!["user", "add", new_user.as_str()],
            vec!["user", "grant-role", "host", "fleet"],
            vec!["auth", "enable"],
        ] {
            let done = self.etcdctl(&words, false);
            assert!(done.status.success(), "{words:?}: {done:?}");
        }
    }
}

impl Drop for EtcdCluster {
    fn drop(&mut self) {
        for process in self
            .members
            .iter_mut()
            .chain(&mut self.learners)
            .filter_map(|it| it.process.as_mut())
        {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ports that are free on loopback now.
fn free_ports(count: usize) -> Vec<u16> {
    let bind = |_| TcpListener::bind("127.0.0.1:0").unwrap();
    let held: Vec<TcpListener> = (0..count).map(bind).collect();
    held.iter()
        .map(|it| it.local_addr().unwrap().port())
        .collect()
}
