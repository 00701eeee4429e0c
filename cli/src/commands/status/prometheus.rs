//! `status --prometheus`: figures in the text format of Prometheus, for node_exporter's textfile collector. No name of a
//! user and nothing secret is in them.

use std::fmt::Write as _;

use serde::Serialize;
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock::ClockStatus;
use zeroize::Zeroizing;

use super::enrollment_totals::EnrollmentTotals;
use super::status_report::PolicyStatus;
use super::user_status::UserStatus;
use crate::output::{CommandReport, LineLayout};

/// Everything that the figures are made of.
pub struct LoginFigures<'a> {
    /// The policy file.
    pub policy: &'a PolicyStatus,
    /// The kernel's state of the clock.
    pub clock: ClockStatus,
    /// Number of warnings about logins.
    pub warnings: usize,
    /// All users; `None` where they cannot be listed.
    pub users: Option<&'a [UserStatus]>,
    /// The services whose PAM files name the module.
    pub services: &'a [String],
    /// The policy; its defaults where it cannot be used.
    pub loaded: &'a Policy,
}

/// The text.
#[derive(Serialize)]
pub struct FigureReport {
    metrics: String,
}

impl CommandReport for FigureReport {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.metrics.clone())
    }

    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }
}

impl LoginFigures<'_> {
    /// The figures as text, each with HELP and TYPE. What cannot be told is left out.
    pub fn report(&self) -> FigureReport {
        let mut text = FigureText(String::new());
        let version = format!("{{version=\"{}\"}}", label(env!("CARGO_PKG_VERSION")));
        text.gauge("info", "Version of pam_twofactor.", [(version, 1)]);
        let is_valid = self.policy.present && self.policy.error.is_none();
        let help = "1 if logins can use the policy; 0: they are refused.";
        text.one("policy_valid", help, Some(is_valid.into()));
        let enabled = self.policy.enabled.filter(|_| is_valid);
        text.one(
            "enabled",
            "1 if two-factor login is on.",
            enabled.map(u64::from),
        );
        let switch = |service: &String| {
            let on = self.loaded.asks_at(service);
            (format!("{{service=\"{}\"}}", label(service)), u64::from(on))
        };
        if is_valid {
            let help =
                "1 if users with a device are asked for a code at a service that names the module.";
            text.gauge("service_enabled", help, self.services.iter().map(switch));
        }
        let help = "Warnings of the command about logins, such as settings of sshd that keep it from asking.";
        text.one("login_warnings", help, u64::try_from(self.warnings).ok());
        let help = "1 if all users could be listed; 0: the figures about users are missing.";
        text.one("users_readable", help, Some(self.users.is_some().into()));
        if let Some(users) = self.users {
            totals(&EnrollmentTotals::of(users), &mut text);
            let last = users.iter().filter_map(|user| user.last_used_at).max();
            let help = "Time at which the last code of any user was accepted.";
            text.one("last_accepted_code_timestamp_seconds", help, last);
        }
        let synchronized = match self.clock.word() {
            "synchronized" => Some(1),
            "unsynchronized" => Some(0),
            _ => None,
        };
        let help = "1 if the kernel takes the clock to be synchronized, which codes depend on.";
        text.one("clock_synchronized", help, synchronized);
        FigureReport { metrics: text.0 }
    }
}

fn totals(totals: &EnrollmentTotals, text: &mut FigureText) {
    for (name, help, number) in [
        (
            "users",
            "Local accounts that users log in with, and users with a record.",
            totals.users,
        ),
        ("users_enrolled", "Users with a device.", totals.enrolled),
        ("users_missing", "Users without a device.", totals.missing),
        (
            "users_missing_required",
            "Users without a device whose login is refused, or leads to enrollment.",
            totals.missing_required,
        ),
        (
            "users_invited",
            "Users without a device who are invited to enroll one.",
            totals.invited,
        ),
        (
            "users_locked",
            "Users who are locked out after wrong codes.",
            totals.locked,
        ),
        (
            "users_exempt",
            "Users who are never asked for a code.",
            totals.exempt,
        ),
        (
            "records_unusable",
            "Records that cannot be used, or that belong to no account: logins are refused.",
            totals.unusable,
        ),
        (
            "users_unanswered",
            "Names for which the user database did not answer; the other figures leave them out.",
            totals.unanswered,
        ),
    ] {
        text.one(name, help, Some(number));
    }
}

/// Lines of the text format.
struct FigureText(String);

impl FigureText {
    fn one(&mut self, name: &str, help: &str, value: Option<u64>) {
        self.gauge(name, help, value.map(|value| (String::new(), value)));
    }

    fn gauge(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (String, u64)>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = write!(
            self.0,
            "# HELP twofactor_{name} {help}\n# TYPE twofactor_{name} gauge\n"
        );
        for (labels, value) in values {
            let _ = writeln!(self.0, "twofactor_{name}{labels} {value}");
        }
    }
}

/// The value of a label: backslash, quote and newline are escaped.
fn label(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
