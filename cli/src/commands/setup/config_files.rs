//! Reading and replacing configuration files of the system, whole or not at all.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags, fchmod, fchown, fgetxattr,
    fsetxattr, fstat, fsync, openat, readlinkat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::command_failure::CommandFailure;
use crate::suggested_command;

/// Largest file that is changed, in bytes.
const MAX_LEN: u64 = 1 << 20;
/// Attributes that a new file gets from the one it replaces: SELinux context and access list.
const ATTRIBUTES: [&str; 2] = ["security.selinux", "system.posix_acl_access"];
/// Room for the value of an attribute, in bytes.
const ATTRIBUTE: usize = 4096;
/// Mode of a new file, as in /etc/pam.d and sshd's drop-ins.
const NEW: u32 = 0o644;

/// Reads a file; `None` where there is none, nor perhaps its directory. Links are not followed: their target may belong to another program, such as
/// authselect.
///
/// # Errors
/// A refusal for a link, another kind of file, a file that is not root's or that others can write, and for one that is too large
/// or not UTF-8. A system error otherwise.
pub fn read(path: &Path) -> Result<Option<String>, CommandFailure> {
    let Some((fd, _)) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::from(fd);
    std::io::Read::read_to_end(&mut std::io::Read::take(&file, MAX_LEN + 1), &mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(refused(path, "is too large"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        refused(path, "is not UTF-8").next("Convert it, such as by iconv(1), then try again.")
    })?;
    Ok(Some(text))
}

/// Replaces or makes a file, durably. Owner, mode, access list and SELinux context stay.
/// `expected` is the old text.
///
/// # Errors
/// A refusal when the file has another text by now, and as for [`read`]; the file is unchanged then.
pub fn write(path: &Path, expected: Option<&str>, text: &str) -> Result<(), CommandFailure> {
    let (directory, name) = parent(path)?;
    let old = open(path)?;
    let staged = staged_name(name);
    // Left by a killed writer.
    remove_name(&directory, &staged).map_err(|errno| failed(path, errno))?;
    let made = stage(&directory, &staged, text, old.as_ref())
        .map_err(|errno| failed(path, errno))
        .and_then(|()| unchanged(path, expected))
        .and_then(|()| {
            renameat(&directory, &staged, &directory, name).map_err(|errno| failed(path, errno))
        });
    if made.is_err() {
        // The first error is reported.
        let _ = remove_name(&directory, &staged);
        return made;
    }
    fsync(&directory).map_err(|errno| failed(path, errno))
}

/// Removes a file that has this text.
///
/// # Errors
/// As [`write()`].
pub fn remove(path: &Path, expected: &str) -> Result<(), CommandFailure> {
    let (directory, name) = parent(path)?;
    unchanged(path, Some(expected))?;
    remove_name(&directory, name).map_err(|errno| failed(path, errno))?;
    fsync(&directory).map_err(|errno| failed(path, errno))
}

/// Removes the temporary file of a killed writer.
///
/// # Errors
/// A system error.
pub fn remove_leftover(path: &Path) -> Result<(), CommandFailure> {
    let (directory, name) = split(path)?;
    match open_directory(directory) {
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed(directory, errno)),
        Ok(fd) => remove_name(&fd, &staged_name(name)).map_err(|errno| failed(path, errno)),
    }
}

fn unchanged(path: &Path, expected: Option<&str>) -> Result<(), CommandFailure> {
    if read(path)?.as_deref() == expected {
        return Ok(());
    }
    Err(refused(path, "was changed meanwhile").next("Try again."))
}

fn open(path: &Path) -> Result<Option<(OwnedFd, Stat)>, CommandFailure> {
    let (directory, name) = split(path)?;
    let directory = match open_directory(directory) {
        // A package that was removed took it along, or it was never made.
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(|errno| failed(directory, errno))?,
    };
    let seen = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(|errno| failed(path, errno))?,
    };
    if FileType::from_raw_mode(seen.st_mode) == FileType::Symlink {
        return Err(link(path, &directory, name));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = openat(&directory, name, flags, Mode::empty()).map_err(|errno| failed(path, errno))?;
    let stat = fstat(&fd).map_err(|errno| failed(path, errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(path, "is no regular file"));
    }
    if stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
        return Err(
            refused(path, "can be written by others than root").next(format!(
                "See who changed it; then: {}",
                suggested_command::other("chmod go-w", path)
            )),
        );
    }
    Ok(Some((fd, stat)))
}

