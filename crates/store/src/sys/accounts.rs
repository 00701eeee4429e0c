//! The passwd and group databases, as NSS gives them.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use libc::{c_char, c_int, gid_t, size_t};
use twofactor_core::account::Account;

/// Longest user or group name that is looked up, in bytes (LOGIN_NAME_MAX of Linux).
pub const MAX_NAME: usize = 256;
/// Sizes of the buffer that NSS fills: grown from the first to the last.
const BUFFER: (usize, usize) = (1024, 1 << 20);

/// The database could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupFailed(pub(super) i32);

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = std::io::Error::from_raw_os_error(self.0);
        write!(f, "the user and group database cannot be read: {cause}")
    }
}

impl std::error::Error for LookupFailed {}

impl From<std::io::Error> for LookupFailed {
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// An account with what the passwd database says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdEntry {
    /// The account.
    pub account: Account,
    /// Full name: the GECOS field up to its first comma; `None` where that is empty.
    pub full_name: Option<String>,
    /// Home directory (`pw_dir`), as it stands in the database.
    pub home: PathBuf,
}

impl PasswdEntry {
    /// Copies an entry; `None` for a name that is not UTF-8.
    ///
    /// # Safety
    /// The strings of the entry are C strings or null pointers, and stay as they are meanwhile.
    pub(super) unsafe fn copied(entry: &libc::passwd) -> Option<Self> {
        let text = |field: *mut c_char| -> &[u8] {
            if field.is_null() {
                return b"";
            }
            // SAFETY: it is no null pointer, so a C string, as the caller vouches.
            unsafe { CStr::from_ptr(field) }.to_bytes()
        };
        let gecos = String::from_utf8_lossy(text(entry.pw_gecos));
        let full_name = gecos.split(',').next().map(str::trim).unwrap_or_default();
        Some(Self {
            account: Account {
                name: std::str::from_utf8(text(entry.pw_name)).ok()?.to_owned(),
                uid: entry.pw_uid,
                gid: entry.pw_gid,
            },
            full_name: (!full_name.is_empty()).then(|| full_name.to_owned()),
            home: PathBuf::from(OsStr::from_bytes(text(entry.pw_dir))),
        })
    }
}

/// The first of these names that has an account with this uid.
///
/// # Errors
/// [`LookupFailed`]: a name before it cannot be looked up, and may be the one.
pub fn named_with_uid(names: &[String], uid: u32) -> Result<Option<&String>, LookupFailed> {
    for name in names {
        if by_name(name)?.is_some_and(|account| account.uid == uid) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Looks up a login name (getpwnam_r(3)). `None` when no account has that name, as the database says.
///
/// # Errors
/// [`LookupFailed`] when the database does not answer, or answers with a name that is not UTF-8.
pub fn by_name(name: &str) -> Result<Option<Account>, LookupFailed> {
    by_bytes(name.as_bytes())
}

/// [`by_name`] for a name that need not be UTF-8: the database may know it all the same.
///
/// # Errors
/// [`LookupFailed`] as for [`by_name`].
pub fn by_bytes(name: &[u8]) -> Result<Option<Account>, LookupFailed> {
    Ok(entry_of(name)?.map(|entry| entry.account))
}

/// [`by_name`] with what the database says beside the account.
///
/// # Errors
/// [`LookupFailed`] as for [`by_name`].
pub fn entry_by_name(name: &str) -> Result<Option<PasswdEntry>, LookupFailed> {
    entry_of(name.as_bytes())
}

fn entry_of(name: &[u8]) -> Result<Option<PasswdEntry>, LookupFailed> {
    // An empty name, or one with a NUL, cannot be asked for by any program.
    let Some(name) = CString::new(name).ok().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    looked_up(|entry, buffer, len, found| {
        // SAFETY: all pointers are valid for the call, `len` is the length of `buffer` (getpwnam_r(3)).
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, len, found) }
    })
}

/// Looks up a user id (getpwuid_r(3)): its canonical name is that of the first of several accounts. `None` when no account
/// has it.
///
/// # Errors
/// [`LookupFailed`] as for [`by_name`].
pub fn by_uid(uid: u32) -> Result<Option<Account>, LookupFailed> {
    Ok(entry_by_uid(uid)?.map(|entry| entry.account))
}

/// [`by_uid`] with what the database says beside the account.
///
/// # Errors
/// [`LookupFailed`] as for [`by_name`].
pub fn entry_by_uid(uid: u32) -> Result<Option<PasswdEntry>, LookupFailed> {
    looked_up(|entry, buffer, len, found| {
        // SAFETY: all pointers are valid for the call, `len` is the length of `buffer` (getpwuid_r(3)).
        unsafe { libc::getpwuid_r(uid, entry, buffer, len, found) }
    })
}

