//! `twofactor adopt`: the record of a former user for a user of the same name or of another one.

use harness::desk;
use harness::desk::{desk_on, give, give_phone, is_asked, json, json_error, lets_in};
use harness::enrolled::{login, run};
use harness::pam::code;
use harness::patient::{UNSYNCHRONIZED, with_clock};
use serde_json::json;

use crate::names::{STATE, has, uid_of};

#[test]
fn r42_another_uid_is_refused_until_adopt() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let old = uid_of(&machine, "alice");
    machine.remove_user("alice");
    let new = machine.add_user("alice");
    assert_eq!(run(login("alice")).auth, code::AUTHINFO_UNAVAIL);
    let adopt = |typed: &str| {
        let command = machine.twofactor(&["adopt", "alice", "--json"]);
        command.input(format!("{typed}\n")).run()
    };
    let wrong = adopt(&phone.wrong_code()).exits(1);
    let shown = format!("Kept:     alice (uid {old}), phone\nTo adopt: alice (uid {new})\n");
    assert!(wrong.stderr.starts_with(&shown), "{wrong:?}");
    assert_eq!(run(login("alice")).auth, code::AUTHINFO_UNAVAIL);
    // It was counted.
    let state =
        twofactor_core::state::decode_file(&std::fs::read(format!("{STATE}/state/alice")).unwrap());
    assert_eq!(state.unwrap().state.failures, 1);
    phone.settle(10);
    let typed = phone.code_after(0);
    let report = json(adopt(&typed));
    assert_eq!(
        (&report["from_uid"], &report["uid"]),
        (&json!(old), &json!(new))
    );
    assert!(is_asked("alice"));
    assert!(!lets_in("alice", &typed), "the code is used up");
    machine.command(&["adopt", "alice", "--yes"]).exits(1);
    assert_eq!(
        desk::parse(&machine.command(&["init", "--json"]).stdout)["findings"],
        json!([])
    );
}

#[test]
fn r42_adopt_takes_no_device_of_an_existing_user() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let adopt = [
        "adopt", "bob", "--from", "alice", "--force", "--yes", "--json",
    ];
    let error = json_error(machine.command(&adopt), 1);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("is a user of this machine")
    );
    machine.remove_user("alice");
    let report = json(machine.command(&adopt));
    assert_eq!(
        (&report["user"], &report["from"]),
        (&json!("bob"), &json!("alice"))
    );
    assert!(is_asked("bob"));
    assert!(!has("users/alice.toml") && !has("state/alice"));
}

/// On a clock that is behind, codes that were used would work again.
#[test]
fn adopt_makes_no_state_by_a_clock_of_doubt() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine.remove_user("alice");
    machine.add_user("alice");
    std::fs::remove_file(format!("{STATE}/state/alice")).unwrap();
    let adopt = |options: &[&str]| {
        let call = ["adopt", "alice", "--force", "--yes"];
        let call = [&call, options].concat();
        with_clock(&machine, UNSYNCHRONIZED, &call).run()
    };
    let refused = adopt(&[]).exits(1).stderr;
    let next = "Once it is: twofactor adopt --force --clock-is-right alice\n";
    assert!(refused.ends_with(next), "{refused}");
    assert!(!has("state/alice"));
    assert_eq!(json_error(adopt(&["--json"]), 1)["kind"], "clock");
    adopt(&["--clock-is-right"]).ok();
    assert!(has("state/alice") && is_asked("alice"));
}

#[test]
fn adopt_makes_a_state_for_a_record_alone() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    machine.remove_user("alice");
    machine.add_user("alice");
    std::fs::remove_file(format!("{STATE}/state/alice")).unwrap();
    machine
        .command(&["adopt", "alice", "--force", "--yes", "--clock-is-right"])
        .ok();
    assert!(is_asked("alice"));
    assert!(
        !lets_in("alice", &phone.code()),
        "it may have been used before"
    );
    let changes = ["action=rebuild by=", "action=adopt from=alice by="];
    let logged = machine.log_with("changed user=alice action=");
    let logged = &logged[logged.len() - changes.len()..];
    for (line, change) in logged.iter().zip(changes) {
        assert!(line.contains(change), "{logged:?}");
    }
}
