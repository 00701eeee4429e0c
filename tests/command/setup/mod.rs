//! `twofactor setup`: from the files of Debian to logins with a code and back, with a real sshd, sudo and client.

mod account_lines;
mod already_on;
mod changed_machine;
mod changes;
mod everywhere;
mod guard;
mod interrupted;
mod undo_report;
mod unwritten_report;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use harness::logins::{Phone, enroll};
use harness::{Machine, Pty, Run, Running};

const POLICY: &str =
    "# of this machine\nenabled = false\n[services]\ndefault = true\n[throttle]\ndelay = 0\n";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/01-twofactor.conf";
const JOURNAL: &str = "/var/lib/twofactor/setup.json";
const NONE: [PathBuf; 0] = [];
const PORT: &str = "2222";

/// Everything that setup may change: name to owner, mode and content.
type SetupFiles = BTreeMap<PathBuf, (u32, u32, Vec<u8>)>;

fn files() -> SetupFiles {
    let mut found = SetupFiles::new();
    for directory in [
        "/etc/pam.d",
        "/etc/ssh",
        "/etc/ssh/sshd_config.d",
        "/etc/security",
        "/var/lib/pam",
    ] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            // The editor of the policy takes away what it left when it runs again.
            if metadata.is_file() && !path.ends_with(".twofactor.toml.new") {
                let content = std::fs::read(&path).unwrap();
                found.insert(path, (metadata.uid(), metadata.mode(), content));
            }
        }
    }
    found
}

/// A machine on which the package was just installed, and alice's phone, which has given a right code.
fn installed() -> (Machine, Phone) {
    let machine = Machine::new();
    harness::module();
    machine.policy(POLICY);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    machine.allow_sudo("alice");
    let phone = enroll(&machine, "alice", &[]);
    let code = phone.totp.code_after(-1);
    let verify = machine.twofactor(&["verify", "alice"]);
    verify.input(format!("{code}\n")).run().ok();
    (machine, phone)
}

/// The files that differ.
fn changed(before: &SetupFiles) -> Vec<PathBuf> {
    let now = files();
    let names: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let differs = |path: &&PathBuf| before.get(*path) != now.get(*path);
    names.into_iter().filter(differs).cloned().collect()
}

fn setup(machine: &Machine, arguments: &[&str]) -> Run {
    machine.command(&[&["setup", "--user", "alice"], arguments].concat())
}

fn undo(machine: &Machine) -> Run {
    machine.command(&["setup", "--undo", "--yes"])
}

/// sshd with the configuration of /etc/ssh.
fn sshd(machine: &Machine) -> Running {
    let key = machine.scratch().join("key").display().to_string();
    machine
        .run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])
        .ok();
    let server = machine
        .program("/usr/sbin/sshd")
        .args(&["-D", "-p", PORT, "-h", &key])
        .start();
    wait_for_sshd();
    server
}

/// sshd listens, after its start or after it has read its settings again.
fn wait_for_sshd() {
    for _ in 0..3000 {
        if TcpStream::connect("127.0.0.1:2222").is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("sshd does not listen");
}

/// The OpenSSH client on a terminal of so many columns and 24 lines, at the question for a password.
///
/// After a reload, sshd resets connections that wait on its old socket, before anything is asked. The client then connects
/// again.
fn ssh(machine: &Machine, command: &str, columns: u16) -> Pty {
    for _ in 0..100 {
        wait_for_sshd();
        let mut client = ssh_once(machine, command, columns);
        if client.peek_any(&["assword: ", "Connection "]) == 0 {
            return client;
        }
        assert_eq!(client.end().code, Some(255));
    }
    panic!("sshd asks for no password");
}

fn ssh_once(machine: &Machine, command: &str, columns: u16) -> Pty {
    let mut client = machine.program("ssh").args(&["-t", "-p", PORT]);
    for option in [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        // While sshd begins anew after a reload, it refuses.
        "ConnectionAttempts=10",
    ] {
        client = client.args(&["-o", option]);
    }
    client
        .args(&["alice@127.0.0.1", command])
        .pty_of(columns, 24)
}

fn sudo(machine: &Machine) -> Pty {
    sudo_on(machine, 80)
}

/// sudo on a terminal of so many columns.
fn sudo_on(machine: &Machine, columns: u16) -> Pty {
    machine
        .program("sudo")
        .args(&["-k", "sh", "-c", "echo this is $(id -un)"])
        .user("alice")
        .pty_of(columns, 24)
}

const ARGUMENTS: [&str; 6] = ["setup", "--user", "alice", "sshd", "sudo", "--yes"];
