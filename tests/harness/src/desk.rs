//! The administrator's desk: a machine on which the product was just installed, and what the command shows there.

use crate::pam::{Drive, PamOutcome, code};
use crate::screen::{COLUMNS, assert_fits};
use crate::{Ended, Machine, Program, Pty, Run, Totp};
use serde_json::Value;

use crate::enrolled::{IGNORED, PROMPT, SERVICE, add_stack, login, run};

/// Question for the code of a new device.
pub const ASK: &str = "Code the device shows now (Enter to cancel): ";

/// Offer of a second device after a user's first.
pub const BACKUP: &str = "Enroll a second device now, as a backup (Enter: not now)? [y/N] ";

/// A machine with the users alice and bob and the module in the stack `SERVICE`, without a policy.
pub fn desk() -> Machine {
    let machine = desk_without_store();
    machine.command(&["init"]).ok();
    machine.forget_log();
    machine
}

/// A desk before anything was made in the state directory.
pub fn desk_without_store() -> Machine {
    let machine = Machine::new();
    crate::module();
    add_stack(&machine, SERVICE, "");
    machine.add_user("alice");
    machine.add_user("bob");
    machine
}

/// A desk with a policy that is on.
pub fn desk_on() -> Machine {
    let machine = desk();
    machine.policy("enabled = true\n[throttle]\ndelay = 0\n");
    machine
}

/// A report of the command.
///
/// # Panics
/// When it did not succeed, or wrote anything but one JSON value.
pub fn json(run: Run) -> Value {
    parse(&run.ok().stdout)
}

/// The report of an error.
///
/// # Panics
/// When the exit code is another one, or standard output is no JSON.
pub fn json_error(run: Run, code: i32) -> Value {
    let report = parse(&run.exits(code).stdout);
    assert_eq!(keys(&report), ["error"]);
    let error = report["error"].clone();
    assert_eq!(keys(&error), ["exit_code", "kind", "message", "next"]);
    assert_eq!(error["exit_code"], code);
    error
}

/// One JSON value.
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// The command's output for these arguments in the time zone UTC.
pub fn in_utc(machine: &Machine, arguments: &[&str]) -> String {
    let command = machine.program("twofactor").args(arguments);
    command.env("TZ", "UTC").run().ok().stdout
}

/// The minute of a moment of a report, as people are shown it in UTC.
pub fn minute(moment: &Value) -> String {
    let moment = moment.as_str().unwrap();
    moment[.."2026-02-03T04:05".len()].replace('T', " ")
}

/// The keys of an object, sorted.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// The strings of a list.
pub fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap().iter();
    list.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Data that the command shows of a new device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key as it is printed, in groups.
    pub grouped: String,
    /// The key without spaces.
    pub key: String,
    /// The URI.
    pub uri: String,
    /// Kind and settings.
    pub settings: String,
}

impl Shown {
    /// Reads them from the text of `enroll` or `renew`.
    pub fn read(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let after = |label: &str| {
            let place = lines.iter().rposition(|line| line.starts_with(label));
            let place = place.unwrap_or_else(|| panic!("no {label}in {text:?}"));
            (place, lines[place].strip_prefix(label).unwrap().to_owned())
        };
        let (_, grouped) = after("Key: ");
        let (place, uri) = after("URI: ");
        Self {
            key: grouped.replace(' ', ""),
            grouped,
            uri,
            settings: lines[place + 1].trim_start().to_owned(),
        }
    }

    /// An authenticator app that was given the key, with the usual settings.
    pub fn totp(&self) -> Totp {
        Totp::new(&self.key)
    }
}

/// The command on a terminal.
pub fn terminal(machine: &Machine, arguments: &[&str]) -> Pty {
    machine.twofactor(arguments).pty()
}

/// Beginnings of lines that are not broken: commands, PAM lines, a URI, and a key whose groups end where a line of 40 columns
/// does.
pub const IN_ONE_PIECE: [&str; 4] = ["twofactor ", "auth [", "URI: ", "Key: "];

