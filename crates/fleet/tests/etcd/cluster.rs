//! Three members of etcd on loopback, with TLS on all sides and users; they end with the test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use zeroize::Zeroizing;

use twofactor_fleet::gateway::{Gateway, GatewaySettings};

/// Members of a cluster.
pub const MEMBERS: usize = 3;
const PASSWORD: &str = "pw-of-a-host";

/// A cluster.
pub struct EtcdCluster {
    directory: TempDir,
    members: Vec<ClusterMember>,
}

struct ClusterMember {
    name: String,
    client: u16,
    peer: u16,
    process: Child,
}

impl EtcdCluster {
    /// Starts one, with the users that `options` of etcd's command line need.
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates(directory.path());
        let ports: Vec<u16> = free_ports(2 * MEMBERS);
        let initial: Vec<String> = (0..MEMBERS)
            .map(|number| format!("m{number}=https://127.0.0.1:{}", ports[2 * number + 1]))
            .collect();
        let initial = initial.join(",");
        let members = (0..MEMBERS)
            .map(|number| {
                let (client, peer) = (ports[2 * number], ports[2 * number + 1]);
                let name = format!("m{number}");
                let process = member(directory.path(), &name, (client, peer), &initial, options);
                ClusterMember {
                    name,
                    client,
                    peer,
                    process,
                }
            })
            .collect();
        let cluster = Self { directory, members };
        cluster.until_healthy(None);
        cluster.add_users();
        cluster
    }

    /// A client as a host has it.
    pub fn gateway(&self, request_time: Duration) -> Gateway {
        let read = |name: &str| fs::read(self.directory.path().join(name)).unwrap();
        Gateway::new(GatewaySettings {
            endpoints: self.endpoints(),
            authorities: read("ca.crt"),
            certificate: read("client.crt"),
            private_key: Zeroizing::new(read("client.key")),
            user: "host".to_owned(),
            password: Zeroizing::new(PASSWORD.to_owned()),
            request_time,
        })
        .unwrap()
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
        let pid = Pid::from_child(&self.members[number].process);
        kill_process(pid, signal).unwrap();
    }

    /// Kills a member and starts it again with its data.
    pub fn restart(&mut self, number: usize, options: &[&str]) {
        let initial: Vec<String> = self
            .members
            .iter()
            .map(|it| format!("{}=https://127.0.0.1:{}", it.name, it.peer))
            .collect();
        let one = &mut self.members[number];
        one.process.kill().unwrap();
        one.process.wait().unwrap();
        let ports = (one.client, one.peer);
        one.process = member(
            self.directory.path(),
            &one.name,
            ports,
            &initial.join(","),
            options,
        );
    }

    /// Waits until the members answer.
    pub fn until_healthy(&self, user: Option<()>) {
        for _ in 0..300 {
            let health = self.etcdctl(&["endpoint", "health"], user.is_some());
            if health.status.success() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the cluster does not get healthy");
    }

    /// Runs etcdctl(1), as etcd's root or, before there are users, as any client.
    pub fn etcdctl(&self, words: &[&str], as_root: bool) -> Output {
        let path = |name: &str| self.directory.path().join(name);
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", self.endpoints().join(",")))
            .arg(format!("--cacert={}", path("ca.crt").display()))
            .arg(format!("--cert={}", path("client.crt").display()))
            .arg(format!("--key={}", path("client.key").display()));
        if as_root {
            command.arg("--user=root:root");
        }
        command.args(words).output().unwrap()
    }

    fn endpoints(&self) -> Vec<String> {
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

impl ClusterMember {
    fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.client)
    }
}

impl Drop for EtcdCluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

/// Starts a member. It is killed with the thread that started it.
fn member(
    directory: &Path,
    name: &str,
    (client, peer): (u16, u16),
    initial: &str,
    options: &[&str],
) -> Child {
    let path = |name: &str| directory.join(name).into_os_string();
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join(format!("{name}.log")))
        .unwrap();
    let (client, peer) = (
        format!("https://127.0.0.1:{client}"),
        format!("https://127.0.0.1:{peer}"),
    );
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "etcd", "--name", name, "--data-dir"]);
    command.arg(path(name));
    for (option, file) in [
        ("--cert-file", "server.crt"),
        ("--key-file", "server.key"),
        ("--trusted-ca-file", "ca.crt"),
        ("--peer-cert-file", "server.crt"),
        ("--peer-key-file", "server.key"),
        ("--peer-trusted-ca-file", "ca.crt"),
    ] {
        command.arg(option).arg(path(file));
    }
    command
        .args(["--client-cert-auth", "--peer-client-cert-auth"])
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args([
            "--initial-cluster",
            initial,
            "--initial-cluster-token",
            "test",
        ])
        .args(options)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// An authority, a certificate of the members, and one of the hosts. That of the hosts has an empty name: etcd's gateway
/// refuses clients with a name once there are users.
fn certificates(directory: &Path) {
    let run = |words: &[&str]| {
        let done = Command::new("openssl")
            .current_dir(directory)
            .args(words)
            .output();
        let done = done.unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let authority = ["req", "-x509", "-subj", "/CN=test authority", "-days", "2"];
    let authority_files = ["-keyout", "ca.key", "-out", "ca.crt"];
    run(&[&authority[..], &curve, &authority_files].concat());
    fs::write(
        directory.join("server.ext"),
        "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
    )
    .unwrap();
    fs::write(
        directory.join("client.ext"),
        "extendedKeyUsage=clientAuth\n",
    )
    .unwrap();
    for (name, subject) in [("server", "/CN=member"), ("client", "/O=fleet")] {
        let file = |suffix: &str| format!("{name}.{suffix}");
        let (key, request, signed) = (file("key"), file("csr"), file("crt"));
        let words = [
            "req", "-new", "-subj", subject, "-keyout", &key, "-out", &request,
        ];
        run(&[&words[..], &curve].concat());
        let extensions = file("ext");
        run(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &extensions,
            "-out",
            &signed,
        ]);
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
