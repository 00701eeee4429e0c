//! The rights of this process.
#![allow(unsafe_code)]

/// The number that stands for "none" among audit sessions (linux/audit.h).
const NO_SESSION: u32 = u32::MAX;

/// The audit session of a process, in which pam_loginuid(8) has put it and all that it starts, if it is one of a user with this uid;
/// `None` where there is none, or where it cannot be read.
#[must_use]
pub fn audit_session(pid: i32, uid: u32) -> Option<u32> {
    session_in(&format!("/proc/{pid}"), uid)
}

/// That of this process.
#[must_use]
pub fn own_audit_session(uid: u32) -> Option<u32> {
    session_in("/proc/self", uid)
}

fn session_in(process: &str, uid: u32) -> Option<u32> {
    let number = |name| -> Option<u32> {
        let text = std::fs::read_to_string(format!("{process}/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let session = number("sessionid")?;
    let is_of_user = number("loginuid")? == uid;
    (is_of_user && session != NO_SESSION && session != 0).then_some(session)
}

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
