//! Return codes and what a control flag makes of them (pam.conf(5)).

use std::fmt;

/// Number of return codes.
const CODES: usize = 32;

/// The names of the return codes in control flags, in the order of their numbers.
const NAMES: [&str; CODES] = [
    "success",
    "open_err",
    "symbol_err",
    "service_err",
    "system_err",
    "buf_err",
    "perm_denied",
    "auth_err",
    "cred_insufficient",
    "authinfo_unavail",
    "user_unknown",
    "maxtries",
    "new_authtok_reqd",
    "acct_expired",
    "session_err",
    "cred_unavail",
    "cred_expired",
    "cred_err",
    "no_module_data",
    "conv_err",
    "authtok_err",
    "authtok_recover_err",
    "authtok_lock_busy",
    "authtok_disable_aging",
    "try_again",
    "ignore",
    "abort",
    "authtok_expired",
    "module_unknown",
    "bad_item",
    "conv_again",
    "incomplete",
];

/// A return code of a module or of a stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReturnCode(u8);

impl ReturnCode {
    /// Passed.
    pub const SUCCESS: Self = Self(0);
    /// The arguments are wrong.
    pub const SERVICE_ERR: Self = Self(3);
    /// The result that libpam gives for a line that it cannot read, and for a stack in which no module decided.
    pub const PERM_DENIED: Self = Self(6);
    /// Refused.
    pub const AUTH_ERR: Self = Self(7);
    /// The data that is needed to decide cannot be read.
    pub const AUTHINFO_UNAVAIL: Self = Self(9);
    /// Refused, and asking again is of no use.
    pub const MAXTRIES: Self = Self(11);
    /// The password is right and must be changed.
    pub const NEW_AUTHTOK_REQD: Self = Self(12);
    /// The application cannot ask.
    pub const CONV_ERR: Self = Self(19);
    /// The module has nothing to say.
    pub const IGNORE: Self = Self(25);
    /// The module has failed altogether.
    pub const ABORT: Self = Self(26);
    /// There is no such module.
    pub const MODULE_UNKNOWN: Self = Self(28);

    /// The code of that name.
    #[allow(dead_code, reason = "for the comparison with real libpam")]
    pub fn named(name: &str) -> Option<Self> {
        let number = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Self)
    }

    /// Its number in libpam.
    #[allow(dead_code, reason = "for the comparison with real libpam")]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its name in control flags.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("unknown")
    }
}

impl fmt::Debug for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Action on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    /// Nothing.
    Ignore,
    /// The answer counts, unless something failed before.
    Ok,
    /// As [`Self::Ok`], and a success ends the stack.
    Done,
    /// The stack fails, at its end.
    Bad,
    /// The stack fails, and ends.
    Die,
    /// The decision of this stack so far is forgotten.
    Reset,
    /// So many lines are skipped.
    Jump(u32),
}

const ACTIONS: [(&str, ControlAction); 6] = [
    ("ignore", ControlAction::Ignore),
    ("ok", ControlAction::Ok),
    ("done", ControlAction::Done),
    ("bad", ControlAction::Bad),
    ("die", ControlAction::Die),
    ("reset", ControlAction::Reset),
];

/// Actions for each answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleControl {
    actions: [ControlAction; CODES],
    text: String,
}

impl ModuleControl {
    /// Reads the second word of a line, brackets taken off.
    pub fn parse(word: &str) -> Self {
        let lower = word.to_ascii_lowercase();
        let actions = match lower.as_str() {
            "required" => simple(ControlAction::Ok, ControlAction::Ignore, ControlAction::Bad),
            "requisite" => simple(ControlAction::Ok, ControlAction::Ignore, ControlAction::Die),
            "sufficient" => simple(
                ControlAction::Done,
                ControlAction::Ignore,
                ControlAction::Ignore,
            ),
            "optional" => simple(
                ControlAction::Ok,
                ControlAction::Ignore,
                ControlAction::Ignore,
            ),
            // A line that cannot be read counts as a failure, whatever the module says.
            _ => values(word).unwrap_or([ControlAction::Bad; CODES]),
        };
        let one_word = !word.contains('=');
        let text = if one_word { lower } else { format!("[{word}]") };
        Self { actions, text }
    }

    /// The control of a line without one: every answer is a failure.
    pub fn failing() -> Self {
        Self {
            actions: [ControlAction::Bad; CODES],
            text: String::new(),
        }
    }

