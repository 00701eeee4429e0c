//! The lines of a PAM file and their words (pam.conf(5)).

const BLANKS: [char; 3] = [' ', '\t', '\n'];

/// A line as libpam sees it: continuations joined, comments gone, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLine {
    /// Number of the line at which it begins, from 1.
    pub number: usize,
    /// Its words; brackets around a word are taken off.
    pub words: Vec<String>,
}

/// Ending of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnding {
    /// With a whole line.
    Whole,
    /// With a backslash, so that the last line goes on nowhere: libpam refuses such a file.
    CutOff,
}

/// Splits a file into lines.
pub fn lines(text: &str) -> (Vec<ConfigLine>, FileEnding) {
    let mut lines = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (index, physical) in text.split('\n').enumerate() {
        let start = physical.trim_start_matches(BLANKS);
        if start.is_empty() || start.starts_with('#') {
            // Also between the parts of a line that is continued.
            continue;
        }
        let (number, mut joined) = begun.take().unwrap_or((index + 1, String::new()));
        let (content, commented) = match start.split_once('#') {
            Some((before, _)) => (before, true),
            None => (start, false),
        };
        match content.trim_end_matches(BLANKS).strip_suffix('\\') {
            Some(part) if !commented => {
                joined.push_str(part);
                joined.push(' ');
                begun = Some((number, joined));
            }
            _ => {
                joined.push_str(content);
                lines.push(ConfigLine {
                    number,
                    words: words(&joined),
                });
            }
        }
    }
    match begun {
        Some(_) => (lines, FileEnding::CutOff),
        None => (lines, FileEnding::Whole),
    }
}

/// Words are set apart by blanks; a word in brackets may hold blanks, and `\]` in it is a bracket.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(BLANKS);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('[') {
            Some(inside) => bracketed(inside),
            None => {
                let end = rest.find(BLANKS).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word.to_owned(), after)
            }
        };
        words.push(word);
        rest = after.trim_start_matches(BLANKS);
    }
    words
}

fn bracketed(inside: &str) -> (String, &str) {
    let mut word = String::new();
    let mut letters = inside.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some((_, ']'))) => {
                letters.next();
                word.push(']');
            }
            (']', _) => return (word, inside.get(at + 1..).unwrap_or_default()),
            _ => word.push(letter),
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        let (lines, ending) = lines(text);
        assert_eq!(ending, FileEnding::Whole);
        lines
            .into_iter()
            .map(|line| (line.number, line.words))
            .collect()
    }

    fn one(text: &str) -> Vec<String> {
        let lines = read(text);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].1.clone()
    }

    #[test]
    fn comments_and_blank_lines_are_nothing() {
        let text = "# all\n\n  \t\n auth required a.so # rest\n\t#x\nauth requisite b.so";
        assert_eq!(
            read(text),
            [
                (4, vec!["auth".into(), "required".into(), "a.so".into()]),
                (6, vec!["auth".into(), "requisite".into(), "b.so".into()]),
            ]
        );
    }

    #[test]
    fn a_backslash_joins_lines_also_across_comments() {
        assert_eq!(
            one("auth \\\n  # between\n\n required\\ \n a.so"),
            ["auth", "required", "a.so"]
        );
        // Not after a comment.
        assert_eq!(read("auth required a.so # \\\nauth required b.so").len(), 2);
    }

    #[test]
    fn a_line_that_goes_on_nowhere_is_told() {
        assert_eq!(lines("auth required a.so\nauth \\\n").1, FileEnding::CutOff);
        assert_eq!(lines("auth required a.so\nauth \\").0.len(), 1);
    }

    #[test]
    fn brackets_hold_blanks_and_escaped_brackets() {
        assert_eq!(
            one("auth [success=1  default=ignore]a.so x=[b \\] c] d\\e"),
            [
                "auth",
                "success=1  default=ignore",
                "a.so",
                "x=[b",
                "\\]",
                "c]",
                "d\\e"
            ]
        );
        assert_eq!(
            one("auth required a.so [b \\] c] [open"),
            ["auth", "required", "a.so", "b ] c", "open"]
        );
    }
}
