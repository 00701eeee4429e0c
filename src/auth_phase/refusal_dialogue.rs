//! The reason that a refused login gives at its end, in a message or in one more question. The words are in `login_text.rs`.

use super::LoginContext;
use super::uniform_timing::RemainingTries;
use crate::line_break;
use crate::login_dialogue::{DialogueMedium, is_told_by_question};
use crate::login_service;
use crate::login_text;
use crate::module_arguments::{FirstPass, PromptLayout};
use crate::transaction::{EchoMode, MessageMode, PamTransaction};

impl LoginContext<'_> {
    /// Tells why the login is refused, where that may be told.
    ///
    /// On a page it has to be a question: messages are not shown there, and without one Cockpit says of this refusal that
    /// the password was wrong.
    pub(super) fn last_word(&self, transaction: &mut dyn PamTransaction, text: &str) {
        if !self.may_tell() {
            return;
        }
        let service = login_service::name(transaction).unwrap_or_default();
        match DialogueMedium::of(&service) {
            DialogueMedium::Terminal => self.tell_at_the_end(transaction, text),
            DialogueMedium::Page if self.arguments.first_pass != FirstPass::Only => {
                // Whatever is answered, the login is refused.
                let _ =
                    transaction.ask(&format!("{text} {}", login_text::GO_BACK), EchoMode::Shown);
            }
            DialogueMedium::Page => {}
        }
    }

    /// Tells it on a terminal: in a question where a message would be lost.
    pub(super) fn tell_at_the_end(&self, transaction: &mut dyn PamTransaction, text: &str) {
        let may_ask = self.arguments.first_pass != FirstPass::Only;
        if may_ask && is_told_by_question(transaction, self.messages) {
            // sshd's client puts the user's name before it.
            let lead = match self.messages {
                MessageMode::Wanted => "\n",
                MessageMode::Unwanted => "",
            };
            let question = format!("{lead}{text}\n{}", login_text::GO_ON);
            let question = line_break::for_terminal(transaction, &question);
            // Whatever is answered, the login is refused.
            if transaction.ask(&question, EchoMode::Hidden).is_ok() {
                return;
            }
        }
        self.complain(transaction, text);
    }

    /// Tells why the last answer was refused, where the next question would have said it.
    ///
    /// If there is one try only, it is told in a message. sshd ends the process that waits in a question of a client that hangs
    /// up. No module after this one, such as pam_faillock, and no line of sshd would then learn of any wrong code.
    pub(super) fn tell_last_try(
        &self,
        transaction: &mut dyn PamTransaction,
        rest: &RemainingTries<'_>,
    ) {
        let Some(why) = rest
            .prompt
            .reason()
            .filter(|_| self.messages == MessageMode::Wanted)
        else {
            return;
        };
        if self.may_tell() && rest.all > 1 {
            self.tell_at_the_end(transaction, &format!("{why}\n{}", login_text::LAST_TRY));
        } else {
            transaction.complain(why);
        }
    }

    /// Shows a message, where the application wants any.
    pub(super) fn complain(&self, transaction: &mut dyn PamTransaction, text: &str) {
        if self.messages == MessageMode::Wanted {
            transaction.complain(text);
        }
    }

    /// True if what only some users could meet may be told: not in one field, where the password is yet to be checked,
    /// and not where the policy asks all alike.
    pub(super) fn may_tell(&self) -> bool {
        self.arguments.layout == PromptLayout::Code && !self.uniform
    }
}
