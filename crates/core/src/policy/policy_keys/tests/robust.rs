//! Tests that no text, however broken, makes the reader panic or give a useless error.

use super::super::super::{DEFAULT_POLICY, parse};

/// Numbers that look random and are the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// Reads `text`, which must not panic; an error must lie within it and be one line to log.
fn reads(text: &str) {
    let Err(error) = parse(text) else { return };
    let lines = text.matches('\n').count() + 1;
    assert!((1..=lines).contains(&error.line), "{error}: {text:?}");
    let line = text.split('\n').nth(error.line - 1).unwrap();
    assert!(
        (1..=line.chars().count() + 1).contains(&error.column),
        "{error}: {text:?}"
    );
    assert!(!error.message.is_empty());
    assert!(
        !error.message.chars().any(char::is_control),
        "{:?}",
        error.message
    );
    assert!(error.message.len() < 1000, "{error}");
}

#[test]
fn no_text_panics() {
    for end in (0..=DEFAULT_POLICY.len()).filter(|end| DEFAULT_POLICY.is_char_boundary(*end)) {
        reads(&DEFAULT_POLICY[..end]);
        reads(&DEFAULT_POLICY[end..]);
    }
    let pieces = [
        "[",
        "]",
        "[[exempt]]\n",
        "\"",
        "'''",
        "\"\"\"",
        "=",
        "\n",
        "\r",
        "\0",
        "\u{1b}",
        "{",
        "}",
        ".",
        "-",
        "99999999999999999999",
        "0x",
        "nan",
        "1e9",
        "true",
        "\u{feff}",
        "\u{e9}",
        "\\",
        "users = [\"a\"]\n",
        "networks = [\"::ffff:0/8\"]\n",
        "[services]\n",
        "#",
        "1979-05-27",
    ];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        let mut bytes = DEFAULT_POLICY.replace('#', if numbers.below(2) == 0 { "" } else { "#" });
        for _ in 0..=numbers.below(6) {
            let mut raw = bytes.into_bytes();
            let at = numbers.below(raw.len());
            match numbers.below(4) {
                0 => raw[at] = u8::try_from(numbers.below(256)).unwrap(),
                1 => drop(raw.drain(at..raw.len().min(at + numbers.below(20)))),
                2 => {
                    let piece = pieces[numbers.below(pieces.len())].bytes();
                    drop(raw.splice(at..at, piece));
                }
                _ => {
                    let part = raw[at..raw.len().min(at + numbers.below(80))].to_vec();
                    let to = numbers.below(raw.len());
                    drop(raw.splice(to..to, part));
                }
            }
            bytes = String::from_utf8_lossy(&raw).into_owned();
        }
        reads(&bytes);
    }
}

/// The TOML parser does not look at what stands after an underscore in a number.
#[test]
fn what_passes_for_a_number_is_shown_escaped() {
    for junk in ["\0\0", "\u{7f}", "zz\u{1b}2J", "\u{202e}"] {
        let text = format!("enabled = false\ngrace = 8_6_409{junk}\n");
        let error = parse(&text).unwrap_err().to_string();
        let shown = format!("grace is 86409{}; allowed", junk.escape_debug());
        assert!(error.contains(&shown), "{error}");
        reads(&text);
    }
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    reads(&format!("enabled = {}", "[".repeat(60_000)));
    reads(&format!("enabled = {}", "{a=".repeat(20_000)));
    reads(&format!("{} = 1", vec!["a"; 30_000].join(".")));
    reads(&format!("[{}]", vec!["exempt"; 9_000].join(".")));
    assert!(parse(&format!("enabled = {}", "[".repeat(60_000))).is_err());
}
