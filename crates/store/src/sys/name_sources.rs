//! The sources of the name service (nsswitch.conf(5)), asked one by one.
//!
//! A look-up of the C library asks one source after another. It finds nothing if one source failed and a later one does not know
//! the name; getgrouplist(3) reports no failure at all. Where the absence of a name lets a user in, each source has to say so. A
//! source that failed then and finds the name now has found it: what it says counts.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};

use libc::{c_char, c_int, c_long, gid_t, size_t};

use super::accounts::{self, LookupFailed, PasswdEntry};
use super::local_accounts;
use super::membership::{GroupList, MembershipFacts};
use super::nsswitch::{FILES, sources};
use twofactor_core::account::Account;

/// The source of dynamic and other users that only systemd knows.
pub const SYSTEMD: &str = "systemd";
/// Sizes of the buffer that a source fills: grown from the first to the last.
const BUFFER: (usize, usize) = (1 << 14, 1 << 22);
/// NSS_STATUS_TRYAGAIN: with ERANGE the buffer is too small.
const TRY_AGAIN: c_int = -2;
/// NSS_STATUS_NOTFOUND: an answer, as NSS_STATUS_SUCCESS is.
const NOT_FOUND: c_int = 0;
/// NSS_STATUS_SUCCESS.
const SUCCESS: c_int = 1;

/// `_nss_SOURCE_getpwnam_r` and `_nss_SOURCE_getgrnam_r`, and with a number for the name `_nss_SOURCE_getpwuid_r`.
type NssLookup<T, K = *const c_char> =
    unsafe extern "C" fn(K, *mut T, *mut c_char, size_t, *mut c_int) -> c_int;
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

/// [`accounts::by_bytes`] where the absence of an account lets a user in: `None` only where every source says that it has no
/// account of that name. An account that is found costs no more than there.
///
/// # Errors
/// [`LookupFailed`] also when a source does not answer, or has the name when it is asked alone.
pub fn proven_account(name: &[u8]) -> Result<Option<Account>, LookupFailed> {
    let found = accounts::by_bytes(name)?;
    // What is no C string, or empty, no source is asked for.
    let name = CString::new(name).ok().filter(|name| !name.is_empty());
    match name.filter(|_| found.is_none()) {
        Some(name) if !uids_of_name(&name)?.is_empty() => Err(LookupFailed(libc::EAGAIN)),
        _ => Ok(found),
    }
}

