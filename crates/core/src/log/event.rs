//! The events that are logged: outcomes of logins, and what the command did.
//!
//! Module, command and daemon take their words from here, and docs/logs.md lists them.

use crate::worded_enum::worded_enum;

worded_enum! {
    /// Outcome of a login or of one answer in it: the value of `result=`.
    LoginEvent {
        /// The code was right, and its use is on the disk.
        Accepted = "accepted",
        /// The code belongs to no device, or to another time.
        Wrong = "wrong",
        /// A right code for the second time.
        Used = "used",
        /// A recovery or bypass code that was used already.
        Spent = "spent",
        /// A bypass code that is too old.
        BypassExpired = "bypass-expired",
        /// A code that was refused already; it was not compared.
        RepeatedCode = "repeated-code",
        /// The user's name, typed as the code.
        UserNameAsCode = "user-name-as-code",
        /// The clock shows an earlier time than at the last login.
        ClockSetBack = "clock-set-back",
        /// Locked out for some seconds.
        Throttled = "throttled",
        /// Locked out until `twofactor unlock`.
        Locked = "locked",
        /// The password, given as the code.
        PasswordAsCode = "password-as-code",
        /// An answer without a code in it.
        EmptyAnswer = "empty-answer",
        /// In one field: an answer that was refused already.
        RepeatedAnswer = "repeated-answer",
        /// The stand-in that sshd gives for a user that it refuses.
        SshdStandIn = "sshd-stand-in",
        /// The record is kept under another name of the same uid.
        FoundByUid = "found-by-uid",
        /// No device; let through.
        Unenrolled = "unenrolled",
        /// No device, and the policy wants one.
        DeviceRequired = "device-required",
        /// The device was removed while the code was typed.
        UnenrolledMeanwhile = "unenrolled-meanwhile",
        /// A device was set up in the login dialogue.
        Enrolled = "enrolled",
        /// A device was removed in the dialogue of a login with a recovery or bypass code.
        DeviceRemoved = "device-removed",
        /// A device was set up there in the place of another one.
        DeviceReplaced = "device-replaced",
        /// New recovery codes were made there.
        NewRecoveryCodes = "new-recovery-codes",
        /// Enrollment was offered, and no device was set up.
        EnrollmentSkipped = "enrolment-skipped",
        /// No device was set up, and the policy wants one.
        EnrollmentRequired = "enrolment-required",
        /// Enrollment was offered, and the device could not be stored.
        EnrollmentFailed = "enrolment-failed",
        /// Policy or invitation changed during the dialogue.
        EnrollmentWithdrawn = "enrolment-withdrawn",
        /// The user got a device during the dialogue.
        EnrolledMeanwhile = "enrolled-meanwhile",
        /// Enrollment was not offered for want of an invitation.
        NotInvited = "not-invited",
        /// Not the code of the invitation.
        InviteWrong = "invite-wrong",
        /// The policy changed while a question was open to a user who is asked for no code.
        PolicyChanged = "policy-changed",
        /// Another module or the application changed the user.
        AnotherUser = "another-user",
        /// An `[[exempt]]` entry matches.
        Exempt = "exempt",
        /// A group of `[[exempt]]` does not exist or cannot be looked up.
        UnusableGroup = "unusable-group",
        /// A user of `[[exempt]]` or `[[require]]` that no account has, or under another name.
        UnusableUser = "unusable-user",
        /// A user or group of `[[require]]` cannot be looked up.
        RequirementUnknown = "requirement-unknown",
        /// A grace period is running.
        Grace = "grace",
        /// A session began with a code: its local services do not ask for a while.
        SessionGrace = "session-grace",
        /// The client went away or cannot answer.
        Aborted = "aborted",
        /// `use_first_pass`, and no password was asked for before.
        NoFirstPass = "no-first-pass",
        /// The policy is off.
        Disabled = "disabled",
        /// The policy is off for the service.
        ServiceOff = "service-off",
        /// A file, the clock, an account or an argument is unusable.
        Error = "error",
        /// A call of the daemon that names another user than the caller.
        NotYours = "not-yours",
        /// A ticket for the daemon that could not be written; the login goes on.
        NoTicket = "no-ticket",
        /// A change through the daemon that the policy leaves to root.
        NotAllowed = "not-allowed",
        /// A change through the daemon that takes a login, without one.
        LoginRequired = "login-required",
        /// A connection to the daemon beyond those that it serves at once.
        Busy = "busy",
        /// The store of the fleet cannot be used.
        Outage = "outage",
        /// The store of the fleet was met, at the beginning or after an outage.
        StoreMet = "store-met",
        /// A connection to the daemon for which no thread could be started.
        NoThread = "no-thread",
        /// A caller of the daemon whose uid no account has.
        NoAccount = "no-account",
        /// The program of `notify` did not get a change.
        NotNotified = "not-notified",
        /// An error in the daemon that ended a connection.
        Panic = "panic",
    }
}

