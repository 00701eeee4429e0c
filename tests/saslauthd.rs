//! saslauthd, which checks passwords for mail servers: an application that answers every question by itself, for mail
//! programs that keep password and code and reconnect with both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "common/enrolled.rs"]
mod enrolled;

use harness::{Machine, PASSWORD, Running};

use enrolled::{Token, enrol, logged, machine, state_of};

const DIRECTORY: &str = "/run/saslauthd";

/// A running daemon and the user whose mail it is.
struct Mail {
    machine: Machine,
    alice: Token,
    daemon: Running,
}

impl Mail {
    fn with(policy: &str, stack: &str) -> Self {
        let machine = machine(policy);
        let alice = enrol(&machine, "alice");
        machine.stack("imap", stack);
        machine.run("mkdir", &["-p", DIRECTORY]).ok();
        let daemon = machine
            .program("/usr/sbin/saslauthd")
            .args(&["-d", "-a", "pam", "-n", "1", "-m", DIRECTORY])
            .start();
        let socket = std::path::Path::new(DIRECTORY).join("mux");
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self {
            machine,
            alice,
            daemon,
        }
    }

    fn lets_in(&self, password: &str) -> bool {
        let socket = format!("{DIRECTORY}/mux");
        let sent = ["-u", "alice", "-s", "imap", "-f", &socket, "-p", password];
        let run = self.machine.run("/usr/sbin/testsaslauthd", &sent);
        run.stdout.contains("OK \"Success.\"")
    }

    fn results(&self) -> Vec<String> {
        let lines = logged(&self.machine).into_iter();
        lines
            .map(|line| line.split_once("result=").unwrap().1.to_owned())
            .collect()
    }

    fn end(self) {
        self.daemon.kill();
    }
}

const ONE_FIELD: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n\
     auth requisite pam_unix.so use_first_pass nodelay\naccount required pam_permit.so\n";

#[test]
fn a_mail_program_that_reconnects_does_not_lock_out() {
    let mail = Mail::with("enabled = true\n[throttle]\ndelay = 0\n", ONE_FIELD);
    let kept = format!("{PASSWORD}{}", mail.alice.code());
    assert!(mail.lets_in(&kept));
    for _ in 0..6 {
        assert!(!mail.lets_in(&kept));
    }
    let found = mail.results();
    assert!(
        found[0].starts_with("accepted") && found[1] == "used device=token",
        "{found:?}"
    );
    assert!(found[2..].iter().all(|it| it.starts_with("repeated-")));
    assert_eq!(state_of("alice").failures, 0);
    assert!(mail.lets_in(&format!("{PASSWORD}{}", mail.alice.code())));
    let wrong = format!("{PASSWORD}{}", mail.alice.wrong());
    for _ in 0..6 {
        assert!(!mail.lets_in(&wrong));
    }
    assert_eq!(state_of("alice").failures, 1);
    mail.end();
}
