//! The sources of the name service (nsswitch.conf(5)), asked one by one.
//!
//! A look-up of the C library asks one source after another, and says that there is nothing where a source failed and a
//! later one did not know the name; getgrouplist(3) reports no failure at all. Where the absence of a name lets a user in,
//! each source has to say so.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs;
use std::io::ErrorKind;

use libc::{c_char, c_int, c_long, gid_t, size_t};

use super::accounts::LookupFailed;

/// The configuration.
const NSSWITCH: &str = "/etc/nsswitch.conf";
/// The source that the C library has in itself, by newer versions.
const FILES: &str = "files";
/// The source of dynamic and other users that only systemd knows.
const SYSTEMD: &str = "systemd";
/// Sizes of the buffer that a source fills: grown from the first to the last.
const BUFFER: (usize, usize) = (1 << 14, 1 << 22);
/// NSS_STATUS_TRYAGAIN: with ERANGE the buffer is too small.
const TRY_AGAIN: c_int = -2;
/// NSS_STATUS_NOTFOUND. Together with NSS_STATUS_SUCCESS, an answer.
const NOT_FOUND: c_int = 0;
/// NSS_STATUS_SUCCESS.
const SUCCESS: c_int = 1;

/// `_nss_SOURCE_getpwnam_r` and `_nss_SOURCE_getgrnam_r`.
type Find<T> =
    unsafe extern "C" fn(*const c_char, *mut T, *mut c_char, size_t, *mut c_int) -> c_int;
/// `_nss_SOURCE_initgroups_dyn`.
type ListGroups = unsafe extern "C" fn(
    *const c_char,
    gid_t,
    *mut c_long,
    *mut c_long,
    *mut *mut gid_t,
    c_long,
    *mut c_int,
) -> c_int;

/// Returns if every source of accounts says whether it has an account of that name.
///
/// # Errors
/// [`LookupFailed`] when one does not answer.
pub fn answer_about_user(name: &str) -> Result<(), LookupFailed> {
    for source in sources(&["passwd"])? {
        if source == FILES {
            readable("/etc/passwd")?;
        } else {
            let function = function(&source, "getpwnam_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
            // SAFETY: a source's function of this name has this type (nss.h).
            let finds =
                unsafe { std::mem::transmute::<*mut libc::c_void, Find<libc::passwd>>(function) };
            by_source(&source, find(finds, name))?;
        }
    }
    Ok(())
}

/// Returns if every source of groups says whether it has a group of that name, and in which groups the users are.
///
/// # Errors
/// [`LookupFailed`] when one does not answer.
pub fn answer_about_group(group: &str, users: &[&str]) -> Result<(), LookupFailed> {
    for source in sources(&["group", "initgroups"])? {
        if source == FILES {
            readable("/etc/group")?;
            continue;
        }
        let function_of = |name| function(&source, name);
        let finds = function_of("getgrnam_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
        // SAFETY: a source's function of this name has this type (nss.h).
        let finds = unsafe { std::mem::transmute::<*mut libc::c_void, Find<libc::group>>(finds) };
        by_source(&source, find(finds, group))?;
        // A source without it is listed whole, group by group.
        let Some(lists) = function_of("initgroups_dyn")? else {
            continue;
        };
        // SAFETY: a source's function of this name has this type (nss.h).
        let lists = unsafe { std::mem::transmute::<*mut libc::c_void, ListGroups>(lists) };
        for user in users {
            by_source(&source, list_groups(lists, user))?;
        }
    }
    Ok(())
}

fn readable(path: &str) -> Result<(), LookupFailed> {
    fs::File::open(path)?;
    Ok(())
}

/// The sources of these databases, each once.
fn sources(databases: &[&str]) -> Result<Vec<String>, LookupFailed> {
    match fs::read(NSSWITCH) {
        Ok(text) => Ok(listed(&String::from_utf8_lossy(&text), databases)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![FILES.to_owned()]),
        Err(error) => Err(error.into()),
    }
}

/// The sources in the text of the configuration; the files where it has no line of a database. What is to be done after an
/// answer, in brackets, makes no difference: a source that may be asked has to answer.
fn listed(text: &str, databases: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((database, rest)) = line.split_once(':') else {
            continue;
        };
        if !databases.contains(&database.trim()) {
            continue;
        }
        let outside = rest.split('[').enumerate();
        let outside = outside.map(|(number, part)| match number {
            0 => part,
            _ => part.split_once(']').map_or("", |(_, after)| after),
        });
        for source in outside.flat_map(str::split_whitespace) {
            if !found.iter().any(|known| known == source) {
                found.push(source.to_owned());
            }
        }
    }
    if found.is_empty() {
        found.push(FILES.to_owned());
    }
    found
}

/// A function of a source; `None` where it has no such function. The library stays loaded, as the C library keeps it.
fn function(source: &str, name: &str) -> Result<Option<*mut libc::c_void>, LookupFailed> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if source.is_empty() || !source.bytes().all(plain) {
        return Err(LookupFailed(libc::EINVAL));
    }
    let c_string = |text: String| CString::new(text).map_err(|_| LookupFailed(libc::EINVAL));
    let library = c_string(format!("libnss_{source}.so.2"))?;
    let symbol = c_string(format!("_nss_{source}_{name}"))?;
    // SAFETY: the name is a C string. The library is one that each look-up of the C library loads, too.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
    if handle.is_null() {
        return Err(LookupFailed(libc::ENOENT));
    }
    // SAFETY: the handle is an open one, the symbol is a C string.
    let found = unsafe { libc::dlsym(handle, symbol.as_ptr()) };
    Ok((!found.is_null()).then_some(found))
}

