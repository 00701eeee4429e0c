//! The file size limit of the caller: SIGXFSZ would kill a login whose caller set `ulimit -f`.
#![allow(unsafe_code)]

use rustix::io::Errno;

/// Largest size of a file of this process, in bytes; `u64::MAX` where there is no limit (`RLIMIT_FSIZE` of
/// getrlimit(2)).
///
/// A write that begins at or beyond the limit raises the signal, and one that crosses it is cut off. Asking first
/// leaves the signals of the host program alone. Who started a set-uid program can kill it, but not lower its limits
/// while it runs: that takes CAP_SYS_RESOURCE (prlimit(2)).
///
/// # Errors
/// Those of getrlimit(2).
pub fn file_size() -> Result<u64, Errno> {
    // rustix has the call, and takes what it left uninitialized for a limit where the call fails.
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is valid for writes (getrlimit(2)).
    match unsafe { libc::getrlimit64(libc::RLIMIT_FSIZE, &raw mut limit) } {
        0 => Ok(limit.rlim_cur),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}
