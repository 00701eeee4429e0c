//! The rights of this process.
#![allow(unsafe_code)]

/// The effective uid, unless it is root's.
#[must_use]
pub fn ordinary_uid() -> Option<u32> {
    let uid = rustix::process::geteuid();
    (!uid.is_root()).then(|| uid.as_raw())
}

/// The effective uid where the program was not started as root, and `None` where it was: then it costs no system call. A process that has
/// given up root's uid since can open root's files only where it kept CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH (capabilities(7)),
/// with which it may read them anyway; all others find them closed, and ask [`ordinary_uid`] then.
#[must_use]
pub fn ordinary_uid_at_start() -> Option<u32> {
    // SAFETY: getauxval(3) takes any number, and reads what the kernel gave this program when it started.
    let at_start = unsafe { libc::getauxval(libc::AT_EUID) };
    if at_start == 0 { None } else { ordinary_uid() }
}