fn looked_up(
    mut call: impl FnMut(*mut libc::passwd, *mut c_char, size_t, *mut *mut libc::passwd) -> c_int,
) -> Result<Option<PasswdEntry>, LookupFailed> {
    // SAFETY: `passwd` is plain data for which all zero bytes are a valid value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let _buffer = with_buffer(|buffer, len| call(&raw mut entry, buffer, len, &raw mut found))?;
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: the lookup succeeded, so the strings are C strings in `buffer`, which is still alive.
    let copied = unsafe { PasswdEntry::copied(&entry) };
    copied.map(Some).ok_or(LookupFailed(libc::EILSEQ))
}

/// The numeric id of a group (getgrnam_r(3)). `None` when there is no such group.
///
/// # Errors
/// [`LookupFailed`] when the database does not answer.
pub fn group_id(name: &str) -> Result<Option<u32>, LookupFailed> {
    let Some(name) = usable(name) else {
        return Ok(None);
    };
    // SAFETY: `group` is plain data for which all zero bytes are a valid value.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    with_buffer(|buffer, len| {
        // SAFETY: all pointers are valid for the call, `len` is the length of `buffer` (getgrnam_r(3)).
        unsafe { libc::getgrnam_r(name.as_ptr(), &raw mut entry, buffer, len, &raw mut found) }
    })?;
    Ok((!found.is_null()).then_some(entry.gr_gid))
}

/// The name of a group (getgrgid_r(3)). `None` when there is no such group, and for a name that is not UTF-8.
///
/// # Errors
/// [`LookupFailed`] when the database does not answer.
pub fn group_name(id: u32) -> Result<Option<String>, LookupFailed> {
    // SAFETY: `group` is plain data for which all zero bytes are a valid value.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let mut name = None;
    with_buffer(|buffer, len| {
        // SAFETY: all pointers are valid for the call, `len` is the length of `buffer` (getgrgid_r(3)).
        let result = unsafe { libc::getgrgid_r(id, &raw mut entry, buffer, len, &raw mut found) };
        if result == 0 && !found.is_null() && !entry.gr_name.is_null() {
            // SAFETY: the look-up succeeded, so it is a C string in `buffer`, which is there until this closure ends.
            let text = unsafe { CStr::from_ptr(entry.gr_name) };
            name = text.to_str().ok().map(str::to_owned);
        }
        result
    })?;
    Ok(name)
}

/// The numeric ids of all groups of an account, the primary one included (getgrouplist(3)).
///
/// # Errors
/// [`LookupFailed`] when there are more than 65,536.
pub fn group_ids(account: &Account) -> Result<Vec<u32>, LookupFailed> {
    let name = usable(&account.name).ok_or(LookupFailed(libc::EINVAL))?;
    let mut room: usize = 64;
    while room <= 1 << 16 {
        let mut gids: Vec<gid_t> = vec![0; room];
        let mut count = c_int::try_from(room).unwrap_or(c_int::MAX);
        // SAFETY: `gids` has room for `count` entries; `count` is updated to how many there are (getgrouplist(3)).
        let result = unsafe {
            libc::getgrouplist(
                name.as_ptr(),
                account.gid,
                gids.as_mut_ptr(),
                &raw mut count,
            )
        };
        if result >= 0 {
            gids.truncate(usize::try_from(count).unwrap_or(0));
            return Ok(gids);
        }
        room *= 4;
    }
    Err(LookupFailed(libc::ERANGE))
}

fn usable(name: &str) -> Option<CString> {
    let fits = !name.is_empty() && name.len() <= MAX_NAME;
    fits.then(|| CString::new(name).ok()).flatten()
}

/// Calls a `get…_r` function with growing buffers. The buffer is returned, since the entry points into it.
///
/// Success without an entry is the only "not found" of glibc. The error numbers that getpwnam_r(3) lists beside it,
/// ENOENT for one, are what a database that is not there gives: that says nothing about a name.
fn with_buffer(
    mut lookup: impl FnMut(*mut c_char, size_t) -> c_int,
) -> Result<Vec<c_char>, LookupFailed> {
    let mut size = BUFFER.0;
    loop {
        let mut buffer: Vec<c_char> = vec![0; size];
        match lookup(buffer.as_mut_ptr(), buffer.len()) {
            0 => return Ok(buffer),
            libc::ERANGE if size < BUFFER.1 => size *= 4,
            libc::EINTR => {}
            error => return Err(LookupFailed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        let root = by_name("root").unwrap().unwrap();
        assert_eq!(by_uid(0), Ok(Some(root.clone())));
        assert_eq!(by_uid(u32::MAX - 7), Ok(None));
        assert_eq!((root.name.as_str(), root.uid, root.gid), ("root", 0, 0));
        for name in [
            "",
            "no-such-user-here",
            "a/b",
            "..",
            "a\nb",
            "a\0b",
            &"x".repeat(10_000),
        ] {
            assert_eq!(by_name(name), Ok(None), "{name:?}");
            assert_eq!(group_id(name), Ok(None), "{name:?}");
        }
    }

    #[test]
    fn groups_are_found() {
        assert_eq!(group_id("root"), Ok(Some(0)));
        let root = by_name("root").unwrap().unwrap();
        assert!(group_ids(&root).unwrap().contains(&0));
    }
}
