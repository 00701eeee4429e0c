//! A command line as bash holds it while it is typed: read without any expansion, and completed in the same quotes.

/// A command line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct BashLine {
    /// Its words without quotes, the name of the program first. The last one is being typed.
    pub words: Vec<String>,
    /// The last word as it is typed.
    raw: String,
    /// The quote in which the cursor stands.
    quote: Option<char>,
}

impl BashLine {
    /// Reads a line. Variables, commands and patterns in it stay text.
    pub fn read(line: &str) -> Self {
        let (mut words, mut word, mut raw) = (Vec::new(), String::new(), String::new());
        let mut quote: Option<char> = None;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            raw.push(letter);
            match (quote, letter) {
                (Some(open), _) if letter == open => quote = None,
                (Some('\''), _) => word.push(letter),
                (None, '\'' | '"') => quote = Some(letter),
                (_, '\\') => {
                    if let Some(next) = letters.next() {
                        raw.push(next);
                        word.push(next);
                    }
                }
                (None, ' ' | '\t' | '\n') => {
                    raw.pop();
                    if !raw.is_empty() {
                        words.push(std::mem::take(&mut word));
                        raw.clear();
                    }
                }
                _ => word.push(letter),
            }
        }
        words.push(word);
        Self { words, raw, quote }
    }

    /// The text that takes the place of `replaced`, which is the end of the last word as Readline splits it, so that the
    /// word becomes `candidate`. `None` where the quotes that are open cannot hold it.
    pub fn completion(&self, candidate: &str, replaced: &str) -> Option<String> {
        let whole = match self.quote {
            // Readline closes the quote.
            Some('\'') if !candidate.contains('\'') => format!("'{candidate}"),
            Some('"') if !candidate.contains(['"', '$', '`', '\\', '!']) => {
                format!("\"{candidate}")
            }
            Some(_) => return None,
            None => escaped(candidate),
        };
        let kept = self.raw.strip_suffix(replaced).unwrap_or_default();
        whole.strip_prefix(kept).map(str::to_owned)
    }
}

/// A word for bash, each mark with a backslash that may mean something to it.
fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for letter in word.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"_@%+=:,./-".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_without_quotes_and_expansion() {
        for (line, words) in [
            ("", &[""][..]),
            ("twofactor ", &["twofactor", ""]),
            ("twofactor  en", &["twofactor", "en"]),
            ("t a\\ b 'c d' \"e \\\" f", &["t", "a b", "c d", "e \" f"]),
            (
                "t $(id) `id` ~ * --x=y",
                &["t", "$(id)", "`id`", "~", "*", "--x=y"],
            ),
            ("t '' ", &["t", "", ""]),
            ("t a\\", &["t", "a"]),
        ] {
            assert_eq!(BashLine::read(line).words, words, "{line}");
        }
    }

    #[test]
    fn candidates_are_quoted_as_the_word_began() {
        for (line, replaced, candidate, text) in [
            ("t al", "al", "alice", Some("alice")),
            ("t a", "a", "a b$(id)", Some("a\\ b\\$\\(id\\)")),
            ("t a\\ ", "a\\ ", "a b", Some("a\\ b")),
            ("t 'a ", "a ", "a b$x", Some("a b$x")),
            ("t 'a ", "a ", "a 'b", None),
            ("t \"a", "a", "a b", Some("a b")),
            ("t \"a", "a", "a$b", None),
            ("t al@ex", "ex", "al@example.org", Some("example.org")),
            ("t --device=ta", "ta", "--device=tablet", Some("tablet")),
            ("t --device=", "", "--device=tablet", Some("tablet")),
            ("t --device=", "=", "--device=tablet", Some("=tablet")),
        ] {
            let found = BashLine::read(line).completion(candidate, replaced);
            assert_eq!(found.as_deref(), text, "{line}: {candidate}");
        }
    }
}