worded_enum! {
    /// Reason why no invitation counts: the value of `invitation=`.
    NoInvitation {
        /// None was given, or it was withdrawn.
        Missing = "none",
        /// The invitation has expired.
        Expired = "expired",
    }
}

worded_enum! {
    /// An action of the command: the value of `action=`.
    CommandEvent {
        /// A device was added.
        Enroll = "enroll",
        /// The key of a device was replaced.
        Renew = "renew",
        /// A device or all of them were removed.
        Unset = "unset",
        /// A record was moved to the new name of its user.
        Rename = "rename",
        /// A record was given to the account of its name.
        Adopt = "adopt",
        /// An invitation was issued or withdrawn.
        Invite = "invite",
        /// A bypass code was issued or withdrawn.
        Bypass = "bypass",
        /// A new set of recovery codes was issued.
        RecoveryCodes = "recovery-codes",
        /// A lock-out was ended.
        Unlock = "unlock",
        /// A state that could not be used was made anew.
        Rebuild = "rebuild",
        /// The clock or counter of a device was learned anew.
        Resync = "resync",
        /// A setting of the policy was changed.
        Policy = "policy",
        /// The files of the machine were set up.
        Setup = "setup",
        /// The files that set-up had changed were restored after a failure.
        SetupPutBack = "setup-put-back",
        /// The changes of set-up were taken back.
        SetupUndo = "setup-undo",
        /// The state directory was made or marked.
        Init = "init",
        /// A device was imported.
        Import = "import",
        /// A user was restored from a backup.
        Restore = "restore",
        /// A backup of all users was made.
        Backup = "backup",
        /// A key was exported.
        Export = "export",
        /// A key was shown.
        Show = "show",
        /// A code was checked without a login.
        Verify = "verify",
    }
}

impl CommandEvent {
    /// The word with which the line of a change begins.
    pub const CHANGED: &'static str = "changed";

    /// The word with which the line begins: `changed`, `revealed` (a secret was shown) or `verified` (a code was checked).
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Backup | Self::Export | Self::Show => "revealed",
            Self::Verify => "verified",
            _ => Self::CHANGED,
        }
    }

    /// The word of `action=`; `None` where the verb says it all.
    #[must_use]
    pub const fn action(self) -> Option<&'static str> {
        match self {
            Self::Show | Self::Verify => None,
            other => Some(other.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_events_share_a_word() {
        let logins: Vec<&str> = LoginEvent::ALL.iter().map(|event| event.word()).collect();
        let commands: Vec<&str> = CommandEvent::ALL.iter().map(|event| event.word()).collect();
        for mut words in [logins, commands] {
            let count = words.len();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), count);
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(words.iter().all(|word| word.bytes().all(plain)));
        }
    }

    #[test]
    fn showing_a_secret_or_checking_a_code_is_no_change() {
        let spoken = |event: CommandEvent| (event.verb(), event.action());
        assert_eq!(spoken(CommandEvent::Show), ("revealed", None));
        assert_eq!(spoken(CommandEvent::Export), ("revealed", Some("export")));
        assert_eq!(spoken(CommandEvent::Backup), ("revealed", Some("backup")));
        assert_eq!(spoken(CommandEvent::Verify), ("verified", None));
        let others = CommandEvent::ALL.iter().map(|event| event.verb());
        let changes = others.filter(|verb| *verb == CommandEvent::CHANGED);
        assert_eq!(changes.count(), CommandEvent::ALL.len() - 4);
        assert_eq!(spoken(CommandEvent::Unset), ("changed", Some("unset")));
    }
}
