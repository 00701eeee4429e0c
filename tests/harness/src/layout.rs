//! The file system of a machine: the real one, with every directory that a login changes covered by memory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind,
    mount_change, mount_move, move_mount, open_tree,
};

use crate::artefacts::{
    command_path, daemon_path, daemonask_path, module_path, pamdrive_path, pamscan_path,
    security_directory, target, workspace,
};

/// Directory in which the harness keeps its own files inside a machine.
pub(crate) const SCRATCH: &str = "/run/harness";

/// Directories that stay readable and whose changes go to memory.
const COVERED: [&str; 8] = [
    "/etc",
    "/var",
    "/home",
    "/root",
    "/srv",
    "/tmp",
    "/usr/local",
    "/opt",
];

/// Builds the file system in the calling thread's own mount namespace.
pub(crate) fn build() {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .expect("making all mounts private");
    let kept = keep_build_directories();
    tmpfs(Path::new("/run"), 0o755);
    directory(Path::new(SCRATCH), 0o755);
    let security = security_directory();
    for path in COVERED.map(PathBuf::from).iter().chain([&security]) {
        if path.is_dir() {
            cover(path);
        }
    }
    put_back(kept);
    devices();
    runtime_directories();
    logs();
    blank_product();
    install(&module_path(), &security.join("pam_twofactor.so"));
    install(&command_path(), Path::new("/usr/local/bin/twofactor"));
    install(&daemon_path(), Path::new("/usr/local/sbin/twofactord"));
    install(&daemonask_path(), Path::new("/usr/local/bin/daemonask"));
    install(&pamdrive_path(), Path::new("/usr/local/bin/pamdrive"));
    install(&pamscan_path(), Path::new("/usr/local/bin/pamscan"));
}

/// Makes another root the one of the calling thread, which has its own mount namespace: a directory that is only read,
/// under memory that takes every change. The way back is the way out of the mount namespace.
pub(crate) fn build_in(root: &Path) {
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .expect("making all mounts private");
    let root = root.canonicalize().expect("the root");
    let kept = keep_build_directories();
    tmpfs(Path::new("/run"), 0o755);
    let [upper, work, new] = ["upper", "work", "new"].map(|name| Path::new("/run").join(name));
    for path in [&upper, &work, &new] {
        directory(path, 0o755);
    }
    overlay(&root, &upper, &work, &new);
    for path in ["/dev", "/proc"] {
        mount_bind(path, new.join(&path[1..])).expect("lending a directory to the new root");
    }
    rustix::process::chroot(&new).expect("changing the root");
    std::env::set_current_dir("/").expect("entering the new root");
    tmpfs(Path::new("/run"), 0o755);
    directory(Path::new(SCRATCH), 0o755);
    put_back(kept);
    devices();
    runtime_directories();
    log_files();
}

/// Makes a directory with exactly this mode, owned by root.
pub(crate) fn directory(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("creating {}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("setting the mode");
}

/// Writes a file with exactly this mode, owned by root.
pub(crate) fn file(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("setting the mode");
}

/// The workspace and the build directory themselves, whatever will be mounted over the directories they lie in.
fn keep_build_directories() -> Vec<(PathBuf, std::os::fd::OwnedFd)> {
    let mut paths = vec![workspace().canonicalize().expect("the workspace")];
    let target = target().canonicalize().expect("the build directory");
    if !target.starts_with(&paths[0]) {
        paths.push(target);
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let keep = |path: PathBuf| {
        let tree = open_tree(rustix::fs::CWD, &path, flags)
            .expect("a copy of the build directory's mount");
        (path, tree)
    };
    paths.into_iter().map(keep).collect()
}

fn put_back(kept: Vec<(PathBuf, std::os::fd::OwnedFd)>) {
    for (path, tree) in kept {
        fs::create_dir_all(&path).expect("a place for the build directory");
        move_mount(
            &tree,
            "",
            rustix::fs::CWD,
            &path,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .expect("putting the build directory back");
    }
}

fn tmpfs(path: &Path, mode: u32) {
    let options = std::ffi::CString::new(format!("mode={mode:o}")).expect("no NUL");
    mount(
        "harness",
        path,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
    .unwrap_or_else(|error| panic!("mounting memory on {}: {error}", path.display()));
}

fn cover(path: &Path) {
    let store =
        Path::new(SCRATCH).join(format!("cover{}", path.to_string_lossy().replace('/', "-")));
    let (upper, work) = (store.join("upper"), store.join("work"));
    directory(&store, 0o700);
    directory(&work, 0o700);
    // The root of an overlay takes its owner and mode from the upper directory.
    let covered = fs::metadata(path).expect("the covered directory");
    directory(&upper, covered.mode() & 0o7777);
    chown(&upper, Some(covered.uid()), Some(covered.gid()))
        .expect("the owner of the covered directory");
    overlay(path, &upper, &work, path);
}

/// Mounts a directory with memory over it.
fn overlay(lower: &Path, upper: &Path, work: &Path, path: &Path) {
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let options = std::ffi::CString::new(options).expect("no NUL");
    mount(
        "harness",
        path,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .unwrap_or_else(|error| panic!("mounting an overlay on {}: {error}", path.display()));
}

/// A /dev with the harmless devices, its own terminals and no way to the real system log.
fn devices() {
    let new = Path::new(SCRATCH).join("dev");
    directory(&new, 0o755);
    let options = c"mode=0755";
    mount("harness", &new, "tmpfs", MountFlags::NOSUID, options).expect("mounting memory for /dev");
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        file(&new.join(name), b"", 0o666);
        mount_bind(Path::new("/dev").join(name), new.join(name)).expect("binding a device");
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, to) in links {
        symlink(to, new.join(name)).expect("a link in /dev");
    }
    directory(&new.join("pts"), 0o755);
    let options = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount(
        "harness",
        new.join("pts"),
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        options,
    )
    .expect("mounting devpts");
    directory(&new.join("shm"), 0o755);
    tmpfs(&new.join("shm"), 0o1777);
    mount_move(&new, "/dev").expect("moving the new /dev into place");
}

fn runtime_directories() {
    directory(Path::new("/run/sshd"), 0o755);
    directory(Path::new("/run/sudo"), 0o711);
    directory(Path::new("/run/lock"), 0o1777);
    directory(Path::new("/run/user"), 0o755);
    file(Path::new("/run/utmp"), b"", 0o664);
    fs::remove_file("/etc/nologin").ok();
}

fn logs() {
    tmpfs(Path::new("/var/log"), 0o755);
    log_files();
}

fn log_files() {
    let directory = Path::new("/var/log");
    for (name, mode) in [("wtmp", 0o664), ("btmp", 0o600), ("lastlog", 0o664)] {
        file(&directory.join(name), b"", mode);
    }
}

/// The state of a machine on which the product was just installed, whatever the real machine has.
fn blank_product() {
    let state = Path::new("/var/lib/twofactor");
    if state.exists() {
        fs::remove_dir_all(state).expect("emptying the state directory");
    }
    directory(state, 0o700);
    for beside in ["toml", "id"] {
        fs::remove_file(format!("/etc/security/twofactor.{beside}")).ok();
    }
}

fn install(built: &Path, path: &Path) {
    if built.exists() {
        // Another process writes it: a descriptor of this one would be inherited by whatever another thread starts at
        // this moment, and until that has called execve the program could not be run (ETXTBSY).
        let installed = std::process::Command::new("install")
            .args(["-m", "0755"])
            .args([built, path])
            .status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "installing {}",
            path.display()
        );
    }
}
