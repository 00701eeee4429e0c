//! The errors of the command: the fault, its exit code, and what to do next.

use std::fmt;

use crate::failure_kind::FailureKind;
use crate::suggested_command;

/// Stands at the end of a step for the name that [`for_user`] knows.
const USER: &str = "USER";

/// Exit codes of the command. They are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Refused, or not found.
    Refused = 1,
    /// Wrong usage.
    Usage = 2,
    /// The policy or a record is invalid.
    Invalid = 3,
    /// The system failed: permissions, disk, clock.
    System = 4,
    /// No program reads the output any more, as after `| head`: what a shell reports of a program that SIGPIPE ends.
    Unread = 141,
}

/// An error for a person: one sentence that says what happened, and the next step.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandFailure {
    /// Exit code.
    pub exit: ExitStatus,
    /// Kind, for programs.
    pub kind: FailureKind,
    /// The event, and the file or user that it happened to.
    pub what: String,
    /// The next step.
    pub next: Option<String>,
}

impl CommandFailure {
    /// Something is refused or not there.
    pub fn refused(what: impl fmt::Display) -> Self {
        Self::new(ExitStatus::Refused, what)
    }

    /// The command was called in a way that cannot work.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self::new(ExitStatus::Usage, what)
    }

    /// A file's content is wrong.
    pub fn invalid(what: impl fmt::Display) -> Self {
        Self::new(ExitStatus::Invalid, what)
    }

    /// The system said no.
    pub fn system(what: impl fmt::Display) -> Self {
        Self::new(ExitStatus::System, what)
    }

    /// Says which kind of error it is, where that is a special one.
    #[must_use]
    pub const fn of_kind(mut self, kind: FailureKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn next(mut self, step: impl fmt::Display) -> Self {
        self.next = Some(step.to_string());
        self
    }

    fn new(exit: ExitStatus, what: impl fmt::Display) -> Self {
        let kind = match exit {
            ExitStatus::Refused => FailureKind::Refused,
            ExitStatus::Usage => FailureKind::Usage,
            ExitStatus::Invalid => FailureKind::Invalid,
            ExitStatus::System | ExitStatus::Unread => FailureKind::System,
        };
        Self {
            exit,
            kind,
            what: what.to_string(),
            next: None,
        }
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        match &self.next {
            Some(next) => write!(f, "\n{next}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CommandFailure {}

impl From<std::io::Error> for CommandFailure {
    /// Reading answers and writing reports; files have errors of their own that name the path.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(ExitStatus::Unread, "the output pipe was closed");
        }
        if error.kind() == std::io::ErrorKind::Interrupted {
            return Self::refused("interrupted").of_kind(FailureKind::Interrupted);
        }
        Self::system(format!("input or output failed: {error}"))
    }
}

/// An error with the user's name in the step that cures it.
pub fn for_user(error: impl Into<CommandFailure>, user: &str) -> CommandFailure {
    let mut failure = error.into();
    let step = failure
        .next
        .as_deref()
        .and_then(|step| step.strip_suffix(USER));
    if let Some(step) = step {
        failure.next = Some(format!("{step}{}", suggested_command::operand(user)));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_has_its_own_line() {
        let failure = CommandFailure::refused("alice has no device")
            .next("To enroll one: twofactor enroll alice");
        assert_eq!(
            failure.to_string(),
            "alice has no device\nTo enroll one: twofactor enroll alice"
        );
        assert_eq!(failure.exit as u8, 1);
    }

    #[test]
    fn a_step_names_its_user_at_the_end_only() {
        let step = |step: &str, user: &str| {
            let failure = for_user(CommandFailure::refused("x").next(step), user);
            failure.next.unwrap()
        };
        assert_eq!(
            step("To make a new one: twofactor unlock USER", "a b"),
            "To make a new one: twofactor unlock 'a b'"
        );
        assert_eq!(
            step("twofactor unlock USER", "-x"),
            "twofactor unlock -- -x"
        );
        let path = "See who changed it; then: chmod go-rwx /srv/USER/users/x.toml";
        assert_eq!(step(path, "x"), path);
    }
}
