//! What is said at the end of a login that is refused without a verdict on a code.
#![forbid(unsafe_code)]

use super::super::args::{FirstPass, Layout};
use super::super::dialogue::Medium;
use super::super::host::{Echo, Host, Messages};
use super::super::messages;
use super::Login;

impl Login<'_> {
    /// Tells why the login is refused.
    ///
    /// On a page it has to be a question: messages are not shown there, and without one Cockpit says of this refusal that
    /// the password was wrong. So it has where the application wants no messages: sudo says "Sorry, try again." of all
    /// refusals. That question tells something, and comes only where the password was given before, and where what it
    /// tells may be told.
    pub(super) fn last_word(&self, host: &mut dyn Host, text: &str) {
        let service = host.service().and_then(|name| String::from_utf8(name).ok());
        let medium = Medium::of(&service.unwrap_or_default());
        let (go_on, echo) = match (medium, self.messages) {
            (Medium::Terminal, Messages::Wanted) => return host.complain(text),
            (Medium::Terminal, Messages::Unwanted) => (messages::GO_ON, Echo::Hidden),
            (Medium::Page, _) => (messages::GO_BACK, Echo::Shown),
        };
        let may_ask = self.arguments.layout == Layout::Code
            && self.arguments.first_pass != FirstPass::Only
            && !self.uniform;
        if may_ask {
            // Whatever is answered, the login is refused.
            let _ = host.ask(&format!("{text} {go_on}"), echo);
        }
    }

    /// Tells that something on this machine is unusable, which the log names. In one field the password is yet to be
    /// checked, and with a uniform prompt a damaged file must not tell whose it is.
    pub(super) fn tell_failed(&self, host: &mut dyn Host) {
        if self.arguments.layout == Layout::Code && !self.uniform {
            self.last_word(host, messages::UNUSABLE);
        }
    }
}
