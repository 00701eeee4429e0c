//! Lines for a screen: broken between words, and never within a command.

use unicode_width::UnicodeWidthStr as _;

/// Words that begin a command in a message.
const PROGRAMS: [&str; 9] = [
    "twofactor",
    "chmod",
    "chown",
    "getent",
    "mkdir",
    "mount",
    "pam-auth-update",
    "systemctl",
    "userdel",
];

/// The indent of the rest of a table's row below its beginning, in columns.
const ROW_INDENT: usize = 4;

/// Text whose lines have at most so many columns. Lines that continue one are indented as far as it is, and further
/// below a row of a table. Commands, PAM lines and long words stay in one piece, however long they are.
pub fn wrapped(text: &str, columns: usize) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        if line.trim_end_matches('\n').width() <= columns {
            return line.to_owned();
        }
        let body = line.trim_start_matches(' ');
        let indent = line.len().saturating_sub(body.len());
        let below = indent + if body.contains("  ") { ROW_INDENT } else { 0 };
        broken(&" ".repeat(indent), body, below, columns)
    });
    lines.collect()
}

/// Text after its label, in lines of at most so many columns, of which all but the first are indented. Commands and PAM
/// lines are there to be copied and stay in one piece, however long they are. One line where `columns` is `None`.
pub fn labelled(label: &str, text: &str, columns: Option<usize>) -> String {
    broken(label, text, label.width(), columns.unwrap_or(usize::MAX))
}

/// A line after what begins it. `indent` is for what follows it.
fn broken(start: &str, text: &str, indent: usize, columns: usize) -> String {
    let mut out = start.to_owned();
    let mut used = start.width();
    let mut is_first = true;
    for piece in pieces(text) {
        let width = piece.trim_end_matches('\n').width();
        if !is_first && width > 0 && used.saturating_add(width) >= columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if !is_first {
            out.push(' ');
            used += 1;
        }
        out.push_str(&piece);
        used += width;
        is_first = false;
    }
    out
}

/// Contexts in which no line may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BreakContext {
    /// Nothing: between words.
    Words,
    /// A command: up to a punctuation mark or a bracket.
    Command,
    /// A line for a PAM file: up to the module.
    PamLine,
}

fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut within = BreakContext::Words;
    let mut quotes = OpenQuotes::default();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        match pieces.last_mut().filter(|_| within != BreakContext::Words) {
            Some(piece) => {
                piece.push(' ');
                piece.push_str(word);
            }
            None => pieces.push(word.to_owned()),
        }
        if within == BreakContext::Command && quotes.are_open_after(word) {
            continue;
        }
        let next = words.peek();
        let bracket = |open| next.is_some_and(|next| next.starts_with(open));
        let first = word.trim_start_matches('(');
        within = match within {
            BreakContext::Words if PROGRAMS.contains(&first) => BreakContext::Command,
            BreakContext::Words if ["auth", "account"].contains(&first) && bracket('[') => {
                BreakContext::PamLine
            }
            BreakContext::Command if !word.ends_with([',', ';', '.', ')']) && !bracket('(') => {
                within
            }
            BreakContext::PamLine if !word.trim_end_matches(['.', ',', ';']).ends_with(".so") => {
                within
            }
            _ => BreakContext::Words,
        };
    }
    pieces
}

/// Extent to which the words of a command are quoted, as [`crate::suggested_command`] does it.
#[derive(Default)]
struct OpenQuotes {
    open: Option<char>,
}

impl OpenQuotes {
    /// Goes through one more word of the command. True if the space after it is part of an argument.
    fn are_open_after(&mut self, word: &str) -> bool {
        let mut letters = word.chars();
        while let Some(letter) = letters.next() {
            match (self.open, letter) {
                (None, '\\') => {
                    letters.next();
                }
                (None, '\'' | '"') => self.open = Some(letter),
                // Within "$(printf '…')" stand digits and backslashes.
                (Some(open), letter) if letter == open => self.open = None,
                _ => {}
            }
        }
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_but_no_command_in_it() {
        let text = "See who changed it; then: chmod go-w /etc/pam.d/sshd-of-mine, or auth [success=ok default=die] pam_x.so. \
                    Then look";
        assert_eq!(labelled("Fix:  ", text, None), format!("Fix:  {text}"));
        assert_eq!(
            labelled("Fix:  ", text, Some(24)),
            "Fix:  See who changed\n      it; then:\n      chmod go-w /etc/pam.d/sshd-of-mine,\n      or\n      \
             auth [success=ok default=die] pam_x.so.\n      Then look"
        );
        // Ends of commands, and words that only look like the beginning of one.
        let more = "the auth lines (twofactor enable) or twofactor unlock al (see the auth log)";
        assert_eq!(
            pieces(more),
            [
                "the",
                "auth",
                "lines",
                "(twofactor enable)",
                "or",
                "twofactor unlock al",
                "(see",
                "the",
                "auth",
                "log)"
            ]
        );
    }

    #[test]
    fn lines_are_broken_between_words() {
        let text = "short\n  one two three\nUSER   DEVICES  NOTE\nSure? [y/N] ";
        assert_eq!(wrapped(text, 80), text);
        assert_eq!(
            wrapped(text, 10),
            "short\n  one two\n  three\nUSER\n    DEVICES\n    NOTE\nSure?\n[y/N] "
        );
        let text = "Then: twofactor unset alice\n";
        assert_eq!(wrapped(text, 27), text);
        assert_eq!(wrapped(text, 26), "Then:\ntwofactor unset alice\n");
        assert_eq!(wrapped(text, 5), "Then:\ntwofactor unset alice\n");
        assert_eq!(wrapped("", 10), "");
    }

    #[test]
    fn no_quoted_argument_is_torn() {
        for name in ["a, b. (c", "it's; a", "\u{1b} x) y"] {
            let command = crate::suggested_command::twofactor("unset", &[name], &[]);
            let text = format!("If it is gone: {command}. If not, nothing");
            let ended = format!("{command}.");
            assert!(pieces(&text).contains(&ended), "{:?}", pieces(&text));
            assert_eq!(pieces(&text).last().unwrap(), "nothing");
        }
    }
}
