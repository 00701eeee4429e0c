//! Logins through the real OpenSSH client, with every prompt answered by the test.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};

use crate::exec::{LIMIT, Program, Run, Running};
use crate::pty::Pty;
use crate::sshd::Sshd;

/// Answer for when the client asks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshAnswer {
    /// Type this (one line, at most 1,000 bytes: the client cuts the rest).
    Line(String),
    /// Kill the client while it waits for the answer.
    HangUp,
}

/// A login to be described and run. The client has no configuration, no agent and no keys but those given here; it
/// gives up after one failed round of questions, unless `attempts` says otherwise.
pub struct SshLogin<'a> {
    sshd: &'a Sshd<'a>,
    user: String,
    address: String,
    options: Vec<String>,
    key: Option<PathBuf>,
    attempts: u32,
    locale: String,
    remote: Option<String>,
    answer: Box<dyn FnMut(&str) -> SshAnswer + 'a>,
}

/// Result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The client's exit code: 0 after a login, 255 when it was refused; `None` when it was killed.
    pub code: Option<i32>,
    /// Output of the remote command.
    pub stdout: String,
    /// Texts that the client showed: from PAM, banners, refusals.
    pub stderr: String,
    /// The questions in order, without the `(user@host) ` that the client puts before each.
    pub prompts: Vec<String>,
    /// True if the client was killed at a question, because the answers had run out or said so.
    pub hung_up: bool,
}

impl Session {
    /// True if the remote command of `SshLogin` ran.
    pub fn is_in(&self) -> bool {
        self.stdout.contains("it-is-in")
    }
}

impl From<&str> for SshAnswer {
    fn from(line: &str) -> Self {
        Self::Line(line.to_owned())
    }
}

impl From<String> for SshAnswer {
    fn from(line: String) -> Self {
        Self::Line(line)
    }
}

impl<'a> SshLogin<'a> {
    pub(crate) fn new(sshd: &'a Sshd<'a>, user: &str) -> Self {
        Self {
            sshd,
            user: user.to_owned(),
            address: "127.0.0.1".to_owned(),
            options: Vec::new(),
            key: None,
            attempts: 1,
            locale: "C.UTF-8".to_owned(),
            remote: Some("echo it-is-in".to_owned()),
            answer: Box::new(|_| SshAnswer::HangUp),
        }
    }

    /// The answer to the next question that has none yet. When a question has none, the client is killed there.
    pub fn answer(self, line: impl Into<SshAnswer>) -> Self {
        let mut before = self.answer;
        let mut line = Some(line.into());
        // The answers before this one end with HangUp, which stands for "no answer yet".
        let answer = move |prompt: &str| match before(prompt) {
            SshAnswer::HangUp => line.take().unwrap_or(SshAnswer::HangUp),
            earlier => earlier,
        };
        Self {
            answer: Box::new(answer),
            ..self
        }
    }

    /// Answers to the next questions.
    pub fn answers(self, lines: &[&str]) -> Self {
        lines.iter().fold(self, |login, line| login.answer(*line))
    }

    /// Computes the answers when the questions come; replaces all other answers.
    pub fn answer_with(self, answer: impl FnMut(&str) -> SshAnswer + 'a) -> Self {
        Self {
            answer: Box::new(answer),
            ..self
        }
    }

    /// Offers this private key.
    pub fn key(self, file: impl AsRef<Path>) -> Self {
        Self {
            key: Some(file.as_ref().to_owned()),
            ..self
        }
    }

    /// Sets an option of the client, such as `PreferredAuthentications=password`.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Connects from this address (any of 127.0.0.0/8, `::1`, or one that the machine was given).
    pub fn from(self, address: &str) -> Self {
        self.option(&format!("BindAddress={address}"))
    }

