//! The daemon of the product on a private machine.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::artefacts;
use crate::exec::{Program, Running};
use crate::machine::Machine;

/// Path at which the module looks for the daemon.
pub const SOCKET: &str = "/run/twofactor/socket";

/// Path at which the module looks for the service of the fleet.
pub const FLEET_SOCKET: &str = "/run/twofactor/fleet";

/// A running daemon, which ends with this.
pub struct Daemon(Running);

impl Machine {
    /// Starts the daemon as root, and waits until it listens.
    ///
    /// # Panics
    /// When it was not built, or does not listen within 20 seconds.
    pub fn daemon(&self) -> Daemon {
        self.daemon_through(&[])
    }

    /// [`Machine::daemon`] through another program, such as setpriv.
    ///
    /// # Panics
    /// As [`Machine::daemon`].
    pub fn daemon_through(&self, program: &[&str]) -> Daemon {
        artefacts::daemon();
        let directory = ["-d", "-m", "0755", "/run/twofactor"];
        self.run("install", &directory).ok();
        let mut words = program.to_vec();
        words.extend(["/usr/local/sbin/twofactord", "--listen", SOCKET]);
        let program = self.program(words.remove(0));
        let daemon = Daemon(program.args(&words).start());
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(SOCKET).is_err() {
            assert!(Instant::now() < deadline, "no socket: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    /// The service of the fleet as a program, for those that run it in another way than [`Machine::fleet_daemon`].
    pub fn fleet_program(&self) -> Program {
        artefacts::daemon();
        let directory = ["-d", "-m", "0755", "/run/twofactor"];
        self.run("install", &directory).ok();
        let daemon = self.program("/usr/local/sbin/twofactord");
        daemon.args(&["--listen-fleet", FLEET_SOCKET])
    }

    /// Starts the service of the fleet, and waits until it listens.
    ///
    /// # Panics
    /// As [`Machine::daemon`].
    pub fn fleet_daemon(&self) -> Daemon {
        let daemon = Daemon(self.fleet_program().start());
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(FLEET_SOCKET).is_err() {
            assert!(Instant::now() < deadline, "no socket: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    /// A client of the daemon that sends this as it is.
    pub fn daemonask(&self, message: impl Into<Vec<u8>>) -> Program {
        let client = self.program("/usr/local/bin/daemonask");
        client.arg(SOCKET).input(message)
    }

    /// Puts a call to the daemon as a user: the parameters of the reply, or the name of its error.
    ///
    /// # Panics
    /// When the reply is none.
    pub fn call_daemon(
        &self,
        user: &str,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, String> {
        let call = json!({"method": method, "parameters": parameters});
        let run = self.daemonask(format!("{call}\0")).user(user).run().ok();
        parameters_of(run.stdout.as_bytes())
    }
}

/// A connection of a user to the daemon, held from one call to the next.
pub struct DaemonConversation(UnixStream);

impl Machine {
    /// Connects to the daemon as a user.
    ///
    /// # Panics
    /// When there is no such user, or no daemon.
    pub fn talk_to_daemon(&self, user: &str) -> DaemonConversation {
        let uid = self.run("id", &["-u", user]).ok().stdout;
        DaemonConversation::of_uid(uid.trim().parse().expect("a number"))
    }

    /// The daemon as a program, for those that run it in another way than [`Machine::daemon`].
    pub fn daemon_program(&self) -> Program {
        artefacts::daemon();
        let directory = ["-d", "-m", "0755", "/run/twofactor"];
        self.run("install", &directory).ok();
        let daemon = self.program("/usr/local/sbin/twofactord");
        daemon.args(&["--listen", SOCKET])
    }
}

impl DaemonConversation {
    /// Connects to the daemon with a uid.
    ///
    /// # Panics
    /// When no daemon listens within 20 seconds.
    pub fn of_uid(uid: u32) -> Self {
        let uid = rustix::fs::Uid::from_raw(uid);
        // The rights of a thread are its own (setresuid(2), NOTES), and it ends at once.
        let connect = move || {
            rustix::thread::set_thread_res_uid(uid, uid, uid).expect("setresuid");
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                match UnixStream::connect(SOCKET) {
                    Ok(stream) => return stream,
                    Err(error) => assert!(Instant::now() < deadline, "no daemon: {error}"),
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        Self(std::thread::spawn(connect).join().expect("a connection"))
    }

    /// Puts a call: the parameters of the reply, or the name of its error.
    ///
    /// # Panics
    /// When the reply is none.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, String> {
        self.send(method, parameters);
        self.reply()
    }

    /// Sends a call, and waits for no reply.
    ///
    /// # Panics
    /// When the daemon takes none.
    pub fn send(&mut self, method: &str, parameters: &Value) {
        let call = json!({"method": method, "parameters": parameters});
        self.0
            .write_all(format!("{call}\0").as_bytes())
            .expect("a daemon that reads");
    }

    /// The next reply, as [`DaemonConversation::call`] gives it.
    ///
    /// # Panics
    /// When the reply is none.
    pub fn reply(&mut self) -> Result<Value, String> {
        self.reply_if_any().expect("a reply")
    }

    /// As [`DaemonConversation::call`]; `None` where the daemon is gone before the whole reply.
    ///
    /// # Panics
    /// When the reply is none of this protocol.
    pub fn call_if_there(
        &mut self,
        method: &str,
        parameters: &Value,
    ) -> Option<Result<Value, String>> {
        let call = json!({"method": method, "parameters": parameters});
        self.0.write_all(format!("{call}\0").as_bytes()).ok()?;
        self.reply_if_any()
    }

    fn reply_if_any(&mut self) -> Option<Result<Value, String>> {
        read_reply(&mut self.0).map(|reply| parameters_of(&reply))
    }
}

/// The next message of the daemon, without the zero byte at its end; `None` where the daemon is gone before the whole of it.
pub fn read_reply(connection: &mut UnixStream) -> Option<Vec<u8>> {
    let (mut reply, mut byte) = (Vec::new(), [0]);
    while connection.read(&mut byte).ok()? > 0 {
        if byte == [0] {
            return Some(reply);
        }
        reply.extend(byte);
    }
    None
}

fn parameters_of(reply: &[u8]) -> Result<Value, String> {
    let reply: Value = serde_json::from_slice(reply)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(reply)));
    match reply["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(reply["parameters"].clone()),
    }
}

impl Daemon {
    /// Kills it. Its socket stays behind.
    pub fn kill(self) {
        self.0.kill();
    }

    /// Sends it a signal, named as kill(1) names it.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.expect("kill(1)").success(), "{name}");
    }

    /// Waits for its end: the exit code, or none after a signal.
    ///
    /// # Panics
    /// When it goes on for 60 seconds.
    pub fn ends(self) -> Option<i32> {
        self.ends_with_log().0
    }

    /// As [`Daemon::ends`], with the lines that it has logged until then.
    ///
    /// # Panics
    /// As [`Daemon::ends`].
    pub fn ends_with_log(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.0.try_wait() {
                return (status.code(), self.log());
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lines that it has logged.
    pub fn log(&self) -> String {
        self.0.stderr()
    }

    /// Its process number as the test sees it.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }
}
