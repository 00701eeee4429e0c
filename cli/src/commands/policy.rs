//! `policy show` and `policy check`: reading the policy.

pub mod policy_report;
pub mod setting_difference;

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use twofactor_core::policy::{self, Policy, PolicyTime};
use twofactor_store::sys::clock;
use twofactor_store::sys::file::MAX_LEN;
use zeroize::Zeroizing;

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::doctor;
use crate::failure_kind::FailureKind;
use crate::output::CommandReport;
use crate::unmatched_name::{self, UnmatchedName, require_names};
pub use policy_report::PolicyReport;
use policy_report::ShownSetting;

/// `policy show`: everything, or the one setting or table of that key.
pub fn show(context: &CommandContext, key: Option<&str>) -> Result<(), CommandFailure> {
    let policy = in_use(context)?;
    match key {
        None => context.write(&PolicyReport::new(&policy)),
        Some(key) => context.write(&ShownSetting::of(&policy, key)?),
    }
}

/// `policy check`: the policy in use as a login would read it; another file, or standard input, for its content.
pub fn check(context: &CommandContext, file: Option<&Path>) -> Result<(), CommandFailure> {
    let report = match file {
        Some(path) if path.as_os_str() == STANDARD_INPUT => {
            // The policy of another machine: what this one knows of users and groups says nothing about it.
            let shown = "standard input";
            let policy = parse_draft(shown, &read_text(shown, std::io::stdin().lock())?)?;
            PolicyCheckReport::new(STANDARD_INPUT.to_owned(), &policy)
        }
        Some(path) => {
            let policy = draft(path)?;
            PolicyCheckReport::new(path.display().to_string(), &policy)
                .with_warnings(&policy, &unmatched_name::find(&policy))
        }
        None => {
            let loaded = context.existing_policy()?;
            let (policy, time) = (&loaded.policy, loaded.time(clock::now()));
            let report =
                PolicyCheckReport::new(context.policy_path().display().to_string(), policy);
            let unmatched = unmatched_name::find(policy);
            if rustix::process::geteuid().is_root() {
                command_log::unmatched_names(context.policy_path(), &unmatched);
            }
            report
                .with_warnings(policy, &unmatched)
                .with_time(policy, time)
                .with_state(context, policy)?
        }
    };
    context.write(&report)
}

/// Stands for standard input, as in other programs.
const STANDARD_INPUT: &str = "-";

fn in_use(context: &CommandContext) -> Result<Policy, CommandFailure> {
    context.existing_policy().map(|loaded| loaded.policy)
}

/// A file that is not in use yet may belong to any user.
fn draft(path: &Path) -> Result<Policy, CommandFailure> {
    let shown = path.display().to_string();
    parse_draft(&shown, &draft_text(path)?)
}

/// The text of such a file.
///
/// # Errors
/// When it cannot be read, is too long, or is not UTF-8.
pub fn draft_text(path: &Path) -> Result<String, CommandFailure> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path)
        .map_err(|error| CommandFailure::refused(format!("{shown}: {error}")))?;
    read_text(&shown, file)
}

fn parse_draft(shown: &str, text: &str) -> Result<Policy, CommandFailure> {
    policy::parse(text).map_err(|error| {
        CommandFailure::invalid(format!("{shown}: {error}")).of_kind(FailureKind::InvalidPolicy)
    })
}

fn read_text(shown: &str, from: impl Read) -> Result<String, CommandFailure> {
    let at = |what: String| format!("{shown}: {what}");
    let mut bytes = Vec::new();
    from.take(MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CommandFailure::system(at(error.to_string())))?;
    if bytes.len() > MAX_LEN {
        return Err(
            CommandFailure::invalid(at(format!("has more than {MAX_LEN} bytes")))
                .of_kind(FailureKind::InvalidPolicy),
        );
    }
    String::from_utf8(bytes).map_err(|_| {
        CommandFailure::invalid(at("is not UTF-8".to_owned())).of_kind(FailureKind::InvalidPolicy)
    })
}

/// Report of `policy check` on a valid file; an invalid one is an error.
#[derive(Serialize)]
struct PolicyCheckReport {
    file: String,
    valid: bool,
    enabled: bool,
    /// True if the state directory was looked at, which needs root; only for the policy in use.
    state_checked: bool,
    warnings: Vec<String>,
    #[serde(skip)]
    note: &'static str,
}

impl PolicyCheckReport {
    fn new(file: String, policy: &Policy) -> Self {
        Self {
            file,
            valid: true,
            enabled: policy.enabled,
            state_checked: false,
            warnings: Vec::new(),
            note: "",
        }
    }

    fn with_warnings(mut self, policy: &Policy, unmatched: &[UnmatchedName]) -> Self {
        self.warnings = unmatched.iter().map(UnmatchedName::warning).collect();
        let program = doctor::notify_program::check(Some(policy));
        let program = program.map(|finding| format!("{}. {}", finding.cause, finding.fix));
        self.warnings.extend(program);
        self
    }

    /// The file in use has a time.
    fn with_time(mut self, policy: &Policy, time: PolicyTime) -> Self {
        let early = require_names::early(policy, time);
        self.warnings
            .extend(early.map(|(cause, fix)| format!("{cause}. {fix}")));
        self
    }

    /// Logins are refused, too, where the state directory is missing. Only root can see that.
    fn with_state(
        mut self,
        context: &CommandContext,
        policy: &Policy,
    ) -> Result<Self, CommandFailure> {
        if rustix::process::geteuid().is_root() {
            if let Some(failure) = context.missing_store(policy)? {
                return Err(failure);
            }
            self.state_checked = true;
        } else {
            self.note = "The state directory was not checked: that needs root.\n";
        }
        Ok(self)
    }
}

impl CommandReport for PolicyCheckReport {
    fn text(&self) -> Zeroizing<String> {
        let switch = if self.enabled { "on" } else { "off" };
        let file = match self.file.as_str() {
            STANDARD_INPUT => "The policy on standard input",
            file => file,
        };
        let mut text = format!("{file} is valid. Two-factor login is {switch} in it.\n");
        text.push_str(self.note);
        for warning in &self.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
        Zeroizing::new(text)
    }
}
