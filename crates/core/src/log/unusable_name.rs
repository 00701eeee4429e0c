//! The lines about names in the policy by which an entry applies to no login: of groups and users that are not there, and of
//! other spellings of a user's name.

use std::fmt::Display;

use super::event::LoginEvent;
use super::log_line::LogLine;

/// The fault of a name that is not the login name of its account.
pub const OTHER_SPELLING: &str = "only the login name of an account is compared";
/// The fault of a name that no account has.
pub const NO_ACCOUNT: &str = "no account has that name";
/// The fault of a name that no group has.
pub const NO_GROUP: &str = "there is no such group";

/// Completes the line about a group of which no member is known.
#[must_use]
pub fn unusable_group(line: LogLine, group: &str, error: &dyn Display) -> LogLine {
    line.result(LoginEvent::UnusableGroup)
        .with("group", &group)
        .saying("error", error)
        .saying(
            "hint",
            &"the group has no members until then, so codes are asked; twofactor policy check",
        )
}

/// Completes the line about a user whose name in the policy is no login name; `account` is the login name, where an account has
/// that one.
#[must_use]
pub fn unusable_user(line: LogLine, account: Option<&str>, error: &dyn Display) -> LogLine {
    let line = line.result(LoginEvent::UnusableUser);
    let line = match account {
        Some(account) => line.with("account", &account),
        None => line,
    };
    line.saying("error", error).saying(
        "hint",
        &"correct the name in the policy; twofactor policy check",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_login_name_where_there_is_one() {
        let about = || LogLine::default().with("user", &"Al ice");
        let other = unusable_user(about(), Some("alice"), &OTHER_SPELLING);
        assert_eq!(
            other.as_str(),
            "user=Al\\x20ice result=unusable-user account=alice error=\"only the login name of an account is compared\" \
             hint=\"correct the name in the policy; twofactor policy check\""
        );
        let none = unusable_user(about(), None, &NO_ACCOUNT);
        let said = "user=Al\\x20ice result=unusable-user error=\"no account has that name\" hint=";
        assert!(none.as_str().starts_with(said), "{}", none.as_str());
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let line = unusable_group(LogLine::default().with("user", &"alice"), "ops", &NO_GROUP);
        let said = "user=alice result=unusable-group group=ops error=\"there is no such group\" hint=\"the group has no members";
        assert!(line.as_str().starts_with(said), "{}", line.as_str());
    }
}
