//! One transaction with libpam, from pam_start to pam_end, and what was seen of it.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::arguments::{Beyond, DriveArguments, ScriptedAnswer, Texts};
use crate::host::Host;
use crate::system;
use harness::pam_application::{
    self, DriveConversation, DriveTransaction, Phase, RawMessage, Reply, Start,
};

/// Action that is run before the last of the given answers is handed over.
pub type BeforeLastAnswer<'a> = &'a mut dyn FnMut();

/// Runs all phases that were asked for, also after one that failed; returns the report.
pub fn run(
    arguments: &DriveArguments,
    before_last_answer: BeforeLastAnswer,
) -> Result<Map<String, Value>, String> {
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_deref().map(pam_application::c_string).transpose();
    let service = pam_application::c_string(&arguments.service)?;
    let [user, directory, tty, rhost, ruser] = [
        text(&arguments.user)?,
        text(&arguments.confdir)?,
        text(&arguments.tty)?,
        text(&arguments.rhost)?,
        text(&arguments.ruser)?,
    ];
    let start = Start {
        service: &service,
        user: user.as_deref(),
        directory: directory.as_deref(),
        tty: tty.as_deref(),
        rhost: rhost.as_deref(),
        ruser: ruser.as_deref(),
    };
    let before = Host::look();
    let conversation = AnswerScript::new(arguments, before_last_answer);
    let mut report = Map::new();
    let mut transaction = match DriveTransaction::start(&start, conversation) {
        Ok(transaction) => transaction,
        Err(code) => {
            report.insert("start".to_owned(), json!(code));
            return Ok(report);
        }
    };
    for variable in &arguments.variables {
        transaction.set_variable(&pam_application::c_string(variable)?);
    }
    for phase in &arguments.phases {
        report.insert(
            name(*phase).to_owned(),
            json!(transaction.run(*phase, arguments.flags)),
        );
    }
    report.insert("user".to_owned(), json!(transaction.user()));
    report.insert("environment".to_owned(), json!(transaction.environment()));
    let recorder = transaction.end();
    report.insert("prompts".to_owned(), json!(recorder.prompts));
    report.insert("messages".to_owned(), json!(recorder.messages));
    report.insert("fail_delay_us".to_owned(), json!(recorder.delay));
    report.insert("changed".to_owned(), json!(before.changed()));
    Ok(report)
}

/// The key of a phase in the report.
pub fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Auth => "auth",
        Phase::Setcred => "setcred",
        Phase::Account => "acct",
        Phase::Open => "open",
        Phase::Close => "close",
        Phase::Chauthtok => "chauthtok",
    }
}

/// A conversation that gives the prepared answers in order and remembers everything.
struct AnswerScript<'a> {
    answers: VecDeque<&'a ScriptedAnswer>,
    beyond: Beyond,
    texts: Texts,
    before_last_answer: BeforeLastAnswer<'a>,
    prompts: Vec<String>,
    messages: Vec<Value>,
    delay: Option<u32>,
}

impl<'a> AnswerScript<'a> {
    fn new(arguments: &'a DriveArguments, before_last_answer: BeforeLastAnswer<'a>) -> Self {
        let answers = arguments.answers.iter().collect();
        let (prompts, messages) = (Vec::new(), Vec::new());
        Self {
            answers,
            beyond: arguments.beyond,
            texts: arguments.texts,
            before_last_answer,
            prompts,
            messages,
            delay: None,
        }
    }

    /// Every text so far, each with a newline after it.
    fn shown(&self) -> String {
        let texts = self
            .messages
            .iter()
            .filter_map(|message| message["text"].as_str());
        texts.flat_map(|text| [text, "\n"]).collect()
    }

    fn reply(&mut self) -> Reply {
        if self.answers.len() == 1 {
            (self.before_last_answer)();
        }
        let answer = match (self.answers.as_slices(), self.beyond) {
            (([last], []) | ([], [last]), Beyond::LastAnswer) => Some(*last),
            _ => self.answers.pop_front(),
        };
        match answer {
            Some(ScriptedAnswer::Bytes(bytes)) => Reply::Text(bytes.clone()),
            Some(ScriptedAnswer::As(user, text)) => Reply::As(user.clone(), text.clone()),
            Some(ScriptedAnswer::Null) => Reply::Null,
            Some(ScriptedAnswer::NullArray) => Reply::NullArray,
            Some(ScriptedAnswer::Kill) => Reply::Text(system::die()),
            Some(ScriptedAnswer::Shell(command)) => Reply::Text(first_line(command, &self.shown())),
            Some(ScriptedAnswer::Failure) | None => Reply::Failure,
        }
    }
}

impl DriveConversation for AnswerScript<'_> {
    fn message(&mut self, message: RawMessage) -> Reply {
        let style = match message.style {
            1 => "echo_off",
            2 => "echo_on",
            3 => "error",
            4 => "info",
            _ => "unknown",
        };
        self.messages
            .push(json!({ "style": style, "text": message.text }));
        match style {
            "echo_off" | "echo_on" => {
                self.prompts.push(message.text);
                self.reply()
            }
            _ if self.texts == Texts::Failing => Reply::Failure,
            _ => Reply::Null,
        }
    }

    fn delay(&mut self, microseconds: u32) {
        self.delay = Some(microseconds);
    }
}

fn first_line(command: &OsStr, input: &str) -> Vec<u8> {
    let output = output(command, input).unwrap_or_default();
    let line = output
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    CString::new(line)
        .map(CString::into_bytes)
        .unwrap_or_default()
}

fn output(command: &OsStr, input: &str) -> std::io::Result<Vec<u8>> {
    let mut shell = Command::new("/bin/sh");
    let mut shell = shell.arg("-c").arg(command);
    shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes());
    }
    Ok(child.wait_with_output()?.stdout)
}
