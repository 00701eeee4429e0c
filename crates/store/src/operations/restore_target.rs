//! The accounts to which users of a backup are restored.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::backup::BackupEntry;

use super::{RestoreTerms, preview_restore};
use crate::files::FactorStore;
use crate::sys::accounts::{self, LookupFailed};

/// The account to which a user of the backup is restored.
#[derive(Debug, Clone)]
pub struct RestoreTarget<'b> {
    /// The user of the backup.
    pub entry: &'b BackupEntry,
    /// The account, with the name of the record and the uid that the record gets; or the reason why it gets none.
    pub account: Result<Account, TargetRefusal>,
    /// The reason why the account cannot log in with it yet.
    pub pending: Option<PendingAccount>,
}

/// Reason why a user of a backup is restored to no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetRefusal {
    /// The name is another spelling of this login name.
    OtherSpelling(String),
    /// The uid of the backup is that of another user here: the record would count for that one.
    UidTaken {
        /// The uid.
        uid: u32,
        /// The other user.
        owner: String,
        /// True if an account of the name of the backup could adopt the record.
        adoptable: bool,
    },
    /// The uid goes to another user of the backup: what is kept is kept about one user of a uid.
    UidShared {
        /// The uid.
        uid: u32,
        /// The user who gets it.
        user: String,
    },
    /// The user database does not answer.
    Lookup(LookupFailed),
}

/// Reason why an account cannot log in with its restored record yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingAccount {
    /// An account with another uid than the record: its logins are refused until it adopts that.
    OtherUid,
    /// No such account.
    Missing,
}

/// Treatment of an account that has the name of a user of the backup, and another uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherUidTarget {
    /// The record keeps its uid, and is refused until it is adopted.
    Keep,
    /// The record gets the uid of the account.
    Adopt,
}

/// The accounts to which the users of a backup are restored, at most one of each uid. `find` looks an account up by its name.
pub fn restore_targets<'b>(
    store: &FactorStore,
    entries: &'b [BackupEntry],
    other_uid: OtherUidTarget,
    terms: RestoreTerms,
    find: impl Fn(&str) -> Result<Option<Account>, LookupFailed>,
) -> Vec<RestoreTarget<'b>> {
    let targets = entries
        .iter()
        .map(|entry| target(entry, find(&entry.record.user), other_uid))
        .collect();
    one_for_each_uid(store, targets, terms)
}

fn target(
    entry: &BackupEntry,
    found: Result<Option<Account>, LookupFailed>,
    other_uid: OtherUidTarget,
) -> RestoreTarget<'_> {
    let (user, uid) = (&entry.record.user, entry.record.uid);
    let place = |uid, pending| RestoreTarget {
        entry,
        account: Ok(Account {
            name: user.clone(),
            uid,
            gid: 0,
        }),
        pending,
    };
    let refused = |refusal| RestoreTarget {
        entry,
        account: Err(refusal),
        pending: None,
    };
    let found = match found {
        Ok(Some(account)) if account.name != *user => {
            return refused(TargetRefusal::OtherSpelling(account.name));
        }
        Ok(found) => found,
        Err(error) => return refused(TargetRefusal::Lookup(error)),
    };
    match &found {
        Some(account) if account.uid == uid => return place(uid, None),
        Some(account) if other_uid == OtherUidTarget::Adopt => return place(account.uid, None),
        _ => {}
    }
    match accounts::by_uid(uid) {
        Ok(Some(owner)) => refused(TargetRefusal::UidTaken {
            uid,
            owner: owner.name,
            adoptable: found.is_some(),
        }),
        Ok(None) if found.is_some() => place(uid, Some(PendingAccount::OtherUid)),
        Ok(None) => place(uid, Some(PendingAccount::Missing)),
        Err(error) => refused(TargetRefusal::Lookup(error)),
    }
}

/// Refuses all users but one of each uid.
fn one_for_each_uid<'b>(
    store: &FactorStore,
    mut targets: Vec<RestoreTarget<'b>>,
    terms: RestoreTerms,
) -> Vec<RestoreTarget<'b>> {
    let mut by_uid: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        if let Ok(account) = &target.account {
            by_uid.entry(account.uid).or_default().push(index);
        }
    }
    for (uid, indexes) in by_uid.into_iter().filter(|(_, them)| them.len() > 1) {
        let Some((first, user)) = first_of_uid(store, &targets, &indexes, terms) else {
            continue;
        };
        for index in indexes.into_iter().filter(|index| *index != first) {
            if let Some(target) = targets.get_mut(index) {
                let user = user.clone();
                target.account = Err(TargetRefusal::UidShared { uid, user });
                target.pending = None;
            }
        }
    }
    targets
}

/// Chooses among several users of one uid: the user of a record here, else the first that can be restored, else the first, whose
/// failure is reported. Returns the index, and the name.
fn first_of_uid(
    store: &FactorStore,
    targets: &[RestoreTarget<'_>],
    indexes: &[usize],
    terms: RestoreTerms,
) -> Option<(usize, String)> {
    let users = indexes.iter().filter_map(|index| {
        let target = targets.get(*index)?;
        let account = target.account.as_ref().ok()?;
        Some((*index, account, target.entry))
    });
    let is_kept = |account: &Account| {
        let kept = store.snapshot(account);
        matches!(kept, Ok(Some(kept)) if kept.account.name == account.name)
    };
    let holder = users.clone().find(|(_, account, _)| is_kept(account));
    let able = || {
        users
            .clone()
            .find(|(_, account, entry)| preview_restore(store, account, entry, terms).is_ok())
    };
    let (index, account, _) = holder.or_else(able).or_else(|| users.clone().next())?;
    Some((index, account.name.clone()))
}
