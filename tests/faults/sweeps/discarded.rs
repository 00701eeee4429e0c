//! A record that cannot be read goes without a look into it: its removal is killed and stopped at each call that changes a file.

use std::fs;

use harness::enrolled::{enroll_token, machine, record_path};
use harness::fault::{Call, Fault, Halt, Harm, Window};
use twofactor_core::account::Account;

use super::kept::{KeptFiles, holder, open_store};
use super::logins::account;
use super::table::described;

/// Calls that change a file, or flush it.
const CHANGING: [&str; 5] = ["pwrite64", "fsync", "fdatasync", "unlinkat", "renameat"];

const UNSET: [&str; 4] = ["unset", "alice", "--force", "--yes"];
const ENROLL: [&str; 6] = [
    "enroll",
    "alice",
    "--hotp",
    "--no-confirm",
    "--json",
    "--yes",
];

/// The places of these calls.
fn changing(calls: &[Call]) -> Vec<usize> {
    let calls = calls.iter().enumerate();
    let changing = calls.filter(|(_, call)| CHANGING.contains(&call.name().as_str()));
    changing.map(|(position, _)| position).collect()
}

/// Its user, who is refused before, has no device afterwards, and is not refused as one whose record is lost.
#[test]
fn r42_a_killed_removal_of_a_damaged_record_completes() {
    let machine = machine("enabled = true\n");
    enroll_token(&machine, "alice");
    let before = KeptFiles::look();
    let removed = |fault| {
        before.restore();
        fs::write(record_path("alice"), "damaged").unwrap();
        machine.twofactor(&UNSET).traced(Window::Program(1), fault)
    };
    let whole = removed(None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    let mut gone = 0;
    for position in changing(&whole.calls) {
        for harm in [Harm::KillBefore, Harm::KillAfter] {
            let fault = Fault { position, harm };
            let traced = removed(Some(fault));
            assert!(traced.run.signal.is_some(), "{traced:?}");
            if !record_path("alice").exists() {
                gone += 1;
                let found = holder(&account("alice")).map(|holder| holder.record.is_none());
                assert_eq!(found, Ok(true), "{}", described(&whole.calls, fault));
            }
        }
    }
    assert!(gone > 3, "{gone}");
}

/// Meanwhile another removal comes to its end, and the user is enrolled anew. By either name of the uid the device is found, or the user
/// refused.
#[test]
fn r43_a_stopped_removal_hides_no_new_device() {
    let machine = machine("enabled = true\n");
    enroll_token(&machine, "alice");
    let before = KeptFiles::look();
    let unset = || {
        before.restore();
        fs::write(record_path("alice"), "damaged").unwrap();
        machine.twofactor(&UNSET)
    };
    let whole = unset().traced(Window::Program(1), None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    let places = changing(&whole.calls);
    let mut kept = 0;
    for place in &places {
        let at = (*place, Halt::Signal);
        let traced = unset().halted(Window::Program(1), at, &mut || {
            let _ = machine.command(&UNSET);
            machine.command(&ENROLL).ok();
        });
        assert!(traced.struck.is_some(), "{traced:?}");
        for name in ["alice", "alias"] {
            let account = Account {
                name: name.to_owned(),
                ..account("alice")
            };
            let found = open_store().holder(&account);
            let is_absent = found.as_ref().is_ok_and(|holder| holder.record.is_none());
            let call = whole.calls[*place].name();
            assert!(
                !is_absent,
                "{name}, behind {call} at {place}: {:?}",
                traced.run
            );
            kept += usize::from(found.is_ok());
        }
    }
    assert!(kept > places.len(), "{kept} of {}", places.len() * 2);
}
