//! Wrong codes through the daemon: they lock out there, and nowhere else.
//!
//! Any process of a user may talk to the daemon. Counted like those of a login, its guesses would keep the user from logging in;
//! forgotten with each success, they would be as many as the user has logins. So the wrong codes in a row end with a success, and
//! their number in all does not: each counts for [`PERIODS`] periods.

/// Seconds of a period: three days.
const PERIOD: u64 = 3 * 24 * 3600;

/// For how many periods a wrong code counts, the one that it is in included: 30 days at least, and 33 at most.
pub const PERIODS: usize = 11;

/// Bytes of the form in which it is kept.
pub(super) const ENCODED_LEN: usize = 4 + super::TIME_LEN + 4 + 2 * PERIODS;

/// The counter of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DaemonFailures {
    /// Wrong codes since the last success, at a login or through the daemon; attempts under way included.
    pub in_a_row: u32,
    /// Time of the last of them, in seconds since 1970-01-01 UTC; 0 if there is none.
    pub last: u64,
    /// The newest period with a wrong code, counted from 1970-01-01 UTC.
    pub(super) newest: u32,
    /// Wrong codes of that period and of those before it, the newest first.
    pub(super) counts: [u16; PERIODS],
}

impl DaemonFailures {
    /// The counter without wrong codes.
    pub const NONE: Self = Self {
        in_a_row: 0,
        last: 0,
        newest: 0,
        counts: [0; PERIODS],
    };

