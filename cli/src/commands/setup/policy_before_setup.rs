//! The policy without the changes of a setup: its old text, or, where it was edited since, the new text without the switches of setup.

use twofactor_core::policy;

use crate::command_failure::CommandFailure;
use crate::commands::enable_disable;
use crate::commands::policy_change::PolicySetting;
use crate::failure_kind::FailureKind;
use crate::policy_text;

/// The next step once the policy can be used.
pub const AGAIN: &str = "Then again: twofactor setup --undo";

/// A policy that is not valid cannot be edited. `disable` keeps it beside a new one.
pub fn invalid(error: impl std::fmt::Display) -> CommandFailure {
    CommandFailure::invalid(format!("the policy is not valid: {error}"))
        .of_kind(FailureKind::InvalidPolicy)
        .next(format!(
            "Correct it, or replace it by one that is switched off: twofactor disable\n{AGAIN}"
        ))
}

/// The text `now` without a setup that changed `before` to `after`.
///
/// # Errors
/// When a text is no valid policy.
pub fn text(now: &str, before: &str, after: &str) -> Result<String, CommandFailure> {
    if now == after {
        return Ok(before.to_owned());
    }
    let mut edited = now.to_owned();
    for PolicySetting { key, value } in settings(before, after)? {
        edited = policy_text::set(&edited, &key, &value).map_err(invalid)?;
    }
    Ok(edited)
}

/// The old values of the switches that setup has set.
///
/// # Errors
/// When a text is no valid policy.
pub fn settings(before: &str, after: &str) -> Result<Vec<PolicySetting>, CommandFailure> {
    let (before, after) = (
        policy::parse(before).map_err(invalid)?,
        policy::parse(after).map_err(invalid)?,
    );
    let off = || PolicySetting::new("enabled", "false");
    let mut settings: Vec<PolicySetting> = (!before.enabled).then(off).into_iter().collect();
    let services = after.services.named.keys();
    let changed = services.filter(|name| before.service_on(name) != after.service_on(name));
    settings.extend(changed.map(|name| {
        let value = before.service_on(name).to_string();
        PolicySetting::new(enable_disable::service_key(name), value)
    }));
    if before.services.default != after.services.default {
        let value = before.services.default.to_string();
        settings.push(PolicySetting::new("services.default", value));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: &str = "enabled = true\n[services]\nsshd = true\n";

    #[test]
    fn what_was_off_goes_off() {
        let off = |key: &str| PolicySetting::new(key, "false");
        assert_eq!(
            settings("enabled = false\n", ON).unwrap(),
            [off("enabled"), off("services.sshd")]
        );
    }

    /// A later `enable` would switch it on where no PAM file names the module any more.
    #[test]
    fn a_service_that_was_off_goes_off_with_the_switch() {
        let before = "enabled = false\n[services]\nsshd = false\n";
        let now = "enabled = true\nwindow = 2\n[services]\nsshd = true\n";
        assert_eq!(
            text(now, before, ON).unwrap(),
            "enabled = false\nwindow = 2\n[services]\nsshd = false\n"
        );
    }

    #[test]
    fn what_was_on_stays_on_but_for_the_new_services() {
        let before = "enabled = true\n[services]\nsudo = true\n";
        let after = "enabled = true\n[services]\nsudo = true\nsshd = true\n";
        assert_eq!(
            settings(before, after).unwrap(),
            [PolicySetting::new("services.sshd", "false")]
        );
    }

    #[test]
    fn a_text_changed_since_loses_the_switches_only() {
        let now = "enabled = true\nwindow = 2\n[services]\nsshd = true\n";
        assert_eq!(
            text(now, "enabled = false\n", ON).unwrap(),
            "enabled = false\nwindow = 2\n[services]\nsshd = false\n"
        );
        assert_eq!(
            text(ON, "enabled = false\n", ON).unwrap(),
            "enabled = false\n"
        );
    }

    #[test]
    fn an_invalid_policy_names_the_next_step() {
        let failure = text("enabled =", "enabled = false\n", ON).unwrap_err();
        let next = failure.next.unwrap();
        assert!(
            next.contains("twofactor disable\nThen again: twofactor setup --undo"),
            "{next}"
        );
    }
}
