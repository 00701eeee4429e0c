//! Settings of the policy, and the text of a policy with them.

use toml_edit::Key;
use twofactor_core::policy::DEFAULT_POLICY;

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::policy_text::{self, PolicyTextError};

/// A key and its new value, as `policy set` takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySetting {
    /// The key, with dots.
    pub key: String,
    /// The value, as typed.
    pub value: String,
}

impl PolicySetting {
    /// Sets `key` to `value`.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }

    /// True if both name one key, however it is spelled.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let parts = |key: &str| {
            let path = Key::parse(key).ok()?.into_iter();
            Some(path.map(|part| part.get().to_owned()).collect::<Vec<_>>())
        };
        self.key == other.key || parts(&self.key).is_some_and(|own| parts(&other.key) == Some(own))
    }

    /// The service that it switches, however the key is spelled (`services . "sshd"`).
    pub(super) fn service(&self) -> Option<String> {
        match Key::parse(&self.key).ok()?.as_slice() {
            [table, service] if table.get() == "services" => Some(service.get().to_owned()),
            _ => None,
        }
    }
}

/// The text of the policy in use, valid or not; `None` where there is no file.
///
/// # Errors
/// When it cannot be read as a login would read it.
pub fn current_text(context: &CommandContext) -> Result<Option<String>, CommandFailure> {
    match context.policy.text() {
        Err(error) if error.is_missing() => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The text of a policy with these settings.
pub(super) fn with_settings(
    context: &CommandContext,
    text: Option<&str>,
    settings: &[PolicySetting],
) -> Result<String, CommandFailure> {
    let pairs = settings.iter();
    let pairs = pairs.map(|setting| (setting.key.as_str(), setting.value.as_str()));
    policy_text::set_all(text.unwrap_or(DEFAULT_POLICY), pairs)
        .map_err(|error| refusal(context, error))
}

fn refusal(context: &CommandContext, error: PolicyTextError) -> CommandFailure {
    match error {
        PolicyTextError::Before(what) => {
            CommandFailure::invalid(format!("{}: {what}", context.policy_path().display()))
                .of_kind(FailureKind::InvalidPolicy)
                .next("Correct that first.")
        }
        PolicyTextError::Table(key) if policy_text::LISTS.contains(&key.as_str()) => {
            CommandFailure::usage(format!("{key} is a list of tables")).next(format!(
                "Edit {}, then: twofactor policy check",
                context.policy_path().display()
            ))
        }
        PolicyTextError::Key(_) | PolicyTextError::Table(_) => {
            CommandFailure::usage(error).next("Settings are named as in: twofactor policy show")
        }
        // The place is one in a text that exists nowhere yet.
        PolicyTextError::Refused(what) => CommandFailure::usage(
            what.split_once(": ")
                .map_or(what.as_str(), |(_, what)| what),
        ),
    }
}
