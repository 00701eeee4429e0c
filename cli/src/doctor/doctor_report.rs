//! The report of `doctor`: its JSON form, whose keys are stable, and its text.

use std::collections::BTreeMap;

use serde::Serialize;
use zeroize::Zeroizing;

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::login_forecast::{LoginForecast, LoginPath, LoginReason, LoginResult};
use super::login_groups::LoginGroup;
use crate::escaping::value;
use crate::formatting::{count, plain};
use crate::impact;
use crate::output::CommandReport;
use crate::wrapping::labelled;

/// Most warnings of one kind that are told one by one.
const FEW: usize = 3;

/// Report of `doctor`.
#[derive(Serialize)]
pub struct DoctorReport {
    /// Path of the policy.
    pub policy: String,
    /// The global switch; `null` when the policy cannot be used.
    pub enabled: Option<bool>,
    /// The kernel's state of the clock: `synchronized`, `unsynchronized` or `unknown`.
    pub clock: &'static str,
    /// Number of findings that are problems.
    pub problems: usize,
    /// Number of findings that are warnings.
    pub warnings: usize,
    /// Problems, then warnings.
    pub findings: Vec<DoctorFinding>,
    /// The questions of the next login.
    pub logins: Vec<LoginForecast>,
    /// Users who have no rows in `logins`, since there are too many: ask with `--user`.
    pub users_left_out: usize,
    /// All users, grouped by what they are asked for.
    pub login_groups: Vec<LoginGroup>,
    /// Columns that the text keeps to, on a terminal.
    #[serde(skip)]
    pub width: Option<usize>,
}

impl CommandReport for DoctorReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = match self.enabled {
            Some(true) => "Two-factor login is on",
            Some(false) => "Two-factor login is off",
            None => "The policy cannot be used",
        };
        let mut text = format!("{switch} ({}). Clock: {}\n\n", self.policy, self.clock);
        let mut warnings: BTreeMap<&str, Vec<&DoctorFinding>> = BTreeMap::new();
        for finding in &self.findings {
            if finding.level == FindingLevel::Warning {
                warnings.entry(finding.check).or_default().push(finding);
            }
        }
        for finding in &self.findings {
            match warnings.get(finding.check).map(Vec::as_slice) {
                Some([first, others @ ..])
                    if finding.level == FindingLevel::Warning && others.len() >= FEW =>
                {
                    if std::ptr::eq(*first, finding) {
                        text.push_str(&self.like(first, others));
                    }
                }
                _ => text.push_str(&self.one(finding)),
            }
        }
        text.push_str("What the next login will ask for:\n\n");
        text.push_str(&self.logins_text());
        text.push_str(&match (self.problems, self.warnings) {
            (0, 0) => "\nNothing wrong was found.\n".to_owned(),
            (problems, warnings) => format!(
                "\n{}, {}.\n",
                count(problems as u64, "problem"),
                count(warnings as u64, "warning")
            ),
        });
        Zeroizing::new(text)
    }
}

impl DoctorReport {
    fn one(&self, finding: &DoctorFinding) -> String {
        let DoctorFinding {
            level,
            subject,
            cause,
            fix,
            ..
        } = finding;
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
        self.lines(word, &format!("{about}{cause}."), fix)
    }

    /// Many warnings of one kind: the first one, and what the others are about.
    fn like(&self, first: &DoctorFinding, others: &[&DoctorFinding]) -> String {
        let others = others
            .iter()
            .map(|finding| value(&finding.subject).into_owned());
        let others: Vec<String> = others.collect();
        let number = count(others.len() as u64, "more warning");
        let said = format!(
            "{}. {number} like it: {}.",
            first.cause,
            impact::names(&others)
        );
        self.lines("Warning", &said, &first.fix)
    }

    fn lines(&self, word: &str, said: &str, fix: &str) -> String {
        let said = labelled(&format!("{word}  "), said, self.width);
        let fix = labelled("   Fix:  ", fix, self.width);
        format!("{said}\n{fix}\n\n")
    }

    /// The services, and below them a line for each group of users.
    fn logins_text(&self) -> String {
        let mut text = String::new();
        let mut before: &[String] = &[];
        for group in &self.login_groups {
            if group.services != before {
                text.push_str(&labelled("", &group.services.join(", "), self.width));
                text.push('\n');
                before = &group.services;
            }
            let users = match &group.users {
                Some(names) => {
                    let names: Vec<_> = names.iter().map(|name| value(name)).collect();
                    names.join(", ")
                }
                None => count(group.count as u64, "user"),
            };
            let said = format!("{users}: {}", asked(&group.ways));
            text.push_str(&labelled("  ", &said, self.width));
            text.push('\n');
        }
        text
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
        "unknown" => "what doctor does not know",
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
