//! Data that machines talk over ssh stays as it is, byte for byte: scp, sftp, rsync and commands, while a shell session
//! of the same user is told about two-factor login.

use std::path::{Path, PathBuf};

use harness::logins::{ASK_PASSWORD, machine};
use harness::{Machine, PASSWORD, Sshd};

const OFF: &str = "enabled = false\n";
const ON: &str = "enabled = true\n[services]\nsshd = true\n";
/// A session by key is opened also where a device is mandatory, and by a user without one.
const MANDATORY: &str = "enabled = true\nenforcement = \"mandatory\"\n[services]\nsshd = true\n";
/// As Debian sets it.
const SFTP: &str = "Subsystem sftp /usr/lib/openssh/sftp-server";
/// Text that the user is told, in part.
const NOTE: &str = "wo-factor";

/// The real clients of one user.
struct Clients<'a> {
    machine: &'a Machine,
    directory: PathBuf,
}

impl<'a> Clients<'a> {
    fn new(machine: &'a Machine, sshd: &Sshd<'_>, key: Option<&Path>) -> Self {
        let directory = machine.scratch();
        let port = sshd.port();
        let known = sshd.known_hosts();
        let how = match key {
            Some(key) => format!("IdentityFile {}\nIdentitiesOnly yes", key.display()),
            None => "PubkeyAuthentication no".to_owned(),
        };
        let config = format!(
            "Host box\nHostName 127.0.0.1\nPort {port}\nUser bob\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking yes\nIdentityAgent none\nGSSAPIAuthentication no\n{how}\n",
            known.display()
        );
        machine.write_file(directory.join("config"), config, 0o600);
        let askpass = format!("#!/bin/sh\necho '{PASSWORD}'\n");
        machine.write_file(directory.join("askpass"), askpass, 0o755);
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        machine.write_file(directory.join("bytes"), bytes, 0o644);
        Self { machine, directory }
    }

    /// Runs a line of shell in the directory; what came out on both channels, and which code.
    fn run(&self, line: &str) -> (Vec<u8>, Vec<u8>, Option<i32>) {
        let place = self.directory.display();
        let shell = format!("cd {place} && {{ {line}\n}} > out 2> err < /dev/null");
        let askpass = self.directory.join("askpass");
        let program = self.machine.program("sh").args(&["-c", &shell]);
        let run = program
            .env("SSH_ASKPASS", askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .run();
        let read = |name: &str| std::fs::read(self.directory.join(name)).unwrap();
        (read("out"), read("err"), run.code)
    }

    /// Output of everything that must stay clean.
    fn everything(&self) -> Vec<(Vec<u8>, Vec<u8>, Option<i32>)> {
        let original = std::fs::read(self.directory.join("bytes")).unwrap();
        // A login shell without a terminal (ssh -T without a command) is not among them: sshd shows it the message of the
        // day, too.
        let lines = [
            "ssh -F config box 'cat; echo out; echo err >&2; exit 7'",
            "ssh -F config box 'cat > up' < bytes && ssh -F config box 'cat up'",
            "scp -q -F config bytes box:scp && rm -f got && scp -q -F config box:scp got && cat got",
            "scp -q -O -F config bytes box:scp && rm -f got && scp -q -O -F config box:scp got && cat got",
            "echo 'put bytes sftp\nget sftp got-sftp' > batch && sftp -q -F config -o BatchMode=no -b batch box && cat got-sftp",
            "rsync -e 'ssh -F config' --checksum bytes box:rsync && rm -f got && rsync -e 'ssh -F config' box:rsync got && cat got",
        ];
        let outcomes: Vec<_> = lines.iter().map(|line| self.run(line)).collect();
        assert_eq!(outcomes[0], (b"out\n".to_vec(), b"err\n".to_vec(), Some(7)));
        for (line, (out, err, code)) in lines.iter().zip(&outcomes).skip(1) {
            let err = String::from_utf8_lossy(err);
            assert_eq!((*code, &*err), (Some(0), ""), "{line}");
            assert!(out.ends_with(&original), "{line}");
        }
        outcomes
    }
}

/// Compares what came out, and shows where it differs.
fn same(now: &[(Vec<u8>, Vec<u8>, Option<i32>)], without: &[(Vec<u8>, Vec<u8>, Option<i32>)]) {
    for (number, (one, other)) in now.iter().zip(without).enumerate() {
        let place = one.0.iter().zip(&other.0).position(|(a, b)| a != b);
        assert!(
            one == other,
            "command {number}: {} and {} bytes, the first other one at {place:?}: {}",
            one.0.len(),
            other.0.len(),
            String::from_utf8_lossy(&one.0[..one.0.len().min(300)])
        );
    }
}

/// A machine with bob, who has no device, and a file with every byte.
fn machine_with_bob() -> Machine {
    let machine = machine();
    machine.add_user("bob");
    machine
}

#[test]
fn r15_machine_traffic_after_a_password_stays_clean() {
    let machine = machine_with_bob();
    let sshd = machine.sshd(SFTP);
    let clients = Clients::new(&machine, &sshd, None);
    machine.policy(OFF);
    let without = clients.everything();
    machine.policy(ON);
    same(&clients.everything(), &without);
    // The module was there: a person at a shell is told.
    let mut terminal = sshd.login("bob").shell().pty();
    terminal.answer(ASK_PASSWORD, PASSWORD).answer("$ ", "exit");
    assert_eq!(terminal.end().shown.matches(NOTE).count(), 1);
}

#[test]
fn r15_what_machines_talk_after_a_key_stays_clean() {
    let machine = machine_with_bob();
    let key = machine.add_key("bob");
    let sshd = machine.sshd(SFTP);
    let clients = Clients::new(&machine, &sshd, Some(&key));
    machine.policy(OFF);
    let without = clients.everything();
    for policy in [ON, MANDATORY] {
        machine.policy(policy);
        same(&clients.everything(), &without);
        let mut terminal = sshd.login("bob").key(&key).shell().pty();
        terminal.answer("$ ", "exit");
        assert_eq!(terminal.end().shown.matches(NOTE).count(), 1);
    }
}
