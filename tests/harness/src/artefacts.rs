//! Finds what the build made: the module and the command under test, and the helper programs of the tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory of the workspace.
pub fn workspace() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        crate_directory
            .ancestors()
            .nth(2)
            .expect("the crate is two levels below the workspace")
            .to_path_buf()
    })
}

/// The directory cargo builds into: `CARGO_TARGET_DIR`, else the one this test was built in.
pub fn target() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
            return workspace().join(directory);
        }
        let test = std::env::current_exe().expect("the path of the running test");
        test.ancestors()
            .find(|directory| directory.join("CACHEDIR.TAG").exists())
            .map_or_else(|| workspace().join("target"), Path::to_path_buf)
    })
}

/// The built module, `pam_twofactor.so`.
///
/// # Panics
/// When it was not built.
pub fn module() -> PathBuf {
    built(module_path())
}

/// The built command, `twofactor`.
///
/// # Panics
/// When it was not built.
pub fn command() -> PathBuf {
    built(command_path())
}

/// The built daemon, `twofactord`.
///
/// # Panics
/// When it was not built.
pub fn daemon() -> PathBuf {
    built(daemon_path())
}

/// The PAM application of this crate.
///
/// # Panics
/// When it was not built.
pub fn pamdrive() -> PathBuf {
    built(pamdrive_path())
}

pub(crate) fn module_path() -> PathBuf {
    target().join("release/pam_twofactor.so")
}

pub(crate) fn command_path() -> PathBuf {
    target().join("release/twofactor")
}

pub(crate) fn daemon_path() -> PathBuf {
    target().join("release/twofactord")
}

/// The client of the daemon of this crate.
///
/// # Panics
/// When it was not built.
pub fn daemonask() -> PathBuf {
    built(daemonask_path())
}

pub(crate) fn daemonask_path() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| helper("daemonask")).clone()
}

pub(crate) fn pamdrive_path() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| helper("pamdrive")).clone()
}

/// The PAM application that looks for secrets in its own memory.
pub(crate) fn pamscan_path() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| helper("pamscan")).clone()
}

fn helper(name: &str) -> PathBuf {
    // A test runs from target/PROFILE/deps, the programs of the same build lie in target/PROFILE.
    let test = std::env::current_exe().expect("the path of the running test");
    let mut beside = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name));
    beside
        .find(|path| path.exists())
        .unwrap_or_else(|| target().join("debug").join(name))
}

/// The directory in which libpam looks for modules given by their plain name.
///
/// # Panics
/// When no directory has pam_unix.so.
pub fn security_directory() -> PathBuf {
    let mut candidates = vec![
        PathBuf::from("/lib/security"),
        "/lib64/security".into(),
        "/usr/lib64/security".into(),
    ];
    let multiarch = std::fs::read_dir("/lib").into_iter().flatten().flatten();
    candidates.extend(multiarch.map(|entry| entry.path().join("security")));
    let found = candidates
        .into_iter()
        .find(|directory| directory.join("pam_unix.so").exists());
    found
        .and_then(|directory| directory.canonicalize().ok())
        .expect("libpam-modules is not installed: no pam_unix.so below /lib")
}

fn built(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} does not exist: run `make test`, which builds it first",
        path.display()
    );
    path
}
