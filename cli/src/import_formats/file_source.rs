//! Reading files that users own, as root: whatever a user puts there instead, nothing else is read and nothing waits.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, retry_on_intr};
use zeroize::Zeroizing;

/// Largest state file of one user (google-authenticator's own limit).
pub const ONE_USER: usize = 64 * 1024;
/// Largest file of many users.
pub const MANY_USERS: usize = 64 * 1024 * 1024;
/// Number of bytes that are read at once where the length is not known.
const CHUNK: usize = 64 * 1024;

/// Reason why a file is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadableSource {
    /// A system call failed.
    System(Errno),
    /// A link, a directory, a FIFO or a device.
    NotRegular,
    /// Neither root nor the user owns the file: the uid that does.
    Owner(u32),
    /// Another user could have written the file: its mode.
    Writable(u32),
    /// The file is larger than the limit, in bytes.
    TooLarge(usize),
}

impl UnreadableSource {
    /// True if there is no such file.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::System(Errno::NOENT | Errno::NOTDIR))
    }
}

impl fmt::Display for UnreadableSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(errno) => write!(f, "cannot be read: {errno}"),
            Self::NotRegular => f.write_str("is a link or no regular file"),
            Self::Owner(uid) => write!(f, "belongs to uid {uid}, neither to the user nor to root"),
            Self::Writable(mode) => {
                write!(f, "can be written by others (mode {:04o})", mode & 0o7777)
            }
            Self::TooLarge(limit) => write!(f, "is larger than {} KiB", limit / 1024),
        }
    }
}

/// Content of a file.
pub struct SourceContent {
    /// All of it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// True if others than its owner can read it.
    pub shared: bool,
}

/// Reads a regular file of root's or of one of `owners`, without following a link at its end.
pub fn read(path: &Path, owners: &[u32], limit: usize) -> Result<SourceContent, UnreadableSource> {
    // A FIFO without a writer must not stop an import, nor a terminal take it over.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| openat(CWD, path, flags, Mode::empty())).map_err(failed)?;
    let stat = fstat(&fd).map_err(failed)?;
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    match () {
        () if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            return Err(UnreadableSource::NotRegular);
        }
        () if stat.st_uid != 0 && !owners.contains(&stat.st_uid) => {
            return Err(UnreadableSource::Owner(stat.st_uid));
        }
        () if stat.st_mode & 0o022 != 0 => return Err(UnreadableSource::Writable(stat.st_mode)),
        () if size > limit => return Err(UnreadableSource::TooLarge(limit)),
        () => {}
    }
    Ok(SourceContent {
        bytes: all(File::from(fd), size, limit)?,
        shared: stat.st_mode & 0o044 != 0,
    })
}

/// Reads a stream, such as standard input, to its end.
pub fn read_stream(
    stream: impl Read,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, UnreadableSource> {
    all(stream, CHUNK, limit)
}

/// At most `limit` bytes. What the buffer leaves behind when it grows is wiped, as by [`twofactor_store::sys::wipe::WipingAllocator`]
/// all that is given back.
fn all(
    stream: impl Read,
    expected: usize,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, UnreadableSource> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(expected.min(limit) + 1));
    let most = u64::try_from(limit).map_or(u64::MAX, |limit| limit.saturating_add(1));
    stream
        .take(most)
        .read_to_end(&mut buffer)
        .map_err(|error| {
            UnreadableSource::System(Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
    if buffer.len() > limit {
        return Err(UnreadableSource::TooLarge(limit));
    }
    Ok(buffer)
}

fn failed(errno: Errno) -> UnreadableSource {
    match errno {
        // Errors that O_NOFOLLOW makes of a link, and O_NONBLOCK of a socket.
        Errno::LOOP | Errno::NXIO => UnreadableSource::NotRegular,
        errno => UnreadableSource::System(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use crate::scratch_directory::ScratchDirectory;

    fn made(scratch: &ScratchDirectory, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = scratch.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    fn why(path: &Path, limit: usize) -> UnreadableSource {
        let own = rustix::process::geteuid().as_raw();
        read(path, &[own], limit).err().unwrap()
    }

    #[test]
    fn only_private_files_within_the_limit_are_read() {
        let scratch = ScratchDirectory::new();
        let file = made(&scratch, "file", b"secret", 0o600);
        let own = rustix::process::geteuid().as_raw();
        let content = read(&file, &[own], 6).unwrap();
        assert_eq!(
            (content.bytes.as_slice(), content.shared),
            (&b"secret"[..], false)
        );
        assert_eq!(why(&file, 5), UnreadableSource::TooLarge(5));
        let link = scratch.join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(why(&link, 100), UnreadableSource::NotRegular);
        let fifo = scratch.join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(why(&fifo, 100), UnreadableSource::NotRegular);
        assert_eq!(why(scratch.path(), 1 << 20), UnreadableSource::NotRegular);
        assert_eq!(
            why(Path::new("/dev/zero"), 100),
            UnreadableSource::NotRegular
        );
        assert!(why(&scratch.join("none"), 100).is_missing());
        assert!(why(&file.join("below"), 100).is_missing());
        assert_eq!(
            why(&made(&scratch, "open", b"", 0o620), 9),
            UnreadableSource::Writable(0o100_620)
        );
        assert!(
            read(&made(&scratch, "seen", b"", 0o644), &[own], 9)
                .unwrap()
                .shared
        );
    }

    #[test]
    fn a_stream_is_read_to_its_end_or_to_the_limit() {
        for length in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes = vec![7; length];
            assert_eq!(*read_stream(bytes.as_slice(), 3 * CHUNK).unwrap(), bytes);
        }
        let endless = std::io::repeat(7);
        let limit = 2 * CHUNK;
        assert_eq!(
            read_stream(endless, limit).unwrap_err(),
            UnreadableSource::TooLarge(limit)
        );
    }
}