/// Text of a command on terminals of [`COLUMNS`], with blanks for the ends of lines. No line is broken within a word.
///
/// # Panics
/// When a line is broken within a word, or the exit code is another one.
pub fn on_terminals(program: impl Fn() -> Program, code: i32) -> [String; 2] {
    COLUMNS.map(|columns| {
        let ended = program().env("NO_COLOR", "1").pty_of(columns, 24).end();
        assert_eq!(ended.code, Some(code), "{}", ended.shown);
        assert_fits(&ended.shown, columns, &IN_ONE_PIECE);
        let words: Vec<&str> = ended.shown.split_whitespace().collect();
        words.join(" ")
    })
}

/// Starts an enrollment or a renewal on a terminal, up to the question for a code.
pub fn begin(machine: &Machine, arguments: &[&str]) -> (Pty, Shown) {
    let mut pty = terminal(machine, arguments);
    let shown = Shown::read(&pty.expect(ASK));
    (pty, shown)
}

/// Waits for the end of a user's first enrollment, whose code was typed, and wants no second device.
pub fn finish(mut pty: Pty) -> Ended {
    pty.answer(BACKUP, "");
    pty.end()
}

/// Gives a device to a user without asking for a code, with more arguments; returns the report.
pub fn give(machine: &Machine, user: &str, arguments: &[&str]) -> Value {
    let enroll = ["enroll", user, "--no-confirm", "--json"];
    json(machine.command(&[&enroll, arguments].concat()))
}

/// Gives a phone with the usual settings to a user.
pub fn give_phone(machine: &Machine, user: &str) -> Totp {
    Totp::new(give(machine, user, &[])["secret"].as_str().unwrap())
}

/// True if a login of the user is asked for a code.
///
/// # Panics
/// When it is refused.
pub fn is_asked(user: &str) -> bool {
    let outcome = run(login(user));
    match (outcome.auth, prompts(&outcome).as_slice()) {
        (IGNORED, []) => false,
        (code::CONV_ERR, [PROMPT]) => true,
        other => panic!("{user}: {other:?}"),
    }
}

/// True if a login of the user with this code succeeds.
///
/// # Panics
/// When no code was asked for.
pub fn lets_in(user: &str, typed: &str) -> bool {
    let outcome = run(login(user).answer(typed));
    match outcome.auth {
        code::SUCCESS => true,
        // After a wrong code another one is asked for, and there is none.
        code::CONV_ERR | code::AUTH_ERR | code::MAXTRIES => false,
        other => panic!("{user}: {other}"),
    }
}

/// True if another program's module, with its arguments, lets a user in.
pub fn peer_lets_in(machine: &Machine, module: &str, user: &str, typed: &str) -> bool {
    machine.stack("peer", &format!("auth required {module}\n"));
    let outcome = Drive::installed()
        .service("peer")
        .user(user)
        .answer(typed)
        .run();
    outcome.auth == code::SUCCESS
}

/// The uid that the command takes for the caller's, and the name of its account, which is made where there is none.
pub fn caller(machine: &Machine) -> (u32, String) {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let uid = login
        .and_then(|text| text.trim().parse().ok())
        .filter(|uid| *uid != u32::MAX)
        .unwrap_or(0);
    let passwd = machine.read("/etc/passwd");
    let field = |line: &str, number: usize| line.split(':').nth(number).unwrap_or("").to_owned();
    let account = passwd
        .lines()
        .find(|line| field(line, 2) == uid.to_string());
    let name = account.map_or_else(
        || {
            machine.add_user_with_id("person", uid);
            "person".to_owned()
        },
        |line| field(line, 0),
    );
    (uid, name)
}

fn prompts(outcome: &PamOutcome) -> Vec<&str> {
    outcome.prompts.iter().map(String::as_str).collect()
}
