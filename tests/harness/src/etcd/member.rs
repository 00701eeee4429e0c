//! One member of a cluster.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A member, which runs or not.
pub struct ClusterMember {
    pub name: String,
    pub client: u16,
    pub peer: u16,
    pub process: Option<Child>,
}

impl ClusterMember {
    /// Address for hosts.
    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.client)
    }

    /// Address for the other members.
    pub fn peer_address(&self) -> String {
        format!("https://127.0.0.1:{}", self.peer)
    }

    /// Starts a member. It is killed with the thread that started it.
    pub fn begin(&mut self, directory: &Path, initial: &str, options: &[&str]) {
        let path = |name: &str| directory.join(name).into_os_string();
        let name = &self.name;
        let log = File::options()
            .create(true)
            .append(true)
            .open(directory.join(format!("{name}.log")))
            .unwrap();
        let (client, peer) = (self.endpoint(), self.peer_address());
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
        // A password is hashed at each beginning of a client; the figures are those of etcd's own strength.
        if cfg!(test) {
            command.args(["--bcrypt-cost", "4"]);
        }
        let process = command
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
            .spawn();
        self.process = Some(process.unwrap());
    }
}
