//! Lengths of time on the command line: `90s`, `15m`, `2h`, `30d`.

/// Longest life of a bypass code: 30 days. Who needs longer needs an exemption, which belongs into the policy.
const LONGEST: u64 = 30 * 86_400;

/// Seconds; a number without a unit is seconds, too.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text.strip_prefix(digits) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        _ => return Err("a number with s, m, h or d is needed, for example 90m".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a number with s, m, h or d is needed, for example 90m".to_string())?;
    match number.checked_mul(unit) {
        Some(seconds) if seconds <= LONGEST => Ok(seconds),
        _ => Err("at most 30d; for longer, add an [[exempt]] entry to the policy".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_a_limit() {
        assert_eq!(parse("90"), Ok(90));
        assert_eq!(parse("90s"), Ok(90));
        assert_eq!(parse("15m"), Ok(900));
        assert_eq!(parse("2h"), Ok(7200));
        assert_eq!(parse("30d"), Ok(2_592_000));
        assert_eq!(parse("0"), Ok(0));
        for wrong in [
            "",
            "h",
            "1w",
            "-1h",
            "1h30",
            "31d",
            "99999999999999999999",
            "1 h",
            "1hh",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
