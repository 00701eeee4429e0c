//! An authenticator app that reads its key from what the dialogue shows.

use harness::{PASSWORD, SshAnswer, Totp};

/// The question before anything is shown, where it can be skipped.
pub const OFFER: &str = "Set it up now? Type yes, or press Enter to skip: ";
/// The text where it cannot.
pub const BEGIN: &str = "To set it up now, have the app ready and press Enter: ";
/// The question for a code of the new device, where it can be skipped.
pub const CODE_OR_SKIP: &str = "Code that the app shows (Enter to skip): ";
/// The text where it cannot.
pub const CODE: &str = "Code that the app shows: ";
/// The text before it where a QR code was drawn.
pub const DOES_NOT_SCAN: &str = "Does not scan? Type i to invert. ";
/// The question after the first device.
pub const ANOTHER: &str = "Add a second device, as a backup? Type yes, or press Enter to finish: ";
/// The question for the administrator's code, where it can be skipped.
pub const INVITATION_OR_SKIP: &str = "Enrollment code from your administrator (Enter to skip): ";
/// The text where it cannot.
pub const INVITATION: &str = "Enrollment code from your administrator: ";

/// For `Drive::answer_shell`: the code of the key that was shown last.
pub const CODE_OF_LAST_KEY: &str =
    "oathtool --totp -b \"$(sed -n 's/^Key: //p' | tail -n 1 | tr -d ' ')\"";

/// The key that a text shows in groups of four, the last one if there are several.
pub fn key(shown: &str) -> String {
    let mut keys = shown.lines().filter_map(|line| line.strip_prefix("Key: "));
    keys.next_back().expect("a key").replace(' ', "")
}

/// A user with an app, who types `answers` where they fit the end of a question, and the app's code where it is asked
/// for.
pub struct Person<'a> {
    answers: Vec<(&'a str, &'a str)>,
    /// Every key that the app was given.
    pub keys: Vec<String>,
}

impl<'a> Person<'a> {
    /// Gives the password, and these answers. Each is used once.
    pub fn new(answers: &[(&'a str, &'a str)]) -> Self {
        let mut all = vec![("Password: ", PASSWORD)];
        all.extend_from_slice(answers);
        Self {
            answers: all,
            keys: Vec::new(),
        }
    }

    /// Types an answer at a question, and returns what was shown before it.
    pub fn types(&mut self, question: &str) -> SshAnswer {
        if let Some(position) = self
            .answers
            .iter()
            .position(|(end, _)| question.ends_with(end))
        {
            return self.answers.remove(position).1.into();
        }
        if !question.ends_with(CODE) && !question.ends_with(CODE_OR_SKIP) {
            return SshAnswer::HangUp;
        }
        if question.contains("\nKey: ") {
            self.keys.push(key(question));
        }
        self.phone().code().into()
    }

    /// The device of the last key.
    pub fn phone(&self) -> Totp {
        let phone = Totp::new(self.keys.last().expect("a key was shown"));
        phone.settle(5);
        phone
    }
}
