//! Runs programs, inside the machine of the calling thread if it has one.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;

use crate::pty::Pty;
use crate::sys::{self, Init};

thread_local!(pub(crate) static MACHINE: RefCell<Option<Init>> = const { RefCell::new(None) });

/// Longest time that anything may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Variables that say where programs that `make coverage` built put what they counted: the only variables that are
/// handed on.
const COUNTERS: [&str; 1] = ["LLVM_PROFILE_FILE"];

const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("LC_ALL", "C.UTF-8"),
    ("TERM", "xterm"),
];

/// A program about to be run: as root, in `/`, with a small fixed environment and nothing to read, unless told otherwise.
#[derive(Debug)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<String>,
    input: Vec<u8>,
    limit: Duration,
}

/// Ending and output of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Standard output, with bytes that are not UTF-8 replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Program {
    /// A program by path, or by name in the usual directories.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            input: Vec::new(),
            limit: LIMIT,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args<T: AsRef<OsStr>>(mut self, arguments: &[T]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Runs it with all the rights, and only the rights, of a user of the machine.
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Text that it reads from standard input (not on a terminal).
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    /// Allows it more or less than a minute.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, without a terminal.
    ///
    /// # Panics
    /// When it cannot be started or takes too long.
    pub fn run(self) -> Run {
        let (limit, shown) = (self.limit, format!("{:?} {:?}", self.name, self.arguments));
        let mut started = self.start();
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = started.try_wait() {
                break status;
            }
            if Instant::now() > deadline {
                panic!("{shown} did not end within {limit:?}: {:?}", started.kill());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        started.ended(status)
    }

    /// Runs it on a terminal of 50 lines with 132 columns, which is also its controlling terminal.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn pty(self) -> Pty {
        self.pty_of(132, 50)
    }

    /// Runs it on a terminal of this size.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn pty_of(self, columns: u16, lines: u16) -> Pty {
        Pty::open(self.build(), columns, lines)
    }

    /// Starts it without a terminal and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self) -> Running {
        let (mut command, output) = self.prepared();
        Running {
            child: spawn(&mut command),
            output,
        }
    }

    /// The command without a terminal, and where its output will be.
    pub(crate) fn prepared(self) -> (Command, Output) {
        let mut input = memory();
        input
            .write_all(&self.input)
            .and_then(|()| input.rewind())
            .expect("preparing standard input");
        let output = Output {
            stdout: memory(),
            stderr: memory(),
        };
        let mut command = self.build();
        command
            .stdin(input)
            .stdout(shared(&output.stdout))
            .stderr(shared(&output.stderr));
        sys::own_session(&mut command);
        (command, output)
    }

    pub(crate) const fn time(&self) -> Duration {
        self.limit
    }

    fn build(&self) -> Command {
        let (name, home) = match &self.user {
            None => ("root", "/root".to_owned()),
            Some(user) => (user.as_str(), format!("/home/{user}")),
        };
        let mut command = match &self.user {
            None => Command::new(&self.name),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={user}")]);
                command.args(["--init-groups", "--"]).arg(&self.name);
                command
            }
        };
        command
            .args(&self.arguments)
            .current_dir("/")
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(
                COUNTERS
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            );
        command
            .env("USER", name)
            .env("LOGNAME", name)
            .env("HOME", home);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Run {
    /// The run itself, if the program ended with 0.
    ///
    /// # Panics
    /// With everything it wrote, if not.
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// The run itself, if the program ended with this exit code.
    ///
    /// # Panics
    /// With everything it wrote, if not.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// Output of a program.
pub(crate) struct Output {
    stdout: File,
    stderr: File,
}

impl Output {
    /// All of it, and how the program ended.
    pub(crate) fn ended(&self, status: ExitStatus) -> Run {
        Run {
            code: status.code(),
            signal: status.signal(),
            stdout: written(&self.stdout),
            stderr: written(&self.stderr),
        }
    }
}

/// A program that runs; it is killed when this is dropped.
pub struct Running {
    child: Child,
    output: Output,
}

impl Running {
    /// The process number as the test sees it (inside the machine it has another one).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its ending, if it has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for a program")
    }

    /// Kills it, and tells what it wrote.
    pub fn kill(mut self) -> Run {
        self.child.kill().ok();
        let status = self.child.wait().expect("waiting for a program");
        self.ended(status)
    }

    /// Text that it has written to standard error so far.
    pub fn stderr(&self) -> String {
        let stderr = &self.output.stderr;
        let length = stderr.metadata().expect("the length").len();
        let mut content = vec![0; length.try_into().expect("a length")];
        // The program shares the position in the file and must find it at the end.
        stderr
            .read_exact_at(&mut content, 0)
            .expect("reading what the program wrote");
        String::from_utf8_lossy(&content).into_owned()
    }

    pub(crate) fn ended(self, status: ExitStatus) -> Run {
        self.output.ended(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// True if this thread is inside a machine.
pub(crate) fn has_machine() -> bool {
    MACHINE.with_borrow(Option::is_some)
}

/// Starts a process of the machine of this thread, or an ordinary one if it has none.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let start = |command: &mut Command| {
        let started = command.spawn();
        started.unwrap_or_else(|error| panic!("starting {:?}: {error}", command.get_program()))
    };
    MACHINE.with_borrow(|machine| match machine {
        Some(machine) => machine.inside(|| start(command)),
        None => start(command),
    })
}

/// Mappings of a process that this thread has started, as proc_pid_maps(5).
pub(crate) fn maps(pid: i32) -> String {
    MACHINE.with_borrow(|machine| {
        let read = match machine {
            Some(machine) => machine.maps(pid),
            None => std::fs::read_to_string(format!("/proc/{pid}/maps")),
        };
        read.unwrap_or_else(|error| panic!("the mappings of process {pid}: {error}"))
    })
}

/// A file without a name: unlike a pipe it never fills up, and a process that outlives its parent holds no test up.
fn memory() -> File {
    File::from(rustix::fs::memfd_create("harness", MemfdFlags::CLOEXEC).expect("a file in memory"))
}

fn shared(file: &File) -> Stdio {
    Stdio::from(file.try_clone().expect("a second handle"))
}

fn written(mut file: &File) -> String {
    let mut content = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut content))
        .expect("reading what the program wrote");
    String::from_utf8_lossy(&content).into_owned()
}
