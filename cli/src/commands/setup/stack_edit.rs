//! Places for the lines of the module in a PAM file. Pure: text in, text out.

use std::ops::Range;

use crate::doctor::stack_preview::StackVerdict;

/// The comment above each added line.
pub const NOTE: &str = "# Added by twofactor setup; \"twofactor setup --undo\" takes it out.";
/// Asks for the code.
pub const AUTH: &str = "auth       [success=ok ignore=ignore default=die]  pam_twofactor.so";
/// Enrolls at login, where the policy says so.
pub const ACCOUNT: &str =
    "account    [success=ok ignore=ignore module_unknown=ignore default=die]  pam_twofactor.so";
/// Tells users without a device that they can have one.
pub const SESSION: &str = "session    optional     pam_twofactor.so";

/// True if the text names the module outside of comments.
pub fn names_module(text: &str) -> bool {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| line.contains("pam_twofactor.so"))
}

/// Adds the line that asks for the code, at the first place where it is reached after the right password and only
/// then. `judge` simulates logins with a text.
///
/// # Errors
/// The reason of `judge` at the last place that was tried.
pub fn with_code(text: &str, judge: &dyn Fn(&str) -> StackVerdict) -> Result<String, String> {
    let mut reason = "it has no line that checks a password".to_owned();
    let mut second_best = None;
    for base in [Some(text.to_owned()), without_substacks(text)]
        .into_iter()
        .flatten()
    {
        let places = pieces(&base).into_iter().filter(StackPiece::may_check);
        for place in places {
            let candidate = insert(&base, place.range.end, AUTH);
            match judge(&candidate) {
                StackVerdict::Sound => return Ok(candidate),
                StackVerdict::AsksStrangers => _ = second_best.get_or_insert(candidate),
                StackVerdict::Unsound(why) => reason = why,
            }
        }
    }
    second_best.ok_or(reason)
}

/// Adds the account line before the first one that decides. A file without account lines stays as it is: libpam uses
/// those of `other` then, and one line would replace them all. `source` gives the text of an included file.
pub fn with_account(text: &str, source: &dyn Fn(&str) -> Option<String>) -> String {
    let decides = |piece: &StackPiece| match piece.kind.as_str() {
        "account" => !piece.is_nologin(),
        "@include" => piece.words.first().is_some_and(|name| {
            source(name).is_some_and(|text| pieces(&text).iter().any(|one| one.kind == "account"))
        }),
        _ => false,
    };
    match pieces(text).iter().find(|piece| decides(piece)) {
        Some(piece) => insert(text, piece.range.start, ACCOUNT),
        None => text.to_owned(),
    }
}

/// Adds the session line after the shared ones, if there are any.
pub fn with_session(text: &str) -> String {
    let shares = |piece: &&StackPiece| {
        matches!(piece.kind.as_str(), "@include" | "session")
            && piece.words.iter().any(|word| word == "common-session")
    };
    match pieces(text).iter().find(shares) {
        Some(piece) => insert(text, piece.range.end, SESSION),
        None => text.to_owned(),
    }
}

/// Adds a line at the end. pam-auth-update keeps lines after its block.
pub fn with_last(text: &str, line: &str) -> String {
    insert(text, text.len(), line)
}

/// Adds a line before all others and before the block of pam-auth-update.
pub fn with_first(text: &str, line: &str) -> String {
    let block = text.find("# here are the per-package modules");
    let first = pieces(text)
        .into_iter()
        .find(|piece| !piece.kind.is_empty())
        .map(|piece| piece.range.start);
    let at = block.into_iter().chain(first).min().unwrap_or(text.len());
    insert(text, at, line)
}

/// The text with `include` for `substack` in its auth lines: a wrong password then ends the login. `None` if it has no `substack`.
fn without_substacks(text: &str) -> Option<String> {
    let mut changed = text.to_owned();
    let found = pieces(text).into_iter().rev().filter(|piece| {
        piece.kind == "auth" && piece.words.first().is_some_and(|word| word == "substack")
    });
    for piece in found {
        let line = text.get(piece.range.clone())?;
        changed.replace_range(piece.range, &line.replacen("substack", "include", 1));
    }
    (changed != text).then_some(changed)
}

fn insert(text: &str, at: usize, line: &str) -> String {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{before}{gap}{NOTE}\n{line}\n{after}")
}

/// A line, with those that backslashes join to it.
struct StackPiece {
    range: Range<usize>,
    /// Its first word in lower case, without the dash that excuses a missing module; empty for comments and blank lines.
    kind: String,
    /// The other words.
    words: Vec<String>,
}

impl StackPiece {
    fn may_check(&self) -> bool {
        matches!(self.kind.as_str(), "auth" | "@include")
    }

    /// pam_nologin with a control that skips no line.
    fn is_nologin(&self) -> bool {
        self.words
            .first()
            .is_some_and(|word| word == "required" || word == "requisite")
            && self.words.iter().any(|word| word == "pam_nologin.so")
    }
}

fn pieces(text: &str) -> Vec<StackPiece> {
    let (mut pieces, mut start, mut end) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        end += line.len();
        let whole = text.get(start..end).unwrap_or_default();
        let comment = whole.trim_start().starts_with('#');
        if line.trim_end_matches('\n').ends_with('\\') && !comment {
            continue;
        }
        pieces.push(piece(start..end, whole));
        start = end;
    }
    if start < end {
        pieces.push(piece(start..end, text.get(start..end).unwrap_or_default()));
    }
    pieces
}

fn piece(range: Range<usize>, text: &str) -> StackPiece {
    let joined = text.replace("\\\n", " ");
    let code = joined.split('#').next().unwrap_or_default();
    let mut words = code.split_ascii_whitespace().map(str::to_owned);
    let kind = words.next().unwrap_or_default().to_ascii_lowercase();
    StackPiece {
        range,
        kind: kind.strip_prefix('-').unwrap_or(&kind).to_owned(),
        words: words.collect(),
    }
}

#[cfg(test)]
mod tests;
