//! Commands that are suggested to a person, so that a shell reads exactly the words that are meant.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use crate::escaping::is_hostile;

/// A call of `twofactor`: `twofactor enroll alice --device NAME`.
pub fn twofactor(subcommand: &str, operands: &[&str], options: &[(&str, &str)]) -> String {
    let options = options.iter().map(|(option, value)| {
        let between = if value.starts_with('-') { '=' } else { ' ' };
        format!(" {option}{between}{}", quoted(value))
    });
    let options: String = options.collect();
    let words = operands.iter().map(|word| format!(" {}", quoted(word)));
    let words: String = words.collect();
    if operands.iter().any(|word| word.starts_with('-')) {
        // After `--` nothing is an option.
        format!("twofactor {subcommand}{options} --{words}")
    } else {
        format!("twofactor {subcommand}{words}{options}")
    }
}

/// A call of another program, whose fixed words are given as they are, with one argument after them: a path or a name.
pub fn other(program: &str, argument: impl AsRef<OsStr>) -> String {
    format!("{program} {}", operand(argument))
}

/// An argument that is no option, whatever it begins with.
pub fn operand(word: impl AsRef<OsStr>) -> String {
    let quoted = quoted(&word);
    if word.as_ref().as_bytes().starts_with(b"-") {
        format!("-- {quoted}")
    } else {
        quoted
    }
}

/// One word as sh(1) reads it. What no terminal should get comes out of printf(1), as octal numbers: sh has no other way
/// to write it with characters that can be seen.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let bytes = word.as_ref().as_bytes();
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.is_empty()
        && text.chars().all(is_bare)
    {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut within = QuotingState::Nothing;
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            // A newline ends no word within quotes, and would be lost at the end of what printf writes.
            if is_hostile(letter) && letter != '\n' {
                octal(
                    &mut out,
                    &mut within,
                    letter.encode_utf8(&mut [0; 4]).as_bytes(),
                )
            } else {
                literal(&mut out, &mut within, letter)
            }
        }
        octal(&mut out, &mut within, chunk.invalid());
    }
    within.enter(QuotingState::Nothing, &mut out);
    if out.is_empty() { "''".to_owned() } else { out }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuotingState {
    Nothing,
    Quotes,
    Printf,
}

impl QuotingState {
    fn enter(&mut self, next: Self, out: &mut String) {
        if *self == next {
            return;
        }
        out.push_str(match self {
            Self::Nothing => "",
            Self::Quotes => "'",
            Self::Printf => "')\"",
        });
        out.push_str(match next {
            Self::Nothing => "",
            Self::Quotes => "'",
            Self::Printf => "\"$(printf '",
        });
        *self = next;
    }
}

fn literal(out: &mut String, within: &mut QuotingState, letter: char) {
    if letter == '\'' {
        within.enter(QuotingState::Nothing, out);
        out.push_str("\\'");
        return;
    }
    within.enter(QuotingState::Quotes, out);
    out.push(letter);
}

fn octal(out: &mut String, within: &mut QuotingState, bytes: &[u8]) {
    for byte in bytes {
        within.enter(QuotingState::Printf, out);
        let _ = write!(out, "\\{byte:03o}");
    }
}

/// Letters and digits of any script, and marks that mean nothing to a shell.
fn is_bare(letter: char) -> bool {
    if letter.is_ascii() {
        letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter)
    } else {
        letter.is_alphanumeric() && !is_hostile(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The words that a shell makes of a command line.
    fn words(line: &str) -> Vec<Vec<u8>> {
        let script =
            format!("show() {{ for word; do printf '%s\\0' \"$word\"; done; }}; show {line}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{line}: {output:?}"
        );
        let mut words: Vec<Vec<u8>> = output
            .stdout
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect();
        words.pop();
        words
    }

    const HARD: [&[u8]; 16] = [
        b"alice",
        b"",
        b"a b",
        b"$(id>x)",
        b"`id`",
        b"it's",
        b"''",
        b"\"$HOME\"",
        b"~root",
        b"a\\b*?[x]{1,2};&|<>#!",
        b"-rf",
        b"\x1b[2J",
        "a\u{9b}\u{202e}b\u{200b}".as_bytes(),
        b"two\nlines\n",
        b"\x1b\n",
        b"\xff%s\\033\t",
    ];

    #[test]
    fn a_shell_reads_back_the_very_words() {
        for word in HARD {
            let quoted = quoted(OsStr::from_bytes(word));
            assert_eq!(words(&quoted), [word], "{quoted}");
            assert!(
                !quoted.contains(|letter| letter != '\n' && is_hostile(letter)),
                "{quoted:?}"
            );
        }
    }

    #[test]
    fn plain_words_stay_plain() {
        for word in ["alice", "jürgen", "李明", "a.b-c_d", "/etc/x:y@z", "-x"] {
            assert_eq!(quoted(word), word);
        }
        assert_eq!(
            twofactor("enroll", &["alice"], &[("--device", "NAME")]),
            "twofactor enroll alice --device NAME"
        );
        assert_eq!(other("chmod go-w", "/etc/x"), "chmod go-w /etc/x");
    }

    #[test]
    fn no_name_becomes_an_option() {
        let command = twofactor("enroll", &["-x y"], &[("--device", "-p")]);
        assert_eq!(command, "twofactor enroll --device=-p -- '-x y'");
        assert_eq!(
            twofactor("resync", &["-x", "token"], &[("--state", "/s")]),
            "twofactor resync --state /s -- -x token"
        );
        assert_eq!(other("getent passwd", "-x"), "getent passwd -- -x");
    }
}
