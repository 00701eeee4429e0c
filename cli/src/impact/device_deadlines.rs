//! Users who need a device by `[[require]]`, now or from a later day on.

use std::collections::BTreeMap;

use serde::Serialize;
use twofactor_core::policy::{DeviceRequirement, Policy, StartDay};

use super::{AffectedUser, NewRisk, PolicyImpact, PolicyView, RiskViews, names, without_device};
use crate::formatting::count;

/// A day from which users need a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceDeadline {
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
pub(super) fn of(people: &[AffectedUser]) -> Vec<DeviceDeadline> {
    let mut days: BTreeMap<StartDay, Vec<String>> = BTreeMap::new();
    for person in people {
        if let DeviceRequirement::Later(day) = person.requirement {
            days.entry(day).or_default().push(person.name.clone());
        }
    }
    let deadline = |(day, users): (StartDay, Vec<String>)| DeviceDeadline {
        from: day.to_string(),
        days_left: None,
        users,
        day,
    };
    days.into_iter().map(deadline).collect()
}

/// Warnings where no administrator could log in from a later day on, but could today. An earlier day of those who can log in is told
/// beside the day of all.
pub(super) fn shut_outs(view: PolicyView<'_>) -> Vec<String> {
    let today = RiskViews::of(view);
    let mut warnings = Vec::new();
    for DeviceDeadline { day, .. } in of(view.people) {
        let mut then = view.people.to_vec();
        for person in &mut then {
            if matches!(person.requirement, DeviceRequirement::Later(from) if from <= day) {
                person.requirement = DeviceRequirement::InForce;
            }
        }
        let then = RiskViews::of(PolicyView {
            people: &then,
            ..view
        });
        let new = then.new_since(&today);
        let is_of_all = new.iter().any(NewRisk::is_of_all);
        if let Some(risk) = new.first().filter(|_| is_of_all || warnings.is_empty()) {
            warnings.push(risk.told(&format!(
                "from {day} on no administrator (root, or a member of sudo or wheel) could log in without a device, and none \
                 has one that has ever given a right code"
            )));
        }
        if is_of_all {
            break;
        }
    }
    warnings
}

/// Text of a deadline at `now` (seconds since 1970-01-01 UTC): `from 2027-03-01 on (94 days left)`.
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

    /// The lines about `[[require]]`, for people. Users who are refused by `after` anyway stand in a line of their own.
    pub(super) fn requirements(&self, after: &Policy) -> Vec<String> {
        let mut lines = Vec::new();
        let already = without_device(after).demands_device();
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

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::impact::assess;
    use crate::roster::AccountRole;
    use twofactor_core::policy::ExemptionScope;
    use twofactor_core::record::EnrollmentStatus;

    /// R47: today the day changes nothing, so it is a warning.
    #[test]
    fn r47_a_day_that_shuts_out_administrators_is_told() {
        let policy = |text: &str| text.parse::<Policy>().unwrap();
        let after = policy("enabled = true\n[[require]]\nusers = [\"root\"]\nfrom = 2099-03-01");
        let day = after.require[0].from().unwrap();
        let root = |enrollment, requirement| AffectedUser {
            name: "root".into(),
            kept_as: "root".into(),
            enrollment,
            role: AccountRole::Administrator,
            exemption: ExemptionScope::No,
            exempt_at: Vec::new(),
            requirement,
            is_locked: false,
            is_damaged: false,
            can_log_in: true,
        };
        let later = root(EnrollmentStatus::NotEnrolled, DeviceRequirement::Later(day));
        let told = |before: Option<&Policy>, people: &[AffectedUser]| {
            let view = |policy| PolicyView { policy, people };
            let impact = assess(before.map(view), view(&after));
            let warnings = impact.warnings.into_iter();
            warnings
                .filter(|told| told.contains("from 2099-03-01 on no administrator"))
                .count()
        };
        assert_eq!(told(None, slice::from_ref(&later)), 1);
        let on = policy("enabled = true");
        let free = root(EnrollmentStatus::NotEnrolled, DeviceRequirement::None);
        let new_entry = assess(
            Some(PolicyView {
                policy: &on,
                people: slice::from_ref(&free),
            }),
            PolicyView {
                policy: &after,
                people: slice::from_ref(&later),
            },
        );
        assert_eq!(new_entry.warnings.len(), 1, "a new entry");
        assert_eq!(
            told(Some(&after), slice::from_ref(&later)),
            0,
            "known before"
        );
        let able = root(EnrollmentStatus::Verified, DeviceRequirement::None);
        assert_eq!(told(None, &[later.clone(), able]), 0);
        assert_eq!(told(None, &[later, free]), 0);
        let now = root(EnrollmentStatus::NotEnrolled, DeviceRequirement::InForce);
        assert_eq!(told(None, &[now]), 0, "a danger already");
    }
}
