//! The place that a login comes from, as its user is told of a change that was made in it.

use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin, OriginName};

use crate::login_service::SSHD_TTY;
use crate::transaction::PamTransaction;

/// Service, terminal and remote host of this transaction, as far as the application names them.
pub fn of(transaction: &dyn PamTransaction, uid: u32) -> ChangeOrigin {
    let name = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| OriginName::of(&bytes));
    let terminal = transaction.tty().filter(|tty| tty != SSHD_TTY);
    let terminal = terminal.map(|tty| tty.strip_prefix(b"/dev/").map(Vec::from).unwrap_or(tty));
    ChangeOrigin {
        channel: match name(transaction.service()) {
            Some(service) => ChangeChannel::Login(service),
            // A login without the name of a service.
            None => ChangeChannel::Login(OriginName::unknown()),
        },
        uid,
        terminal: name(terminal),
        address: name(transaction.rhost()),
    }
}
