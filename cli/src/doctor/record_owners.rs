//! The owners of files: index, records, states and the passwd database compared.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::account::Account;
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::{DirectoryInventory, FactorStore, RelocationProgress};

use super::DoctorFinding;
use crate::command_failure::for_user;
use crate::formatting::plain;
use crate::roster::AccountLookup;
use crate::suggested_command;

/// Contradictions about all users who have a file or an entry. Directory users need not be listed: each name and uid is
/// looked up.
pub fn check(store: &FactorStore) -> Vec<DoctorFinding> {
    let inventory = match store.inventory() {
        Ok(inventory) => inventory,
        Err(error) => {
            let path = error.path.display().to_string();
            let fix = "See what the system says: dmesg";
            return vec![DoctorFinding::of(
                "state-directory",
                path,
                error.into(),
                fix,
            )];
        }
    };
    let mut findings = Vec::new();
    let mut by_uid: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    let index = inventory.index.iter();
    let index: BTreeSet<(u32, &str)> = index.map(|(uid, name)| (*uid, name.as_str())).collect();
    let accounts = AccountLookup::for_names(inventory.records.len());
    for name in &inventory.records {
        match store.record_named(name) {
            Ok(Some(record)) => {
                by_uid.entry(record.uid).or_default().push(name);
                findings.extend(entry(&index, name, record.uid));
                findings.extend(if record.user == *name {
                    owner(&accounts, name, record.uid)
                } else {
                    Some(unfinished(name, &record.user))
                });
            }
            // Removed meanwhile.
            Ok(None) => {}
            Err(error) => {
                let mut failure = for_user(error, name);
                failure.what = format!("{} is refused: {}", plain(name), failure.what);
                let otherwise = "See what the system says: journalctl -p err";
                findings.push(DoctorFinding::of("record", name, failure, otherwise));
            }
        }
    }
    findings.extend(strangers(&inventory, &by_uid));
    findings.extend(orphans(store, &inventory, &by_uid));
    findings.extend(several(&by_uid));
    findings.extend(inventory.leftovers.iter().map(|name| leftover(name)));
    findings
}

/// The index must lead from the uid to the record.
fn entry(index: &BTreeSet<(u32, &str)>, name: &str, uid: u32) -> Option<DoctorFinding> {
    let listed = index.contains(&(uid, name));
    (!listed).then(|| {
        DoctorFinding::problem(
            "index",
            name,
            format!(
                "the record of {} is not in the index of user ids: under another name of uid {uid}, no code would be asked for",
                plain(name)
            ),
            "twofactor init",
        )
    })
}

/// The passwd database must know the name, with that uid, and by that name.
fn owner(accounts: &AccountLookup, name: &str, uid: u32) -> Option<DoctorFinding> {
    let shown = plain(name);
    match (accounts.find(name), accounts.find_uid(uid)) {
        (Ok(Some(account)), _) if account.uid != uid => Some(DoctorFinding::problem(
            "other-uid",
            name,
            format!(
                "the record of {shown} is that of uid {uid}, and {shown} now has uid {}: {shown} is refused",
                account.uid
            ),
            format!(
                "If it is the same person: {}. If not, to remove the old record: {}",
                suggested_command::twofactor("adopt", &[name], &[]),
                suggested_command::twofactor("unset", &[name], &[])
            ),
        )),
        (Ok(Some(account)), _) if account.name != name => Some(renamed(name, &account)),
        (Ok(None), Ok(Some(account))) => Some(renamed(name, &account)),
        // Told by `vanished`, or works.
        (Ok(None), Ok(None)) | (Ok(Some(_)), Ok(_)) => None,
        (Err(error), _) | (_, Err(error)) => Some(unanswered(name, error)),
    }
}

/// `rename` and `adopt` write the new name into the record before they move it.
fn unfinished(name: &str, user: &str) -> DoctorFinding {
    let cure = suggested_command::twofactor("adopt", &[user], &[("--from", name)]);
    let (shown, user) = (plain(name), plain(user));
    DoctorFinding::problem(
        "unfinished-move",
        name,
        format!(
            "the record of {shown} says that it is that of {user}: a move was stopped in the middle"
        ),
        format!("To complete it: {cure}"),
    )
}

fn renamed(name: &str, account: &Account) -> DoctorFinding {
    let cure = suggested_command::twofactor("rename", &[name, &account.name], &[]);
    let (old, new) = (plain(name), plain(&account.name));
    DoctorFinding::warning(
        "renamed",
        name,
        format!(
            "the user with uid {} is now called {new}; the record is kept as {old}, and {new} is asked for its codes",
            account.uid
        ),
        format!("To move it: {cure}"),
    )
}

