//! State files of google-authenticator (libpam-google-authenticator 1.0 to 1.11).
//!
//! The first line is the key. Lines that begin with `"` are options; of an option that is named twice, the first counts.
//! Lines of eight digits are scratch codes that were not used yet, up to the first line that is none.

use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::recovery::SCRATCH_LEN;
use twofactor_core::state::DRIFT_BEYOND_WINDOW;
use zeroize::Zeroizing;

use super::base32::{self, LookalikeDigits};
use super::{
    ImportMoment, ImportNote, ImportedDevice, ImportedToken, ParsedSource, RefusedEntry,
    SourceLine, content, counter, interval, number, secret,
};

/// Name of a device from there.
pub const NAME: &str = "google-authenticator";
/// `WINDOW_SIZE` of a file that names none: the code before, the current one and the one after.
const USUAL_WINDOW: u64 = 3;
/// Widest window that google-authenticator accepts.
const WIDEST_WINDOW: u64 = 100;

const REUSE: &str =
    "codes could be used twice there, so only codes count that are shown after the import";
const WINDOW: &str =
    "WINDOW_SIZE is not imported: the window of the policy applies, and is smaller";
const RATE: &str = "RATE_LIMIT is not imported: [throttle] of the policy applies";
const UNKNOWN: &str = "has options that google-authenticator does not know";

/// Reason why a file gives no device.
type LineProblem = (usize, String);

/// The options that matter here, with their lines.
#[derive(Default)]
struct GoogleOptions {
    totp: bool,
    counter: Option<(usize, u64)>,
    step_size: Option<(usize, u64)>,
    window: Option<(usize, u64)>,
    skew: Option<(usize, i64)>,
    /// The newest step that was used; `None` in it: none yet.
    reuse: Option<(usize, Option<u64>)>,
    notes: Vec<ImportNote>,
}

/// Reads one file, which is `user`'s.
pub fn parse(bytes: &[u8], file: &str, user: &str, moment: ImportMoment) -> ParsedSource {
    let place = |line| SourceLine {
        file: file.into(),
        line,
    };
    let refused = |(line, reason): LineProblem| RefusedEntry {
        place: place(line),
        user: Some(user.to_owned()),
        reason,
    };
    let bytes = match content(bytes) {
        Ok(bytes) => bytes,
        Err(reason) => return ParsedSource::nothing(file.into(), Some(user), reason),
    };
    let Some(text) = std::str::from_utf8(bytes)
        .ok()
        .filter(|t| !t.contains('\0'))
    else {
        let reason = "is not a state file: it is not text".to_owned();
        return ParsedSource::nothing(file.into(), Some(user), reason);
    };
    // The last line may end in a carriage return alone.
    let all = text.lines().map(|line| line.trim_end_matches('\r'));
    let first = all.clone().next().unwrap_or_default();
    let lines = (1..).zip(all).skip(1);
    match device(first, lines.clone(), moment) {
        Err(problem) => ParsedSource {
            items: Vec::new(),
            refused: vec![refused(problem)],
        },
        Ok((token, next, drift, notes)) => {
            let (scratch, left) = scratch_codes(lines);
            let item = ImportedDevice {
                place: place(1),
                user: user.to_owned(),
                name: NAME.to_owned(),
                token,
                next,
                drift,
                scratch,
                notes,
            };
            ParsedSource {
                items: vec![item],
                refused: left.map(refused).into_iter().collect(),
            }
        }
    }
}

type GoogleDevice = (ImportedToken, u64, i8, Vec<ImportNote>);

fn device<'t>(
    first: &str,
    lines: impl Iterator<Item = (usize, &'t str)>,
    moment: ImportMoment,
) -> Result<GoogleDevice, LineProblem> {
    let bytes = base32::decode(first, LookalikeDigits::Read).ok_or_else(|| {
        (
            1,
            "is not a state file: the first line is no key (base32)".to_owned(),
        )
    })?;
    let secret = secret(bytes).map_err(|reason| (1, reason))?;
    let mut options = options(lines)?;
    let (kind, next, drift) = match (options.counter, options.totp) {
        // If both are named, google-authenticator counts, too.
        (Some((line, number)), totp) if number > 0 || !totp => {
            (OtpKind::Hotp, used_counter(line, number)?, 0)
        }
        (_, true) => {
            let (line, seconds) = options.step_size.unwrap_or((1, 30));
            let interval = interval(seconds).map_err(|reason| (line, reason))?;
            let (next, drift) = used_steps(&mut options, interval, moment)?;
            (OtpKind::Totp { interval }, next, drift)
        }
        (None | Some(_), false) => {
            return Err((
                1,
                "is not a state file: it names neither TOTP_AUTH nor HOTP_COUNTER".to_owned(),
            ));
        }
    };
    let token = ImportedToken {
        kind,
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        secret,
    };
    options.notes.sort_unstable();
    options.notes.dedup();
    Ok((token, next, drift, options.notes))
}

