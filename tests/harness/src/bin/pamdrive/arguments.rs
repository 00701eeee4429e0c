//! The command line of pamdrive.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use harness::pam_application::{self, Phase};

/// Everything that was asked for.
#[derive(Clone)]
pub struct DriveArguments {
    pub confdir: Option<Vec<u8>>,
    pub service: Vec<u8>,
    pub user: Option<Vec<u8>>,
    pub tty: Option<Vec<u8>>,
    pub rhost: Option<Vec<u8>>,
    pub ruser: Option<Vec<u8>>,
    pub variables: Vec<Vec<u8>>,
    pub answers: Vec<ScriptedAnswer>,
    pub beyond: Beyond,
    pub texts: Texts,
    pub flags: i32,
    pub phases: Vec<Phase>,
    pub repeat: Option<usize>,
    pub warm_up: usize,
    pub fork: Option<usize>,
    pub rounds: usize,
    pub barrier: Barrier,
    pub answers_file: Option<PathBuf>,
    pub before_round: Option<OsString>,
    pub each_file: Option<PathBuf>,
    pub threads: Threads,
    pub uids: (i32, i32),
    pub environment: Environment,
}

/// The answer to one prompt.
#[derive(Clone)]
pub enum ScriptedAnswer {
    Bytes(Vec<u8>),
    /// The application sets PAM_USER to the name before it answers.
    As(Vec<u8>, Vec<u8>),
    Null,
    NullArray,
    Failure,
    Kill,
    /// The first line that a shell command writes when the prompt comes.
    Shell(OsString),
}

/// Answer for prompts for which no answer is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Failure,
    /// The last answer again, as programs do it that do not look at prompts.
    LastAnswer,
}

/// Result of texts (no prompts): whether they are taken or fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    Taken,
    Failing,
}

/// Place where forked processes wait for each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    Start,
    LastAnswer,
}

/// Threads of transactions: whether every one runs in a thread of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    One,
    Many,
}

/// Environment: whether it is emptied first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Kept,
    Cleared,
}

pub const USAGE: &str = "usage: pamdrive --service NAME [--confdir DIR] [--user NAME | --user-hex HEX | --no-user]
  [--rhost HOST | --rhost-hex HEX] [--tty TTY] [--ruser NAME] [--putenv NAME=VALUE]... [--silent] [--flags NUMBER] [--phases auth,setcred,acct,open,close,chauthtok]
  [--answer TEXT | --answer-hex HEX | --answer-repeat BYTE COUNT | --answer-shell COMMAND | --answer-as NAME TEXT | --answer-null |
   --answer-null-array | --conv-error | --answer-kill]... [--answer-again] [--text-error]
  [--repeat N [--warm-up N]] [--fork N [--rounds N] [--barrier start|last-answer] [--before-round COMMAND]]
  [--answers-file FILE | --each-file FILE] [--threads] [--ruid N] [--euid N] [--clear-env]";

