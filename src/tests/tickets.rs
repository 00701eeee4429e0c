//! Logins after which a ticket is written.

use super::stage::{NEWCOMER, StagedTransaction};
use crate::module_arguments::FileChoice;
use crate::return_codes::AuthResult;

const ON: &str = "enabled = true\n[services]\nsshd = true\n";

/// The user whose ticket is claimed after a login without a device.
fn claimed(service: &str, password: &str, variables: &[(&str, &str)]) -> Option<Vec<u8>> {
    claimed_under(ON, service, password, variables)
}

fn claimed_under(
    policy: &str,
    service: &str,
    password: &str,
    variables: &[(&str, &str)],
) -> Option<Vec<u8>> {
    let mut stage = StagedTransaction::of(NEWCOMER, policy);
    stage.arguments.files = FileChoice::Daemons;
    stage.service = Some(service.into());
    stage.password = Some(password.into());
    for (name, value) in variables {
        stage.variables.insert((*name).into(), (*value).into());
    }
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    stage.claimed.map(|claim| claim.user)
}

#[test]
fn a_password_claims_a_ticket_except_in_sshd() {
    let by_key = ("SSH_AUTH_INFO_0", "publickey ssh-ed25519 AAAA");
    assert_eq!(claimed("su", "secret", &[]), Some(NEWCOMER.into()));
    assert_eq!(claimed("su", "", &[]), None);
    assert_eq!(claimed("sshd", "secret", &[]), None);
    assert_eq!(claimed("ssh-inside", "secret", &[by_key]), None);
}

#[test]
fn r13_a_password_claims_a_ticket_while_disabled() {
    let claimed = |policy: &str, service, password| claimed_under(policy, service, password, &[]);
    let off = "enabled = false\n";
    assert_eq!(claimed(off, "su", "secret"), Some(NEWCOMER.into()));
    assert_eq!(claimed(off, "su", ""), None);
    assert_eq!(claimed(off, "sshd", "secret"), None);
    for tables in [
        "[self_service]\nfirst_device = \"invite\"\n",
        "[self_service]\nmanage = false\n",
    ] {
        assert_eq!(claimed(&format!("{off}{tables}"), "su", "secret"), None);
    }
    // Where a service alone is off, those that are on want the code.
    let service_off = "enabled = true\n[services]\nsu = false\n";
    assert_eq!(claimed(service_off, "su", "secret"), None);
}

#[test]
fn one_look_tells_whether_a_login_is_over_ssh() {
    for policy in [ON, "enabled = false\n"] {
        let mut stage = StagedTransaction::of(NEWCOMER, policy);
        stage.arguments.files = FileChoice::Daemons;
        stage.service = Some("su".into());
        stage.password = Some("secret".into());
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert!(stage.claimed.is_some());
        assert_eq!(stage.lookups.get(), 1, "{policy}");
    }
}

/// Switching it off is the way out of an emergency: no directory of users is asked then without need.
#[test]
fn without_a_daemon_no_ticket_is_claimed_while_off() {
    let mut stage = StagedTransaction::of(NEWCOMER, "enabled = false\n");
    stage.arguments.files = FileChoice::Daemons;
    stage.service = Some("su".into());
    stage.password = Some("secret".into());
    stage.has_daemon = false;
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    assert_eq!(stage.claimed, None);
}

/// A ticket counts for the policy of the daemon, whatever the line's own one says.
#[test]
fn a_line_with_other_files_claims_no_ticket() {
    for policy in [ON, "enabled = false\n"] {
        let mut stage = StagedTransaction::of(NEWCOMER, policy);
        stage.service = Some("su".into());
        stage.password = Some("secret".into());
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert_eq!(stage.claimed, None, "{policy}");
    }
}

#[test]
fn a_claim_ends_where_the_user_came_in_by_key() {
    let mut stage = StagedTransaction::of(NEWCOMER, "enabled = true\n");
    stage.arguments.files = FileChoice::Daemons;
    stage.password = Some("wrong".into());
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    assert!(stage.claimed.is_some());
    let variable = (
        "SSH_AUTH_INFO_0".into(),
        "publickey ssh-ed25519 AAAA".into(),
    );
    stage.variables.extend([variable]);
    crate::ticket_issue::issue(&mut stage);
    assert_eq!(stage.claimed, None);
}
