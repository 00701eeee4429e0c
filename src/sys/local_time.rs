//! Between local time, which other programs' files hold, and seconds since 1970-01-01 UTC.

/// A local time: year, month 1..=12, day, hour, minute, second.
pub type Civil = [i32; 6];

/// The moment at which this machine's time zone shows `local` (mktime(3)). `None` for a moment before 1970, or a time that
/// no calendar has.
#[must_use]
pub fn to_unix(local: Civil) -> Option<u64> {
    let [year, month, day, hour, minute, second] = local;
    let sound = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !sound {
        return None;
    }
    // SAFETY: `tm` is plain data for which all zero bytes are a valid value.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    (tm.tm_year, tm.tm_mon, tm.tm_mday) = (year - 1900, month - 1, day);
    (tm.tm_hour, tm.tm_min, tm.tm_sec) = (hour, minute, second);
    // Whether it is summer time is looked up.
    tm.tm_isdst = -1;
    // SAFETY: the pointer is valid for the call (mktime(3)).
    let seconds = unsafe { libc::mktime(&raw mut tm) };
    u64::try_from(seconds).ok()
}

/// What this machine's time zone shows at a moment (localtime_r(3)). `None` for a moment that it cannot tell.
#[must_use]
pub fn from_unix(seconds: u64) -> Option<Civil> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: `tm` is plain data for which all zero bytes are a valid value.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call (localtime_r(3)).
    let shown = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    (!shown.is_null()).then_some([
        tm.tm_year.checked_add(1900)?,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for seconds in [86_400, 951_782_399, 1_767_225_640, 4_000_000_000] {
            assert_eq!(to_unix(from_unix(seconds).unwrap()), Some(seconds));
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_time() {
        for bad in [
            [2026, 13, 1, 0, 0, 0],
            [2026, 0, 1, 0, 0, 0],
            [2026, 1, 32, 0, 0, 0],
            [2026, 1, 1, 24, 0, 0],
            [2026, 1, 1, 0, -1, 0],
            [1969, 1, 1, 0, 0, 0],
            [i32::MAX, 1, 1, 0, 0, 0],
        ] {
            assert_eq!(to_unix(bad), None, "{bad:?}");
        }
    }
}
