//! Local time, which other programs' files hold.
#![allow(unsafe_code)]

/// A local time: year, month 1..=12, day, hour, minute, second.
pub type CivilTime = [i32; 6];

/// The time that this machine's time zone shows at a moment (localtime_r(3)). `None` for a moment that it cannot tell.
#[must_use]
pub fn from_unix(seconds: u64) -> Option<CivilTime> {
    civil(&broken_down(seconds)?)
}

/// The minute of that time, `2026-02-03 04:05`.
#[must_use]
pub fn minute(seconds: u64) -> Option<String> {
    minute_of(&broken_down(seconds)?)
}

/// The minute with its time zone, for readers elsewhere: `2026-02-03 04:05 UTC+01:00`.
#[must_use]
pub fn minute_with_zone(seconds: u64) -> Option<String> {
    let tm = broken_down(seconds)?;
    let sign = if tm.tm_gmtoff < 0 { '-' } else { '+' };
    let minutes = tm.tm_gmtoff.unsigned_abs() / 60;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let minute = minute_of(&tm)?;
    Some(format!("{minute} UTC{sign}{hours:02}:{minutes:02}"))
}

fn broken_down(seconds: u64) -> Option<libc::tm> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: `tm` is plain data for which all zero bytes are a valid value.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call (localtime_r(3)).
    let shown = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    (!shown.is_null()).then_some(tm)
}

fn civil(tm: &libc::tm) -> Option<CivilTime> {
    Some([
        tm.tm_year.checked_add(1900)?,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
    ])
}

fn minute_of(tm: &libc::tm) -> Option<String> {
    let [year, month, day, hour, minute, _] = civil(tm)?;
    Some(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_what_the_time_zone_shows() {
        // No time zone is further than a day off.
        let [year, month, day, ..] = from_unix(1_767_225_600 + 15 * 86_400).unwrap();
        assert_eq!((year, month), (2026, 1));
        assert!((15..=17).contains(&day));
        let [.., minute, second] = from_unix(1_767_225_641).unwrap();
        assert_eq!((minute % 15, second), (0, 41));
        assert_eq!(from_unix(u64::MAX), None);
        assert_eq!(super::minute(u64::MAX), None);
        let shown = super::minute(1_767_225_641 + 15 * 86_400).unwrap();
        assert!(shown.starts_with("2026-01-1"), "{shown}");
        assert_eq!(shown.len(), "2026-01-16 00:00".len());
    }
}
