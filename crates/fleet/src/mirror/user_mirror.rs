//! The mirror of one user: the record that the store has, as a file on this host.
//!
//! Changes of this host are made under the user's lock. So the mirror looks at the store once more when it has that lock: what is there
//! then is nothing that a change of this host has replaced.

use std::path::Path;
use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_store::sys::accounts;
use twofactor_store::sys::file::FileError;
use twofactor_store::{FactorStore, LockedFactor, UnmirroredUsers};

use super::fleet_factor::FleetFactor;
use super::mirror_marks::MirrorMarks;
use super::record_mark::MarkKind;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::host_files::host_error::HostError;
use crate::sealed_values::shared_record::SharedRecord;
use crate::sealed_values::shared_state_merge;

/// Longest time of a look at the store under a user's lock, for which logins wait 5 s.
const LOCKED_TIME: Duration = Duration::from_secs(3);
/// Looks at a record whose uid is another one each time.
const TRIES: u32 = 3;

/// Result for one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MirrorResult {
    Same,
    Changed,
}

/// Reason why a user's record was not put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserFault {
    /// The store cannot be used for other users either.
    Outage(OutageReason),
    /// Fault of this one.
    User(String),
}

/// Reads what the store has of the user, in no more than so much time.
pub(crate) type FactorReader<'a> = &'a dyn Fn(Duration) -> Result<FleetFactor, OutageReason>;

/// This host's notes on its copies.
pub(crate) struct MirrorNotes {
    pub(crate) marks: MirrorMarks,
    pub(crate) unmirrored: UnmirroredUsers,
}

impl MirrorNotes {
    /// Opens them in the fleet's directory.
    pub(crate) fn open(fleet: &Path) -> Result<Self, HostError> {
        Ok(Self {
            marks: MirrorMarks::open(fleet)?,
            unmirrored: UnmirroredUsers::open(fleet).map_err(HostError::file(fleet))?,
        })
    }
}

/// Puts the record of one user in place, or removes it.
pub(crate) fn bring_here(
    store: &FactorStore,
    (notes, user): (&MirrorNotes, &str),
    read: FactorReader<'_>,
) -> Result<MirrorResult, UserFault> {
    let marks = &notes.marks;
    for _ in 0..TRIES {
        let seen = read(Duration::MAX)?.record;
        let here = store.record_named(user)?;
        if is_in_place(marks, user, &seen, here.as_ref())? {
            return Ok(MirrorResult::Same);
        }
        let uid = match (usable(user, &seen)?, here) {
            (Some(there), here) => {
                if let Some(uid) = other_uid(store, (user, there.uid), here.as_ref()) {
                    remove_predecessor(store, (notes, user, uid), read)?;
                    continue;
                }
                there.uid
            }
            (None, Some(here)) => here.uid,
            (None, None) => {
                marks.note(user, seen.revision, MarkKind::Removed)?;
                return Ok(MirrorResult::Same);
            }
        };
        let locked = store.lock_for_change(&account_of(user, uid))?;
        let now = read(LOCKED_TIME)?;
        if usable(user, &now.record)?.is_none_or(|record| record.uid == uid) {
            return put_in_place(locked, (marks, user), &now);
        }
    }
    Err(UserFault::User(
        "the record of the fleet gets another uid all the time".to_owned(),
    ))
}

/// The uid of which the files of a user are here, where it is not the one of the store. A removal that was killed leaves a state alone.
fn other_uid(
    store: &FactorStore,
    (user, there): (&str, u32),
    here: Option<&UserRecord>,
) -> Option<u32> {
    let uid = match here {
        Some(record) => Some(record.uid),
        // One that cannot be read is left to its lock.
        None => store.peek_named(user).ok().flatten().map(|state| state.uid),
    };
    uid.filter(|uid| *uid != there)
}

/// Removes what is here of a user who was removed in the fleet, and enrolled anew with another uid.
fn remove_predecessor(
    store: &FactorStore,
    (notes, user, uid): (&MirrorNotes, &str, u32),
    read: FactorReader<'_>,
) -> Result<(), UserFault> {
    let locked = store.lock_for_change(&account_of(user, uid))?;
    let now = read(LOCKED_TIME)?.record;
    let successor = usable(user, &now)?.filter(|record| record.uid != uid);
    let Some(successor) = successor else {
        return Ok(());
    };
    refuse_older(&notes.marks, user, &now)?;
    // Between this removal and the new record, which may be long, the user is not one without a device.
    notes.unmirrored.note_with_uid(user, successor.uid)?;
    Ok(locked.mirror_removal()?)
}

/// Forgets that the record of a user could not be put in place, once what the store has is here. The lock keeps out a
/// [`remove_predecessor`] that has just noted it.
pub(crate) fn forget_failure(
    store: &FactorStore,
    (notes, user): (&MirrorNotes, &str),
    read: FactorReader<'_>,
) -> Result<(), UserFault> {
    let here = store.record_named(user)?;
    let locked = here.map(|record| store.lock_for_change(&account_of(user, record.uid)));
    let _locked = locked.transpose()?;
    let now = read(LOCKED_TIME)?.record;
    let here = store.record_named(user)?;
    if is_in_place(&notes.marks, user, &now, here.as_ref())? {
        notes.unmirrored.forget(user)?;
    }
    Ok(())
}