/// Asks a source about one name.
fn find<T>(function: Find<T>, name: &str) -> Result<(), LookupFailed> {
    let name = CString::new(name).map_err(|_| LookupFailed(libc::EINVAL))?;
    let mut size = BUFFER.0;
    loop {
        let mut buffer: Vec<c_char> = vec![0; size];
        let mut entry = std::mem::MaybeUninit::<T>::zeroed();
        let mut errno: c_int = 0;
        // SAFETY: all pointers are valid for the call, the length is the buffer's (nss.h).
        let status = unsafe {
            function(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut errno,
            )
        };
        if status == TRY_AGAIN && errno == libc::ERANGE && size < BUFFER.1 {
            size *= 4;
            continue;
        }
        return answered(status, errno);
    }
}

/// Asks a source about the groups of a user.
fn list_groups(function: ListGroups, user: &str) -> Result<(), LookupFailed> {
    let user = CString::new(user).map_err(|_| LookupFailed(libc::EINVAL))?;
    answered_about_groups(function, &user)
}

fn answered_about_groups(function: ListGroups, user: &CStr) -> Result<(), LookupFailed> {
    let (mut start, mut size): (c_long, c_long) = (0, 64);
    // SAFETY: malloc(3); the source may grow the block with realloc(3), so it has to come from there.
    let mut groups: *mut gid_t = unsafe { libc::calloc(64, size_of::<gid_t>()) }.cast();
    if groups.is_null() {
        return Err(LookupFailed(libc::ENOMEM));
    }
    let mut errno: c_int = 0;
    // SAFETY: all pointers are valid for the call; `groups` has room for `size` entries, without a limit (nss.h).
    let status = unsafe {
        function(
            user.as_ptr(),
            gid_t::MAX,
            &raw mut start,
            &raw mut size,
            &raw mut groups,
            -1,
            &raw mut errno,
        )
    };
    // SAFETY: the block is that of `calloc`, or what the source made of it with realloc(3).
    unsafe { libc::free(groups.cast()) };
    answered(status, errno)
}

/// The result of a source. nss-systemd(8) fails with ESRCH where no service offers users or groups, so that there are none
/// of its own: on a machine without a running systemd, such as a container.
fn by_source(source: &str, result: Result<(), LookupFailed>) -> Result<(), LookupFailed> {
    match result {
        Err(LookupFailed(libc::ESRCH)) if source == SYSTEMD => Ok(()),
        result => result,
    }
}

fn answered(status: c_int, errno: c_int) -> Result<(), LookupFailed> {
    match (status, errno) {
        (NOT_FOUND | SUCCESS, _) => Ok(()),
        (_, 0) => Err(LookupFailed(libc::EIO)),
        (_, errno) => Err(LookupFailed(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_without_their_actions() {
        let text = "# passwd: no\npasswd: files [SUCCESS=merge NOTFOUND=continue] sss systemd # ldap\n\
                    group:\tfiles\t[!UNAVAIL=return] winbind\ninitgroups: sss files\nhosts: dns\n";
        let of = |databases: &[&str]| listed(text, databases).join(" ");
        assert_eq!(of(&["passwd"]), "files sss systemd");
        assert_eq!(of(&["group", "initgroups"]), "files winbind sss");
        assert_eq!(of(&["shadow"]), "files");
    }

    #[test]
    fn a_source_that_is_not_there_does_not_answer() {
        assert!(function("no-such-source", "getgrnam_r").is_err());
        for name in ["", "../x", "a/b", "a.b"] {
            let refused = function(name, "getgrnam_r").unwrap_err();
            assert_eq!(refused.0, libc::EINVAL, "{name}");
        }
    }

    #[test]
    fn no_users_of_systemd_are_an_answer_of_systemd_alone() {
        let none = || Err(LookupFailed(libc::ESRCH));
        assert_eq!(by_source("systemd", none()), Ok(()));
        assert_eq!(by_source("sss", none()), none());
        let away = || Err(LookupFailed(libc::EIO));
        assert_eq!(by_source("systemd", away()), away());
    }

    #[test]
    fn a_status_is_an_answer_or_a_failure() {
        assert_eq!(answered(SUCCESS, 0), Ok(()));
        assert_eq!(answered(NOT_FOUND, libc::ENOENT), Ok(()));
        assert_eq!(answered(-1, libc::EIO), Err(LookupFailed(libc::EIO)));
        assert_eq!(answered(-1, 0), Err(LookupFailed(libc::EIO)));
        assert_eq!(
            answered(TRY_AGAIN, libc::EAGAIN),
            Err(LookupFailed(libc::EAGAIN))
        );
        assert_eq!(answered(2, 0), Err(LookupFailed(libc::EIO)));
    }
}
