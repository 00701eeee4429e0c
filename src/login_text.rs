//! The texts of a login that users read: prompts, "Wrong code.", lock-outs and refusals, and what to do next.

use twofactor_core::policy::StartDay;
use twofactor_core::verify::{CodeRejection, ThrottleStatus};

use crate::answer_source::NonCodeAnswer;

/// Prompt for clients that have one field for everything.
pub const PASSWORD_AND_CODE: &str = "Password & verification code: ";
/// [`PASSWORD_AND_CODE`] while nothing but a password is needed.
pub const PASSWORD: &str = "Password: ";
/// The policy wants a device and there is none.
pub const DEVICE_REQUIRED: &str = "Two-factor login is required here, and it is not set up for your account yet. Ask your administrator to do that.";

/// Something on this machine is unusable.
pub const UNUSABLE: &str = "Two-factor login does not work because of an error on this machine, so this login is refused. Tell your administrator.";

/// Lets people read on a page why they are refused.
pub const GO_BACK: &str = "Press Enter to go back: ";
/// [`GO_BACK`] on a terminal, where a message would be lost.
pub const GO_ON: &str = "Press Enter to go on: ";
/// The answer is the password of before.
const PASSWORD_AGAIN: &str = "That was the password again. Log in once more, and type the code of your device when it is asked for.";

/// Text for a refused code. A code that is right at another time is "wrong" here: an attacker who guesses must not
/// learn that it will be right soon.
#[must_use]
pub const fn rejected(why: &CodeRejection) -> &'static str {
    match why {
        CodeRejection::Wrong | CodeRejection::ClockDiffers { .. } => WRONG,
        CodeRejection::Used { .. } => "This code was used already. Wait for the next one.",
        CodeRejection::ClockSetBack { .. } => {
            "The clock of this machine is behind. Tell your administrator, or use a recovery code."
        }
        CodeRejection::Spent => "This one-time code was used already. Use another one.",
        CodeRejection::BypassExpired => {
            "This code has expired. Ask your administrator for a new one."
        }
    }
}

/// After the last refusal of a login.
pub const LAST_TRY: &str = "That was the last try of this login. To try again, log in again.";

/// A wrong code.
pub const WRONG: &str = "Wrong code.";

/// [`WRONG`], for a user who has recovery codes left.
pub const WRONG_OF_MANY: &str = "Wrong code. (No phone? Type a recovery code.)";

/// Text for an answer that is no guess. `None` where there is none.
#[must_use]
pub const fn passed_over(cause: NonCodeAnswer) -> Option<&'static str> {
    match cause {
        NonCodeAnswer::SshdStandIn | NonCodeAnswer::Repeated => None,
        NonCodeAnswer::RepeatedCode => {
            Some("This code was refused already. Wait for the next one.")
        }
        NonCodeAnswer::Password => Some(PASSWORD_AGAIN),
        NonCodeAnswer::UserName => Some("That was the user name. Type the code of your device."),
        NonCodeAnswer::Empty => Some("No code was typed."),
    }
}

/// Text that says why no code is looked at.
#[must_use]
pub fn closed(status: ThrottleStatus) -> String {
    match status {
        ThrottleStatus::Open => String::new(),
        ThrottleStatus::LockedFor(seconds) => {
            format!("Too many wrong codes. Try again in {}.", duration(seconds))
        }
        ThrottleStatus::LockedUntilUnlock => {
            "Too many wrong codes. Ask your administrator to unlock your account.".to_owned()
        }
    }
}

/// Recovery codes that are left, as far as they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodesLeft {
    /// One was used.
    Used(usize),
    /// A device was used, and few are left.
    Few(usize),
}

impl CodesLeft {
    fn text(self) -> String {
        match self {
            Self::Used(0) => "That was your last recovery code.".to_owned(),
            Self::Used(1) => "Recovery code accepted. One is left.".to_owned(),
            Self::Used(left) => format!("Recovery code accepted. {left} are left."),
            Self::Few(0) => format!("No recovery code is left. {NEW_CODES}"),
            Self::Few(1) => format!("One recovery code is left. {NEW_CODES}"),
            Self::Few(left) => format!("{left} recovery codes are left. {NEW_CODES}"),
        }
    }
}