    /// Wrong codes that count at `now` (seconds since 1970-01-01 UTC). The largest number of all where a period had more than can
    /// be counted, so that every limit is reached.
    #[must_use]
    pub fn total(&self, now: u64) -> u32 {
        let aged = self.aged(now);
        if aged.counts.contains(&u16::MAX) {
            return u32::MAX;
        }
        aged.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// The counter with the wrong codes in a row of another one.
    #[must_use]
    pub(crate) const fn with_row_of(&self, other: &Self) -> Self {
        Self {
            in_a_row: other.in_a_row,
            last: other.last,
            ..*self
        }
    }

    /// The counter with all that counts in this one or in another one.
    #[must_use]
    pub fn with_all_of(&self, other: &Self) -> Self {
        let newest = self.newest.max(other.newest);
        let [mut all, other] = [self, other].map(|counter| counter.aged_to(newest));
        all.in_a_row = all.in_a_row.max(other.in_a_row);
        all.last = all.last.max(other.last);
        for (count, other) in all.counts.iter_mut().zip(other.counts) {
            *count = (*count).max(other);
        }
        all
    }

    /// The counter with one more wrong code, typed at `now` (seconds since 1970-01-01 UTC).
    #[must_use]
    pub fn charged(&self, now: u64) -> Self {
        let mut charged = self.aged(now);
        charged.in_a_row = charged.in_a_row.saturating_add(1);
        charged.last = now;
        if let Some(count) = charged.counts.first_mut() {
            *count = count.saturating_add(1);
        }
        charged
    }

    /// The counter after a success.
    #[must_use]
    pub const fn after_success(&self) -> Self {
        Self {
            in_a_row: 0,
            last: 0,
            ..*self
        }
    }

    /// The counter after the clock was set back to `now`, `None` when it was not. Nothing of it gets older by that.
    #[must_use]
    pub fn rebased(&self, now: u64) -> Option<Self> {
        let is_ahead = self.last > now || self.newest > period(now);
        is_ahead.then(|| Self {
            last: self.last.min(now),
            newest: self.newest.min(period(now)),
            ..*self
        })
    }

    /// The counts with the period of `now` as the newest.
    fn aged(&self, now: u64) -> Self {
        self.aged_to(period(now))
    }

    fn aged_to(&self, current: u32) -> Self {
        let passed = usize::try_from(current.saturating_sub(self.newest)).unwrap_or(PERIODS);
        let mut aged = *self;
        aged.counts.rotate_right(passed.min(PERIODS));
        aged.counts
            .iter_mut()
            .take(passed)
            .for_each(|count| *count = 0);
        aged.newest = current.max(self.newest);
        aged
    }
}

fn period(now: u64) -> u32 {
    u32::try_from(now / PERIOD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;
    const START: u64 = 7000 * PERIOD;

    #[test]
    fn a_wrong_code_counts_for_thirty_days() {
        for begin in [START, START + PERIOD - 1] {
            let failures = DaemonFailures::NONE.charged(begin).charged(begin);
            assert_eq!(failures.total(begin), 2);
            assert_eq!(failures.total(begin + 30 * DAY), 2);
            assert_eq!(failures.total(begin + 33 * DAY), 0);
            assert_eq!(failures.total(u64::MAX), 0);
        }
    }

    #[test]
    fn two_counters_make_the_stricter_one() {
        let old = DaemonFailures::NONE.charged(START).charged(START);
        let new = DaemonFailures::NONE.charged(START + 10 * DAY);
        for both in [old.with_all_of(&new), new.with_all_of(&old)] {
            assert_eq!((both.in_a_row, both.last), (2, START + 10 * DAY));
            assert_eq!(both.total(START + 10 * DAY), 3);
            assert_eq!(both.total(START + 33 * DAY), 1);
        }
        assert_eq!(old.with_all_of(&DaemonFailures::NONE), old);
        assert_eq!(old.with_all_of(&old), old);
    }

    #[test]
    fn no_thirty_days_hold_more_than_they_count() {
        let mut failures = DaemonFailures::NONE;
        for day in 0..100 {
            let now = START + day * DAY;
            failures = failures.charged(now).after_success();
            assert!(u64::from(failures.total(now)) >= (day + 1).min(31), "{day}");
            assert!(failures.total(now) <= 33, "{day}");
        }
    }

    #[test]
    fn a_success_ends_the_row_and_not_the_total() {
        let failures = DaemonFailures::NONE.charged(START).charged(START + 5);
        assert_eq!((failures.in_a_row, failures.last), (2, START + 5));
        let after = failures.after_success();
        assert_eq!((after.in_a_row, after.last, after.total(START)), (0, 0, 2));
    }

    #[test]
    fn a_clock_set_back_makes_nothing_older() {
        let failures = DaemonFailures::NONE.charged(START + 90 * DAY);
        let rebased = failures.rebased(START).unwrap();
        assert_eq!((rebased.last, rebased.total(START + 30 * DAY)), (START, 1));
        assert_eq!(rebased.total(START + 33 * DAY), 0);
        assert_eq!(rebased.rebased(START), None);
        // Before it is rebased, it does not count for less.
        assert_eq!(failures.total(START), 1);
    }

    #[test]
    fn no_number_of_wrong_codes_starts_anew() {
        let mut failures = DaemonFailures::NONE.charged(START);
        (failures.in_a_row, failures.counts) = (u32::MAX, [u16::MAX; PERIODS]);
        let charged = failures.charged(START);
        assert_eq!(charged.in_a_row, u32::MAX);
        assert_eq!(charged.total(START), u32::MAX);
    }

    #[test]
    fn a_row_is_taken_with_its_time() {
        let row = DaemonFailures::NONE.charged(START + 7);
        let total = DaemonFailures::NONE.charged(START).charged(START);
        let both = total.with_row_of(&row);
        assert_eq!((both.in_a_row, both.last), (1, START + 7));
        assert_eq!(both.total(START), 2);
    }

    #[test]
    fn only_a_clock_behind_the_counter_changes_it() {
        let failures = DaemonFailures::NONE.charged(START + 5);
        assert_eq!(failures.rebased(START + 5), None);
        assert_eq!(failures.rebased(START + 90 * DAY), None);
        // A success forgets when the last wrong code was; the periods remain.
        let after = failures.after_success();
        assert_eq!(after.rebased(START), None);
        let rebased = after.rebased(START - 1).unwrap();
        assert_eq!(rebased.newest, after.newest - 1);
        assert_eq!(failures.rebased(START + 4).unwrap().last, START + 4);
    }
}
