//! A conversation of several lines, of which nothing secret gets into a log.

use zeroize::Zeroizing;

use crate::later;
use crate::text;
use crate::transaction::{Echo, MessageMode, NoAnswer, PamTransaction};

/// Services whose questions stand on a web page.
const PAGES: [&str; 1] = ["cockpit"];

/// Medium on which questions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogueMedium {
    /// A terminal, or what has lines like one.
    Terminal,
    /// A web page, where lines run together, a drawing is none, and messages are not shown.
    Page,
}

impl DialogueMedium {
    /// The medium of a PAM service.
    pub fn of(service: &str) -> Self {
        if PAGES.contains(&service) {
            Self::Page
        } else {
            Self::Terminal
        }
    }
}

/// Text is shown as part of the next question. Some applications write messages to a log (Cockpit does), or keep them for
/// a session that never begins (sshd, when it cannot ask); questions go to the person or nowhere.
pub struct Dialogue<'a> {
    host: &'a mut dyn PamTransaction,
    messages: MessageMode,
    paragraphs: Vec<DialogueParagraph>,
}

/// A text between two questions.
struct DialogueParagraph {
    text: Zeroizing<String>,
    delay: MessageDelay,
}

/// Time at which a paragraph is told that no question follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageDelay {
    /// At once, since it must not be missed.
    None,
    /// In sshd once the session is there.
    UntilSession,
}

/// Way in which a dialogue closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogueClose {
    /// The login goes on.
    Open,
    /// It is refused.
    Refused,
}

impl<'a> Dialogue<'a> {
    /// A dialogue in which nothing was said yet.
    pub fn new(host: &'a mut dyn PamTransaction, messages: MessageMode) -> Self {
        Self {
            host,
            messages,
            paragraphs: Vec::new(),
        }
    }

    /// The application, for all else.
    pub fn host(&mut self) -> &mut dyn PamTransaction {
        self.host
    }

    /// Adds a paragraph.
    pub fn say(&mut self, paragraph: &str) {
        self.add(paragraph, MessageDelay::None);
    }

    /// Adds the confirmation of what an answer has done. As the last paragraph, sshd would show it twice on a terminal: it
    /// is told by [`later`], and in a session without a terminal not at all.
    pub fn confirm(&mut self, paragraph: &str) {
        self.add(paragraph, MessageDelay::UntilSession);
    }

    fn add(&mut self, paragraph: &str, delay: MessageDelay) {
        let text = Zeroizing::new(paragraph.to_owned());
        self.paragraphs.push(DialogueParagraph { text, delay });
    }

    /// Shows what was said, asks, and waits. The answer is visible while it is typed.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn ask(&mut self, question: &str) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
        let mut text = Zeroizing::new(String::new());
        for paragraph in self.paragraphs.drain(..) {
            // The first one, too, begins on a line of its own: some clients put the user's name before the text.
            text.push('\n');
            text.push_str(&paragraph.text);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(question);
        if let Some(columns) = self.host.columns() {
            text = wrapped(&text, columns);
        }
        self.host.ask(&text, Echo::Shown)
    }

    /// Shows what was said after the last question, which holds nothing secret. Where messages are not wanted, a refusal is
    /// told in one more question: sudo would say nothing of it.
    pub fn close(&mut self, how: DialogueClose) {
        let untold = (self.messages, how) == (MessageMode::Unwanted, DialogueClose::Refused);
        if untold && !self.paragraphs.is_empty() {
            let _ = self.ask(text::GO_ON);
        }
        for DialogueParagraph { text, delay } in self.paragraphs.drain(..) {
            match (self.messages, how) {
                (MessageMode::Unwanted, _) => {}
                (MessageMode::Wanted, DialogueClose::Open) => match delay {
                    MessageDelay::None => self.host.inform(&text),
                    MessageDelay::UntilSession => later::confirm(self.host, &text),
                },
                (MessageMode::Wanted, DialogueClose::Refused) => self.host.complain(&text),
            }
        }
    }
}

/// Beginnings of lines to be copied. The groups of a key end where a line of 40 columns does.
const IN_ONE_PIECE: [&str; 2] = ["Key: ", "URI: "];

/// The text in lines of at most so many columns, which end between words, apart from [`IN_ONE_PIECE`].
fn wrapped(text: &str, columns: usize) -> Zeroizing<String> {
    // It is as secret as the text, and grows no larger: blanks become ends of lines.
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        let mut used = 0;
        let is_whole = line.trim_end().chars().count() <= columns
            || IN_ONE_PIECE.iter().any(|start| line.starts_with(start));
        for word in line.split_inclusive(' ') {
            let width = word.trim_end().chars().count();
            if !is_whole && used > 0 && width > 0 && used + width > columns {
                out.pop();
                out.push('\n');
                used = 0;
            }
            out.push_str(word);
            used += word.chars().count();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words_and_a_key_is_one_line() {
        let text = "Scan this code\n█ ▀ █ ▀\nKey: ABCD EFGH IJKL\nA-very-long-word and more: ";
        assert_eq!(
            *wrapped(text, 10),
            "Scan this\ncode\n█ ▀ █ ▀\nKey: ABCD EFGH IJKL\nA-very-long-word\nand more: "
        );
        assert_eq!(*wrapped(text, 80), text);
    }
}
