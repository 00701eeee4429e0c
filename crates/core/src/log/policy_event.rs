//! Changes of the policy, as the log reports them.

use super::event::CommandEvent;
use super::log_line::LogLine;

/// A setting of the policy that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEvent<'a> {
    /// The key, with dots.
    pub key: &'a str,
    /// The new value.
    pub value: &'a str,
    /// True if the whole policy took the place of one that could not be used.
    pub replaces_invalid: bool,
}

impl<'a> PolicyEvent<'a> {
    /// A setting of a policy that could be used before.
    #[must_use]
    pub const fn of(key: &'a str, value: &'a str) -> Self {
        Self {
            key,
            value,
            replaces_invalid: false,
        }
    }

    /// The line `changed action=policy key=KEY value=VALUE by=UID`. `by` is the uid that made the change.
    #[must_use]
    pub fn line(&self, by: u32) -> LogLine {
        let event = CommandEvent::Policy;
        let line = LogLine::of(event.verb())
            .with("action", &event)
            .with("key", &self.key)
            .with("value", &self.value);
        let line = if self.replaces_invalid {
            line.with("replaced", &"invalid")
        } else {
            line
        };
        line.with("by", &by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_setting_and_author() {
        let event = PolicyEvent::of("services.sshd", "true");
        let line = "changed action=policy key=services.sshd value=true by=7";
        assert_eq!(event.line(7).as_str(), line);
        let event = PolicyEvent {
            replaces_invalid: true,
            ..PolicyEvent::of("enabled", "false")
        };
        let line = "changed action=policy key=enabled value=false replaced=invalid by=7";
        assert_eq!(event.line(7).as_str(), line);
    }
}
