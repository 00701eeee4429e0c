//! The text at the end of a login that is refused without a verdict on a code.

use super::LoginContext;
use crate::arguments::{FirstPass, PromptLayout};
use crate::dialogue::DialogueMedium;
use crate::text;
use crate::transaction::{Echo, MessageMode, PamTransaction};

impl LoginContext<'_> {
    /// Tells why the login is refused.
    ///
    /// On a page it has to be a question: messages are not shown there, and without one Cockpit says of this refusal that
    /// the password was wrong. So it has where the application wants no messages: sudo says "Sorry, try again." of all
    /// refusals.
    pub(super) fn last_word(&self, host: &mut dyn PamTransaction, text: &str) {
        if !self.may_tell() {
            return;
        }
        let service = host.service().and_then(|name| String::from_utf8(name).ok());
        let medium = DialogueMedium::of(&service.unwrap_or_default());
        let (go_on, echo) = match (medium, self.messages) {
            (DialogueMedium::Terminal, MessageMode::Wanted) => return host.complain(text),
            (DialogueMedium::Terminal, MessageMode::Unwanted) => (text::GO_ON, Echo::Hidden),
            (DialogueMedium::Page, _) => (text::GO_BACK, Echo::Shown),
        };
        if self.arguments.first_pass != FirstPass::Only {
            // Whatever is answered, the login is refused.
            let _ = host.ask(&format!("{text} {go_on}"), echo);
        }
    }

    /// True if what only some users could meet may be told: not in one field, where the password is yet to be checked,
    /// and not where the policy asks all alike.
    pub(super) fn may_tell(&self) -> bool {
        self.arguments.layout == PromptLayout::Code && !self.uniform
    }
}
