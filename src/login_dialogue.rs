//! A conversation of several lines, of which nothing secret gets into a log.

use zeroize::Zeroizing;

use crate::line_break;
use crate::login_service;
use crate::login_text;
use crate::notice_delivery;
use crate::transaction::{EchoMode, MessageMode, NoAnswer, PamTransaction};

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

/// True where what ends a login has to be told in a question.
///
/// sudo wants no messages. sshd sends them as the instruction of a request without questions. OpenSSH's client shows that at its
/// log level INFO only: not with `-q`, not with `LogLevel ERROR`, and in no window of an askpass program. Questions are always
/// shown.
pub fn is_told_by_question(transaction: &dyn PamTransaction, messages: MessageMode) -> bool {
    messages == MessageMode::Unwanted || login_service::is_sshd(transaction)
}

/// Text is shown as part of the next question. Some applications write messages to a log (Cockpit does), or keep them for
/// a session that never begins (sshd, when it cannot ask); questions go to the person or nowhere.
pub struct LoginDialogue<'a> {
    transaction: &'a mut dyn PamTransaction,
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
    /// The login is refused.
    Refused,
}

impl<'a> LoginDialogue<'a> {
    /// A dialogue in which nothing was said yet.
    pub fn new(transaction: &'a mut dyn PamTransaction, messages: MessageMode) -> Self {
        Self {
            transaction,
            messages,
            paragraphs: Vec::new(),
        }
    }

    /// The application, for all else.
    pub fn transaction(&mut self) -> &mut dyn PamTransaction {
        self.transaction
    }

    /// Adds a paragraph.
    pub fn say(&mut self, paragraph: &str) {
        self.add(paragraph, MessageDelay::None);
    }

    /// Adds the confirmation of what an answer has done. As the last paragraph, sshd would show it twice on a terminal: it
    /// is told by [`notice_delivery`], and in a session without a terminal not at all.
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
        let text = self.before(question);
        self.paragraphs.clear();
        self.transaction.ask(&text, EchoMode::Shown)
    }

    /// The question, after what was said.
    fn before(&self, question: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for paragraph in &self.paragraphs {
            // The first one, too, begins on a line of its own: some clients put the user's name before the text.
            text.push('\n');
            text.push_str(&paragraph.text);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(question);
        line_break::for_terminal(self.transaction, &text)
    }

    /// Shows what was said after the last question, which holds nothing secret: as messages, or in one more question where a
    /// refusal would be told nowhere else.
    pub fn close(&mut self, how: DialogueClose) {
        let is_asked = how == DialogueClose::Refused
            && !self.paragraphs.is_empty()
            && is_told_by_question(self.transaction, self.messages);
        if is_asked {
            let question = self.before(login_text::GO_ON);
            if self.transaction.ask(&question, EchoMode::Shown).is_ok() {
                return self.paragraphs.clear();
            }
        }
        for DialogueParagraph { text, delay } in self.paragraphs.drain(..) {
            match (self.messages, how) {
                (MessageMode::Unwanted, _) => {}
                (MessageMode::Wanted, DialogueClose::Open) => match delay {
                    MessageDelay::None => self.transaction.inform(&text),
                    MessageDelay::UntilSession => notice_delivery::confirm(self.transaction, &text),
                },
                (MessageMode::Wanted, DialogueClose::Refused) => self.transaction.complain(&text),
            }
        }
    }
}
