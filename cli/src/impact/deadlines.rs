//! Users who need a device by `[[require]]`, now or from a later day on.

use std::collections::BTreeMap;

use serde::Serialize;
use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{Policy, Requirement, StartDay};

use super::{AffectedUser, PolicyImpact, names};
use crate::formatting::count;

/// A day from which users need a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// The day, as in the policy.
    pub from: String,
    /// Days until then; `null` where the clock cannot be read.
    pub days_left: Option<u64>,
    /// The users without a device.
    pub users: Vec<String>,
    #[serde(skip)]
    day: StartDay,
}

/// The days of these users, the first one first.
pub(super) fn of(people: &[AffectedUser]) -> Vec<Deadline> {
    let mut days: BTreeMap<StartDay, Vec<String>> = BTreeMap::new();
    for person in people {
        if let Requirement::Later(day) = person.requirement {
            days.entry(day).or_default().push(person.name.clone());
        }
    }
    let deadline = |(day, users): (StartDay, Vec<String>)| Deadline {
        from: day.to_string(),
        days_left: None,
        users,
        day,
    };
    days.into_iter().map(deadline).collect()
}

/// `from 2027-03-01 on (94 days left)`.
pub fn deadline(day: StartDay, now: u64) -> String {
    let left = count(day.days_left(now), "day");
    format!("from {day} on ({left} left)")
}

impl PolicyImpact {
    /// Adds how many days are left at the time `now`.
    pub fn tell_days_left(&mut self, now: Option<u64>) {
        for deadline in &mut self.required_later {
            deadline.days_left = now.map(|now| deadline.day.days_left(now));
        }
    }

    /// The lines about `[[require]]`, for people. Users whom `after` refuses anyway stand in a line of their own.
    pub(super) fn requirements(&self, after: &Policy) -> Vec<String> {
        let mut lines = Vec::new();
        let of_all = decision::decide_without_device(after, Requirement::None);
        let already = matches!(
            of_all,
            PolicyDecision::DeviceRequired | PolicyDecision::EnrollmentRequired
        );
        if !already && !self.must_enroll.is_empty() {
            lines.push(format!(
                "  Must enroll      {}, at the next login with a password ([[require]])",
                names(&self.must_enroll)
            ));
        }
        if !already && !self.refused.is_empty() {
            let refused = names(&self.refused);
            lines.push(format!(
                "  Refused          {refused}, without a device ([[require]])"
            ));
        }
        for deadline in &self.required_later {
            let left = deadline.days_left.map_or_else(String::new, |days| {
                format!(" ({} left)", count(days, "day"))
            });
            lines.push(format!(
                "  Required later   {}, from {} on{left}",
                names(&deadline.users),
                deadline.from
            ));
        }
        lines
    }
}
