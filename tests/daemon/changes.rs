//! Changes that users make to their own factor: the proof that each takes, and what is left where it is not given.

use harness::Machine;
use harness::enrolled::{
    SECRET, Token, add_account, add_bypass, add_recovery_codes, auth, enroll_token, machine,
    record_path, state_of,
};
use harness::otp::Totp;
use harness::pam::code;
use harness::twofactord::DaemonConversation;
use serde_json::{Value, json};

use super::QUICK;

pub const VERIFY: &str = "io.twofactor.Verify";
pub const BEGIN: &str = "io.twofactor.Begin";
pub const RENEW: &str = "io.twofactor.Renew";
pub const CONFIRM: &str = "io.twofactor.Confirm";
pub const UNSET: &str = "io.twofactor.Unset";
pub const NEW_CODES: &str = "io.twofactor.NewRecoveryCodes";

/// Puts a call about alice.
pub fn alice(talk: &mut DaemonConversation, method: &str, rest: Value) -> Value {
    let mut parameters = json!({"user": "alice"});
    for (key, value) in rest.as_object().unwrap() {
        parameters[key] = value.clone();
    }
    let reply = talk.call(method, &parameters).unwrap();
    reply["change"].clone()
}

/// The device that a reply shows.
pub fn phone(reply: &Value) -> Totp {
    assert_eq!(reply["result"], "pending", "{reply}");
    Totp::new(reply["secret"].as_str().unwrap())
}

