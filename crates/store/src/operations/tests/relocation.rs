//! Moves to another name or uid: what they report, and what they leave.

use std::thread;
use std::time::Duration;

use super::*;
use crate::files::RelocationProgress;
use crate::testing::{account, fresh};

/// The uid of alice's record, and another one.
const UIDS: [u32; 2] = [0, 1];

fn anna(more: u32) -> Account {
    let uid = alice().uid + more;
    Account {
        name: "anna".to_owned(),
        uid,
        gid: uid,
    }
}

fn moved(
    store: &FactorStore,
    account: &Account,
    reason: RelocationReason,
) -> Result<(), RelocationRefusal> {
    let shown = store.record_named("alice").unwrap();
    moved_as(store, account, shown.as_ref(), reason)
}

fn moved_as(
    store: &FactorStore,
    account: &Account,
    shown: Option<&UserRecord>,
    reason: RelocationReason,
) -> Result<(), RelocationRefusal> {
    let audit = &AuditLines;
    let factor = UserFactor {
        store,
        account,
        audit,
    };
    relocate(&factor, "alice", shown, reason)
}

fn changed() -> Result<(), RelocationRefusal> {
    Err(RelocationRefusal::Change(ChangeError {
        user: "anna".to_owned(),
        cause: ChangeCause::DevicesChanged,
    }))
}

/// The lines about anna since the last call.
fn lines() -> Vec<String> {
    LINES.take()
}

const RENAMED: &str = "changed user=anna action=rename from=alice by=0";
const ADOPTED: &str = "changed user=anna action=adopt from=alice by=0";

#[test]
fn a_move_takes_everything_along_and_is_logged_once() {
    for (reason, line, uids) in [
        (RelocationReason::Renamed, RENAMED, &UIDS[..1]),
        (RelocationReason::Adopted, ADOPTED, &UIDS[..]),
    ] {
        for &more in uids {
            let (scratch, store) = with(&[phone(), token()]);
            let anna = anna(more);
            assert_eq!(moved(&store, &anna, reason), Ok(()));
            assert_eq!(lines(), [line]);
            assert_eq!(kept(&scratch), NOTHING);
            let record = store.record(&anna).unwrap().unwrap();
            assert_eq!((record.user.as_str(), record.uid), ("anna", anna.uid));
            assert_eq!(record.devices.len(), 2);
            assert!(
                store
                    .snapshot(&anna)
                    .unwrap()
                    .unwrap()
                    .state
                    .has_committed()
            );
        }
    }
}

#[test]
fn a_refused_move_changes_nothing_and_is_not_logged() {
    let (scratch, store) = with(&[phone()]);
    enroll_devices(&store, &anna(1), &[device("other", 9, OtpKind::Hotp)]);
    let before = kept(&scratch);
    let occupied = Err(RelocationRefusal::Occupied);
    assert_eq!(moved(&store, &anna(1), RelocationReason::Adopted), occupied);
    assert_eq!(kept(&scratch), before);
    let (_scratch, store) = with(&[]);
    assert!(moved(&store, &anna(0), RelocationReason::Renamed).is_err());
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    super::unsure::join_fleet(&scratch);
    assert!(moved(&store, &anna(0), RelocationReason::Renamed).is_err());
    assert_eq!(kept(&scratch), before);
    assert_eq!(lines(), [""; 0]);
}

/// Once the record says the new user, its devices count for that one.
#[test]
fn a_move_that_fails_in_the_middle_is_logged() {
    for more in UIDS {
        let (scratch, store) = with(&[phone()]);
        // A directory where the state would write a file before it gets the new name.
        let obstacle = scratch.top().join("state/.alice.new");
        fs::create_dir(&obstacle).unwrap();
        let anna = anna(more);
        assert!(moved(&store, &anna, RelocationReason::Adopted).is_err());
        assert_eq!(store.record_named("alice").unwrap().unwrap().user, "anna");
        assert_eq!(lines(), [ADOPTED]);
        // It goes no further, and is the same move.
        assert!(moved(&store, &anna, RelocationReason::Adopted).is_err());
        assert_eq!(lines(), [""; 0]);
        fs::remove_dir(obstacle).unwrap();
        assert_eq!(moved(&store, &anna, RelocationReason::Adopted), Ok(()));
        assert_eq!(lines(), [ADOPTED]);
        assert_eq!(kept(&scratch), NOTHING);
    }
}

