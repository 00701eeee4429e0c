//! Servers with one field: Dovecot and vsftpd.

use std::net::TcpStream;

use harness::{Machine, PASSWORD, Running};

use super::{BOTH, ONE_FIELD, REST, two_users, wait_for};
use harness::logins::{Phone, logged};

const IMAP: u16 = 1430;
const FTP: u16 = 2121;

const DOVECOT: &str = "\
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:~/Maildir
log_path = /dev/stderr
service imap-login {
  inet_listener imap {
    port = 1430
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = pam
  args = dovecot
}
userdb {
  driver = passwd
}
";

const VSFTPD: &str = "\
listen=YES
listen_address=127.0.0.1
listen_port=2121
background=NO
anonymous_enable=NO
local_enable=YES
pam_service_name=vsftpd
secure_chroot_dir=/run/vsftpd/empty
";

/// A server with its client.
struct Server {
    service: &'static str,
    /// A program in Python that prints `in` or `refused`, called with a name and a password.
    client: &'static str,
    _running: Running,
}

fn dovecot(machine: &Machine) -> Server {
    machine.write_file("/etc/dovecot/test.conf", DOVECOT, 0o644);
    let arguments = ["-F", "-c", "/etc/dovecot/test.conf"];
    let running = machine.program("dovecot").args(&arguments).start();
    wait_for("imap", || TcpStream::connect(("127.0.0.1", IMAP)).is_ok());
    let client = "\
import imaplib, sys
box = imaplib.IMAP4('127.0.0.1', 1430)
try:
    box.login(sys.argv[1], sys.argv[2])
    print('in')
except imaplib.IMAP4.error:
    print('refused')
";
    Server {
        service: "dovecot",
        client,
        _running: running,
    }
}

fn vsftpd(machine: &Machine) -> Server {
    machine.write_file("/etc/vsftpd.test.conf", VSFTPD, 0o644);
    std::fs::create_dir_all("/run/vsftpd/empty").unwrap();
    let program = machine.program("vsftpd").arg("/etc/vsftpd.test.conf");
    let running = program.start();
    wait_for("ftp", || TcpStream::connect(("127.0.0.1", FTP)).is_ok());
    let client = "\
import ftplib, sys
ftp = ftplib.FTP()
ftp.connect('127.0.0.1', 2121)
try:
    ftp.login(sys.argv[1], sys.argv[2])
    print('in')
except ftplib.error_perm:
    print('refused')
";
    Server {
        service: "vsftpd",
        client,
        _running: running,
    }
}

impl Server {
    fn lets_in(&self, machine: &Machine, user: &str, password: &str) -> bool {
        let run = machine.run("python3", &["-c", self.client, user, password]);
        match run.stdout.as_str() {
            "in\n" => true,
            "refused\n" => false,
            _ => panic!("{run:?}"),
        }
    }

    fn one_field(&self, machine: &Machine, phone: &Phone) {
        machine.stack(self.service, &format!("{ONE_FIELD}{REST}"));
        let lets_in = |user: &str, password: &str| self.lets_in(machine, user, password);
        let both = format!("{PASSWORD}{}", phone.code());
        assert!(!lets_in("alice", PASSWORD));
        assert!(!lets_in(
            "alice",
            &format!("{PASSWORD}{}", phone.wrong_code())
        ));
        assert!(lets_in("alice", &both));
        assert!(!lets_in("alice", &both), "a code works once");
        assert!(lets_in("bob", PASSWORD));
        assert!(!lets_in("bob", "not it"));
    }

    fn two_questions(&self, machine: &Machine) {
        machine.stack(self.service, &format!("{BOTH}{REST}"));
        machine.forget_log();
        assert!(!self.lets_in(machine, "alice", PASSWORD));
        let told = logged(machine, &format!("{}:auth", self.service));
        let hint = format!("twofactor disable --service {}", self.service);
        assert!(
            told.iter()
                .all(|line| line.contains("password-as-code") && line.contains(&hint)),
            "{told:?}"
        );
        assert!(!told.is_empty());
        let disable = ["disable", "--service", self.service, "--yes"];
        machine.command(&disable).ok();
        assert!(self.lets_in(machine, "alice", PASSWORD));
    }
}

#[test]
fn dovecot_takes_both_in_one_field_only() {
    let (machine, phone) = two_users();
    let server = dovecot(&machine);
    server.one_field(&machine, &phone);
    server.two_questions(&machine);
}

#[test]
fn vsftpd_takes_both_in_one_field_only() {
    let (machine, phone) = two_users();
    let server = vsftpd(&machine);
    server.one_field(&machine, &phone);
    server.two_questions(&machine);
}
