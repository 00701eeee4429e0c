//! Moves to another name or uid: what they report, and what they leave.

use super::*;

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
) -> Result<(), ChangeError> {
    let audit = &AuditLines;
    let factor = UserFactor {
        store,
        account,
        audit,
    };
    relocate(&factor, "alice", reason)
}

/// The lines about anna since the last call.
fn lines() -> Vec<String> {
    LINES.take()
}

const RENAMED: &str = "changed user=anna action=rename from=alice by=0";
const ADOPTED: &str = "changed user=anna action=adopt from=alice by=0";

#[test]
fn a_move_takes_everything_along_and_is_logged_once() {
    for (reason, line) in [
        (RelocationReason::Renamed, RENAMED),
        (RelocationReason::Adopted, ADOPTED),
    ] {
        for more in UIDS {
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
    let error = moved(&store, &anna(1), RelocationReason::Adopted).unwrap_err();
    assert_eq!(error.user, "anna");
    assert!(
        matches!(&error.cause, ChangeCause::Failed(AttemptFailure::Store(error)) if matches!(error.cause, FileFault::Occupied))
    );
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
