//! The daemon on a socket that outlives it, as systemd holds it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use harness::twofactord::SOCKET;
use rustix::process::Pid;

/// Makes the socket and runs the daemon on it, again and again, until this process is killed.
pub fn run() {
    std::fs::create_dir_all("/run/twofactor").unwrap();
    let socket = UnixListener::bind(SOCKET).unwrap();
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(SOCKET, open).unwrap();
    let socket = OwnedFd::from(socket);
    loop {
        let mut daemon = Command::new("/usr/local/sbin/twofactord");
        daemon.stdin(socket.try_clone().unwrap());
        // Its log is not what is measured.
        daemon.stderr(Stdio::null()).status().unwrap();
    }
}

/// The process of the daemon, as other processes of the machine see it. A killed one is none.
pub fn daemon_process() -> Option<Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_daemon = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.starts_with("Name:\ttwofactord\n") && status.contains("\nVmRSS:")
    };
    Pid::from_raw(numbers.find(is_daemon)?)
}

/// Memory of the daemon that is resident, in KiB.
pub fn resident() -> u64 {
    let daemon = daemon_process().unwrap().as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}
