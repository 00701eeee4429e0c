//! The ticket that a login leaves for twofactord: for some minutes its user can make a change in this audit session.
//!
//! The authentication phase claims it after a code. Without a device, or while two-factor login is switched off, it claims it
//! after the password. The account phase, which runs only after the whole stack has succeeded, or the session phase writes it: in
//! most programs only the latter has an audit session. Nothing here refuses a login.

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::policy::{FirstDevice, Policy};
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::sys::{accounts, process};

use crate::module_arguments::{FileChoice, ModuleArguments, PromptLayout};
use crate::ticket_claim::TicketClaim;
use crate::transaction::{LogPriority, PamTransaction};

/// Claims a ticket for a user whose code was right.
pub fn claim_with_code(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    policy: &Policy,
    account: Option<&Account>,
) {
    if policy.self_service.manage {
        claim(transaction, arguments, account);
    }
}

/// Claims a ticket for a user without a device, whose password the stack has checked or will check.
pub fn claim_with_password(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    policy: &Policy,
    account: Option<&Account>,
) {
    if gave_password(transaction, policy) {
        claim(transaction, arguments, account);
    }
}

/// Claims a ticket where two-factor login is switched off as a whole, so that a device can be set up before it is on, and right after it was
/// turned on. With a device such a ticket admits nothing without a code. A user that cannot be looked up gets none; programs that run as
/// a user write none.
pub fn claim_while_disabled(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    policy: &Policy,
    user: &[u8],
) {
    if can_have_ticket(transaction, arguments)
        && process::ordinary_uid().is_none()
        && gave_password(transaction, policy)
        // While it is off no directory is asked that no ticket depends on.
        && transaction.has_daemon()
    {
        let account = accounts::by_bytes(user).ok().flatten();
        note_claim(transaction, arguments, account.as_ref());
    }
}

/// True if a password was given, and is the proof for a first device.
fn gave_password(transaction: &dyn PamTransaction, policy: &Policy) -> bool {
    policy.first_device() == FirstDevice::Login
        && transaction.password().is_some_and(|it| !it.is_empty())
}

fn claim(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    account: Option<&Account>,
) {
    if can_have_ticket(transaction, arguments) {
        note_claim(transaction, arguments, account);
    }
}

/// True where a login can have a ticket. A line with files of its own says nothing of those that the daemon goes by.
fn can_have_ticket(transaction: &dyn PamTransaction, arguments: &ModuleArguments) -> bool {
    arguments.files == FileChoice::Daemons && !is_over_ssh(transaction)
}

/// In one field the password is checked later, and another attempt of the same transaction may succeed where this one fails.
fn note_claim(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    account: Option<&Account>,
) {
    if let (PromptLayout::Code, Some(account), Ok(user)) =
        (arguments.layout, account, transaction.user())
    {
        let uid = account.uid;
        transaction.claim_ticket(Some(TicketClaim { user, uid }));
    }
}

/// True in sshd, which gets no ticket. Its method `password` runs the authentication phase in the transaction in which a login by
/// key runs the account phase later. So the user may come in by key after a wrong password. It sets the variable when it knows
/// how the user came in, under whatever name of its PAM service.
fn is_over_ssh(transaction: &dyn PamTransaction) -> bool {
    transaction.service().as_deref() == Some(b"sshd")
        || transaction.variable("SSH_AUTH_INFO_0").is_some()
}

/// Forgets what an earlier attempt of the transaction claimed.
pub fn forget(transaction: &mut dyn PamTransaction) {
    if transaction.ticket_claim().is_some() {
        transaction.claim_ticket(None);
    }
}

/// Writes the ticket that was claimed. Where there is no audit session yet it is tried again in the next phase; a ticket that cannot be
/// written is none.
pub fn issue(transaction: &mut dyn PamTransaction) {
    let Some(claim) = transaction.ticket_claim() else {
        return;
    };
    if is_over_ssh(transaction) {
        transaction.claim_ticket(None);
        return;
    }
    if transaction.user().as_ref() != Ok(&claim.user) {
        return;
    }
    let Some(session) = process::own_audit_session(claim.uid) else {
        return;
    };
    transaction.claim_ticket(None);
    // No login depends on it.
    if let Err(error) = TicketStore::default().issue(claim.uid, session) {
        let line = LogLine::default()
            .with("user", &String::from_utf8_lossy(&claim.user))
            .result(LoginEvent::NoTicket)
            .saying("error", &error);
        transaction.log(LogPriority::Warning, line.as_str());
    }
}
