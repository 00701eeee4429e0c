//! A real sshd of a machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::exec::{LIMIT, Program, Running};
use crate::machine::Machine;
use crate::ssh::SshLogin;

const FIRST_PORT: u32 = 2200;

/// A running sshd with PAM service name `sshd`; it is killed when this is dropped.
pub struct Sshd<'machine> {
    machine: &'machine Machine,
    server: Running,
    directory: PathBuf,
    port: u32,
}

impl Machine {
    /// Starts sshd on all addresses of the machine. `extra` comes before the harness's own settings, and the first
    /// value of a setting counts; `Match` blocks are moved to the end.
    ///
    /// # Panics
    /// When sshd is not installed or refuses its configuration.
    pub fn sshd(&self, extra: &str) -> Sshd<'_> {
        let directory = self.scratch();
        let port = FIRST_PORT + self.number();
        let key = directory.join("host_key").display().to_string();
        self.run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", &key],
        )
        .ok();
        let public = self.read(directory.join("host_key.pub"));
        self.write_file(directory.join("known_hosts"), format!("* {public}"), 0o644);
        let config = directory.join("sshd_config");
        self.write_file(&config, configuration(extra, &directory, port), 0o600);
        let (config, log) = (
            config.display().to_string(),
            directory.join("log").display().to_string(),
        );
        let server = Program::new(program())
            .args(&["-D", "-f", &config, "-E", &log])
            .start();
        let mut sshd = Sshd {
            machine: self,
            server,
            directory,
            port,
        };
        sshd.wait_until_ready();
        sshd
    }
}

impl Sshd<'_> {
    /// A login through the real client, still to be described and run.
    pub fn login(&self, user: &str) -> SshLogin<'_> {
        SshLogin::new(self, user)
    }

    /// The port it listens on.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Its own log so far (what modules log goes to the machine's log).
    pub fn log(&self) -> String {
        self.machine.read(self.directory.join("log"))
    }

    /// The known_hosts file that vouches for it.
    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    pub(crate) fn machine(&self) -> &Machine {
        self.machine
    }

    /// Waits until no connection is left, so that everything a login does has been done.
    ///
    /// # Panics
    /// When one is still there after a minute.
    pub fn settle(&self) {
        let deadline = Instant::now() + LIMIT;
        let server = self.machine.read(self.directory.join("pid"));
        while has_children(server.trim()) {
            assert!(
                Instant::now() < deadline,
                "a connection stays open:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + LIMIT;
        let listeners = listen_addresses().len();
        let log = self.directory.join("log");
        let listening = || {
            std::fs::read_to_string(&log)
                .is_ok_and(|log| log.matches("Server listening on").count() == listeners)
        };
        while !(listening() && self.directory.join("pid").exists()) {
            let ended = self.server.try_wait();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "sshd does not start ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn configuration(extra: &str, directory: &Path, port: u32) -> String {
    let lines: Vec<&str> = extra.lines().collect();
    let blocks = lines
        .iter()
        .position(|line| line.trim_start().starts_with("Match "))
        .unwrap_or(lines.len());
    let (settings, blocks) = lines.split_at(blocks);
    let directory = directory.display();
    let addresses: String = listen_addresses()
        .iter()
        .map(|address| format!("ListenAddress {address}\n"))
        .collect();
    format!(
        "{}\n{addresses}Port {port}\nHostKey {directory}/host_key\nPidFile {directory}/pid\nLogLevel VERBOSE\nUsePAM yes\n\
         KbdInteractiveAuthentication yes\nPasswordAuthentication no\nPermitRootLogin yes\nStrictModes no\nUseDNS no\n\
         PrintMotd no\nMaxStartups 1000\n{}{}\n",
        settings.join("\n"),
        penalties(),
        blocks.join("\n"),
    )
}

fn listen_addresses() -> &'static [&'static str] {
    if Path::new("/proc/sys/net/ipv6").exists() {
        &["0.0.0.0", "::"]
    } else {
        &["0.0.0.0"]
    }
}

/// OpenSSH 9.8 began to shut out addresses that fail often; older servers do not know the setting.
fn penalties() -> &'static str {
    static LINE: OnceLock<&str> = OnceLock::new();
    LINE.get_or_init(|| {
        let known = Command::new(program())
            .args(["-T", "-f", "/dev/null", "-o", "PerSourcePenalties=no"])
            .output();
        let refused = known.is_ok_and(|run| {
            String::from_utf8_lossy(&run.stderr).contains("Bad configuration option")
        });
        if refused {
            ""
        } else {
            "PerSourcePenalties no\n"
        }
    })
}

/// Debian's sshd takes the name it was called by as the PAM service, and insists on an absolute path.
fn program() -> &'static str {
    let places = ["/usr/sbin/sshd", "/sbin/sshd", "/usr/bin/sshd"];
    places
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("openssh-server is not installed")
}

/// True if a process of the machine has children; the machine's /proc knows only the machine's processes.
fn has_children(parent: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let statuses =
        processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parents =
        statuses.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.split(' ').nth(1)?.to_owned()));
    parents.into_iter().any(|found| found == parent)
}
