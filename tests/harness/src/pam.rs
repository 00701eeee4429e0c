//! Transactions with real libpam, through the program pamdrive, and what they returned.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use tempfile::TempDir;

use crate::artefacts;
use crate::exec::{self, Program, Run};
use crate::fault::{Fault, Halt, Traced, Window};
use crate::steps::Stepped;

mod outcome;

pub use outcome::{Holdings, ModuleMessage, PamOutcome, Repeated, Round};

/// Return codes of pam(3).
pub mod code {
    #![allow(missing_docs, reason = "the names are those of the manual page pam(3)")]
    pub const SUCCESS: i32 = 0;
    pub const OPEN_ERR: i32 = 1;
    pub const SYMBOL_ERR: i32 = 2;
    pub const SERVICE_ERR: i32 = 3;
    pub const SYSTEM_ERR: i32 = 4;
    pub const BUF_ERR: i32 = 5;
    pub const PERM_DENIED: i32 = 6;
    pub const AUTH_ERR: i32 = 7;
    pub const CRED_INSUFFICIENT: i32 = 8;
    pub const AUTHINFO_UNAVAIL: i32 = 9;
    pub const USER_UNKNOWN: i32 = 10;
    pub const MAXTRIES: i32 = 11;
    pub const NEW_AUTHTOK_REQD: i32 = 12;
    pub const ACCT_EXPIRED: i32 = 13;
    pub const SESSION_ERR: i32 = 14;
    pub const CRED_UNAVAIL: i32 = 15;
    pub const CRED_EXPIRED: i32 = 16;
    pub const CRED_ERR: i32 = 17;
    pub const NO_MODULE_DATA: i32 = 18;
    pub const CONV_ERR: i32 = 19;
    pub const AUTHTOK_ERR: i32 = 20;
    pub const IGNORE: i32 = 25;
    pub const ABORT: i32 = 26;
    pub const AUTHTOK_EXPIRED: i32 = 27;
    pub const MODULE_UNKNOWN: i32 = 28;
    pub const BAD_ITEM: i32 = 29;
}

/// A first line for a stack that makes the first answer PAM_AUTHTOK without judging it, as a password module before
/// ours would: applications cannot set that item. Its prompt is `Password required for USER.`
pub const TAKES_PASSWORD: &str = "auth [default=ignore] pam_ftp.so";

/// Control flags for a stack of one line, with which libpam returns exactly what the module returned; only PAM_IGNORE,
/// which libpam never passes on, appears as `IGNORED`.
pub const EXACT: &str = "[success=done ignore=ignore default=die]";

/// Value that libpam returns when every module of a stack was ignored (PAM_PERM_DENIED).
pub const IGNORED: i32 = code::PERM_DENIED;

/// A directory with one stack, for `Drive::new`; `%MODULE` in the lines stands for the built module: its path, or inside
/// a machine, where libpam finds it, its name.
///
/// # Panics
/// When the lines name the module and it was not built.
pub fn stack(service: &str, lines: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory for the stack");
    add_stack(directory.path(), service, lines);
    directory
}

/// Adds a stack to such a directory.
///
/// # Panics
/// When the lines name the module and it was not built.
pub fn add_stack(directory: &Path, service: &str, lines: &str) {
    let lines = if lines.contains("%MODULE") {
        let built = artefacts::module().display().to_string();
        lines.replace(
            "%MODULE",
            if exec::has_machine() {
                "pam_twofactor.so"
            } else {
                &built
            },
        )
    } else {
        lines.to_owned()
    };
    std::fs::write(directory.join(service), lines).expect("writing the stack");
}

/// Transactions about to be run. Without `phases` it is the auth phase alone.
#[derive(Debug, Clone)]
pub struct Drive {
    arguments: Vec<OsString>,
    wrapper: Vec<OsString>,
    user: Option<String>,
}

impl Drive {
    /// Stacks in a directory of the test.
    pub fn new(confdir: impl AsRef<OsStr>) -> Self {
        Self::installed().argument("--confdir").argument(confdir)
    }

    /// The stacks in /etc/pam.d.
    pub fn installed() -> Self {
        Self {
            arguments: Vec::new(),
            wrapper: Vec::new(),
            user: None,
        }
    }

