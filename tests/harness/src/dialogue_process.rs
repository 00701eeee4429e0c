//! The command in a dialogue with a program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::Machine;

/// The keys of the event that shows a new device.
pub const DEVICE_EVENT: [&str; 8] = [
    "device",
    "event",
    "secret",
    "svg",
    "tries_left",
    "uri",
    "user",
    "warnings",
];

/// A command that talks with a test: an object a line.
pub struct DialogueProcess {
    child: Child,
    answers: Option<ChildStdin>,
    events: BufReader<ChildStdout>,
}

impl DialogueProcess {
    /// Starts it as root on the machine of the test.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn begin(_: &Machine, arguments: &[&str]) -> Self {
        Self::spawn(Command::new("/usr/local/bin/twofactor").args(arguments))
    }

    /// Starts it with the rights of a user.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn begin_as(machine: &Machine, user: &str, arguments: &[&str]) -> Self {
        let uid = machine.run("id", &["-u", user]).ok().stdout;
        let uid = uid.trim();
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", uid, "--regid", uid, "--clear-groups"]);
        let program = setpriv.arg("/usr/local/bin/twofactor");
        Self::spawn(program.args(arguments))
    }

    fn spawn(program: &mut Command) -> Self {
        let mut child = program
            .arg("--dialogue=json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a command");
        Self {
            answers: child.stdin.take(),
            events: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        }
    }

    /// The next event, which has a line of its own.
    ///
    /// # Panics
    /// When there is none.
    pub fn event(&mut self) -> Value {
        let mut line = String::new();
        self.events.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "{line:?}");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Types a code, and reads what comes of it.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn answer(&mut self, code: &str) -> Value {
        self.line(&json!({ "code": code }).to_string())
    }

    /// Writes a line, and reads what comes of it.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn line(&mut self, line: &str) -> Value {
        let pipe = self.answers.as_mut().expect("an open pipe");
        pipe.write_all(format!("{line}\n").as_bytes())
            .expect("a command that reads");
        self.event()
    }

    /// Closes its standard input.
    pub fn close(&mut self) {
        drop(self.answers.take());
    }

    /// Kills it, and waits for its end.
    ///
    /// # Panics
    /// When it is no process.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Its exit code. It says nothing more, and has said nothing on standard error.
    ///
    /// # Panics
    /// When it says something, or a signal ends it.
    pub fn end(mut self) -> i32 {
        self.close();
        let mut rest = String::new();
        self.events.read_to_string(&mut rest).expect("text");
        let mut told = String::new();
        let mut stderr = self.child.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut told).expect("text");
        assert_eq!((rest.as_str(), told.as_str()), ("", ""));
        let status = self.child.wait().expect("wait");
        status.code().expect("an exit code")
    }
}
