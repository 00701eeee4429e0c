//! Writing into a file that has its size already.

use std::os::fd::AsFd;

use rustix::io::{Errno, pwrite, retry_on_intr};

use super::super::size_limit;
use super::file_error::{FileError, failed};

/// The largest size of a file of this process, in bytes. Only CAP_SYS_RESOURCE lowers it from outside: it holds as long as a
/// lock is held.
///
/// # Errors
/// [`FileError`].
pub fn size_limit() -> Result<u64, FileError> {
    size_limit::file_size().map_err(failed("getrlimit"))
}

/// Overwrites bytes in place, all of them. Beyond the caller's file size limit nothing is written, and no signal raised.
///
/// # Errors
/// [`FileError`]; then some of the bytes may have been written, unless it is the limit.
pub fn write_at(fd: impl AsFd, bytes: &[u8], offset: u64) -> Result<(), FileError> {
    write_below(fd, bytes, offset, size_limit()?)
}

/// [`write_at`] where the limit is known, from [`size_limit()`].
///
/// # Errors
/// [`FileError`] as for [`write_at`].
pub fn write_below(fd: impl AsFd, bytes: &[u8], offset: u64, limit: u64) -> Result<(), FileError> {
    if offset.saturating_add(bytes.len() as u64) > limit {
        return Err(FileError::System("write", Errno::FBIG));
    }
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let at = offset + done as u64;
        match retry_on_intr(|| pwrite(&fd, rest, at)).map_err(failed("write"))? {
            0 => return Err(FileError::System("write", Errno::IO)),
            count => done += count,
        }
    }
    Ok(())
}
