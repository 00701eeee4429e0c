//! The names that have a record under a user id, so that a renamed user, an alias or a changed canonical name is asked for the
//! code of the same record.
//!
//! Each entry is a small file in `users/` that holds the file name of a state. `+UID` is for the first name, `+UID+1` to `+UID+7`
//! for further names of the same uid. Those are looked at only if `+UID+` exists. The character `+` occurs in no file name that
//! is made of a user's name. Entries are made and removed without a lock of their own.

use std::os::fd::OwnedFd;

use crate::sys::file::{self, FileError};
use crate::sys::new_file::{self, LinkDurability};

use super::file_names;

/// Most names of one uid that can have a record.
pub const MAX_NAMES: usize = 8;

/// Adds a name; false if it was there. Durable after a flush of the directory.
///
/// # Errors
/// [`FileError`]; [`FileError::TooLarge`] if there are [`MAX_NAMES`] others.
pub fn add(
    users: &OwnedFd,
    uid: u32,
    name: &str,
    durability: LinkDurability,
) -> Result<bool, FileError> {
    let target = file_names::state_file(name).ok_or(FileError::TooLarge)?;
    for slot in 0..MAX_NAMES {
        let entry = entry(uid, slot);
        if slot == 1 {
            // Readers look at the further entries only where this is.
            new_file::write_value(users, &more(uid), "more", durability)?;
        }
        if new_file::write_value(users, &entry, &target, durability)? {
            return Ok(true);
        }
        if new_file::read_value(users, &entry)?.is_some_and(|present| present == target) {
            return Ok(false);
        }
    }
    Err(FileError::TooLarge)
}

/// Removes a name; true if it was there. Durable after a flush of the directory.
///
/// # Errors
/// [`FileError`].
pub fn remove(users: &OwnedFd, uid: u32, name: &str) -> Result<bool, FileError> {
    let target = file_names::state_file(name).ok_or(FileError::TooLarge)?;
    let mut removed = false;
    for slot in slots(users, uid)? {
        let entry = entry(uid, slot);
        if new_file::read_value(users, &entry)?.is_some_and(|present| present == target) {
            removed |= file::remove_if_there(users, &entry)?;
        }
    }
    Ok(removed)
}

/// The names of a uid, each once. Empty only where that is proven.
///
/// # Errors
/// [`FileError`], also when an entry names no user.
pub fn names_of(users: &OwnedFd, uid: u32) -> Result<Vec<String>, FileError> {
    // While one look goes through the entries a name may have moved from one to another: names are added before others
    // are removed, so that the second look finds it.
    let found = look(users, uid)?;
    if found.is_empty() {
        look(users, uid)
    } else {
        Ok(found)
    }
}

fn look(users: &OwnedFd, uid: u32) -> Result<Vec<String>, FileError> {
    let mut found = Vec::new();
    for slot in slots(users, uid)? {
        if let Some(target) = new_file::read_value(users, &entry(uid, slot))? {
            let name = file_names::user_of_state(&target).ok_or(FileError::WrongType)?;
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    Ok(found)
}

/// The uid that the name of an entry is for; `None` for other files.
#[must_use]
pub fn uid_of(file_name: &str) -> Option<u32> {
    let (uid, _) = file_name
        .strip_prefix('+')?
        .split_once('+')
        .unwrap_or((file_name.strip_prefix('+')?, ""));
    uid.parse().ok()
}

fn slots(users: &OwnedFd, uid: u32) -> Result<std::ops::Range<usize>, FileError> {
    let further = new_file::read_value(users, &more(uid))?.is_some();
    Ok(0..if further { MAX_NAMES } else { 1 })
}

fn entry(uid: u32, slot: usize) -> String {
    if slot == 0 {
        format!("+{uid}")
    } else {
        format!("+{uid}+{slot}")
    }
}

fn more(uid: u32) -> String {
    format!("+{uid}+")
}
