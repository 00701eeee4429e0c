//! Accounts that have codes of other users judged, because the policy names them.

use harness::Machine;
use harness::enrolled::{Token, add_account, enroll_token, machine, state_of};
use harness::pam::code;
use serde_json::json;

use super::QUICK;

const VERIFY: &str = "io.twofactor.Verify";
const GATE: &str = "io.twofactor.Gate";

/// alice has a token, bob has none; postgres and www are accounts of servers, of which the policy names the first.
fn with_verifier() -> (Machine, Token) {
    let machine = machine(&format!(
        "{QUICK}[self_service]\nverifiers = [\"postgres\"]\n"
    ));
    let alice = enroll_token(&machine, "alice");
    for user in ["bob", "postgres", "www"] {
        add_account(&machine, user);
    }
    (machine, alice)
}

#[test]
fn a_verifier_may_gate_and_verify_others() {
    let (machine, alice) = with_verifier();
    let daemon = machine.daemon();
    let gate = |user: &str| machine.call_daemon("postgres", GATE, &json!({"user": user}));
    assert_eq!(gate("alice"), Ok(json!({"state": "ask"})));
    assert_eq!(gate("bob"), Ok(json!({"state": "unenrolled"})));
    assert_eq!(gate("no-such-user"), Err("io.twofactor.NotYours".into()));
    let verify = |code: String| {
        let parameters = json!({"user": "alice", "code": code});
        machine
            .call_daemon("postgres", VERIFY, &parameters)
            .unwrap()["result"]
            .clone()
    };
    assert_eq!(verify(alice.wrong()), "wrong");
    // It is counted on the daemon's counter of the user: logins are not touched.
    let state = state_of("alice");
    assert_eq!((state.daemon.in_a_row, state.failures), (1, 0));
    assert_eq!(verify(alice.code()), "accepted");
    let log = daemon.log();
    for result in ["wrong", "accepted"] {
        let line = log
            .lines()
            .find(|line| line.contains(&format!("result={result}")));
        let line = line.unwrap();
        assert!(
            line.contains("user=alice ") && line.contains(" verifier=postgres "),
            "{line}"
        );
    }
    for _ in 0..5 {
        verify(alice.wrong());
    }
    assert_eq!(verify(alice.code()), "locked");
    assert_eq!(alice.login().answer(alice.code()).run().auth, code::SUCCESS);
}

#[test]
fn a_verifier_may_nothing_else() {
    let (machine, alice) = with_verifier();
    let _daemon = machine.daemon();
    let code = alice.code();
    for method in [
        "Status",
        "Begin",
        "Renew",
        "Confirm",
        "Unset",
        "NewRecoveryCodes",
    ] {
        let mut parameters = json!({"user": "alice"});
        if method != "Status" {
            parameters["code"] = json!(code);
        }
        let method = format!("io.twofactor.{method}");
        let answer = machine.call_daemon("postgres", &method, &parameters);
        assert_eq!(answer, Err("io.twofactor.NotYours".into()), "{method}");
    }
    // All other accounts, and root, are answered as before.
    for method in [GATE, VERIFY] {
        let mut parameters = json!({"user": "alice"});
        if method == VERIFY {
            parameters["code"] = json!(code);
        }
        for other in ["www", "bob", "root"] {
            let answer = machine.call_daemon(other, method, &parameters);
            assert_eq!(
                answer,
                Err("io.twofactor.NotYours".into()),
                "{other} {method}"
            );
        }
    }
    assert_eq!(state_of("alice").devices[0].next, 0);
}

#[test]
fn its_programs_refuse_all_but_right_codes() {
    let (machine, alice) = with_verifier();
    let daemon = machine.daemon();
    let of = |user: &str, answer: String| {
        let login = harness::enrolled::login(user).answer(answer);
        login.as_user("postgres").run().auth
    };
    assert_eq!(of("alice", alice.code()), code::SUCCESS);
    assert_ne!(of("alice", alice.wrong()), code::SUCCESS);
    // That a user has no device lets no user in who is not the caller; the caller itself it does.
    assert_eq!(of("bob", "1".to_owned()), code::AUTH_ERR);
    assert_eq!(of("no-such-user", "1".to_owned()), code::AUTHINFO_UNAVAIL);
    assert_eq!(of("postgres", "1".to_owned()), harness::enrolled::IGNORED);
    // An account that the policy does not name is told of no user.
    let login = alice.login().answer(alice.code()).as_user("www");
    assert_eq!(login.run().auth, code::AUTHINFO_UNAVAIL);
    daemon.kill();
    assert_eq!(of("alice", alice.code()), code::AUTHINFO_UNAVAIL);
}

#[test]
fn a_name_that_cannot_be_looked_up_gives_no_right() {
    let (machine, alice) = with_verifier();
    let _daemon = machine.daemon();
    let service = machine.name_service();
    service.answers("passwd postgres fails 5\n");
    let gate = json!({"user": "alice"});
    for user in ["www", "bob"] {
        let answer = machine.call_daemon(user, GATE, &gate);
        assert_eq!(answer, Err("io.twofactor.Unavailable".into()), "{user}");
    }
    let login = alice.login().answer(alice.code()).as_user("www");
    assert_eq!(login.run().auth, code::AUTHINFO_UNAVAIL);
    // Users themselves do not depend on it.
    let own = machine.call_daemon("alice", GATE, &gate);
    assert_eq!(own, Ok(json!({"state": "ask"})));
}
