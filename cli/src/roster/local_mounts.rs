//! Files on paths that users choose, opened only where no server and no program has to answer: a dead one is waited for without an end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};

/// The mounts that this process sees. Reading it asks no file system anything (proc_pid_mountinfo(5)).
const MOUNTS: &str = "/proc/self/mountinfo";
/// The types that keep files on disks of this machine, or in its memory. A type that is not known may wait for a server, so the list is
/// of these, and not of those that do. Automounters are none, also where a disk is mounted over them: both are on the way.
const LOCAL: [&str; 18] = [
    "bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jffs2", "jfs", "nilfs2",
    "overlay", "reiserfs", "rootfs", "squashfs", "tmpfs", "ubifs", "xfs", "zfs",
];
/// Most links on a path, as the kernel has it.
const MOST_LINKS: usize = 40;

/// The mounts of this machine, and which of them are local.
pub struct LocalMounts {
    /// The places, and true where the type is one of [`LOCAL`].
    mounts: Vec<(PathBuf, bool)>,
}

impl LocalMounts {
    /// Reads them. Where that fails, none is local.
    pub fn read() -> Self {
        Self::parse(&std::fs::read(MOUNTS).unwrap_or_default())
    }

    pub(super) fn parse(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n');
        Self {
            mounts: lines.filter_map(mount).collect(),
        }
    }

    /// True if all mounts on the way to that absolute path without links are known, and local.
    fn reach(&self, path: &Path) -> bool {
        let on_way = || self.mounts.iter().filter(|(at, _)| path.starts_with(at));
        on_way().any(|(at, _)| at == Path::new("/")) && on_way().all(|(_, is_local)| *is_local)
    }

    /// Opens a regular file for reading; `None` where it is none, is not there, or no way of local mounts leads to it. Each step is one
    /// name, looked up only once its place is known to be local, so that no link leads elsewhere.
    pub fn open(&self, path: &Path) -> Option<File> {
        if !path.is_absolute() {
            return None;
        }
        let handle = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let reading = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut way = PathBuf::from("/");
        let mut above = vec![openat(CWD, "/", handle, Mode::empty()).ok()?];
        let (mut left, mut links) = (Vec::new(), 0);
        add_steps(&mut left, path);
        while let Some(name) = left.pop() {
            if name == ".." {
                way.pop();
                above.truncate(above.len().saturating_sub(1).max(1));
                continue;
            }
            let next = way.join(&name);
            if !self.reach(&next) {
                return None;
            }
            let directory: &OwnedFd = above.last()?;
            let found = openat(directory, &name, handle, Mode::empty()).ok()?;
            match FileType::from_raw_mode(fstat(&found).ok()?.st_mode) {
                FileType::Directory => {
                    way = next;
                    above.push(found);
                }
                FileType::Symlink if links < MOST_LINKS => {
                    links += 1;
                    let target = readlinkat(&found, "", Vec::new()).ok()?;
                    let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                    if target.is_absolute() {
                        way = PathBuf::from("/");
                        above.truncate(1);
                    }
                    add_steps(&mut left, target);
                }
                FileType::RegularFile if left.is_empty() => {
                    return openat(directory, &name, reading, Mode::empty())
                        .ok()
                        .map(File::from);
                }
                _ => return None,
            }
        }
        None
    }
}

/// Puts the names of a path before those that are left, the next one last.
fn add_steps(left: &mut Vec<OsString>, path: &Path) {
    let step = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    left.extend(path.components().rev().filter_map(step));
}

/// The place of a line, and true if its type is a local one.
fn mount(line: &[u8]) -> Option<(PathBuf, bool)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let place = unescaped(fields.nth(4)?);
    // Optional fields follow, up to a hyphen.
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let is_local = LOCAL.iter().any(|name| name.as_bytes() == kind);
    Some((PathBuf::from(OsString::from_vec(place)), is_local))
}

/// The kernel writes blanks and backslashes as three octal digits after a backslash.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(byte.unwrap_or(first));
        let length = if byte.is_some() { 3 } else { 0 };
        rest = after.get(length..).unwrap_or_default();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                        30 27 0:40 / /home rw - nfs4 server:/home rw,hard\n\
                        31 30 0:41 / /home/disk rw - xfs /dev/vdb rw\n\
                        32 27 0:42 / /data rw shared:2 master:1 - btrfs /dev/vdc rw\n\
                        33 27 0:43 / /data/two\\040parts\\134 rw - fuse.sshfs it: rw\n\
                        34 27 0:44 / /auto rw - autofs systemd-1 rw\n\
                        35 34 0:45 / /auto rw - ext4 /dev/vdd rw\n\
                        broken line\n";

    #[test]
    fn only_known_disks_and_memory_are_local() {
        let mounts = LocalMounts::parse(TEXT.as_bytes());
        for local in [
            "/",
            "/root/.ssh",
            "/homes",
            "/data/alice",
            "/data/two parts",
        ] {
            assert!(mounts.reach(Path::new(local)), "{local}");
        }
        for other in [
            "/home",
            "/home/alice",
            "/home/disk/bob",
            "/data/two parts\\/x",
            "/auto/alice",
        ] {
            assert!(!mounts.reach(Path::new(other)), "{other}");
        }
        for kind in ["nfs", "cifs", "9p", "fuse", "ceph", "virtiofs", "ext44", ""] {
            let text = format!("27 1 254:0 / / rw - {kind} /dev/vda rw\n");
            assert!(
                !LocalMounts::parse(text.as_bytes()).reach(Path::new("/root")),
                "{kind}"
            );
        }
    }

    #[test]
    fn mounts_that_are_not_known_are_not_local() {
        assert!(!LocalMounts::parse(b"").reach(Path::new("/root")));
        let no_root = LocalMounts::parse(b"32 27 0:42 / /data rw - btrfs /dev/vdc rw\n");
        assert!(!no_root.reach(Path::new("/data/alice")));
    }

    #[test]
    fn links_are_followed_to_local_mounts_alone() {
        let base = std::env::temp_dir().canonicalize().unwrap();
        let base = base.join(format!("twofactor-mounts-{}", std::process::id()));
        for directory in ["near/alice", "far/alice"] {
            std::fs::create_dir_all(base.join(directory)).unwrap();
            std::fs::write(base.join(directory).join("file"), "text").unwrap();
        }
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, base.join(name)).unwrap();
        };
        let absolute = base.join("near/alice");
        link(absolute.to_str().unwrap(), "absolute");
        link("near/../near/./alice", "relative");
        link("far/alice", "away");
        link("circle", "circle");
        let text = format!(
            "27 1 254:0 / / rw - ext4 /dev/vda rw\n30 27 0:40 / {}/far rw - nfs4 server:/ rw\n",
            base.display()
        );
        let mounts = LocalMounts::parse(text.as_bytes());
        let opens = |path: &str| mounts.open(&base.join(path)).is_some();
        for path in ["near/alice/file", "absolute/file", "relative/file"] {
            assert!(opens(path), "{path}");
        }
        for path in [
            "far/alice/file",
            "away/file",
            "circle/file",
            "near/alice",
            "near/file",
            "near/alice/file/x",
        ] {
            assert!(!opens(path), "{path}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
