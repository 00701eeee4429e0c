//! The functions that Miri lacks of the C library, as far as the unit tests need it: each function does to the memory
//! it is given what its manual page says. Miri knows where each pointer may point, and finds what goes beyond.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};

use libc::{gid_t, group, passwd, size_t};

/// The passwd database: name, uid and gid, home directory.
const ACCOUNTS: [(&CStr, u32, &CStr); 2] = [(c"root", 0, c"/root"), (c"daemon", 1, c"/usr/sbin")];
/// Bytes of the buffer that one entry needs: more than callers offer at first.
const ENTRY: usize = 20_000;

#[unsafe(no_mangle)]
unsafe extern "C" fn explicit_bzero(block: *mut c_void, length: size_t) {
    // SAFETY: the caller promises that many bytes.
    unsafe { block.cast::<u8>().write_bytes(0, length) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getpwnam_r(
    name: *const c_char,
    entry: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut passwd,
) -> c_int {
    // SAFETY: the caller gives a C string.
    let name = unsafe { CStr::from_ptr(name) };
    let number = ACCOUNTS.iter().position(|(known, ..)| *known == name);
    // SAFETY: the contract is the same.
    unsafe { fill(number, entry, buffer, length, found) }
}

thread_local! {
    /// Number of entries that getpwent_r(3) has returned.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn setpwent() {
    TOLD.set(0);
}

#[unsafe(no_mangle)]
extern "C" fn endpwent() {
    TOLD.set(0);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getpwent_r(
    entry: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut passwd,
) -> c_int {
    let number = (TOLD.get() < ACCOUNTS.len()).then_some(TOLD.get());
    // SAFETY: the contract is the same.
    let result = unsafe { fill(number, entry, buffer, length, found) };
    match (result, number) {
        (0, None) => libc::ENOENT,
        (0, Some(number)) => {
            TOLD.set(number + 1);
            0
        }
        (error, _) => error,
    }
}

/// Tells account `number`: its strings go to the end of the buffer, which must be large enough.
unsafe fn fill(
    number: Option<usize>,
    entry: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut passwd,
) -> c_int {
    // SAFETY: the caller gives places for an entry and a pointer, and a buffer of that length.
    unsafe {
        found.write(std::ptr::null_mut());
        let Some((name, id, home)) = number.and_then(|number| ACCOUNTS.get(number)) else {
            return 0;
        };
        if length < ENTRY {
            return libc::ERANGE;
        }
        let mut end = length;
        let mut put = |text: &CStr| {
            let text = text.to_bytes_with_nul();
            end -= text.len();
            let place = buffer.add(end);
            place.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            place
        };
        (*entry).pw_name = put(name);
        (*entry).pw_dir = put(home);
        (*entry).pw_uid = *id;
        (*entry).pw_gid = *id;
        found.write(entry);
        0
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getgrnam_r(
    name: *const c_char,
    entry: *mut group,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut group,
) -> c_int {
    // SAFETY: `passwd` is plain data for which all zero bytes are a valid value.
    let mut account: passwd = unsafe { std::mem::zeroed() };
    let mut owner = std::ptr::null_mut();
    // SAFETY: the contract is the same, and each account has a group of its name and number.
    unsafe {
        let result = getpwnam_r(name, &raw mut account, buffer, length, &raw mut owner);
        found.write(std::ptr::null_mut());
        if result == 0 && !owner.is_null() {
            (*entry).gr_name = account.pw_name;
            (*entry).gr_gid = account.pw_gid;
            found.write(entry);
        }
        result
    }
}

/// All users are in a hundred groups.
#[unsafe(no_mangle)]
unsafe extern "C" fn getgrouplist(
    _: *const c_char,
    gid: gid_t,
    gids: *mut gid_t,
    count: *mut c_int,
) -> c_int {
    // SAFETY: the caller gives a place for a number, and one for as many groups as it says.
    unsafe {
        let room = count.read();
        for (number, gid) in (0..100.min(room)).zip(gid..) {
            gids.offset(number as isize).write(gid);
        }
        count.write(100);
        if room < 100 { -1 } else { 100 }
    }
}
