//! The report of `doctor`: its JSON form, whose keys are stable, and its text.

use std::path::Path;

use serde::Serialize;
use twofactor_core::policy::Policy;
use zeroize::Zeroizing;

use super::finding::{DoctorFinding, FindingLevel};
use super::logins::{LoginForecast, LoginPath, LoginReason, LoginResult};
use crate::escaping::value;
use crate::formatting::{count, plain};
use crate::output::{Report, table};
use crate::wrapping::labelled;

/// Report of `doctor`.
#[derive(Serialize)]
pub struct DoctorReport {
    /// Path of the policy.
    policy: String,
    /// The global switch; `null` when the policy cannot be used.
    enabled: Option<bool>,
    /// The kernel's state of the clock: `synchronized`, `unsynchronized` or `unknown`.
    clock: &'static str,
    /// Number of findings that are problems.
    problems: usize,
    /// Number of findings that are warnings.
    warnings: usize,
    /// Problems, then warnings.
    pub findings: Vec<DoctorFinding>,
    /// The questions of the next login.
    logins: Vec<LoginForecast>,
    /// Users who have no rows in `logins`, since there are too many: ask with `--user`.
    users_left_out: usize,
    /// Columns that the text keeps to, on a terminal.
    #[serde(skip)]
    pub width: Option<usize>,
}

impl DoctorReport {
    /// Counts the findings.
    pub fn new(
        policy_path: &Path,
        policy: Option<&Policy>,
        clock: &'static str,
        findings: Vec<DoctorFinding>,
        logins: Vec<LoginForecast>,
        users_left_out: usize,
    ) -> Self {
        let of = |level| {
            findings
                .iter()
                .filter(|finding| finding.level == level)
                .count()
        };
        Self {
            policy: policy_path.display().to_string(),
            enabled: policy.map(|policy| policy.enabled),
            clock,
            problems: of(FindingLevel::Problem),
            warnings: of(FindingLevel::Warning),
            findings,
            logins,
            users_left_out,
            width: None,
        }
    }
}

impl Report for DoctorReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = match self.enabled {
            Some(true) => "Two-factor login is on",
            Some(false) => "Two-factor login is off",
            None => "The policy cannot be used",
        };
        let mut text = format!("{switch} ({}). Clock: {}\n\n", self.policy, self.clock);
        for DoctorFinding {
            level,
            subject,
            cause,
            fix,
            ..
        } in &self.findings
        {
            let word = match level {
                FindingLevel::Problem => "PROBLEM",
                FindingLevel::Warning => "Warning",
            };
            // Files, and what stands at the beginning anyway, are named in the cause.
            let shown = value(subject);
            let named = [subject.as_str(), &plain(subject)]
                .iter()
                .any(|name| cause.starts_with(name));
            let about = if named || subject.contains('/') {
                String::new()
            } else {
                format!("{shown}: ")
            };
            for (label, said) in [
                (format!("{word}  "), format!("{about}{cause}.")),
                ("   Fix:  ".to_owned(), fix.clone()),
            ] {
                text.push_str(&labelled(&label, &said, self.width));
                text.push('\n');
            }
            text.push('\n');
        }
        text.push_str(&match (self.problems, self.warnings) {
            (0, 0) => "Nothing wrong was found.\n".to_owned(),
            (problems, warnings) => format!(
                "{}, {}.\n",
                count(problems as u64, "problem"),
                count(warnings as u64, "warning")
            ),
        });
        text.push_str("\nWhat the next login will ask for:\n\n");
        text.push_str(&table(&self.rows()));
        if self.users_left_out > 0 {
            text.push_str(&format!(
                "\n{} not shown. To ask about one: twofactor doctor --user NAME\n",
                count(self.users_left_out as u64, "user")
            ));
        }
        Zeroizing::new(text)
    }
}

impl DoctorReport {
    /// Users who are asked for the same at a service share a row.
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<(&str, String, Vec<&str>)> = Vec::new();
        for login in &self.logins {
            let asked = asked(&login.ways);
            let same = rows
                .iter_mut()
                .find(|(service, asks, _)| *service == login.service && *asks == asked);
            match same {
                Some((_, _, users)) => users.push(&login.user),
                None => rows.push((&login.service, asked, vec![&login.user])),
            }
        }
        let head = ["SERVICE", "USER", "THE NEXT LOGIN"].map(str::to_owned);
        let mut table = vec![head.to_vec()];
        for (service, asks, users) in rows {
            // Names in lines of their own, a few in each: a cell must not make the table too wide.
            for (position, names) in users.chunks(3).enumerate() {
                let first = position == 0;
                let cell = |text: &str| {
                    if first {
                        text.to_owned()
                    } else {
                        String::new()
                    }
                };
                table.push(vec![cell(service), names.join(", "), cell(&asks)]);
            }
        }
        table
    }
}

fn asked(ways: &[LoginPath]) -> String {
    let ways: Vec<String> = ways.iter().map(way).collect();
    if ways.is_empty() {
        "refused: sshd has no method that is switched on".to_owned()
    } else {
        ways.join("; or ")
    }
}

fn way(way: &LoginPath) -> String {
    let asks: Vec<&str> = way.asks.iter().map(|ask| word(ask)).collect();
    let asks = if asks.is_empty() {
        "nothing".to_owned()
    } else {
        asks.join(" + ")
    };
    let why = way.why.map(reason);
    match (way.result, why) {
        (LoginResult::Refused, why) => {
            let method = way
                .method
                .as_ref()
                .map_or_else(String::new, |method| format!("{method} "));
            format!("{method}refused: {}", why.unwrap_or("by the PAM file"))
        }
        (LoginResult::In, Some(why)) if way.why == Some(LoginReason::NeverAsked) => why.to_owned(),
        (LoginResult::In, Some(why)) => format!("{asks} ({why})"),
        (LoginResult::In, None) => asks,
    }
}

fn word(ask: &str) -> &str {
    match ask {
        "password-and-code" => "password and code in one field",
        "host-key" => "key of the client's host",
        "kerberos" => "Kerberos ticket",
        other => other,
    }
}

const fn reason(why: LoginReason) -> &'static str {
    match why {
        LoginReason::Disabled => "two-factor login is off",
        LoginReason::ServiceOff => "switched off for this service",
        LoginReason::Exempt => "exempt",
        LoginReason::NoDevice => "no device",
        LoginReason::MayEnroll => "no device; enrollment is offered",
        LoginReason::MustEnroll => "no device; enrollment is required",
        LoginReason::NotInvited => "no device, and not invited to enroll",
        LoginReason::LockedOut => "locked out",
        LoginReason::Unusable => "policy or record unusable",
        LoginReason::NotInStack => "module not in the PAM file",
        LoginReason::Skipped => "the PAM file skips the code",
        LoginReason::WrongCodeToo => "a wrong code is accepted, too",
        LoginReason::ModuleMissing => "module not found",
        LoginReason::Argument => "wrong argument in the PAM file",
        LoginReason::Stack => "by the PAM file",
        LoginReason::PasswordAsCode => "sshd would send the password as the code",
        LoginReason::RootLogin => "PermitRootLogin",
        LoginReason::UsePam => "sshd does not use PAM",
        LoginReason::Key => "no code",
        LoginReason::RunsAsUser => "runs as the user",
        LoginReason::NotRoot => "does not run as root",
        LoginReason::OneAnswer => "one answer only",
        LoginReason::NeverAsked => "never asked",
    }
}
