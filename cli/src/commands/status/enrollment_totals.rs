//! Numbers of users who are enrolled, locked out, or without a device that they need.

use serde::Serialize;
use twofactor_core::record::EnrollmentStatus;

use super::user_status::UserStatus;
use crate::formatting::count;

/// Numbers of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnrollmentTotals {
    /// Local accounts that users log in with, and all users with a record.
    pub users: u64,
    /// Users with a device.
    pub enrolled: u64,
    /// Users without a device.
    pub missing: u64,
    /// Users without a device whose login is refused, or leads to enrollment.
    pub missing_required: u64,
    /// Users without a device who are invited to enroll one.
    pub invited: u64,
    /// Users who are locked out, at logins or at the daemon.
    pub locked: u64,
    /// Users that an entry of `[[exempt]]` covers at each login.
    pub exempt: u64,
    /// Records that cannot be used, or that belong to no account.
    pub unusable: u64,
    /// Names for which the user database did not answer. The other numbers leave them out.
    pub unanswered: u64,
}

impl EnrollmentTotals {
    /// Counts these users.
    pub fn of(users: &[UserStatus]) -> Self {
        let mut totals = Self::default();
        for user in users {
            let is_invited = user.enrollment == Some(EnrollmentStatus::Invited);
            totals.users += u64::from(user.account.is_some());
            totals.enrolled += u64::from(user.enrolled == Some(true));
            totals.missing += u64::from(user.enrolled == Some(false));
            totals.missing_required += u64::from(user.requirement.required);
            totals.invited += u64::from(is_invited);
            totals.locked += u64::from(user.is_locked());
            totals.exempt += u64::from(user.exempt);
            totals.unanswered += u64::from(user.is_unanswered());
            totals.unusable += u64::from(user.error.is_some() && !user.is_unanswered());
        }
        totals
    }

    /// `200 of 301 enrolled; 2 locked out`.
    pub fn text(&self) -> String {
        let mut parts = vec![format!("{} of {} enrolled", self.enrolled, self.users)];
        let more = [
            (self.missing_required, "without a required device"),
            (self.invited, "invited"),
            (self.locked, "locked out"),
            (self.exempt, "exempt"),
        ];
        let more = more.into_iter().filter(|(number, _)| *number > 0);
        parts.extend(more.map(|(number, what)| format!("{number} {what}")));
        if self.unusable > 0 {
            parts.push(count(self.unusable, "unusable record"));
        }
        if self.unanswered > 0 {
            parts.push(format!("{} not looked up", self.unanswered));
        }
        parts.join("; ")
    }
}
