//! Whose rights this process has.
#![forbid(unsafe_code)]

/// The effective uid, unless it is root's.
#[must_use]
pub fn ordinary_uid() -> Option<u32> {
    let uid = rustix::process::geteuid();
    (!uid.is_root()).then(|| uid.as_raw())
}