fn unanswered(name: &str, error: LookupFailed) -> DoctorFinding {
    let shown = plain(name);
    DoctorFinding::problem(
        "lookup",
        name,
        format!("{error}, so {shown} is refused wherever a code is asked for"),
        format!(
            "See what this says: {}",
            suggested_command::other("getent passwd", name)
        ),
    )
}

/// Entries of the index that lead to the record of another uid.
fn strangers(
    inventory: &DirectoryInventory,
    by_uid: &BTreeMap<u32, Vec<&str>>,
) -> Vec<DoctorFinding> {
    let is_of = |uid: &u32, name: &str| {
        let names = by_uid.get(uid);
        names.is_some_and(|names| names.contains(&name))
    };
    let read: BTreeSet<&str> = by_uid.values().flatten().copied().collect();
    let wrong = inventory.index.iter();
    let wrong = wrong.filter(|(uid, name)| !is_of(uid, name) && read.contains(name.as_str()));
    let found = wrong.map(|(uid, name)| {
        let shown = plain(name);
        DoctorFinding::problem(
            "index",
            name,
            format!("the index of user ids names {shown} under uid {uid}, and the record is that of another uid: an account with uid {uid} is refused"),
            suggested_command::twofactor("adopt", &[name], &[]),
        )
    });
    found.collect()
}

/// States and entries of the index that tell of a record that is not there.
fn orphans(
    store: &FactorStore,
    inventory: &DirectoryInventory,
    by_uid: &BTreeMap<u32, Vec<&str>>,
) -> Vec<DoctorFinding> {
    let has_record = |name: &str| {
        inventory
            .records
            .binary_search_by(|record| record.as_str().cmp(name))
            .is_ok()
    };
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for state in inventory.states.iter().filter(|name| !has_record(name)) {
        // One in which no device is committed is left where a change was stopped: the next one uses it.
        if !matches!(store.peek_named(state), Ok(Some(state)) if !state.has_committed()) {
            names.insert(state);
        }
    }
    for (_, name) in inventory.index.iter().filter(|(_, name)| !has_record(name)) {
        if !matches!(store.peek_named(name), Ok(Some(state)) if !state.has_committed()) {
            names.insert(name);
        }
    }
    let moved_to = |name| moved_to(store, inventory, by_uid, name);
    let found = names.into_iter().map(|name| lost(name, moved_to(name)));
    found.collect()
}

/// The name to which a record may have been moved whose old name is still in the index.
fn moved_to<'n>(
    store: &FactorStore,
    inventory: &DirectoryInventory,
    by_uid: &BTreeMap<u32, Vec<&'n str>>,
    name: &str,
) -> Option<&'n str> {
    let uids = inventory.index.iter().filter(|(_, entry)| entry == name);
    let others = uids.flat_map(|(uid, _)| {
        let names = by_uid.get(uid).into_iter().flatten();
        names.map(|other| (*uid, *other))
    });
    let mut moved = others.filter(|(uid, other)| {
        let to = Account {
            name: (*other).to_owned(),
            uid: *uid,
            gid: *uid,
        };
        matches!(
            store.relocation(name, &to),
            Ok(Some(RelocationProgress::Moved))
        )
    });
    moved.next().map(|(_, other)| other)
}

fn lost(name: &str, moved_to: Option<&str>) -> DoctorFinding {
    let shown = plain(name);
    let unset = suggested_command::twofactor("unset", &[name], &[]);
    let restored = moved_to.map_or_else(
        || "Restore the record from a backup".to_owned(),
        |new| {
            let rename = suggested_command::twofactor("rename", &[name, new], &[]);
            format!(
                "If it was moved to {}: {rename}. If not, restore the record from a backup",
                plain(new)
            )
        },
    );
    DoctorFinding::problem(
        "lost-record",
        name,
        format!("{shown} had a device, and its record is gone: {shown} is refused"),
        format!("{restored}. To remove what is left, so that {shown} has no device: {unset}"),
    )
}

/// Two accounts of one uid that each have a record keep them.
fn several(by_uid: &BTreeMap<u32, Vec<&str>>) -> Vec<DoctorFinding> {
    let several = by_uid.iter().filter(|(_, names)| names.len() > 1);
    let found = several.map(|(uid, names)| {
        let subject = names.join(", ");
        let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let names = names.join(", ");
        DoctorFinding::warning(
            "several-records",
            subject,
            format!("{names} have records of their own, and one uid ({uid}): a further name of it is refused"),
            "If that is meant, nothing. If not: twofactor unset NAME",
        )
    });
    found.collect()
}

fn leftover(name: &str) -> DoctorFinding {
    let shown = plain(name);
    DoctorFinding::warning(
        "leftover",
        name,
        format!("state/{shown}+ is what is left of a state that was removed"),
        suggested_command::twofactor("unset", &[name], &[]),
    )
}