    /// Connects to this address instead of 127.0.0.1.
    pub fn to(self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self
        }
    }

    /// Number of rounds of questions in which the client takes part.
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// The client's locale, such as `C`.
    pub fn locale(self, locale: &str) -> Self {
        Self {
            locale: locale.to_owned(),
            ..self
        }
    }

    /// Runs this instead of `echo it-is-in`.
    pub fn remote(self, command: &str) -> Self {
        Self {
            remote: Some(command.to_owned()),
            ..self
        }
    }

    /// Starts a login shell, which ends at once, instead of a command.
    pub fn shell(self) -> Self {
        Self {
            remote: None,
            ..self
        }
    }

    /// Runs the client on a terminal, where it asks its questions and, after `shell`, shows a remote terminal.
    pub fn pty(self) -> Pty {
        self.on_terminal().pty()
    }

    /// [`Self::pty`] of this size.
    pub fn pty_of(self, columns: u16, lines: u16) -> Pty {
        self.on_terminal().pty_of(columns, lines)
    }

    fn on_terminal(&self) -> Program {
        let wants_terminal = if self.remote.is_none() { "-tt" } else { "-T" };
        self.client()
            .arg(wants_terminal)
            .args(&self.target())
            .env("SSH_ASKPASS_REQUIRE", "never")
    }

    /// Logs in, and waits until the server is done with it, too.
    ///
    /// # Panics
    /// When it takes longer than a minute.
    pub fn run(mut self) -> Session {
        let asking = Asking::new(self.sshd);
        let client = self.client().arg("-T").args(&self.target());
        let client = client
            .env("SSH_ASKPASS", asking.file("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .start();
        let session = converse(client, asking, &mut self.answer);
        self.sshd.settle();
        session
    }

    fn client(&self) -> Program {
        // Ubuntu's client hands texts from PAM to a program of their own and ends it with SIGTERM at once, which must
        // not come before it has passed them on. What is ignored stays so in the programs it starts.
        let mut client = Program::new("sh")
            .args(&["-c", "trap '' TERM; exec ssh \"$@\"", "ssh"])
            .env("LC_ALL", &self.locale)
            .args(&["-F", "none"]);
        for option in &self.options {
            client = client.args(&["-o", option]);
        }
        client = match &self.key {
            Some(key) => client
                .arg("-i")
                .arg(key)
                .args(&["-o", "IdentitiesOnly=yes"]),
            None => client.args(&["-o", "PubkeyAuthentication=no"]),
        };
        let settings = [
            format!("UserKnownHostsFile={}", self.sshd.known_hosts().display()),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            "GSSAPIAuthentication=no".to_owned(),
            format!("NumberOfPasswordPrompts={}", self.attempts),
        ];
        settings
            .iter()
            .fold(client, |client, setting| client.args(&["-o", setting]))
    }

    fn target(&self) -> Vec<String> {
        let mut target = [
            "-p",
            &self.sshd.port().to_string(),
            "-l",
            &self.user,
            "--",
            &self.address,
        ]
        .map(str::to_owned)
        .to_vec();
        target.extend(self.remote.clone());
        target
    }
}

/// The way from the client's questions to the test and back: two FIFOs and the script that the client calls.
struct Asking {
    directory: PathBuf,
    questions: File,
    answers: File,
}

impl Asking {
    fn new(sshd: &Sshd) -> Self {
        let directory = sshd.machine().scratch();
        let fifo = |name: &str| {
            let path = directory.join(name);
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
                .expect("making a FIFO");
            // Open for both, so that it never reports its end and opening never waits.
            File::from(
                rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                    .expect("opening a FIFO"),
            )
        };
        let (questions, answers) = (fifo("questions"), fifo("answers"));
        let shown = directory.display();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n%s\\0' \"$SSH_ASKPASS_PROMPT\" \"$1\" > {shown}/questions\n\
             [ \"$SSH_ASKPASS_PROMPT\" != none ] || exit 0\nIFS= read -r line < {shown}/answers\nprintf '%s\\n' \"$line\"\n"
        );
        sshd.machine()
            .write_file(directory.join("askpass"), script, 0o755);
        Self {
            directory,
            questions,
            answers,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The next question or text, if it comes within a few milliseconds.
    fn next(&mut self) -> Option<AskpassText> {
        let mut ready = [PollFd::new(&self.questions, PollFlags::IN)];
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 3_000_000,
        };
        if poll(&mut ready, Some(&moment)).expect("waiting for a question") == 0 {
            return None;
        }
        let mut question = Vec::new();
        let mut byte = [0];
        loop {
            self.questions
                .read_exact(&mut byte)
                .expect("reading a question");
            match byte {
                [0] => return Some(AskpassText::parse(&String::from_utf8_lossy(&question))),
                [other] => question.push(other),
            }
        }
    }
}

/// Text that the client shows through its askpass program.
enum AskpassText {
    /// It waits for an answer.
    Question(String),
    /// It only tells (Ubuntu's OpenSSH does not wait for the next question with texts from PAM).
    Text(String),
}

impl AskpassText {
    fn parse(message: &str) -> Self {
        let (kind, text) = message.split_once('\n').expect("a kind and a text");
        match kind {
            "none" => Self::Text(text.trim_end_matches('\n').to_owned() + "\n"),
            _ => Self::Question(without_host(text).to_owned()),
        }
    }
}

/// Texts that came on their own are put where other servers' clients show them: before the next question, or before
/// whatever the client says last.
fn converse(
    mut client: Running,
    mut asking: Asking,
    answer: &mut dyn FnMut(&str) -> SshAnswer,
) -> Session {
    let deadline = Instant::now() + LIMIT;
    let (mut prompts, mut texts) = (Vec::new(), String::new());
    loop {
        let ended = client.try_wait();
        match (asking.next(), ended) {
            (Some(AskpassText::Text(text)), _) => texts.push_str(&text),
            (Some(AskpassText::Question(question)), _) => {
                prompts.push(std::mem::take(&mut texts) + &question);
                match answer(&prompts[prompts.len() - 1]) {
                    SshAnswer::Line(line) => {
                        writeln!(asking.answers, "{line}").expect("giving an answer");
                    }
                    SshAnswer::HangUp => return session(client.kill(), prompts, HungUp::Yes),
                }
            }
            (None, Some(status)) => {
                let mut run = client.ended(status);
                if !texts.is_empty() && run.code == Some(255) {
                    texts.push_str("\r\n");
                }
                run.stderr.insert_str(0, &texts);
                return session(run, prompts, HungUp::No);
            }
            (None, None) => assert!(
                Instant::now() < deadline,
                "the login did not end after {prompts:?}: {:?}",
                client.kill()
            ),
        }
    }
}

enum HungUp {
    Yes,
    No,
}

fn session(run: Run, prompts: Vec<String>, hung_up: HungUp) -> Session {
    Session {
        code: run.code,
        stdout: run.stdout,
        stderr: run.stderr,
        prompts,
        hung_up: matches!(hung_up, HungUp::Yes),
    }
}

/// `(alice@127.0.0.1) Password: ` is shown for the server's `Password: `.
fn without_host(question: &str) -> &str {
    let rest = question
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(") "));
    rest.filter(|(host, _)| host.contains('@'))
        .map_or(question, |(_, prompt)| prompt)
}
