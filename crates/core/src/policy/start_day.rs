//! The first day of a requirement: a date without a time, and what the clock says of it.
//!
//! The calendar is written out, since no dependency of the module has one: toml reads dates, and counts no days. A crate for a few lines
//! would be loaded into sshd with all that it has besides.

use std::fmt;

/// Seconds of a day without leap seconds, as POSIX counts.
const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;
/// Days of 400 years.
const ERA: u64 = 146_097;

/// A day, which begins at 00:00 UTC. From 1970-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartDay {
    /// Days since 1970-01-01.
    days: u64,
}

impl StartDay {
    /// The day of that date in the Gregorian calendar; `None` before 1970.
    pub(super) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let (year, month, day) = (u64::from(year), u64::from(month), u64::from(day));
        if year < 1970 {
            return None;
        }
        // The year begins in March, so that the leap day is its last.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
        let leap_days = year / 4 - year / 100 + year / 400;
        let days = (365 * year + leap_days + of_year).checked_sub(EPOCH)?;
        Some(Self { days })
    }

    /// Seconds from 1970-01-01 to the beginning of the day.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.days * DAY
    }

    /// Days until then at the time `now`, a part of a day as a whole one; 0 from then on.
    #[must_use]
    pub const fn days_left(self, now: u64) -> u64 {
        self.seconds().saturating_sub(now).div_ceil(DAY)
    }
}

/// `2027-03-01`.
impl fmt::Display for StartDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.days + EPOCH;
        let of_era = days % ERA;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + days / ERA * 400 + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// The clock, and what shows that it was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyTime {
    /// Seconds since 1970-01-01 UTC; `None` where the clock cannot be read.
    pub now: Option<u64>,
    /// Last change of the policy file, in the same seconds. A clock that shows an earlier time is wrong.
    pub changed: u64,
}

impl PolicyTime {
    /// True from the beginning of the day on, and where the clock cannot be believed: a clock that is set back lifts nothing.
    #[must_use]
    pub fn has_reached(self, day: StartDay) -> bool {
        self.now
            .is_none_or(|now| now >= day.seconds() || self.is_before_change())
    }

    /// True if the policy file was changed in the future of the clock: the clock was set back, or the time of the file is wrong.
    #[must_use]
    pub fn is_before_change(self) -> bool {
        self.now.is_some_and(|now| now < self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (date, seconds, text) in [
            ((1970, 1, 1), 0, "1970-01-01"),
            ((2000, 2, 29), 951_782_400, "2000-02-29"),
            ((2000, 3, 1), 951_868_800, "2000-03-01"),
            ((2027, 3, 1), 1_803_859_200, "2027-03-01"),
            ((2100, 2, 28), 4_107_456_000, "2100-02-28"),
            ((2100, 3, 1), 4_107_542_400, "2100-03-01"),
            ((9999, 12, 31), 253_402_214_400, "9999-12-31"),
        ] {
            let (year, month, day) = date;
            let start = StartDay::new(year, month, day).unwrap();
            assert_eq!(
                (start.seconds(), start.to_string().as_str()),
                (seconds, text)
            );
        }
        assert_eq!(StartDay::new(1969, 12, 31), None);
        assert_eq!(StartDay::new(2027, 3, 0), None);
    }

    #[test]
    fn every_date_is_shown_as_it_was_given() {
        for days in (0..2_932_896).step_by(97) {
            let day = StartDay { days };
            let text = day.to_string();
            let part = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap();
            let (month, date) = (part(5..7) as u8, part(8..10) as u8);
            assert_eq!(StartDay::new(part(0..4), month, date), Some(day), "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let day = StartDay::new(2027, 3, 1).unwrap();
        let at = |now| PolicyTime {
            now: Some(now),
            changed: 0,
        };
        assert!(!at(day.seconds() - 1).has_reached(day));
        assert!(at(day.seconds()).has_reached(day));
        assert_eq!(day.days_left(day.seconds()), 0);
        assert_eq!(day.days_left(day.seconds() - 1), 1);
        assert_eq!(day.days_left(day.seconds() - DAY), 1);
        assert_eq!(day.days_left(day.seconds() - DAY - 1), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_lifts_nothing() {
        let day = StartDay::new(2027, 3, 1).unwrap();
        let at = |now, changed| PolicyTime { now, changed }.has_reached(day);
        assert!(!at(Some(1_700_000_000), 1_700_000_000));
        assert!(at(Some(1_699_999_999), 1_700_000_000));
        assert!(at(None, 0));
        let is_before = |now, changed| PolicyTime { now, changed }.is_before_change();
        assert!(is_before(Some(1), 2) && !is_before(Some(2), 2) && !is_before(None, 2));
    }
}