/// With another uid the state is the first to say it: from then on alice is refused.
#[test]
fn a_move_that_fails_before_is_logged_if_it_counts() {
    for (more, logged) in [(0, &[][..]), (1, &[ADOPTED][..])] {
        let (scratch, store) = with(&[phone()]);
        fs::create_dir(scratch.top().join("users/.alice.toml.new")).unwrap();
        assert!(moved(&store, &anna(more), RelocationReason::Adopted).is_err());
        assert_eq!(store.record_named("alice").unwrap().unwrap().user, "alice");
        assert_eq!(store.snapshot(&alice()).is_err(), more == 1);
        assert_eq!(lines(), logged);
    }
}

#[test]
fn other_devices_than_those_shown_are_not_moved() {
    for more in UIDS {
        let (scratch, store) = with(&[phone()]);
        let shown = store.record_named("alice").unwrap();
        enroll_devices(&store, &alice(), &[phone(), token()]);
        let before = kept(&scratch);
        for shown in [shown.as_ref(), None] {
            let done = moved_as(&store, &anna(more), shown, RelocationReason::Adopted);
            assert_eq!(done, changed());
        }
        assert_eq!(kept(&scratch), before);
        assert_eq!(lines(), [""; 0]);
    }
}

/// A device is added while the move waits for the lock.
#[test]
fn what_is_changed_before_the_lock_is_not_moved() {
    let (_scratch, store) = with(&[phone()]);
    let shown = store.record_named("alice").unwrap();
    let mut held = store.lock(&alice()).unwrap();
    let adopted = || {
        let reason = RelocationReason::Adopted;
        moved_as(&store, &anna(1), shown.as_ref(), reason)
    };
    thread::scope(|scope| {
        let done = scope.spawn(adopted);
        // Where nothing is looked at under the lock, this is more than it takes to look before it.
        thread::sleep(Duration::from_millis(200));
        let mut record = shown.clone().unwrap();
        record.enroll(token());
        let entry = fresh(&token());
        held.replace_record(&record, &[entry]).unwrap();
        drop(held);
        assert_eq!(done.join().unwrap(), changed());
    });
    assert_eq!(names(&store), ["phone", "token"]);
}

/// `bin` and `daemon` are users of every Linux system, with uid 2 and 1 on Debian.
#[test]
fn a_move_that_would_mix_two_users_is_refused() {
    let bin = crate::sys::accounts::by_name("bin").unwrap().unwrap();
    let uid = bin.uid;
    let refused = |kept: &Account, to: &Account, reason| {
        let scratch = ScratchStore::new();
        let store = scratch.store();
        enroll_devices(&store, kept, &[phone()]);
        let preview = preview_relocation(&store, to, &kept.name, reason);
        let refusal = preview.map(|progress| progress.is_some());
        let record = store.record_named(&kept.name).unwrap();
        let factor = UserFactor {
            store: &store,
            account: to,
            audit: &AuditLines,
        };
        let done = relocate(&factor, &kept.name, record.as_ref(), reason);
        assert_eq!(done.clone().err(), refusal.clone().err());
        refusal.and(done)
    };
    let (renamed, adopted) = (RelocationReason::Renamed, RelocationReason::Adopted);
    let recorded = uid + 4000;
    let old = account("bin", recorded);
    let reused = RelocationRefusal::NameReused { uid, recorded };
    let to = account("anna", recorded);
    assert_eq!(refused(&old, &to, renamed), Err(reused));
    assert_eq!(refused(&old, &to, adopted), Ok(()));
    let owner = RelocationRefusal::OwnerPresent { uid };
    assert_eq!(refused(&bin, &to, adopted), Err(owner));
    let other = RelocationRefusal::OtherUid { recorded: uid };
    assert_eq!(refused(&bin, &to, renamed), Err(other));
}

#[test]
fn a_look_tells_what_would_be_moved() {
    let (_scratch, store) = with(&[phone()]);
    let look = |to: &Account| preview_relocation(&store, to, "alice", RelocationReason::Renamed);
    let Ok(Some(RelocationProgress::Ahead(record))) = look(&anna(0)) else {
        panic!("it can be moved");
    };
    assert_eq!(record.user, "alice");
    assert!(matches!(look(&alice()), Ok(None)));
    enroll_devices(&store, &anna(1), &[token()]);
    let look = preview_relocation(&store, &anna(1), "alice", RelocationReason::Adopted);
    assert_eq!(look.map(|_| ()), Err(RelocationRefusal::Occupied));
}

/// The move cannot be judged by what is found under the new name.
#[test]
fn a_state_of_the_new_name_is_a_fault_of_that_user() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.top().join("state/anna"), "damaged").unwrap();
    let look = preview_relocation(&store, &anna(0), "alice", RelocationReason::Renamed);
    let Err(RelocationRefusal::Change(error)) = look else {
        panic!("it is looked at");
    };
    assert_eq!(error.user, "anna");
    assert!(matches!(error.cause, ChangeCause::Failed(_)));
}
