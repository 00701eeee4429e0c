//! The kinds of errors: what a program does about one depends on it, and not on the text.

/// Kind of an error, as `error.kind` of the JSON has it. Words are only ever added; docs/automation.md explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line cannot work.
    Usage,
    /// Only root can do it.
    NotRoot,
    /// A question has to be answered, and there is neither a terminal nor `--yes`.
    NeedsConfirmation,
    /// The answer was no, or none.
    Cancelled,
    /// A signal ended it.
    Interrupted,
    /// The change would lock users out; `--force` overrides.
    WouldLockOut,
    /// Something else changed the same thing first.
    ChangedMeanwhile,
    /// Another process holds what is needed.
    Busy,
    /// The object exists already.
    Exists,
    /// No account has the name.
    UnknownUser,
    /// The user has no device of the name.
    UnknownDevice,
    /// The user has no device.
    NotEnrolled,
    /// The user has as many devices as can be.
    TooManyDevices,
    /// Codes were wrong.
    WrongCode,
    /// No code is looked at for a while.
    Locked,
    /// The command needs a login in this session.
    LoginRequired,
    /// There is no policy file.
    NoPolicy,
    /// The setting has no value.
    NotSet,
    /// A policy is not valid, or no program may use its file.
    InvalidPolicy,
    /// A record or a state cannot be used.
    InvalidRecord,
    /// The state directory is missing, not marked, or not the one that is noted.
    NoStore,
    /// The user database did not answer.
    NameService,
    /// The clock cannot be used, or is not known to be right.
    Clock,
    /// The store of the fleet cannot be used, or a file of the fleet on this host.
    Fleet,
    /// Another refusal, with exit code 1.
    Refused,
    /// Another file whose content is wrong, with exit code 3.
    Invalid,
    /// The system failed, with exit code 4.
    System,
}

impl FailureKind {
    /// All of them, as they are documented.
    #[cfg(test)]
    pub const ALL: [Self; 27] = [
        Self::Usage,
        Self::NotRoot,
        Self::NeedsConfirmation,
        Self::Cancelled,
        Self::Interrupted,
        Self::WouldLockOut,
        Self::ChangedMeanwhile,
        Self::Busy,
        Self::Exists,
        Self::UnknownUser,
        Self::UnknownDevice,
        Self::NotEnrolled,
        Self::TooManyDevices,
        Self::WrongCode,
        Self::Locked,
        Self::LoginRequired,
        Self::NoPolicy,
        Self::NotSet,
        Self::InvalidPolicy,
        Self::InvalidRecord,
        Self::NoStore,
        Self::NameService,
        Self::Clock,
        Self::Fleet,
        Self::Refused,
        Self::Invalid,
        Self::System,
    ];

    /// The word in the JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotRoot => "not-root",
            Self::NeedsConfirmation => "needs-confirmation",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::WouldLockOut => "would-lock-out",
            Self::ChangedMeanwhile => "changed-meanwhile",
            Self::Busy => "busy",
            Self::Exists => "exists",
            Self::UnknownUser => "unknown-user",
            Self::UnknownDevice => "unknown-device",
            Self::NotEnrolled => "not-enrolled",
            Self::TooManyDevices => "too-many-devices",
            Self::WrongCode => "wrong-code",
            Self::Locked => "locked",
            Self::LoginRequired => "login-required",
            Self::NoPolicy => "no-policy",
            Self::NotSet => "not-set",
            Self::InvalidPolicy => "invalid-policy",
            Self::InvalidRecord => "invalid-record",
            Self::NoStore => "no-store",
            Self::NameService => "name-service",
            Self::Clock => "clock",
            Self::Fleet => "fleet",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::System => "system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_documented_and_no_other() {
        let document = include_str!("../../docs/automation.md");
        let (_, section) = document.split_once("\n## Kinds of errors\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let documented: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
        assert_eq!(documented, FailureKind::ALL.map(FailureKind::word));
    }
}
