//! Telling a notice once sshd has opened the session, and not before.
//!
//! sshd sends messages of PAM after the last answer to the client at once, as a banner. It shows them once more at the beginning
//! of a session on a terminal (loginmsg in its sources). So it is told in the phase that sets credentials, which sshd runs in
//! another process: only a variable of PAM's environment gets there, and is taken out of it again.

use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::CodeAcceptance;

use crate::login_notice::LoginNotice;
use crate::login_service::{self, SSHD_TTY};
use crate::transaction::{MessageMode, NoAnswer, PamTransaction};

/// The variable. It holds a [`LoginNotice`].
const VARIABLE: &str = "TWOFACTOR_NOTICE";
/// The variable of what the last answers of a dialogue have done: a line for each.
const CONFIRMED: &str = "TWOFACTOR_CONFIRMED";

/// The changes that are told in this service, of these.
pub fn told_here(
    transaction: &dyn PamTransaction,
    changes: impl FnOnce() -> Vec<RecentChange>,
) -> Vec<RecentChange> {
    if login_service::tells_changes(transaction) {
        changes()
    } else {
        Vec::new()
    }
}

/// Tells what has to be told after a right code: at once, or in sshd once the session is there. `few` is the number of recovery
/// codes that are left, where they are few.
pub fn tell(
    transaction: &mut dyn PamTransaction,
    accepted: &CodeAcceptance,
    few: Option<usize>,
    changes: &[RecentChange],
) {
    forget(transaction);
    let few = few.filter(|_| login_service::tells_changes(transaction));
    let notice = LoginNotice::new(accepted, few, changes);
    if notice.is_empty() {
        return;
    }
    let is_left = is_sshd(transaction) && put(transaction, &notice).is_ok();
    if !is_left {
        inform(transaction, &notice);
    }
}

/// Tells what the last answer of a dialogue has done, which holds nothing secret: at once, or in sshd once the session is
/// there.
pub fn confirm(transaction: &mut dyn PamTransaction, line: &str) {
    let mut lines = transaction.variable(CONFIRMED).unwrap_or_default();
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines.push_str(line);
    let is_left = is_sshd(transaction)
        && transaction
            .set_variable(&format!("{CONFIRMED}={lines}"))
            .is_ok();
    if !is_left {
        transaction.inform(line);
    }
}

fn is_sshd(transaction: &dyn PamTransaction) -> bool {
    transaction.tty().as_deref() == Some(SSHD_TTY)
}

/// Leaves the changes to the phase that sets credentials, which no application comes to before all of the stack has succeeded.
pub fn leave(transaction: &mut dyn PamTransaction, changes: &[RecentChange]) {
    forget(transaction);
    if !changes.is_empty() {
        // Where libpam has no room for it, the log has the changes.
        let _ = put(transaction, &LoginNotice::of_changes(changes));
    }
}

/// Takes back what was left to be told of the recovery codes: they are others by now.
pub fn forget_codes(transaction: &mut dyn PamTransaction) {
    let Some(notice) = transaction
        .variable(VARIABLE)
        .as_deref()
        .and_then(LoginNotice::read)
    else {
        return;
    };
    let _ = transaction.set_variable(VARIABLE);
    let notice = notice.without_codes();
    if !notice.is_empty() {
        let _ = put(transaction, &notice);
    }
}

/// Tells what was left to this phase.
pub fn show(transaction: &mut dyn PamTransaction, messages: MessageMode) {
    show_confirmed(transaction, messages);
    let Some(text) = transaction.variable(VARIABLE) else {
        return;
    };
    // The user's programs have no use for it.
    let _ = transaction.set_variable(VARIABLE);
    let notice = LoginNotice::read(&text).filter(|_| messages == MessageMode::Wanted);
    if let Some(notice) = notice {
        inform(transaction, &notice);
    }
}

fn show_confirmed(transaction: &mut dyn PamTransaction, messages: MessageMode) {
    let Some(lines) = transaction.variable(CONFIRMED) else {
        return;
    };
    let _ = transaction.set_variable(CONFIRMED);
    if messages == MessageMode::Wanted {
        for line in lines.lines() {
            transaction.inform(line);
        }
    }
}

/// Removes the notices that an earlier authentication of this transaction left in PAM's environment.
pub fn forget(transaction: &mut dyn PamTransaction) {
    for name in [VARIABLE, CONFIRMED] {
        if transaction.variable(name).is_some() {
            let _ = transaction.set_variable(name);
        }
    }
}

fn put(transaction: &mut dyn PamTransaction, notice: &LoginNotice) -> Result<(), NoAnswer> {
    transaction.set_variable(&format!("{VARIABLE}={}", notice.text()))
}

fn inform(transaction: &mut dyn PamTransaction, notice: &LoginNotice) {
    let columns = transaction.columns();
    for line in notice.lines(columns) {
        transaction.inform(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::StagedTransaction;
    use twofactor_core::verify::Credential;

    #[test]
    fn a_note_of_an_earlier_code_does_not_stay() {
        let mut stage = StagedTransaction::new("enabled = true\n");
        stage.tty = Some(SSHD_TTY.to_vec());
        let accepted = |failures_before| CodeAcceptance {
            by: Credential::Bypass,
            failures_before,
            password_len: 0,
        };
        tell(&mut stage, &accepted(3), None, &[]);
        assert_eq!(stage.variables[VARIABLE], "-,3");
        tell(&mut stage, &accepted(0), None, &[]);
        assert!(stage.variables.is_empty());
    }

    #[test]
    fn confirmations_wait_for_a_session_of_sshd() {
        let mut stage = StagedTransaction::new("enabled = true\n");
        stage.tty = Some(SSHD_TTY.to_vec());
        confirm(&mut stage, "One.");
        confirm(&mut stage, "Two.");
        assert_eq!(stage.said(), []);
        show(&mut stage, MessageMode::Wanted);
        assert_eq!(stage.said(), [("informs", "One."), ("informs", "Two.")]);
        assert!(stage.variables.is_empty());
        stage.tty = None;
        confirm(&mut stage, "Three.");
        assert_eq!(stage.said().last(), Some(&("informs", "Three.")));
        assert!(stage.variables.is_empty());
    }

    #[test]
    fn confirmations_are_shown_for_the_wanted_code_only() {
        let mut stage = StagedTransaction::new("enabled = true\n");
        stage.tty = Some(SSHD_TTY.to_vec());
        confirm(&mut stage, "One.");
        show(&mut stage, MessageMode::Unwanted);
        confirm(&mut stage, "Two.");
        forget(&mut stage);
        show(&mut stage, MessageMode::Wanted);
        assert_eq!(stage.said(), []);
        assert!(stage.variables.is_empty());
    }

    #[test]
    fn of_replaced_codes_nothing_is_told() {
        for (before, after) in [("0,2", Some("-,2")), ("3,0", None), ("x", Some("x"))] {
            let mut stage = StagedTransaction::new("enabled = true\n");
            stage.variables.insert(VARIABLE.into(), before.into());
            forget_codes(&mut stage);
            assert_eq!(stage.variables.get(VARIABLE).map(String::as_str), after);
        }
    }
}