/// The first account with a uid, in the order in which the sources are asked.
///
/// # Errors
/// [`LookupFailed`] when a source before it does not answer.
pub fn first_of_uid(uid: u32) -> Result<Option<Account>, LookupFailed> {
    for source in sources(&["passwd"])? {
        let found = if source == FILES {
            let text = local_accounts::text(local_accounts::PASSWD)?;
            local_accounts::first_of_uid(&text, uid)
        } else {
            account_of(&source, uid)?
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The uids of the accounts of that name, from all sources of accounts.
///
/// # Errors
/// [`LookupFailed`] when one does not answer.
pub fn uids_of(name: &str) -> Result<Vec<u32>, LookupFailed> {
    uids_of_name(&c_string(name)?)
}

fn uids_of_name(c_name: &CStr) -> Result<Vec<u32>, LookupFailed> {
    let name = c_name.to_string_lossy();
    let mut uids = Vec::new();
    for source in sources(&["passwd"])? {
        if source == FILES {
            let text = local_accounts::text(local_accounts::PASSWD)?;
            uids.extend(local_accounts::uids_of(&text, &name));
            continue;
        }
        uids.extend(uid_of(&source, c_name)?);
    }
    Ok(uids)
}

/// True if the source, which is not `files`, has an account of that name.
///
/// # Errors
/// [`LookupFailed`] when it does not answer.
pub fn has_account(source: &str, name: &str) -> Result<bool, LookupFailed> {
    Ok(uid_of(source, &c_string(name)?)?.is_some())
}

fn uid_of(source: &str, name: &CStr) -> Result<Option<u32>, LookupFailed> {
    let function = function(source, "getpwnam_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
    // SAFETY: a source's function of this name has this type (nss.h).
    let finds =
        unsafe { std::mem::transmute::<*mut libc::c_void, NssLookup<libc::passwd>>(function) };
    let found = find(finds, name.as_ptr(), |entry: &libc::passwd| entry.pw_uid);
    by_source(source, found)
}

/// The account with a uid that a source has, which is not `files`.
fn account_of(source: &str, uid: u32) -> Result<Option<Account>, LookupFailed> {
    type ByUid = NssLookup<libc::passwd, libc::uid_t>;
    let function = function(source, "getpwuid_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
    // SAFETY: a source's function of this name has this type (nss.h).
    let finds = unsafe { std::mem::transmute::<*mut libc::c_void, ByUid>(function) };
    let found = find(finds, uid, |entry: &libc::passwd| {
        // SAFETY: a source fills in C strings, which lie in the buffer of the look-up; it is alive.
        unsafe { PasswdEntry::copied(entry) }
    });
    let entry = by_source(source, found)?;
    let entry = entry.map(|entry| entry.ok_or(LookupFailed(libc::EILSEQ)));
    Ok(entry.transpose()?.map(|entry| entry.account))
}

/// Asks all sources of groups about a group and the names of one user, and adds what they say. What one of them says
/// stands, whichever other one fails.
///
/// # Errors
/// The first [`LookupFailed`] when one does not answer.
pub fn add_membership(
    group: &str,
    users: &[&str],
    facts: &mut MembershipFacts,
) -> Result<(), LookupFailed> {
    let mut result = Ok(());
    for source in sources(&["group", "initgroups"])? {
        let added = if source == FILES {
            local_accounts::text(local_accounts::GROUP)
                .map(|text| local_accounts::add_membership(&text, group, users, facts))
        } else {
            add_of_source(&source, group, users, facts)
        };
        result = result.and(added);
    }
    result
}

/// The numbers of a group and the members that are listed for it, from all sources of groups. No number where no source knows
/// the group.
///
/// # Errors
/// [`LookupFailed`] when one does not answer, or lists a name that is not UTF-8.
pub fn group_list(group: &str) -> Result<GroupList, LookupFailed> {
    let mut list = GroupList::default();
    for source in sources(&["group"])? {
        if source == FILES {
            local_accounts::add_members(
                &local_accounts::text(local_accounts::GROUP)?,
                group,
                &mut list,
            );
            continue;
        }
        if let Some((id, names)) = members_of(&source, group)? {
            list.ids.push(id);
            list.members.extend(names);
        }
    }
    Ok(list)
}

/// The number and the members of a group as one source has it; `None` where it has no such group.
///
/// # Errors
/// [`LookupFailed`] when it does not answer, or lists a name that is not UTF-8.
pub fn members_of(source: &str, group: &str) -> Result<Option<(u32, Vec<String>)>, LookupFailed> {
    let finds = function(source, "getgrnam_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
    // SAFETY: a source's function of this name has this type (nss.h).
    let finds = unsafe { std::mem::transmute::<*mut libc::c_void, NssLookup<libc::group>>(finds) };
    let group = c_string(group)?;
    let found = find(finds, group.as_ptr(), |entry: &libc::group| {
        let names = members(entry).into_iter().map(<[u8]>::to_vec);
        let names: Result<Vec<String>, _> = names.map(String::from_utf8).collect();
        names.map(|names| (entry.gr_gid, names))
    });
    let entry = by_source(source, found)?.transpose();
    entry.map_err(|_| LookupFailed(libc::EILSEQ))
}

/// Adds what one source says of a group and of the names of one user.
///
/// # Errors
/// [`LookupFailed`] when it does not answer.
pub fn add_of_source(
    source: &str,
    group: &str,
    users: &[&str],
    facts: &mut MembershipFacts,
) -> Result<(), LookupFailed> {
    let finds = function(source, "getgrnam_r")?.ok_or(LookupFailed(libc::ENOSYS))?;
    // SAFETY: a source's function of this name has this type (nss.h).
    let finds = unsafe { std::mem::transmute::<*mut libc::c_void, NssLookup<libc::group>>(finds) };
    let group = c_string(group)?;
    let found = find(finds, group.as_ptr(), |entry: &libc::group| {
        let is_listed = |member: &&[u8]| users.iter().any(|user| user.as_bytes() == *member);
        (entry.gr_gid, members(entry).iter().any(is_listed))
    });
    if let Some((id, is_listed)) = by_source(source, found)? {
        facts.group_ids.push(id);
        facts.is_listed |= is_listed;
    }
    for user in users {
        // Of a source without such a function, the list of the group's members says all.
        let groups = groups_of(source, user)?;
        facts.user_groups.extend(groups.unwrap_or_default());
    }
    Ok(())
}

/// The numbers of the groups that a source knows for a user; `None` where it has no function for that.
///
/// # Errors
/// [`LookupFailed`] when it does not answer.
pub fn groups_of(source: &str, user: &str) -> Result<Option<Vec<u32>>, LookupFailed> {
    let Some(lists) = function(source, "initgroups_dyn")? else {
        return Ok(None);
    };
    // SAFETY: a source's function of this name has this type (nss.h).
    let lists = unsafe { std::mem::transmute::<*mut libc::c_void, ListGroups>(lists) };
    let groups = by_source(source, list_groups(lists, &c_string(user)?))?;
    Ok(Some(groups.unwrap_or_default()))
}

/// The names of the members that an entry lists.
fn members(entry: &libc::group) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut at = entry.gr_mem;
    while !at.is_null() {
        // SAFETY: `gr_mem` is a list of C strings that ends with a null pointer (getgrnam_r(3)); it lies in the buffer of
        // the look-up, which is alive, and the end was not reached yet.
        let member = unsafe { *at };
        if member.is_null() {
            break;
        }
        // SAFETY: it is one of these C strings.
        found.push(unsafe { CStr::from_ptr(member) }.to_bytes());
        // SAFETY: this was not the last pointer of the list.
        at = unsafe { at.add(1) };
    }
    found
}

fn c_string(text: &str) -> Result<CString, LookupFailed> {
    CString::new(text).map_err(|_| LookupFailed(libc::EINVAL))
}

/// A function of a source; `None` where it has no such function. The library stays loaded, as the C library keeps it.
fn function(source: &str, name: &str) -> Result<Option<*mut libc::c_void>, LookupFailed> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if source.is_empty() || !source.bytes().all(plain) {
        return Err(LookupFailed(libc::EINVAL));
    }
    let library = c_string(&format!("libnss_{source}.so.2"))?;
    let symbol = c_string(&format!("_nss_{source}_{name}"))?;
    // SAFETY: the name is a C string. The library is one that each look-up of the C library loads, too.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
    if handle.is_null() {
        return Err(LookupFailed(libc::ENOENT));
    }
    // SAFETY: the handle is an open one, the symbol is a C string.
    let found = unsafe { libc::dlsym(handle, symbol.as_ptr()) };
    Ok((!found.is_null()).then_some(found))
}

/// Asks a source about one name or number; a name is a C string that stays meanwhile. `read` takes what is wanted out of the
/// entry; `None` where the source has none.
fn find<T, K: Copy, R>(
    function: NssLookup<T, K>,
    key: K,
    read: impl FnOnce(&T) -> R,
) -> Result<Option<R>, LookupFailed> {
    let mut size = BUFFER.0;
    loop {
        let mut buffer: Vec<c_char> = vec![0; size];
        let mut entry = std::mem::MaybeUninit::<T>::zeroed();
        let mut errno: c_int = 0;
        // SAFETY: all pointers are valid for the call, the length is the buffer's (nss.h).
        let status = unsafe {
            function(
                key,
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
        let found = answered(status, errno)?;
        // SAFETY: plain data, for which zero bytes are valid too. Its strings lie in `buffer`, which lives long enough.
        return Ok(found.then(|| read(unsafe { entry.assume_init_ref() })));
    }
}

/// Asks a source about the groups of a user; `None` where it knows of none.
fn list_groups(function: ListGroups, user: &CStr) -> Result<Option<Vec<u32>>, LookupFailed> {
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
    let count = usize::try_from(start.min(size)).unwrap_or(0);
    let listed = match count {
        0 => Vec::new(),
        // SAFETY: the source has filled in the first `start` of `size` entries of the block.
        count => unsafe { std::slice::from_raw_parts(groups, count) }.to_vec(),
    };
    // SAFETY: the block is that of `calloc`, or what the source made of it with realloc(3).
    unsafe { libc::free(groups.cast()) };
    Ok(answered(status, errno)?.then_some(listed))
}

/// The result of a source. nss-systemd(8) fails with ESRCH where no service offers users or groups, so that there are none
/// of its own: on a machine without a running systemd, such as a container.
fn by_source<T>(
    source: &str,
    result: Result<Option<T>, LookupFailed>,
) -> Result<Option<T>, LookupFailed> {
    match result {
        Err(LookupFailed(libc::ESRCH)) if source == SYSTEMD => Ok(None),
        result => result,
    }
}

/// True if the source has found it, false if it has nothing of that name.
fn answered(status: c_int, errno: c_int) -> Result<bool, LookupFailed> {
    match (status, errno) {
        (SUCCESS, _) => Ok(true),
        (NOT_FOUND, _) => Ok(false),
        (_, 0) => Err(LookupFailed(libc::EIO)),
        (_, errno) => Err(LookupFailed(errno)),
    }
}

#[cfg(test)]
mod tests;