pub fn devices(machine: &Machine) -> Vec<String> {
    let own = json!({"user": "alice"});
    let status = machine.call_daemon("alice", "io.twofactor.Status", &own);
    let devices = status.unwrap()["devices"].as_array().unwrap().clone();
    let names = devices.iter().map(|it| it["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn record() -> String {
    std::fs::read_to_string(record_path("alice")).unwrap()
}

fn ready() -> (Machine, Token, Vec<String>) {
    let machine = machine(QUICK);
    let alice = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    (machine, alice, codes)
}

#[test]
fn a_further_device_takes_a_code_and_its_own() {
    let (machine, token, _) = ready();
    let daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let named = json!({"device": "phone", "code": token.code()});
    let shown = alice(&mut talk, BEGIN, named);
    let new = phone(&shown);
    let uri = shown["uri"].as_str().unwrap();
    let is_uri = uri.starts_with("otpauth://totp/") && uri.contains("alice");
    assert!(is_uri, "{uri}");
    assert!(shown["svg"].as_str().unwrap().contains("<svg "), "{shown}");
    assert!(shown["qr"].as_str().unwrap().contains('█'), "{shown}");
    // Nothing counts before it is confirmed.
    assert_eq!(devices(&machine), ["token"]);
    let wrong = alice(&mut talk, CONFIRM, json!({"code": new.wrong_code()}));
    assert_eq!(wrong, json!({"result": "wrong", "tries_left": 4}));
    let stored = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(stored["result"], "stored", "{stored}");
    assert_eq!(stored["device"]["name"], "phone");
    assert_eq!(devices(&machine), ["token", "phone"]);
    let again = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(again, json!({"result": "nothing_pending"}));
    let log = daemon.log();
    let line = "changed user=alice action=enroll device=phone confirmed=yes by=";
    assert!(log.contains(line), "{log}");
    let secret = shown["secret"].as_str().unwrap();
    assert!(!log.contains(secret), "{log}");
}

#[test]
fn every_change_is_refused_without_a_right_code() {
    let (machine, token, codes) = ready();
    let bypass = add_bypass("alice", harness::otp::unix_time() + 3600);
    let _daemon = machine.daemon();
    let used = token.code();
    let verify = json!({"user": "alice", "code": used});
    let verified = machine.call_daemon("alice", VERIFY, &verify).unwrap();
    assert_eq!(verified["result"], "accepted");
    let before = record();
    let mut talk = machine.talk_to_daemon("alice");
    let calls = [
        (BEGIN, json!({"device": "phone"})),
        (RENEW, json!({"device": "token"})),
    ];
    let mut refused = |code: Option<&str>, results: [&str; 2]| {
        for ((method, call), result) in calls.iter().zip(results) {
            let mut call = call.clone();
            if let Some(code) = code {
                call["code"] = json!(code);
            }
            let reply = alice(&mut talk, method, call);
            assert_eq!(reply["result"], result, "{method} {code:?}: {reply}");
            let reply = alice(&mut talk, CONFIRM, json!({"code": "123456"}));
            assert_eq!(reply["result"], "nothing_pending", "{method}");
        }
    };
    refused(None, ["code_required"; 2]);
    // None is remembered as refused: a login might accept what proves no change.
    refused(Some(&used), ["used"; 2]);
    let begin = json!({"device": "other", "code": codes[0]});
    let mut other = machine.talk_to_daemon("alice");
    phone(&alice(&mut other, BEGIN, begin));
    refused(Some(&codes[0]), ["spent"; 2]);
    // A bypass code lets its user log in, and changes nothing.
    let mut talk = machine.talk_to_daemon("alice");
    let reply = alice(&mut talk, RENEW, json!({"code": bypass}));
    assert_eq!(reply["result"], "wrong");
    for code in token.wrong_codes().take(4) {
        let reply = alice(&mut talk, RENEW, json!({"code": code}));
        assert_eq!(reply["result"], "wrong", "{reply}");
    }
    assert_eq!(state_of("alice").daemon.in_a_row, 5);
    // Charged on the daemon's own counter: logins go on.
    assert_eq!(state_of("alice").failures, 0);
    for (method, call) in &calls {
        let mut call = call.clone();
        call["code"] = json!(token.code_at(7));
        let reply = alice(&mut talk, method, call);
        assert_eq!(reply["result"], "locked", "{method}: {reply}");
        assert!(reply["seconds"].as_u64().is_some_and(|it| it > 0));
    }
    assert_eq!(record(), before);
    // The bypass code is still what it was.
    assert_eq!(auth(token.login().answer(bypass)), code::SUCCESS);
}

#[test]
fn a_device_is_removed_with_a_code_of_the_user() {
    let (machine, token, codes) = ready();
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "phone", "code": codes[1]});
    let new = phone(&alice(&mut talk, BEGIN, begin));
    let confirming = new.code();
    alice(&mut talk, CONFIRM, json!({"code": confirming}));
    for (call, result) in [
        (json!({"device": "phone"}), "code_required"),
        (
            json!({"device": "none", "code": codes[2]}),
            "no_such_device",
        ),
        (json!({"device": "phone", "code": codes[1]}), "spent"),
        (json!({"device": "phone", "code": confirming}), "used"),
    ] {
        let reply = alice(&mut talk, UNSET, call);
        assert_eq!(reply["result"], result, "{reply}");
        assert_eq!(devices(&machine), ["token", "phone"]);
    }
    let unset = json!({"device": "phone", "code": token.code()});
    let removed = alice(&mut talk, UNSET, unset);
    assert_eq!(removed["result"], "removed", "{removed}");
    assert_eq!(removed["devices_left"], 1);
    assert_eq!(devices(&machine), ["token"]);
    let unset = json!({"device": "token", "code": token.code()});
    assert_eq!(alice(&mut talk, UNSET, unset)["result"], "last_device");
    // Everything, and new recovery codes, take a login in the same session besides: here is none.
    for method in [UNSET, NEW_CODES] {
        let reply = alice(&mut talk, method, json!({"code": token.code()}));
        assert_eq!(reply["result"], "login_required", "{method}");
    }
    assert_eq!(devices(&machine), ["token"]);
}

#[test]
fn the_old_key_works_until_the_new_one_is_confirmed() {
    let (machine, token, _) = ready();
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let new = alice(&mut talk, RENEW, json!({"code": token.code()}));
    assert_eq!(new["device"]["kind"], "hotp");
    let secret = new["secret"].as_str().unwrap();
    assert!(record().contains(SECRET) && !record().contains(secret));
    let code = harness::otp::hotp(secret, 0, 6);
    let stored = alice(&mut talk, CONFIRM, json!({"code": code}));
    assert_eq!(stored["result"], "stored", "{stored}");
    assert!(!record().contains(SECRET) && record().contains(secret));
}

#[test]
fn a_connection_that_ends_leaves_nothing_pending() {
    let (machine, token, _) = ready();
    let daemon = machine.daemon();
    let before = record();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "phone", "code": token.code()});
    let new = phone(&alice(&mut talk, BEGIN, begin));
    // Another connection knows nothing of it.
    let mut other = machine.talk_to_daemon("alice");
    let reply = alice(&mut other, CONFIRM, json!({"code": new.code()}));
    assert_eq!(reply, json!({"result": "nothing_pending"}));
    drop(talk);
    assert_eq!(record(), before);
    daemon.kill();
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let reply = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(reply["result"], "nothing_pending");
    // Five wrong codes end it as well.
    let begin = json!({"device": "phone", "code": token.code()});
    let new = phone(&alice(&mut talk, BEGIN, begin));
    for left in (0..5).rev() {
        let reply = alice(&mut talk, CONFIRM, json!({"code": new.wrong_code()}));
        assert_eq!(reply["tries_left"], left);
    }
    let reply = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(reply["result"], "nothing_pending");
    assert_eq!(record(), before);
    assert_eq!(state_of("alice").devices.len(), 1);
}

