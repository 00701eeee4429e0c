//! The daemon on a socket of systemd ends when it has nothing to do, and the next call starts it again.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::enrolled::{enroll_token, machine};
use harness::twofactord::SOCKET;
use serde_json::json;
use twofactor_store::sys::clock;

use super::QUICK;

/// A daemon that ends after a second without a connection, on a socket that outlives it. It ends with the test.
struct IdleDaemon(Child);

impl IdleDaemon {
    fn start(socket: &OwnedFd) -> Self {
        harness::artefacts::daemon();
        let mut daemon = Command::new("/usr/local/sbin/twofactord");
        daemon.args(["--idle", "1"]).stderr(Stdio::null());
        let daemon = daemon.stdin(socket.try_clone().unwrap());
        Self(daemon.spawn().unwrap())
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = clock::monotonic() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(clock::monotonic() < deadline, "it goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for IdleDaemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_ends_when_idle_and_is_started_again() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    std::fs::create_dir_all("/run/twofactor").unwrap();
    let socket = UnixListener::bind(SOCKET).unwrap();
    std::fs::set_permissions(SOCKET, std::fs::Permissions::from_mode(0o666)).unwrap();
    let socket = OwnedFd::from(socket);
    let gate = json!({"user": "alice"});
    let mut daemon = IdleDaemon::start(&socket);
    let mut talk = machine.talk_to_daemon("alice");
    let answer = talk.call("io.twofactor.Gate", &gate).unwrap();
    assert_eq!(answer["state"], "ask");
    drop(talk);
    assert_eq!(daemon.exit_code(), Some(0));
    // Nothing listens in its place, and the call waits in the socket.
    let mut talk = machine.talk_to_daemon("alice");
    talk.send("io.twofactor.Gate", &gate);
    let mut daemon = IdleDaemon::start(&socket);
    assert_eq!(talk.reply().unwrap()["state"], "ask");
    drop(talk);
    assert_eq!(daemon.exit_code(), Some(0));
}
