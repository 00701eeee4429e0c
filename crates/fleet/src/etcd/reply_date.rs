//! The time that a member of etcd says in its replies (RFC 9110 section 5.6.7), to find a clock that is off.

use std::time::SystemTime;

/// Seconds since 1970-01-01 UTC of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn seconds(date: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(date).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_replies_are_read() {
        for (date, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Thu, 29 Feb 2024 23:59:59 CET", None),
            ("Thu, 29 Foo 2024 23:59:59 GMT", None),
            ("Thu, 29 Feb 2024 24:59:59 GMT", None),
            ("", None),
        ] {
            assert_eq!(seconds(date), expected, "{date}");
        }
    }
}