/// The way to more of them.
const NEW_CODES: &str = "New ones: twofactor recovery-codes";

/// Text after a success; nothing, usually.
#[must_use]
pub fn accepted(codes: Option<CodesLeft>, failures_before: u32) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(codes.map(CodesLeft::text));
    match failures_before {
        0 => {}
        1 => lines.push(
            "One wrong code was entered since your last right one. If that was not you, change your password.".to_owned(),
        ),
        count => lines.push(format!(
            "{count} wrong codes were entered since your last right one. If that was not you, change your password."
        )),
    }
    lines
}

/// The beginning of the line for users without a device. `from` is the day from which they need one, and the days left.
#[must_use]
pub fn availability(from: Option<(StartDay, u64)>) -> String {
    let left = |days| match days {
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    };
    match from {
        None => "Two-factor login is available for your account. ".to_owned(),
        Some((day, days)) => format!(
            "Two-factor login is required for your account from {day} on: {}. ",
            left(days)
        ),
    }
}

/// The rest of it for users who are offered a device at a login with the password.
pub const CAN_ENROLL_AT_LOGIN: &str = "You can set it up at a login with your password.";

/// The rest of it for users who need an invitation for that.
pub const CAN_BE_INVITED: &str = "To set it up, ask your administrator for an enrollment code.";

/// The rest of it for users who are enrolled by an administrator only. A name that is more than one plain word to a shell is
/// left to the administrator to write.
#[must_use]
pub fn can_enroll(user: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let starts = user.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let user = match user {
        plain if starts && plain.bytes().all(is_plain) => plain,
        _ => "NAME",
    };
    format!("To set it up, ask your administrator for \"twofactor enroll {user}\".")
}

/// Rounded up to what one would say.
fn duration(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        91..=5400 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lockouts_say_for_how_long() {
        for (seconds, text) in [
            (1, "1 second"),
            (30, "30 seconds"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (900, "15 minutes"),
            (5401, "2 hours"),
        ] {
            assert_eq!(
                closed(ThrottleStatus::LockedFor(seconds)),
                format!("Too many wrong codes. Try again in {text}.")
            );
        }
    }

    #[test]
    fn a_success_tells_of_wrong_codes_and_codes_left() {
        assert!(accepted(None, 0).is_empty());
        assert!(accepted(None, 1)[0].starts_with("One wrong code was"));
        assert!(accepted(None, 7)[0].starts_with("7 wrong codes were"));
        let few = |left| accepted(Some(CodesLeft::Few(left)), 0).concat();
        assert!(few(0).starts_with("No recovery code is left. "));
        assert!(few(1).starts_with("One recovery code is left. "));
        assert_eq!(
            few(3),
            "3 recovery codes are left. New ones: twofactor recovery-codes"
        );
        let both = accepted(Some(CodesLeft::Used(9)), 2);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0], "Recovery code accepted. 9 are left.");
    }

    #[test]
    fn users_without_a_device_read_the_command_for_it() {
        let told = "To set it up, ask your administrator for \"twofactor enroll alice\".";
        assert_eq!(can_enroll("alice"), told);
        for hostile in ["$(id)", "a b", "-x", "a\u{1b}[2J", ""] {
            assert_eq!(can_enroll(hostile), told.replace("alice", "NAME"));
        }
    }

    #[test]
    fn a_deadline_is_told_with_the_days_left() {
        let policy = "enabled = true\n[[require]]\nusers = [\"a\"]\nfrom = 2027-03-01\n";
        let policy: twofactor_core::policy::Policy = policy.parse().unwrap();
        let day = policy.require[0].from().unwrap();
        for (days, left) in [(94, "94 days left"), (1, "1 day left")] {
            let told = "Two-factor login is required for your account from 2027-03-01 on: ";
            assert_eq!(availability(Some((day, days))), format!("{told}{left}. "));
        }
        let told = "Two-factor login is available for your account. ";
        assert_eq!(availability(None), told);
    }

    #[test]
    fn a_code_of_another_time_reads_like_any_wrong_code() {
        let soon = CodeRejection::ClockDiffers {
            device: "phone".into(),
            steps: 3,
        };
        assert_eq!(rejected(&soon), rejected(&CodeRejection::Wrong));
    }
}