    /// The PAM service.
    pub fn service(self, name: &str) -> Self {
        self.argument("--service").argument(name)
    }

    /// PAM_USER; any bytes but NUL. Without it the module has to ask.
    pub fn user(self, name: impl AsRef<[u8]>) -> Self {
        self.argument("--user-hex").argument(hex(name.as_ref()))
    }

    /// PAM_RHOST; any bytes but NUL.
    pub fn rhost(self, host: impl AsRef<[u8]>) -> Self {
        self.argument("--rhost-hex").argument(hex(host.as_ref()))
    }

    /// PAM_TTY.
    pub fn tty(self, name: &str) -> Self {
        self.argument("--tty").argument(name)
    }

    /// A variable of the PAM environment, as sshd sets some, as NAME=VALUE.
    pub fn pam_env(self, variable: &str) -> Self {
        self.argument("--putenv").argument(variable)
    }

    /// PAM_RUSER.
    pub fn ruser(self, name: &str) -> Self {
        self.argument("--ruser").argument(name)
    }

    /// The answer to the next prompt; a prompt without an answer fails with PAM_CONV_ERR.
    pub fn answer(self, answer: impl AsRef<[u8]>) -> Self {
        self.argument("--answer-hex").argument(hex(answer.as_ref()))
    }

    /// The answer to the next prompt: one byte, many times.
    pub fn answer_repeat(self, byte: char, count: usize) -> Self {
        self.argument("--answer-repeat")
            .argument(byte.to_string())
            .argument(count.to_string())
    }

    /// The answer to the next prompt: the first line that a shell command writes when the prompt comes. On its standard
    /// input stands every text so far, prompts included.
    pub fn answer_shell(self, command: &str) -> Self {
        self.argument("--answer-shell").argument(command)
    }

    /// The answer to the next prompt, before which the application sets PAM_USER to another name.
    pub fn answer_as(self, user: &str, text: impl AsRef<OsStr>) -> Self {
        self.argument("--answer-as").argument(user).argument(text)
    }

    /// The next prompt succeeds with a null answer.
    pub fn answer_null(self) -> Self {
        self.argument("--answer-null")
    }

    /// The next prompt succeeds with a null array of answers.
    pub fn answer_null_array(self) -> Self {
        self.argument("--answer-null-array")
    }

    /// The next prompt fails with PAM_CONV_ERR.
    pub fn answer_error(self) -> Self {
        self.argument("--conv-error")
    }

    /// Every further prompt gets the last answer again, as from programs that do not look at prompts.
    pub fn answer_again(self) -> Self {
        self.argument("--answer-again")
    }

    /// The process is killed at the next prompt.
    pub fn answer_kill(self) -> Self {
        self.argument("--answer-kill")
    }

    /// Every text that is no prompt fails with PAM_CONV_ERR.
    pub fn text_error(self) -> Self {
        self.argument("--text-error")
    }

    /// Sets PAM_SILENT.
    pub fn silent(self) -> Self {
        self.argument("--silent")
    }

    /// The phases in order, all of which are run: `auth`, `setcred`, `acct`, `open`, `close`, `chauthtok`.
    pub fn phases(self, names: &str) -> Self {
        self.argument("--phases").argument(names)
    }

    /// The real uid of the process, as in a set-uid program started by that user; the effective one stays.
    pub fn real_uid(self, uid: u32) -> Self {
        self.argument("--ruid").argument(uid.to_string())
    }

    /// The effective uid of the process, as in a set-uid program of that user; the real one stays.
    pub fn effective_uid(self, uid: u32) -> Self {
        self.argument("--euid").argument(uid.to_string())
    }

    /// Empties the environment of the process.
    pub fn clear_env(self) -> Self {
        self.argument("--clear-env")
    }

    /// Runs each transaction in a thread of its own, which ends after it.
    pub fn threads(self) -> Self {
        self.argument("--threads")
    }

    /// Transaction or round N gets line N of this file as one more answer, after the others.
    pub fn answers_file(self, file: impl AsRef<OsStr>) -> Self {
        self.argument("--answers-file").argument(file)
    }