#[test]
fn an_administrators_change_ends_a_pending_one() {
    let (machine, token, _) = ready();
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "phone", "code": token.code()});
    let new = phone(&alice(&mut talk, BEGIN, begin));
    machine.command(&["renew", "alice", "--no-confirm"]).ok();
    let reply = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(reply, json!({"result": "changed"}));
    assert_eq!(devices(&machine), ["token"]);
}

#[test]
fn the_first_device_takes_an_invitation() {
    let machine = machine(&format!("enroll_needs_invite = true\n{QUICK}"));
    add_account(&machine, "alice");
    let _daemon = machine.daemon();
    let mut talk = machine.talk_to_daemon("alice");
    let required = json!({"result": "invitation_required"});
    assert_eq!(alice(&mut talk, BEGIN, json!({})), required);
    let unasked = alice(&mut talk, BEGIN, json!({"code": "123456"}));
    assert_eq!(unasked, required);
    let invited = || {
        let invite = machine
            .command(&["--json", "invite", "alice", "--replace"])
            .ok()
            .stdout;
        let invite: Value = serde_json::from_str(&invite).unwrap();
        invite["code"].clone()
    };
    let code = invited();
    assert_eq!(alice(&mut talk, BEGIN, json!({})), required);
    let wrong = alice(&mut talk, BEGIN, json!({"code": "AAAA-BBBB-CCCC-DDDD"}));
    assert_eq!(wrong["result"], "wrong");
    let state = state_of("alice");
    assert_eq!((state.daemon.in_a_row, state.failures), (1, 0));
    let new = phone(&alice(&mut talk, BEGIN, json!({"code": code})));
    // One that is replaced meanwhile is none.
    let code = invited();
    let reply = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(reply, required);
    let new = phone(&alice(&mut talk, BEGIN, json!({"code": code})));
    let stored = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(stored["result"], "stored", "{stored}");
    assert_eq!(stored["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(devices(&machine), ["phone"]);
}

#[test]
fn the_policy_can_leave_changes_to_root() {
    let (machine, token, _) = ready();
    let _daemon = machine.daemon();
    let before = record();
    let not_allowed = Err("io.twofactor.NotAllowed".to_owned());
    let code = json!({"user": "alice", "code": token.code()});
    machine.policy(&format!("{QUICK}[self_service]\nmanage = false\n"));
    for method in [BEGIN, RENEW, CONFIRM, UNSET, NEW_CODES] {
        let reply = machine.call_daemon("alice", method, &code);
        assert_eq!(reply, not_allowed, "{method}");
    }
    for policy in [
        format!("{QUICK}[self_service]\nunset_last = false\n"),
        format!("enforcement = \"mandatory\"\n{QUICK}"),
        format!("enroll_at_login = \"require\"\n{QUICK}"),
    ] {
        machine.policy(&policy);
        let reply = machine.call_daemon("alice", UNSET, &code);
        assert_eq!(reply, not_allowed, "{policy}");
    }
    add_account(&machine, "bob");
    machine.policy(&format!("{QUICK}[self_service]\nfirst_device = \"off\"\n"));
    let reply = machine.call_daemon("bob", BEGIN, &json!({"user": "bob"}));
    assert_eq!(reply, not_allowed);
    // None of them was looked at.
    assert_eq!(state_of("alice").devices[0].next, 0);
    assert_eq!(record(), before);
}

#[test]
fn no_other_user_and_no_root_changes_anything() {
    let (machine, token, codes) = ready();
    add_account(&machine, "bob");
    let _daemon = machine.daemon();
    let before = record();
    for code in [token.code(), codes[0].clone()] {
        for method in [BEGIN, RENEW, CONFIRM, UNSET, NEW_CODES] {
            let call = json!({"user": "alice", "code": code});
            for user in ["bob", "root"] {
                let reply = machine.call_daemon(user, method, &call);
                assert_eq!(reply, Err("io.twofactor.NotYours".to_owned()), "{method}");
            }
        }
    }
    assert_eq!(record(), before);
    assert_eq!(state_of("alice").devices[0].next, 0);
}
