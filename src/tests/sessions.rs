//! Logins whose session may not have to ask again.

use super::stage::{StagedTransaction, code};
use crate::return_codes::AuthResult;

const GRACED: &str = "enabled = true\ngrace_session = 3600\n";

fn expects(policy: &str, service: &str) -> StagedTransaction {
    let mut stage = StagedTransaction::new(policy);
    stage.service = Some(service.into());
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    stage
}

#[test]
fn a_login_expects_a_session_where_the_policy_says_so() {
    assert!(expects(GRACED, "login").expects_session);
    assert!(!expects("enabled = true\n", "login").expects_session);
    assert!(!expects(GRACED, "sudo").expects_session);
}

#[test]
fn the_next_attempt_expects_none() {
    let mut stage = expects(GRACED, "login");
    stage.set_policy("enabled = true\n");
    assert_eq!(stage.run(&["1"]), AuthResult::NoAnswer);
    assert!(!stage.expects_session);
}

/// The state notes the session, so that a program within it need not ask again.
#[test]
fn a_login_awaits_its_session_in_the_state() {
    let awaits = |service| {
        expects(GRACED, service)
            .state()
            .session_grace
            .awaited
            .is_some()
    };
    assert!(awaits("login"));
    assert!(!awaits("sudo"));
}