fn link(path: &Path, directory: &OwnedFd, name: &OsStr) -> CommandFailure {
    let target = readlinkat(directory, name, Vec::new()).map_or_else(
        |_| String::new(),
        |target| format!(" to {}", target.to_string_lossy()),
    );
    refused(path, &format!("is a link{target}, which setup does not follow")).next(
        "Another program writes it, such as authselect: use that one. If it is yours, put the file in place of the link.",
    )
}

fn parent(path: &Path) -> Result<(OwnedFd, &OsStr), CommandFailure> {
    let (directory, name) = split(path)?;
    let fd = open_directory(directory).map_err(|errno| failed(directory, errno))?;
    Ok((fd, name))
}

fn split(path: &Path) -> Result<(&Path, &OsStr), CommandFailure> {
    let parts = path.parent().zip(path.file_name());
    parts.ok_or_else(|| refused(path, "is no name of a file"))
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

fn stage(
    directory: &OwnedFd,
    name: &OsStr,
    text: &str,
    old: Option<&(OwnedFd, Stat)>,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let mode = match old {
        Some((from, stat)) => {
            let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            fchown(&fd, Some(owner), Some(group))?;
            copy_attributes(from, &fd)?;
            stat.st_mode & 0o7777
        }
        None => NEW,
    };
    fchmod(&fd, Mode::from_raw_mode(mode))?;
    fsync(&fd)
}

fn copy_attributes(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    for name in ATTRIBUTES {
        let mut value = vec![0; ATTRIBUTE];
        match fgetxattr(&from, name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                fsetxattr(&to, name, &value, XattrFlags::empty())?;
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// `.NAME.twofactor-setup~`. libpam and sshd do not read such a file, and searches for lines of the module skip it like
/// an editor's backup.
fn staged_name(name: &OsStr) -> OsString {
    let mut staged = OsString::from(".");
    staged.push(name);
    staged.push(".twofactor-setup~");
    staged
}

fn remove_name(directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // The kernel says so before it looks for the name.
        Err(Errno::ROFS) if is_absent(directory, name) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn is_absent(directory: &OwnedFd, name: &OsStr) -> bool {
    let seen = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    seen.is_err_and(|errno| errno == Errno::NOENT)
}

fn refused(path: &Path, what: &str) -> CommandFailure {
    CommandFailure::refused(format!("{} {what}", path.display()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandFailure {
    CommandFailure::system(format!("{}: {error}", path.display()))
}

fn failed(path: &Path, errno: Errno) -> CommandFailure {
    let failure = CommandFailure::system(format!("{}: {errno}", path.display()));
    if errno == Errno::ROFS {
        return failure.next("Mount the file system for writing, then try again.");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_directory::ScratchDirectory;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("file");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(&path).unwrap().uid();
        if owner != 0 {
            assert!(read(&path).is_err());
            return;
        }
        write(&path, Some("old"), "new").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("new"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn another_text_is_not_replaced() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("file");
        std::fs::write(&path, "mine").unwrap();
        assert!(write(&path, Some("old"), "new").is_err());
        assert!(write(&path, None, "new").is_err());
        assert!(remove(&path, "old").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_link_is_not_followed() {
        let scratch = ScratchDirectory::new();
        let (path, target) = (scratch.join("file"), scratch.join("target"));
        std::fs::write(&target, "old").unwrap();
        symlink(&target, &path).unwrap();
        let failure = read(&path).err().unwrap();
        assert!(failure.what.contains("is a link to "), "{failure}");
        assert!(write(&path, Some("old"), "new").is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn what_is_missing_is_no_error() {
        let scratch = ScratchDirectory::new();
        for path in [scratch.join("nothing"), scratch.join("no/directory")] {
            assert_eq!(read(&path).unwrap(), None);
            assert!(remove_leftover(&path).is_ok());
            assert!(write(&scratch.join("no/directory"), None, "new").is_err());
        }
    }
}
