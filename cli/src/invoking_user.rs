//! The person who called the command: the user who is meant where none is named.

use twofactor_core::account::Account;
use twofactor_store::sys::accounts;

use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::formatting::plain;
use crate::suggested_command;

/// The caller of sudo, as it says (sudo(8), ENVIRONMENT).
struct SudoCaller {
    user: String,
    uid: String,
}

/// The caller's account, and how it is known.
///
/// sudo's caller comes first, then the user who logged in, which su keeps, too, then the user of this process.
///
/// # Errors
/// A usage error where no account can be told.
pub fn account() -> Result<(Account, &'static str), CommandFailure> {
    if let Some(sudo) = sudo() {
        let account = accounts::by_name(&sudo.user)?;
        // Set by hand, or left from another shell, they can name any user.
        let same = |account: &Account| account.uid.to_string() == sudo.uid;
        return match account.filter(same) {
            Some(account) => Ok((account, "who called sudo")),
            None => Err(unnamed(
                "SUDO_USER and SUDO_UID do not belong to one account",
            )),
        };
    }
    let uid = command_log::invoking_uid();
    match accounts::by_uid(uid)? {
        Some(account) => Ok((account, "who called it")),
        None => Err(unnamed(&format!("no account has your user id, {uid}"))),
    }
}

/// The user who was named, else the caller. `example` is how this command names one.
///
/// # Errors
/// As [`account`].
pub fn unless_named(given: Option<&str>, example: &str) -> Result<String, CommandFailure> {
    if let Some(user) = given {
        return Ok(user.to_owned());
    }
    account()
        .map(|(account, _)| account.name)
        .map_err(|failure| failure.next(format!("For example: twofactor {example} alice")))
}

/// The line that says which user is meant.
pub fn sentence(account: &Account, how: &str) -> String {
    format!("For {}, {how}.\n", plain(&account.name))
}

/// A user has to be named.
pub fn unnamed(why: &str) -> CommandFailure {
    CommandFailure::usage(format!("{why}, so the user must be named")).next(format!(
        "For example: {}",
        suggested_command::twofactor("show", &["alice"], &[])
    ))
}

#[allow(
    clippy::disallowed_methods,
    reason = "root's own environment; what it says is compared with the passwd database, and said"
)]
fn sudo() -> Option<SudoCaller> {
    let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(SudoCaller {
        user: text("SUDO_USER")?,
        uid: text("SUDO_UID")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_user_harmlessly() {
        let account = Account {
            name: "a\u{1b}[2J".to_owned(),
            uid: 1,
            gid: 1,
        };
        let line = sentence(&account, "who called sudo");
        assert!(line.ends_with(", who called sudo.\n") && !line.contains('\u{1b}'));
    }
}
