//! A record that cannot be read goes without a look into it: its removal is killed at each call that changes a file.

use std::fs;

use harness::enrolled::{enroll_token, machine, record_path};
use harness::fault::{Fault, Harm, Window};

use super::kept::{KeptFiles, holder};
use super::logins::account;
use super::table::described;

/// Calls that change a file, or flush it.
const CHANGING: [&str; 5] = ["pwrite64", "fsync", "fdatasync", "unlinkat", "renameat"];

/// Its user, who is refused before, has no device afterwards, and is not refused as one whose record is lost.
#[test]
fn r42_a_killed_removal_of_a_damaged_record_completes() {
    let machine = machine("enabled = true\n");
    enroll_token(&machine, "alice");
    let before = KeptFiles::look();
    let removed = |fault| {
        before.restore();
        fs::write(record_path("alice"), "damaged").unwrap();
        let unset = machine.twofactor(&["unset", "alice", "--yes"]);
        unset.traced(Window::Program(1), fault)
    };
    let whole = removed(None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    let calls = whole.calls.iter().enumerate();
    let changing = calls.filter(|(_, call)| CHANGING.contains(&call.name().as_str()));
    let places: Vec<usize> = changing.map(|(position, _)| position).collect();
    let mut gone = 0;
    for position in places {
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