    /// In `at_once`, process N, counted over all rounds, is a login of the user of line N of this file, who gives the answer
    /// of that line (`USER ANSWER`) after the others.
    pub fn each_file(self, file: impl AsRef<OsStr>) -> Self {
        self.argument("--each-file").argument(file)
    }

    /// Runs this shell command before each round of `at_once`.
    pub fn before_round(self, command: &str) -> Self {
        self.argument("--before-round").argument(command)
    }

    /// Lets the processes of `at_once` wait for each other before pam_start instead of at the prompt that takes the last answer.
    pub fn barrier_at_start(self) -> Self {
        self.argument("--barrier").argument("start")
    }

    /// Runs pamdrive through another program, such as `&["prlimit", "--fsize=0"]` or strace.
    pub fn through(mut self, program: &[&str]) -> Self {
        self.wrapper.extend(program.iter().map(OsString::from));
        self
    }

    /// Runs pamdrive with the rights of a user of the machine.
    pub fn as_user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// Runs one transaction.
    ///
    /// # Panics
    /// When pamdrive did not live to report it.
    pub fn run(self) -> PamOutcome {
        outcome::outcome(&outcome::report(&self.raw().ok().stdout))
    }

    /// Runs pamdrive, for tests in which it may be killed; its report is on standard output.
    pub fn raw(self) -> Run {
        self.program().run()
    }

    /// Runs one transaction under ptrace(2) and lets at most one system call between pam_start and pam_end go wrong.
    ///
    /// # Panics
    /// When it cannot be traced.
    pub fn traced(self, fault: Option<Fault>) -> Traced {
        self.program().traced(Window::Marked, fault)
    }

    /// Runs one transaction, and counts the instructions in libpam and its modules.
    ///
    /// # Panics
    /// When it cannot be traced.
    pub fn stepped(self) -> Stepped {
        self.program().stepped()
    }

    /// Runs one transaction and stops it after one system call between pam_start and pam_end, for as long as `meanwhile` takes.
    ///
    /// # Panics
    /// When it cannot be traced or stopped.
    pub fn halted(self, at: (usize, Halt), meanwhile: &mut dyn FnMut()) -> Traced {
        self.program()
            .limit(LONG)
            .halted(Window::Marked, at, meanwhile)
    }

    /// Runs a warm-up and then this many transactions in one process.
    ///
    /// # Panics
    /// When pamdrive did not live to report them.
    pub fn repeat(self, warm_up: usize, count: usize) -> Repeated {
        let drive = self
            .argument("--warm-up")
            .argument(warm_up.to_string())
            .argument("--repeat")
            .argument(count.to_string());
        let report = outcome::report(
            &drive
                .program()
                .limit(LONG)
                .env("GLIBC_TUNABLES", NO_CACHE)
                .run()
                .ok()
                .stdout,
        );
        outcome::repeated(&report)
    }

    /// Forks this many processes from one, each with a transaction of its own; all give their last answer at the same
    /// moment. Does so `rounds` times.
    ///
    /// # Panics
    /// When pamdrive did not live to report them.
    pub fn at_once(self, processes: usize, rounds: usize) -> Vec<Round> {
        let drive = self
            .argument("--fork")
            .argument(processes.to_string())
            .argument("--rounds")
            .argument(rounds.to_string());
        let run = drive.program().limit(LONG).run().ok();
        let round = |line: &str| outcome::round(&outcome::report(line));
        run.stdout.lines().map(round).collect()
    }

    fn program(self) -> Program {
        let mut words = self.wrapper;
        words.push(if exec::has_machine() {
            // The build directory may lie where other users cannot go.
            "/usr/local/bin/pamdrive".into()
        } else {
            artefacts::pamdrive().into()
        });
        words.extend(self.arguments);
        let program = Program::new(words.remove(0)).args(&words);
        match self.user {
            Some(user) => program.user(&user),
            None => program,
        }
    }

    fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }
}

/// Makes malloc keep no freed blocks per thread, so that `heap_bytes` is exact.
const NO_CACHE: &str = "glibc.malloc.tcache_count=0";

const LONG: std::time::Duration = std::time::Duration::from_secs(3600);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
