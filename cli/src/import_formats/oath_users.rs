//! Users files of the OATH toolkit (`users.oath`, pam_oath 1.6 to 2.6).
//!
//! `TYPE USER PIN KEY [MOVING-FACTOR [LAST-OTP [TIME]]]`, separated by white space. The moving factor of a counter is the
//! one of the last code, once there is a last code. Of a clock only the last code is kept, and when it was used, in some
//! local time.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use time::{Date, Month};
use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval, TotpGenerator};
use twofactor_core::secret::Secret;
use zeroize::Zeroizing;

use super::{
    ImportMoment, ImportedDevice, ImportedToken, ParsedSource, RefusedEntry, SourceLine, content,
    counter, digits, interval, lines, number, secret,
};

/// Name of a device from there.
pub const NAME: &str = "oath";
/// Steps before and after now among which a recently used code is looked for. They reach further back than any window here, and
/// as far ahead as pam_oath looks with the widest windows in use.
const NEAR: (u64, u64) = (12, 40);
/// After so many days a used code cannot come again, whatever time zone its time is in.
const LATELY: u64 = 3;

const PIN: &str =
    "the PIN in front of the code is not imported: the code alone is asked for, after the password";

/// Reads a whole file.
pub fn parse(bytes: &[u8], file: &str, moment: ImportMoment) -> ParsedSource {
    let file: Arc<str> = file.into();
    let bytes = match content(bytes) {
        Ok(bytes) => bytes,
        Err(reason) => return ParsedSource::nothing(file, None, reason),
    };
    let mut parsed = ParsedSource::default();
    for (place, text) in lines(bytes, &file, &mut parsed.refused) {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let user = text.split_ascii_whitespace().nth(1).map(str::to_owned);
        match line(text, place.clone(), moment) {
            Ok(item) => parsed.items.push(item),
            Err(reason) => parsed.refused.push(RefusedEntry {
                place,
                user,
                reason,
            }),
        }
    }
    parsed
}

fn line(text: &str, place: SourceLine, moment: ImportMoment) -> Result<ImportedDevice, String> {
    let mut fields = text.split_ascii_whitespace();
    let mut field = |name: &str| fields.next().ok_or_else(|| format!("has no {name}"));
    let (kind, digits) = kind(field("type")?)?;
    let user = field("user")?.to_owned();
    let pin = field("PIN (a hyphen for none)")?;
    let secret = key(field("key")?)?;
    let (factor, last, time) = (fields.next(), fields.next(), fields.next());
    if fields.next().is_some() {
        return Err("has more than seven fields".to_owned());
    }
    let factor = factor
        .map_or(Some(0), number)
        .ok_or("the moving factor is no number")?;
    // A hyphen stands for nothing in every column.
    let last = last.filter(|last| *last != "-");
    let sound = last.is_none_or(|last| number(last).is_some() && last.len() <= 8);
    if !sound {
        return Err("the last code is no code".to_owned());
    }
    let next = match kind {
        OtpKind::Hotp => counter(factor)? + u64::from(last.is_some()),
        OtpKind::Totp { interval } => match last {
            Some(last) if is_recent(time, moment.now) => {
                after_last(&secret, digits, interval, last, moment)
            }
            _ => 0,
        },
    };
    let notes = match pin {
        "-" | "+" => Vec::new(),
        _ => vec![PIN.into()],
    };
    Ok(ImportedDevice {
        place,
        user,
        name: NAME.to_owned(),
        token: ImportedToken {
            kind,
            algorithm: Algorithm::Sha1,
            digits,
            secret,
        },
        next,
        drift: 0,
        scratch: Vec::new(),
        notes,
    })
}

/// `HOTP`, `HOTP/E`, `HOTP/E/7`, `HOTP/T30`, `HOTP/T60/8`.
fn kind(text: &str) -> Result<(OtpKind, Digits), String> {
    let mut parts = text.split('/');
    let (hotp, factor, length, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    if hotp != Some("HOTP") || rest.is_some() {
        return Err(
            "the type is none of HOTP, HOTP/E and HOTP/T30, with /6, /7 or /8 after it".to_owned(),
        );
    }
    let kind = match factor {
        None | Some("E") => OtpKind::Hotp,
        Some(factor) => {
            let seconds = factor.strip_prefix('T').and_then(number);
            let seconds = seconds.ok_or("the type is neither HOTP/E nor HOTP/T and seconds")?;
            OtpKind::Totp {
                interval: interval(seconds)?,
            }
        }
    };
    let digits = match length {
        None => Digits::SIX,
        Some(length) => digits(number(length).unwrap_or(0))?,
    };
    Ok((kind, digits))
}

fn key(hex: &str) -> Result<Secret, String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
    secret(Zeroizing::new(
        bytes.map_err(|_| "the key is not hexadecimal")?,
    ))
}

/// True if a code that was used at `time` may still be right at `now` (seconds since 1970-01-01 UTC), also if `time` is not readable.
fn is_recent(time: Option<&str>, now: u64) -> bool {
    let used = time.and_then(days);
    used.is_none_or(|days| days + LATELY >= now / 86_400)
}

/// Days from 1970-01-01 to the date of a time such as `2026-01-31T12:00:00L`.
fn days(time: &str) -> Option<u64> {
    let mut date = time.split('T').next()?.split('-').map(number);
    let year = i32::try_from(date.next()??).ok()?;
    let month = u8::try_from(date.next()??).ok()?;
    let day = u8::try_from(date.next()??).ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let seconds = date.midnight().assume_utc().unix_timestamp();
    Some(u64::try_from(seconds).ok()? / 86_400)
}

/// The first step after the one that the last code belongs to; 0 where it is so old that it does not matter.
fn after_last(
    secret: &Secret,
    digits: Digits,
    interval: Interval,
    last: &str,
    moment: ImportMoment,
) -> u64 {
    let totp = TotpGenerator::new(secret, Algorithm::Sha1, digits, interval);
    let now = interval.step(moment.now);
    (now.saturating_sub(NEAR.0)..=now.saturating_add(NEAR.1))
        .rev()
        .find(|step| totp.code(*step).reveal().as_str() == last)
        .map_or(0, |step| step + 1)
}

#[cfg(test)]
mod tests;
