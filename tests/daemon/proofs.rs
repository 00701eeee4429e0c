//! Proofs that end before the change that they were given for, and refusals that are logged.

use harness::enrolled::{
    add_account, add_recovery_codes, change_record, enroll_token, machine, record_path, state_of,
};
use harness::otp::Totp;
use harness::twofactord::DaemonConversation;
use serde_json::{Value, json};

use super::QUICK;

/// Puts a call of alice's about herself; the result of the change, and all of the reply.
fn change(talk: &mut DaemonConversation, method: &str, rest: Value) -> (String, Value) {
    let mut parameters = json!({"user": "alice"});
    for (key, value) in rest.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    let method = format!("io.twofactor.{method}");
    let reply = talk.call(&method, &parameters).unwrap()["change"].clone();
    (reply["result"].as_str().unwrap().to_owned(), reply)
}

/// The code of the device that a reply shows.
fn code_of((result, reply): (String, Value)) -> String {
    assert_eq!(result, "pending", "{reply}");
    Totp::new(reply["secret"].as_str().unwrap()).code()
}

fn record() -> String {
    std::fs::read_to_string(record_path("alice")).unwrap()
}

#[test]
fn a_proof_ends_with_its_set_of_recovery_codes() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let stolen = add_recovery_codes("alice");
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "phone", "code": stolen[0]});
    let code = code_of(change(&mut talk, "Begin", begin));
    // The owner has the others replaced.
    add_recovery_codes("alice");
    let before = record();
    let confirmed = change(&mut talk, "Confirm", json!({"code": code}));
    assert_eq!(confirmed.0, "changed");
    assert_eq!(record(), before);
}

#[test]
fn an_invitation_expired_meanwhile_stores_nothing() {
    let machine = machine(&format!("enroll_needs_invite = true\n{QUICK}"));
    add_account(&machine, "alice");
    let _daemon = machine.daemon();
    let invite = machine.command(&["--json", "invite", "alice"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"code": invite["code"]});
    let code = code_of(change(&mut talk, "Begin", begin));
    let ends = |record: &mut twofactor_core::record::UserRecord| {
        record.invite.as_mut().unwrap().expires = harness::otp::unix_time();
    };
    change_record("alice", ends);
    let before = record();
    let confirmed = change(&mut talk, "Confirm", json!({"code": code}));
    assert_eq!(confirmed.0, "invitation_required");
    assert_eq!(record(), before);
}

/// Its code is as good as none: not compared, and not counted.
#[test]
fn an_expired_invitation_is_none() {
    let machine = machine(QUICK);
    add_account(&machine, "alice");
    let _daemon = machine.daemon();
    let invite = machine.command(&["--json", "invite", "alice"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    change_record("alice", |record| {
        record.invite.as_mut().unwrap().expires = harness::otp::unix_time();
    });
    for (keys, wanted) in [
        ("", "login_required"),
        ("enroll_needs_invite = true\n", "invitation_required"),
    ] {
        machine.policy(&format!("{keys}{QUICK}"));
        let mut talk = machine.talk_to_daemon("alice");
        for code in [&invite["code"], &json!("AAAA-BBBB-CCCC-DDDD")] {
            let begun = change(&mut talk, "Begin", json!({"code": code}));
            assert_eq!(begun.0, wanted, "{keys}{code}");
        }
    }
    assert_eq!(state_of("alice").daemon.in_a_row, 0);
}

#[test]
fn words_of_the_log_are_no_names_of_devices() {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let _daemon = machine.daemon();
    for name in ["all", "bypass", "recovery-code", "two words"] {
        let begin = json!({"user": "alice", "device": name, "code": token.code()});
        let refused = machine.call_daemon("alice", "io.twofactor.Begin", &begin);
        let error = "org.varlink.service.InvalidParameter".to_owned();
        assert_eq!(refused, Err(error), "{name}");
    }
    // No code was looked at.
    assert_eq!(state_of("alice").devices[0].next, 0);
}

#[test]
fn refused_changes_have_their_lines() {
    let machine = machine(QUICK);
    add_account(&machine, "alice");
    let daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    assert_eq!(change(&mut talk, "Begin", json!({})).0, "login_required");
    machine.policy(&format!("{QUICK}[self_service]\nmanage = false\n"));
    let refused = machine.call_daemon("alice", "io.twofactor.Begin", &json!({"user": "alice"}));
    assert_eq!(refused, Err("io.twofactor.NotAllowed".to_owned()));
    let log = daemon.log();
    for result in ["login-required", "not-allowed"] {
        let lines = log.lines().filter(|line| {
            line.starts_with("user=alice uid=") && line.ends_with(&format!(" result={result}"))
        });
        assert_eq!(lines.count(), 1, "{result}: {log}");
    }
}

#[test]
fn only_users_who_need_a_device_keep_the_last_one() {
    let machine = machine(QUICK);
    for user in ["alice", "bob", "carol"] {
        enroll_token(&machine, user);
    }
    machine.run("groupadd", &["staff2"]).ok();
    machine.run("usermod", &["-aG", "staff2", "carol"]).ok();
    let require =
        "[[require]]\nusers = [\"bob\"]\n[[require]]\ngroups = [\"staff2\"]\nfrom = 2099-01-01\n";
    machine.policy(&format!("{QUICK}{require}"));
    let _daemon = machine.daemon();
    for (user, may) in [("alice", true), ("bob", false), ("carol", false)] {
        let own = json!({"user": user});
        let status = machine.call_daemon(user, "io.twofactor.Status", &own);
        assert_eq!(status.unwrap()["may"]["unset_last"], may, "{user}");
        let unset = machine.call_daemon(user, "io.twofactor.Unset", &own);
        let result = unset.map(|reply| reply["change"]["result"].clone());
        let expected = if may {
            Ok("login_required".into())
        } else {
            Err("io.twofactor.NotAllowed".to_owned())
        };
        assert_eq!(result, expected, "{user}");
    }
}