impl DriveArguments {
    /// Reads the command line without the program name.
    pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut words = words.map(OsString::into_vec);
        while let Some(word) = words.next() {
            let name = String::from_utf8_lossy(&word).into_owned();
            let mut value = || words.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--confdir" => parsed.confdir = Some(value()?),
                "--service" => parsed.service = value()?,
                "--user" => parsed.user = Some(value()?),
                "--user-hex" => parsed.user = Some(hex(&value()?)?),
                "--no-user" => parsed.user = None,
                "--tty" => parsed.tty = Some(value()?),
                "--rhost" => parsed.rhost = Some(value()?),
                "--rhost-hex" => parsed.rhost = Some(hex(&value()?)?),
                "--ruser" => parsed.ruser = Some(value()?),
                "--putenv" => parsed.variables.push(value()?),
                "--silent" => parsed.flags |= pam_application::SILENT,
                "--flags" => parsed.flags |= number::<i32>(&value()?)?,
                "--phases" => parsed.phases = phases(&value()?)?,
                "--answer-again" => parsed.beyond = Beyond::LastAnswer,
                "--text-error" => parsed.texts = Texts::Failing,
                "--repeat" => parsed.repeat = Some(number(&value()?)?),
                "--warm-up" => parsed.warm_up = number(&value()?)?,
                "--fork" => parsed.fork = Some(number(&value()?)?),
                "--rounds" => parsed.rounds = number(&value()?)?,
                "--barrier" => parsed.barrier = barrier(&value()?)?,
                "--answers-file" => parsed.answers_file = Some(OsString::from_vec(value()?).into()),
                "--each-file" => parsed.each_file = Some(OsString::from_vec(value()?).into()),
                "--before-round" => parsed.before_round = Some(OsString::from_vec(value()?)),
                "--threads" => parsed.threads = Threads::Many,
                "--ruid" => parsed.uids.0 = number(&value()?)?,
                "--euid" => parsed.uids.1 = number(&value()?)?,
                "--clear-env" => parsed.environment = Environment::Cleared,
                _ => parsed.answers.push(answer(&name, &mut value)?),
            }
        }
        if parsed.service.is_empty() {
            Err("--service is missing".to_owned())
        } else {
            Ok(parsed)
        }
    }
}

impl Default for DriveArguments {
    fn default() -> Self {
        Self {
            confdir: None,
            service: Vec::new(),
            user: None,
            tty: None,
            rhost: None,
            ruser: None,
            variables: Vec::new(),
            answers: Vec::new(),
            beyond: Beyond::Failure,
            texts: Texts::Taken,
            flags: 0,
            phases: vec![Phase::Auth],
            repeat: None,
            warm_up: 20,
            fork: None,
            rounds: 1,
            barrier: Barrier::LastAnswer,
            answers_file: None,
            before_round: None,
            each_file: None,
            threads: Threads::One,
            uids: (-1, -1),
            environment: Environment::Kept,
        }
    }
}

fn answer(
    name: &str,
    value: &mut dyn FnMut() -> Result<Vec<u8>, String>,
) -> Result<ScriptedAnswer, String> {
    Ok(match name {
        "--answer" => ScriptedAnswer::Bytes(value()?),
        "--answer-hex" => ScriptedAnswer::Bytes(hex(&value()?)?),
        "--answer-repeat" => {
            let byte = value()?;
            ScriptedAnswer::Bytes(byte.repeat(number(&value()?)?))
        }
        "--answer-shell" => ScriptedAnswer::Shell(OsString::from_vec(value()?)),
        "--answer-as" => ScriptedAnswer::As(value()?, value()?),
        "--answer-null" => ScriptedAnswer::Null,
        "--answer-null-array" => ScriptedAnswer::NullArray,
        "--conv-error" => ScriptedAnswer::Failure,
        "--answer-kill" => ScriptedAnswer::Kill,
        _ => return Err(format!("unknown argument {name}\n{USAGE}")),
    })
}

fn phases(list: &[u8]) -> Result<Vec<Phase>, String> {
    let named = |name: &str| match name {
        "auth" => Ok(Phase::Auth),
        "setcred" => Ok(Phase::Setcred),
        "acct" => Ok(Phase::Account),
        "open" => Ok(Phase::Open),
        "close" => Ok(Phase::Close),
        "chauthtok" => Ok(Phase::Chauthtok),
        _ => Err(format!("unknown phase {name}")),
    };
    String::from_utf8_lossy(list)
        .split(',')
        .map(named)
        .collect()
}

fn barrier(name: &[u8]) -> Result<Barrier, String> {
    match name {
        b"start" => Ok(Barrier::Start),
        b"last-answer" => Ok(Barrier::LastAnswer),
        _ => Err("--barrier is start or last-answer".to_owned()),
    }
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Result<T, String> {
    let text = String::from_utf8_lossy(digits);
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn hex(digits: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(digits).into_owned();
    let pair = |start: usize| {
        text.get(start..start + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    (0..text.len())
        .step_by(2)
        .map(|start| pair(start).ok_or_else(|| format!("{text} is not hexadecimal")))
        .collect()
}
