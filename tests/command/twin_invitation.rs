//! An invitation under one name of a user id whose other name has a device, or had one: refused, removed, withdrawn.

use harness::Machine;
use harness::desk::{desk_on, give_phone, is_asked, json_error};
use harness::enrolled::{login, run};
use harness::pam::code;
use twofactor_core::state::{UserState, encode_file};

use crate::names::{STATE, has, uid_of};

/// As 0.1.0 let be made: alice has a device, and twin, another name of her uid, an invitation.
fn invited_twin() -> Machine {
    let machine = desk_on();
    give_phone(&machine, "alice");
    machine.add_user("twin");
    machine.command(&["invite", "twin"]).ok();
    let (before, uid) = (uid_of(&machine, "twin"), uid_of(&machine, "alice"));
    let path = format!("{STATE}/users/twin.toml");
    let text = machine.read(&path);
    let text = text.replace(&format!("uid = {before}"), &format!("uid = {uid}"));
    machine.write_file(&path, text, 0o600);
    std::fs::remove_file(format!("{STATE}/users/+{before}")).unwrap();
    let state = encode_file(&UserState::new(uid));
    machine.write_file(format!("{STATE}/state/twin"), state, 0o600);
    machine.remove_user("twin");
    machine.add_user_with_id("twin", uid);
    machine.command(&["init"]).ok();
    assert_eq!(run(login("twin")).auth, code::AUTHINFO_UNAVAIL);
    machine
}

#[test]
fn an_invitation_beside_a_device_can_be_removed() {
    let machine = invited_twin();
    assert!(is_asked("alice"));
    machine.command(&["unset", "twin", "--yes"]).ok();
    assert!(is_asked("twin") && is_asked("alice"));
}

#[test]
fn an_invitation_beside_a_device_can_be_withdrawn() {
    for further in [&[][..], &["bob"]] {
        let machine = invited_twin();
        let call = [&["invite", "twin", "--for", "0"], further].concat();
        machine.command(&call).ok();
        assert!(is_asked("twin") && is_asked("alice"));
        // A device is no invitation.
        machine.command(&["invite", "alice", "--for", "0"]).exits(1);
        assert!(is_asked("alice"));
    }
}

/// [`invited_twin`], where the record of alice's device is lost.
fn twin_of_lost() -> Machine {
    let machine = invited_twin();
    std::fs::remove_file(format!("{STATE}/users/alice.toml")).unwrap();
    machine.forget_log();
    assert!(refuses("alice") && refuses("twin"));
    machine
}

fn refuses(user: &str) -> bool {
    run(login(user)).auth == code::AUTHINFO_UNAVAIL
}

/// The state of the lost device keeps both names from logging in, until it is removed under its own name.
#[test]
fn r42_unset_of_an_invitation_keeps_a_lost_device() {
    let machine = twin_of_lost();
    let told = machine.command(&["unset", "twin", "--yes"]).ok().stdout;
    assert_eq!(told, "Removed: the invitation of twin.\n");
    assert!(!has("users/twin.toml") && has("state/alice"));
    assert!(refuses("alice") && refuses("twin"));
    machine.command(&["unset", "alice", "--yes"]).ok();
    assert!(!is_asked("alice") && !is_asked("twin"));
}

#[test]
fn the_cure_of_a_lost_record_names_its_user() {
    let machine = twin_of_lost();
    let error = json_error(machine.command(&["show", "twin", "--json"]), 3);
    let next = error["next"].as_str().unwrap();
    assert!(next.ends_with("twofactor unset alice"), "{next}");
    let hints = machine.log_with("twofactor unset");
    assert_eq!(hints.len(), 2);
    for hint in hints {
        let path = format!("{STATE}/users/alice.toml");
        assert!(hint.contains(&path) && !hint.contains("USER"), "{hint}");
    }
}