/// The next counter. google-authenticator starts at 1 and takes 0 for "no counter".
fn used_counter(line: usize, number: u64) -> Result<u64, LineProblem> {
    match number {
        0 => Err((
            line,
            "HOTP_COUNTER is 0, which google-authenticator refuses, too".to_owned(),
        )),
        _ => counter(number).map_err(|reason| (line, reason)),
    }
}

/// The first step that may still be used, and the drift.
fn used_steps(
    options: &mut GoogleOptions,
    interval: Interval,
    moment: ImportMoment,
) -> Result<(u64, i8), LineProblem> {
    let (line, skew) = options.skew.unwrap_or((1, 0));
    let bound = i64::from(moment.window.saturating_add(DRIFT_BEYOND_WINDOW));
    let drift = i8::try_from(skew).ok().filter(|_| skew.abs() <= bound);
    let drift = drift.ok_or_else(|| {
        let reason = format!(
            "its clock is off by {skew} codes, more than the {bound} that can be learned here: set the clocks right, \
             or raise the window of the policy first"
        );
        (line, reason)
    })?;
    let (line, window) = options.window.unwrap_or((1, USUAL_WINDOW));
    if !(1..=WIDEST_WINDOW).contains(&window) {
        return Err((line, "WINDOW_SIZE is not 1 to 100".to_owned()));
    }
    let ahead = window / 2 + skew.unsigned_abs();
    if window / 2 > u64::from(moment.window) {
        options.notes.push(WINDOW.into());
    }
    match options.reuse {
        Some((line, Some(used))) if used > interval.step(moment.now).saturating_add(ahead + 1) => {
            Err((
                line,
                "names a used code of the future: is the clock right?".to_owned(),
            ))
        }
        Some((_, Some(used))) => Ok((used.saturating_add(1), drift)),
        // The code that made google-authenticator learn the skew is not on its list.
        Some((_, None)) if skew == 0 => Ok((0, drift)),
        Some((_, None)) => Ok((moment.first_unused(interval, ahead), drift)),
        None => {
            options.notes.push(REUSE.into());
            Ok((moment.first_unused(interval, ahead), drift))
        }
    }
}

fn options<'t>(
    lines: impl Iterator<Item = (usize, &'t str)>,
) -> Result<GoogleOptions, LineProblem> {
    let mut found = GoogleOptions::default();
    for (line, text) in lines {
        let Some(option) = text.strip_prefix("\" ") else {
            continue;
        };
        let mut words = option.split_ascii_whitespace();
        let key = words.next().unwrap_or_default();
        let mut single = || {
            let value = words.next().filter(|_| words.next().is_none());
            value
                .and_then(number)
                .map(|number| (line, number))
                .ok_or_else(|| (line, format!("{key} needs one number")))
        };
        match key {
            "TOTP_AUTH" => found.totp = true,
            "HOTP_COUNTER" => found.counter = found.counter.or(Some(single()?)),
            "STEP_SIZE" => found.step_size = found.step_size.or(Some(single()?)),
            "WINDOW_SIZE" => found.window = found.window.or(Some(single()?)),
            "TIME_SKEW" => {
                let skew = words.next().unwrap_or_default();
                let skew: i64 = skew
                    .parse()
                    .map_err(|_| (line, "TIME_SKEW needs one number".to_owned()))?;
                found.skew = found.skew.or(Some((line, skew)));
            }
            "DISALLOW_REUSE" => {
                let steps: Option<Vec<u64>> = words.map(number).collect();
                let steps =
                    steps.ok_or_else(|| (line, "DISALLOW_REUSE needs numbers".to_owned()))?;
                let before = found.reuse.and_then(|(_, used)| used);
                found.reuse = Some((line, steps.into_iter().max().max(before)));
            }
            "RATE_LIMIT" => found.notes.push(RATE.into()),
            // A skew that is not learned yet, and when logins were.
            "RESETTING_TIME_SKEW" => {}
            _ if key.strip_prefix("LAST").and_then(number).is_some() => {}
            _ => found.notes.push(UNKNOWN.into()),
        }
    }
    Ok(found)
}

/// The scratch codes, and the line where google-authenticator stops to read them, if there is something.
fn scratch_codes<'t>(
    lines: impl Iterator<Item = (usize, &'t str)>,
) -> (Vec<Zeroizing<String>>, Option<LineProblem>) {
    let mut codes: Vec<Zeroizing<String>> = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('"')) {
        let sound = text.len() == SCRATCH_LEN && number(text).is_some() && !text.starts_with('0');
        if !sound {
            let reason = "is no scratch code; this line and what follows is left out".to_owned();
            return (codes, Some((line, reason)));
        }
        if codes.iter().any(|code| code.as_str() == text) {
            continue;
        }
        if codes.len() == twofactor_core::record::MAX_RECOVERY_CODES {
            let reason = "more scratch codes than can be kept; the rest is left out".to_owned();
            return (codes, Some((line, reason)));
        }
        codes.push(Zeroizing::new(text.to_owned()));
    }
    (codes, None)
}

#[cfg(test)]
mod tests;