/// True if this host has what the store has.
fn is_in_place(
    marks: &MirrorMarks,
    user: &str,
    there: &SharedRecord,
    here: Option<&UserRecord>,
) -> Result<bool, UserFault> {
    let there_is = MarkKind::of(parsed(user, there)?.as_ref());
    Ok(there_is == MarkKind::of(here) && marks.of(user)? == Some((there.revision, there_is)))
}

/// Puts in place what the store has, and notes it. The user's lock is held.
fn put_in_place(
    mut locked: LockedFactor<'_>,
    (marks, user): (&MirrorMarks, &str),
    factor: &FleetFactor,
) -> Result<MirrorResult, UserFault> {
    let revision = factor.record.revision;
    refuse_older(marks, user, &factor.record)?;
    let here = locked.record()?;
    let there = parsed(user, &factor.record)?;
    let kind = MarkKind::of(there.as_ref());
    let result = if kind == MarkKind::of(here.as_ref()) {
        MirrorResult::Same
    } else {
        MirrorResult::Changed
    };
    // Killed before the record is in place, this host has the one before, of which the revision stays known.
    marks.note_coming(user, (revision, kind), MarkKind::of(here.as_ref()))?;
    match (&there, result) {
        (Some(_), MirrorResult::Same) => {}
        (Some(record), MirrorResult::Changed) => {
            let base = shared_state_merge::of_mirror(record, locked.state(), &factor.state.state);
            locked.mirror_record(record, base)?;
        }
        // Also where there was no record: for the lock a state may have been made.
        (None, _) => locked.mirror_removal()?,
    }
    Ok(result)
}

/// A record that is older than the one this host had replaces nothing.
fn refuse_older(marks: &MirrorMarks, user: &str, there: &SharedRecord) -> Result<(), UserFault> {
    if marks
        .of(user)?
        .is_some_and(|(known, _)| known > there.revision)
    {
        return Err(UserFault::User(
            "the store has an older record than this host".to_owned(),
        ));
    }
    Ok(())
}

/// The record of the store; `None` where it was removed.
fn parsed(user: &str, there: &SharedRecord) -> Result<Option<UserRecord>, UserFault> {
    let Some(text) = there.content.text() else {
        return Ok(None);
    };
    let record = UserRecord::parse(text);
    let record =
        record.map_err(|error| UserFault::User(format!("the record of the fleet: {error}")))?;
    if record.user != user {
        let text = "the record of the fleet is one of another user";
        return Err(UserFault::User(text.to_owned()));
    }
    Ok(Some(record))
}

/// The record of the store, if it can be put in place here; `None` if it was removed.
fn usable(user: &str, there: &SharedRecord) -> Result<Option<UserRecord>, UserFault> {
    let record = parsed(user, there)?;
    if let Some(record) = &record {
        refuse_other_uid(user, record.uid)?;
    }
    Ok(record)
}

/// A record whose uid is that of another account of this host would ask that one for a code that it does not have. Where the user
/// has an account with another uid here, and no account has that of the record, it is put in place nevertheless: it refuses the user.
fn refuse_other_uid(user: &str, uid: u32) -> Result<(), UserFault> {
    let failed = |error: accounts::LookupFailed| UserFault::User(error.to_string());
    let account = accounts::by_name(user).map_err(failed)?;
    if account.as_ref().is_some_and(|account| account.uid == uid) {
        return Ok(());
    }
    match accounts::by_uid(uid).map_err(failed)? {
        Some(other) if other.name != user => {
            let here = match account {
                Some(account) => format!("{user} has uid {} on this host", account.uid),
                None => "this host has no user of that name".to_owned(),
            };
            Err(UserFault::User(format!(
                "{here}, and uid {uid} is the one of {}",
                other.name
            )))
        }
        _ => Ok(()),
    }
}

fn account_of(user: &str, uid: u32) -> Account {
    Account {
        name: user.to_owned(),
        uid,
        gid: uid,
    }
}

impl From<OutageReason> for UserFault {
    fn from(reason: OutageReason) -> Self {
        match reason {
            // A value of one user that cannot be read is that user's trouble.
            OutageReason::NoState
            | OutageReason::UserSeal(_)
            | OutageReason::Value(_)
            | OutageReason::Record(_) => Self::User(reason.to_string()),
            reason => Self::Outage(reason),
        }
    }
}

impl From<twofactor_store::StoreError> for UserFault {
    fn from(error: twofactor_store::StoreError) -> Self {
        Self::User(error.to_string())
    }
}

impl From<FileError> for UserFault {
    fn from(error: FileError) -> Self {
        Self::User(error.to_string())
    }
}

impl From<HostError> for UserFault {
    fn from(error: HostError) -> Self {
        Self::User(error.to_string())
    }
}

#[cfg(test)]
mod tests;
