//! A process in the place of the service of the fleet, which passes calls on, and decides what becomes of the answer.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::twofactord::FLEET_SOCKET;
use rustix::process::{Pid, Signal, kill_process};
use twofactor_store::sys::socket::peer_credentials;

/// Path to which the service is moved meanwhile.
const MOVED: &str = "/run/twofactor/fleet-moved";

/// Treatment of the answer to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TappedAnswer {
    /// The process that asked is killed before it comes.
    KillsClient,
    /// It is lost.
    IsLost,
    /// It comes so much later.
    IsLate(Duration),
}

/// The tap. The first change ends it; the service is in its place again then.
pub struct ServiceTap(JoinHandle<()>);

impl ServiceTap {
    /// Takes the place of the service, which goes on to run.
    pub fn insert(answer: TappedAnswer) -> Self {
        std::fs::rename(FLEET_SOCKET, MOVED).unwrap();
        let listener = UnixListener::bind(FLEET_SOCKET).unwrap();
        Self(thread::spawn(move || {
            let mut is_over = false;
            while !is_over {
                let (mut client, _) = listener.accept().unwrap();
                let call = message(&mut client);
                is_over = call.windows(6).any(|part| part == b"Change");
                if is_over {
                    // Before the answer, after which the test goes on.
                    std::fs::rename(MOVED, FLEET_SOCKET).unwrap();
                }
                let path = if is_over { FLEET_SOCKET } else { MOVED };
                let mut service = UnixStream::connect(path).unwrap();
                service.write_all(&call).unwrap();
                let reply = message(&mut service);
                if !is_over {
                    client.write_all(&reply).unwrap();
                    continue;
                }
                let text = String::from_utf8(reply).unwrap();
                assert!(text.contains("committed"), "{text}");
                match answer {
                    TappedAnswer::KillsClient => {
                        let pid = Pid::from_raw(peer_credentials(&client).unwrap().pid);
                        kill_process(pid.unwrap(), Signal::KILL).unwrap();
                    }
                    TappedAnswer::IsLost => {}
                    TappedAnswer::IsLate(time) => {
                        thread::sleep(time);
                        client.write_all(text.as_bytes()).unwrap();
                    }
                }
            }
        }))
    }

    /// Waits until the change was answered.
    pub fn ends(self) {
        self.0.join().expect("a change that counts");
    }
}

/// A message with its end.
fn message(stream: &mut UnixStream) -> Vec<u8> {
    let (mut message, mut byte) = (Vec::new(), [1]);
    while byte != [0] {
        stream.read_exact(&mut byte).unwrap();
        message.extend(byte);
    }
    message
}
