//! The accounts to which users of a backup are restored.

use super::*;
use crate::sys::accounts::{self, LookupFailed};
use crate::testing::{account, record_of};
use twofactor_core::backup::BackupEntry;
use twofactor_core::state::UserState;

const TERMS: RestoreTerms = RestoreTerms {
    now: NOW,
    existing: ExistingRecord::Replace,
    one_time_codes: UnknownCodes::Drop,
};

/// A uid that no account of a machine has.
const FREE: u32 = 1_999_999_999;

fn entry(account: &Account) -> BackupEntry {
    let mut state = UserState::new(account.uid);
    state.devices.push(crate::testing::fresh(&token()));
    BackupEntry {
        record: record_of(account, &[token()]),
        state,
    }
}

fn targets<'b>(
    store: &FactorStore,
    entries: &'b [BackupEntry],
    other_uid: OtherUidTarget,
    found: Result<Option<Account>, LookupFailed>,
) -> Vec<RestoreTarget<'b>> {
    restore_targets(store, entries, other_uid, TERMS, |_| found.clone())
}

#[test]
fn a_record_goes_to_the_account_of_name_and_uid() {
    let (_scratch, store) = with(&[]);
    let bob = account("bob", FREE);
    let one = |found, other_uid| {
        let entries = [entry(&bob)];
        let all = targets(&store, &entries, other_uid, Ok(found));
        let [target] = all.as_slice() else {
            panic!("there is one");
        };
        let account = target.account.clone();
        (account.map(|it| (it.name, it.uid)), target.pending)
    };
    let other = account("bob", FREE + 1);
    let to = |uid| Ok(("bob".to_owned(), uid));
    let spelled = TargetRefusal::OtherSpelling("Bob".to_owned());
    for (found, other_uid, expected) in [
        (Some(bob.clone()), OtherUidTarget::Keep, (to(FREE), None)),
        (Some(bob.clone()), OtherUidTarget::Adopt, (to(FREE), None)),
        (
            Some(other.clone()),
            OtherUidTarget::Adopt,
            (to(FREE + 1), None),
        ),
        (
            Some(other),
            OtherUidTarget::Keep,
            (to(FREE), Some(PendingAccount::OtherUid)),
        ),
        (
            None,
            OtherUidTarget::Adopt,
            (to(FREE), Some(PendingAccount::Missing)),
        ),
        (
            Some(account("Bob", FREE)),
            OtherUidTarget::Adopt,
            (Err(spelled), None),
        ),
    ] {
        assert_eq!(one(found, other_uid), expected);
    }
}

/// `bin` is a user of every Linux system.
#[test]
fn no_record_goes_to_the_uid_of_another_user() {
    let (_scratch, store) = with(&[]);
    let bin = accounts::by_name("bin").unwrap().unwrap();
    let entries = [entry(&account("bob", bin.uid))];
    for (found, adoptable) in [(None, false), (Some(account("bob", FREE)), true)] {
        let targets = targets(&store, &entries, OtherUidTarget::Keep, Ok(found));
        let taken = TargetRefusal::UidTaken {
            uid: bin.uid,
            owner: "bin".to_owned(),
            adoptable,
        };
        assert_eq!(targets[0].account, Err(taken));
    }
    let unanswered = accounts::LookupFailed::from(std::io::Error::from_raw_os_error(5));
    let targets = targets(&store, &entries, OtherUidTarget::Keep, Err(unanswered));
    assert_eq!(targets[0].account, Err(TargetRefusal::Lookup(unanswered)));
}

/// The one of two who is kept here gets it, wherever it stands in the backup.
#[test]
fn of_two_users_of_a_uid_one_is_restored() {
    let two = [account("bob", FREE), account("carol", FREE)];
    let entries = two.each_ref().map(entry);
    for kept in [None, Some(0), Some(1)] {
        let (_scratch, store) = with(&[]);
        if let Some(kept) = kept {
            enroll_devices(&store, &two[kept], &[phone()]);
        }
        let targets = targets(&store, &entries, OtherUidTarget::Keep, Ok(None));
        let first = kept.unwrap_or(0);
        let shared = TargetRefusal::UidShared {
            uid: FREE,
            user: two[first].name.clone(),
        };
        assert!(targets[first].account.is_ok());
        let other = &targets[1 - first];
        assert_eq!((&other.account, other.pending), (&Err(shared), None));
    }
}
