//! Text that steers no terminal, whatever names, files and other programs put into it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that show nothing themselves and change what is shown around them: marks of direction and invisible ones
/// (Unicode Standard, sections 23.2 to 23.9), and letters that are drawn as nothing.
const UNSEEN: [(char, char); 14] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e007f}'),
];

/// True if a character does something else than to be seen: C0 with the tab and the newline, DEL, C1, and those that
/// cannot be seen.
pub fn is_hostile(letter: char) -> bool {
    letter.is_control()
        || UNSEEN
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&letter))
}

/// A text of several lines: newlines and tabs stay, other hostile characters are written as `\u{1b}`.
pub fn text(text: &str) -> Cow<'_, str> {
    replaced(text, |letter| {
        is_hostile(letter) && !matches!(letter, '\n' | '\t')
    })
}

/// A value within a line: newlines and tabs are escaped as well.
pub fn value(value: &str) -> Cow<'_, str> {
    replaced(value, is_hostile)
}

/// JSON with hostile characters as `\u001b` (RFC 8259 section 7), so that a reader finds the very text. Outside of
/// strings there are none but newlines, which within strings are escaped already.
pub fn json(json: &str) -> Cow<'_, str> {
    let hostile = |letter| is_hostile(letter) && letter != '\n';
    if !json.contains(hostile) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(2 * json.len());
    for letter in json.chars() {
        if !hostile(letter) {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

fn replaced(text: &str, hostile: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if hostile(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_marks_of_direction_are_written_out() {
        let hostile = "a\u{1b}[2J\u{9b}m\r\u{7f}\u{202e}\u{200b}\u{e0041}b";
        let shown = "a\\u{1b}[2J\\u{9b}m\\r\\u{7f}\\u{202e}\\u{200b}\\u{e0041}b";
        assert_eq!(text(hostile), shown);
        assert_eq!(value(hostile), shown);
    }

    #[test]
    fn what_people_write_stays() {
        for good in ["jürgen", "李明", "e\u{301}", "a\tb\nc", "Ω≈ç…–"] {
            assert_eq!(text(good), good);
        }
        assert_eq!(value("a\tb\nc"), "a\\tb\\nc");
    }

    #[test]
    fn json_stays_the_same_value() {
        let hostile = "\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}\n\t\"\\ü";
        for written in [
            serde_json::to_string_pretty(&[hostile]),
            serde_json::to_string(&[hostile]),
        ] {
            let written = json(&written.unwrap()).into_owned();
            assert!(!written.contains(|letter| letter != '\n' && is_hostile(letter)));
            let read: Vec<String> = serde_json::from_str(&written).unwrap();
            assert_eq!(read, [hostile]);
        }
        assert_eq!(json("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
    }
}
