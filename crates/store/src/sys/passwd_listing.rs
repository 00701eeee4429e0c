//! The whole passwd database, as NSS lists it, with home directories.
#![allow(unsafe_code)]

use libc::c_char;

use super::accounts::LookupFailed;
pub use super::accounts::PasswdEntry;

/// Sizes of the buffer that NSS fills: grown from the first to the last.
const BUFFER: (usize, usize) = (1 << 14, 1 << 20);

/// Every account that the passwd database lists (getpwent_r(3)), in its order. Directories may list none of theirs,
/// depending on how the machine is set up. Accounts whose names are not UTF-8 are left out: no user can log in as them.
///
/// The database has one reading position for the whole process: for commands, not for modules.
///
/// # Errors
/// [`LookupFailed`] when the database cannot be read.
pub fn all() -> Result<Vec<PasswdEntry>, LookupFailed> {
    let mut residents = Vec::new();
    let mut buffer: Vec<c_char> = vec![0; BUFFER.0];
    // SAFETY: no arguments (setpwent(3)).
    unsafe { libc::setpwent() };
    let ended = loop {
        // SAFETY: `passwd` is plain data for which all zero bytes are a valid value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: all pointers are valid for the call, the length is the buffer's (getpwent_r(3)).
        let result = unsafe {
            libc::getpwent_r(
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        match result {
            0 if !found.is_null() => {
                // SAFETY: the call succeeded, so its strings are C strings in `buffer`, which is not touched meanwhile.
                residents.extend(unsafe { PasswdEntry::copied(&entry) });
            }
            // ENOENT is how the end of the list is told.
            0 | libc::ENOENT => break Ok(()),
            libc::ERANGE if buffer.len() < BUFFER.1 => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            error => break Err(LookupFailed(error)),
        }
    };
    // SAFETY: no arguments (endpwent(3)).
    unsafe { libc::endpwent() };
    ended.map(|()| residents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::accounts;

    #[test]
    fn the_list_agrees_with_single_lookups() {
        let residents = all().unwrap();
        let root = residents.iter().find(|one| one.account.uid == 0).unwrap();
        assert_eq!(
            (root.account.name.as_str(), root.home.to_str()),
            ("root", Some("/root"))
        );
        let single = accounts::by_name("daemon").unwrap().unwrap();
        assert!(residents.iter().any(|one| one.account == single));
        assert_eq!(all().unwrap(), residents, "it begins anew each time");
    }
}
