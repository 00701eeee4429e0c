//! Formatting of times, durations and lists for people.

use std::fmt;

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, PrimitiveDateTime};
use twofactor_store::sys::local_time;

/// A moment, in seconds since 1970-01-01 UTC. People are shown the minute of this machine's time zone, as at logins; programs
/// get [`utc`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportedTime(pub u64);

impl fmt::Display for ReportedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&local_time::minute(self.0).unwrap_or_else(|| utc(self.0)))
    }
}

impl ReportedTime {
    /// The minute with the time zone, for what is handed to users, who may be elsewhere: `2026-02-03 04:05 UTC+01:00`.
    pub fn with_zone(self) -> String {
        local_time::minute_with_zone(self.0).unwrap_or_else(|| utc(self.0))
    }
}

impl Serialize for ReportedTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&utc(self.0))
    }
}

/// A moment as ISO 8601 in UTC: `2026-02-03T04:05:06Z`. `seconds` counts from 1970-01-01; the last moment is the end of the
/// year 9999.
pub fn utc(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or_else(|_| PrimitiveDateTime::MAX.assume_utc());
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A length of time in its largest whole units: `1 hour 30 minutes`.
pub fn span(seconds: u64) -> String {
    let units = [
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, name) in units {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            parts.push(count(number, name));
        }
    }
    if parts.is_empty() {
        "0 seconds".to_owned()
    } else {
        parts.join(" ")
    }
}

/// `1 code`, `2 codes`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// A value in a log line or a message: quotes and escapes where it is more than one plain word.
pub fn plain(value: &str) -> String {
    let simple = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' && c != '=';
    if !value.is_empty() && value.chars().all(simple) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.escape_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (20_000_000_000, "2603-10-11T11:33:20Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

    #[test]
    fn people_read_local_minutes_and_programs_utc() {
        let moment = ReportedTime(1_234_567_890);
        assert_eq!(Some(moment.to_string()), local_time::minute(1_234_567_890));
        let elsewhere = moment.with_zone();
        let zone = elsewhere.strip_prefix(&format!("{moment} UTC")).unwrap();
        assert!(zone.starts_with(['+', '-']) && zone.len() == "+01:00".len());
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, "\"2009-02-13T23:31:30Z\"");
    }

    #[test]
    fn spans_use_whole_units() {
        assert_eq!(span(0), "0 seconds");
        assert_eq!(span(1), "1 second");
        assert_eq!(span(5400), "1 hour 30 minutes");
        assert_eq!(span(172_800), "2 days");
    }

    #[test]
    fn values_stay_on_one_line() {
        assert_eq!(plain("alice"), "alice");
        assert_eq!(plain("CORP\\al\n"), "\"CORP\\\\al\\n\"");
        assert_eq!(plain(""), "\"\"");
        assert_eq!(plain("a b"), "\"a b\"");
    }
}
