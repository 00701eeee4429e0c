//! The text of the question, which says why it is asked again where a message would be lost.

/// The prompt of one login.
pub struct CodePrompt {
    question: String,
    asked: QuestionState,
    reason: Option<String>,
    text: String,
    empty: u8,
}

/// The question's state: whether it was put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionState {
    /// Not yet.
    Never,
    /// At least once.
    Before,
}

/// Number of times that the question was left empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyAnswer {
    /// For the first time.
    Once,
    /// The code was asked for before.
    Again,
}

impl CodePrompt {
    /// A prompt that was not shown yet.
    #[must_use]
    pub fn new(question: &str) -> Self {
        Self {
            question: question.to_owned(),
            asked: QuestionState::Never,
            reason: None,
            text: question.to_owned(),
            empty: 0,
        }
    }

    /// The text to show.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// State of the question: whether it is shown for the first time.
    #[must_use]
    pub const fn asked(&self) -> QuestionState {
        self.asked
    }

    /// Notes that an answer was refused.
    pub const fn repeat(&mut self) {
        self.asked = QuestionState::Before;
    }

    /// Notes an answer with nothing in it. From the second on asking again is of no use: it is Enter held down, or a
    /// program at the end of its input.
    pub const fn left_empty(&mut self) -> EmptyAnswer {
        self.empty = self.empty.saturating_add(1);
        match self.empty {
            0 | 1 => EmptyAnswer::Once,
            _ => EmptyAnswer::Again,
        }
    }

    /// Puts the reason before the question, where a message would be lost.
    pub fn explain(&mut self, why: &str) {
        self.text = format!("{why}\n{}", self.question);
        self.reason = Some(why.to_owned());
    }

    /// The reason that stands before the question.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}
