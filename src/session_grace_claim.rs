//! Grace within a session that began with a code (policy `grace_session`): the session phase claims what the login left in the state.

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::policy::Policy;
use twofactor_store::attempt::{AttemptFailure, claim_session};
use twofactor_store::{FactorStore, LoadedPolicy};

use crate::login_service;
use crate::transaction::{LogPriority, PamTransaction};

/// The variable in which sshd says how the user came in, a method a line (sshd_config(5), `ExposeAuthInfo`).
const SSH_METHODS: &str = "SSH_AUTH_INFO_0";

/// Begins it, if this session is that of a login with a code. sudo and su begin none: their sessions are within another one, and the
/// session phase of sudo is about root.
pub fn begin(
    transaction: &mut dyn PamTransaction,
    store: &FactorStore,
    holder: &Account,
    loaded: &LoadedPolicy,
) -> Result<(), AttemptFailure> {
    if !may_begin(transaction, &loaded.policy) {
        return Ok(());
    }
    if let Some(session) = claim_session(store, holder, loaded)? {
        let user = transaction.user().unwrap_or_default();
        let line = LogLine::about(&user, &transaction.rhost().unwrap_or_default());
        let line = line.result(LoginEvent::SessionGrace);
        let line = line
            .with("session", &session.id)
            .with("left", &session.left);
        transaction.log(LogPriority::Info, line.as_str());
    }
    Ok(())
}

/// True for a login after which the policy has such grace.
fn may_begin(transaction: &dyn PamTransaction, policy: &Policy) -> bool {
    policy.grace_session != 0 && login_service::is_login(transaction) && is_by_pam(transaction)
}

/// False in sshd for users who came in by key alone: in one field a right code may have stood after a wrong password, in the same
/// process. The variable grants nothing, so one that is forged takes away at most.
fn is_by_pam(transaction: &dyn PamTransaction) -> bool {
    !login_service::is_sshd(transaction)
        || transaction.variable(SSH_METHODS).is_some_and(|methods| {
            let by_pam = |line: &str| {
                line.starts_with("password") || line.starts_with("keyboard-interactive")
            };
            methods.lines().any(by_pam)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stage::StagedTransaction;

    #[test]
    fn grace_begins_with_logins_where_the_policy_has_it() {
        for (seconds, service, methods, expected) in [
            (300, "login", None, true),
            (0, "login", None, false),
            (300, "sudo", None, false),
            (300, "imap", None, false),
            (300, "sshd", Some("password\n"), true),
            (300, "sshd", Some("publickey ssh-ed25519 AAAA\n"), false),
        ] {
            let policy = format!("enabled = true\ngrace_session = {seconds}\n");
            let mut stage = StagedTransaction::new(&policy);
            stage.service = Some(service.into());
            let methods = methods.map(|it| (SSH_METHODS.to_owned(), it.to_owned()));
            stage.variables.extend(methods);
            let may = may_begin(&stage, &policy.parse().unwrap());
            assert_eq!(may, expected, "{seconds} {service}");
        }
    }

    #[test]
    fn a_login_by_key_alone_begins_no_grace() {
        let by = |service: &str, methods: Option<&str>| {
            let mut stage = StagedTransaction::new("enabled = true\n");
            stage.service = Some(service.into());
            let methods = methods.map(|it| (SSH_METHODS.to_owned(), it.to_owned()));
            stage.variables.extend(methods);
            is_by_pam(&stage)
        };
        assert!(by("sshd", Some("keyboard-interactive/pam\n")));
        assert!(by("sshd", Some("publickey ssh-ed25519 AAAA\npassword\n")));
        assert!(!by("sshd", Some("publickey ssh-ed25519 AAAA\n")));
        assert!(!by("sshd", Some("publickey password\n")));
        assert!(!by("sshd", None));
        assert!(by("login", None));
    }
}
