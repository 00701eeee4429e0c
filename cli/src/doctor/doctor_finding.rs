//! The findings of doctor: what is wrong, why that matters, and what fixes it.

use serde::Serialize;

use crate::command_failure::CommandFailure;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// A user gets in without the code that the policy asks for, or cannot get in, or soon will not.
    Problem,
    /// Something that works, and should be known.
    Warning,
}

/// One thing that was found. The serialized form is an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// Its severity.
    pub level: FindingLevel,
    /// Its kind: a word that stays the same.
    pub check: &'static str,
    /// The service, user or file that it is about.
    pub subject: String,
    /// The fault, and what that does.
    pub cause: String,
    /// The fix.
    pub fix: String,
}

impl DoctorFinding {
    /// Something that has to be fixed.
    pub fn problem(
        check: &'static str,
        subject: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: FindingLevel::Problem,
            check,
            subject: subject.into(),
            cause: cause.into(),
            fix: fix.into(),
        }
    }

    /// Something that should be known.
    pub fn warning(
        check: &'static str,
        subject: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level: FindingLevel::Warning,
            ..Self::problem(check, subject, cause, fix)
        }
    }

    /// True if it has to be fixed.
    pub fn is_problem(&self) -> bool {
        self.level == FindingLevel::Problem
    }

    /// In a line of its own: the cause, and the fix.
    pub fn text(&self) -> String {
        format!("{}. Cure: {}", self.cause, self.fix)
    }

    /// An error of another command, with the step that it names, or else this one.
    pub fn of(
        check: &'static str,
        subject: impl Into<String>,
        failure: CommandFailure,
        otherwise: &str,
    ) -> Self {
        let fix = failure.next.unwrap_or_else(|| otherwise.to_owned());
        Self::problem(check, subject, failure.what, fix)
    }
}