    /// Action for one answer.
    pub fn action(&self, code: ReturnCode) -> ControlAction {
        self.actions
            .get(usize::from(code.0))
            .copied()
            .unwrap_or(ControlAction::Bad)
    }
}

/// As in the file.
impl fmt::Display for ModuleControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn simple(
    success: ControlAction,
    ignore: ControlAction,
    other: ControlAction,
) -> [ControlAction; CODES] {
    let mut actions = [other; CODES];
    for (code, action) in [
        (ReturnCode::SUCCESS, success),
        (ReturnCode::NEW_AUTHTOK_REQD, success),
        (ReturnCode::IGNORE, ignore),
    ] {
        if let Some(place) = actions.get_mut(usize::from(code.0)) {
            *place = action;
        }
    }
    actions
}

/// `success=1 default=ignore`: names and actions need no blank between them, and what is said last counts, but
/// `default` is only for what nothing was said of yet. `None` when it cannot be read.
fn values(word: &str) -> Option<[ControlAction; CODES]> {
    let mut actions: [Option<ControlAction>; CODES] = [None; CODES];
    let mut rest = blank(word);
    while !rest.is_empty() {
        let (code, after) = NAMES
            .iter()
            .enumerate()
            .map(|(number, name)| (Some(number), *name))
            .chain([(None, "default")])
            .find_map(|(number, name)| Some((number, rest.strip_prefix(name)?)))?;
        let value = blank(blank(after).strip_prefix('=')?);
        let (action, after) = action(value)?;
        match code {
            Some(number) => *actions.get_mut(number)? = Some(action),
            None => actions.iter_mut().for_each(|place| {
                place.get_or_insert(action);
            }),
        }
        rest = blank(after);
    }
    Some(actions.map(|action| action.unwrap_or(ControlAction::Bad)))
}

fn action(value: &str) -> Option<(ControlAction, &str)> {
    let named = ACTIONS
        .iter()
        .find_map(|(name, action)| Some((*action, value.strip_prefix(name)?)));
    if named.is_some() {
        return named;
    }
    let end = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (digits, after) = value.split_at(end);
    let lines: u32 = digits.parse().ok().filter(|lines| *lines > 0)?;
    Some((ControlAction::Jump(lines), after))
}

fn blank(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str, code: &str) -> ControlAction {
        ModuleControl::parse(word).action(ReturnCode::named(code).unwrap())
    }

    #[test]
    fn words_are_short_for_values() {
        for (word, success, ignore, auth_err) in [
            (
                "required",
                ControlAction::Ok,
                ControlAction::Ignore,
                ControlAction::Bad,
            ),
            (
                "REQUISITE",
                ControlAction::Ok,
                ControlAction::Ignore,
                ControlAction::Die,
            ),
            (
                "sufficient",
                ControlAction::Done,
                ControlAction::Ignore,
                ControlAction::Ignore,
            ),
            (
                "optional",
                ControlAction::Ok,
                ControlAction::Ignore,
                ControlAction::Ignore,
            ),
        ] {
            assert_eq!(of(word, "success"), success, "{word}");
            assert_eq!(of(word, "new_authtok_reqd"), success, "{word}");
            assert_eq!(of(word, "ignore"), ignore, "{word}");
            assert_eq!(of(word, "auth_err"), auth_err, "{word}");
        }
    }

    #[test]
    fn values_are_read_in_order() {
        let word = " success = 12 auth_err=dieignore=ignore default=bad maxtries=done ";
        assert_eq!(of(word, "success"), ControlAction::Jump(12));
        assert_eq!(of(word, "auth_err"), ControlAction::Die);
        assert_eq!(of(word, "ignore"), ControlAction::Ignore);
        assert_eq!(of(word, "maxtries"), ControlAction::Done);
        assert_eq!(of(word, "conv_err"), ControlAction::Bad);
        // The first default counts, and what is not named fails.
        assert_eq!(of("default=ok default=die", "abort"), ControlAction::Ok);
        assert_eq!(of("success=ok", "abort"), ControlAction::Bad);
    }

    #[test]
    fn what_cannot_be_read_fails_whatever_the_module_says() {
        for word in [
            "success",
            "success=",
            "success=0",
            "SUCCESS=ok",
            "success=ok foo=bar",
            "success=99999999999",
            "maybe",
        ] {
            assert_eq!(of(word, "success"), ControlAction::Bad, "{word}");
        }
    }
}
