//! The profile of pam-auth-update (Debian, Ubuntu). The program runs in a copy of its files, which shows what it would write.
//!
//! setup then writes these files like all others: noted before, replaced as a whole, restored when something fails.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::setup_journal::FileChange;
use super::{config_files, stack_edit};
use crate::command_failure::CommandFailure;

/// The program.
const PROGRAM: &str = "/usr/sbin/pam-auth-update";
/// The profile, which the package installs.
const PROFILE: &str = "/usr/share/pam-configs/twofactor";
/// Directories that it writes, and those that it only reads.
const DIRECTORIES: [&str; 3] = ["/etc/pam.d", "/var/lib/pam", "/usr/share/pam-configs"];
/// Files that it writes.
const STACKS: [&str; 5] = [
    "auth",
    "account",
    "password",
    "session",
    "session-noninteractive",
];
/// A database for debconf, removed with the copy.
const DEBCONF: &str = "Config: configdb\nTemplates: templatedb\n\n\
    Name: configdb\nDriver: File\nFilename: DIR/config.dat\n\n\
    Name: templatedb\nDriver: File\nFilename: DIR/templates.dat\n";

/// The lines that pam-auth-update would write.
#[derive(Debug, PartialEq, Eq)]
pub enum ProfileResult {
    /// Files with their new texts.
    Written(Vec<FileChange>),
    /// The reason why it writes nothing: files edited by hand, no program, no profile.
    Refused(String),
}

/// True for a file that it writes.
pub fn writes(path: &Path) -> bool {
    written_paths().any(|written| path == Path::new(&written))
}

/// The paths of the files that it writes: its own first, then the stacks.
fn written_paths() -> impl Iterator<Item = String> {
    let stacks = STACKS
        .iter()
        .map(|name| format!("/etc/pam.d/common-{name}"));
    let saved = STACKS.iter().map(|name| format!("/var/lib/pam/{name}"));
    saved.chain(["/var/lib/pam/seen".to_owned()]).chain(stacks)
}

/// The lines that it would write with the profile, from a run on a copy.
///
/// # Errors
/// When a file cannot be read, or it fails.
pub fn preview() -> Result<ProfileResult, CommandFailure> {
    if let Some(why) = unusable() {
        return Ok(refused(why));
    }
    let root = ScratchRoot::new()?;
    let said = root.run("--enable")?;
    let changes = root.changes()?;
    let named = changes.iter().any(|change| {
        change.path.ends_with("common-auth") && stack_edit::names_module(&change.after)
    });
    if named {
        return Ok(ProfileResult::Written(changes));
    }
    let edited = said.contains("Local modifications");
    Ok(refused(if edited {
        "the files common-* were edited by hand, and pam-auth-update does not touch them any more"
    } else {
        "pam-auth-update does not add it"
    }))
}

/// The lines that it would write without the profile, whatever other profiles came since.
///
/// # Errors
/// As [`preview`].
pub fn removal() -> Result<ProfileResult, CommandFailure> {
    if let Some(why) = unusable() {
        return Ok(refused(why));
    }
    let root = ScratchRoot::new()?;
    root.run("--disable")?;
    for name in STACKS {
        let text = root.text(&format!("/etc/pam.d/common-{name}"))?;
        if stack_edit::names_module(&text) {
            return Ok(refused("pam-auth-update does not take it out"));
        }
    }
    Ok(ProfileResult::Written(root.changes()?))
}

/// The reason why it cannot be run on a copy.
fn unusable() -> Option<&'static str> {
    let program = match fs::read_to_string(PROGRAM) {
        Ok(text) => text,
        Err(_) => return Some("there is no pam-auth-update"),
    };
    // An older one would ignore the option and write the real files.
    if !program.contains("'--root'") {
        return Some("this pam-auth-update is too old to show what it would write");
    }
    if !Path::new(PROFILE).exists() {
        return Some("its profile twofactor is not installed (the Debian package has it)");
    }
    None
}

fn refused(why: &str) -> ProfileResult {
    ProfileResult::Refused(why.to_owned())
}

/// A directory with copies of the files, removed at the end.
struct ScratchRoot(PathBuf);

impl ScratchRoot {
    fn new() -> Result<Self, CommandFailure> {
        let path = PathBuf::from(format!("/run/twofactor-setup.{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| failed(&path, &error))?;
        let root = Self(path);
        for directory in DIRECTORIES {
            let copies = root.inside(directory);
            fs::create_dir_all(&copies).map_err(|error| failed(&copies, &error))?;
            let entries =
                fs::read_dir(directory).map_err(|error| failed(Path::new(directory), &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| failed(Path::new(directory), &error))?;
                let name = entry.file_name();
                let wanted = directory != "/etc/pam.d"
                    || name
                        .to_str()
                        .is_some_and(|name| name.starts_with("common-"));
                if wanted && entry.path().is_file() {
                    fs::copy(entry.path(), copies.join(&name))
                        .map_err(|error| failed(&entry.path(), &error))?;
                }
            }
        }
        let debconf = DEBCONF.replace("DIR", &root.0.display().to_string());
        let path = root.0.join("debconf.conf");
        fs::write(&path, debconf).map_err(|error| failed(&path, &error))?;
        Ok(root)
    }

    /// Its output with this option for the profile.
    fn run(&self, option: &str) -> Result<String, CommandFailure> {
        let output = Command::new(PROGRAM)
            .args(["--package", option, "twofactor", "--root"])
            .arg(&self.0)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("DEBCONF_SYSTEMRC", self.0.join("debconf.conf"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(Path::new(PROGRAM), &error))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !output.status.success() {
            return Err(CommandFailure::system(format!("{PROGRAM} failed: {said}")));
        }
        Ok(said)
    }

    fn changes(&self) -> Result<Vec<FileChange>, CommandFailure> {
        let mut changes = Vec::new();
        for path in written_paths() {
            let after = self.text(&path)?;
            let before = config_files::read(Path::new(&path))?;
            if before.as_deref() != Some(&after) {
                let path = PathBuf::from(path);
                changes.push(FileChange {
                    path,
                    before,
                    after,
                });
            }
        }
        Ok(changes)
    }

    /// The text of the copy of a file.
    fn text(&self, path: &str) -> Result<String, CommandFailure> {
        let copy = self.inside(path);
        fs::read_to_string(&copy).map_err(|error| failed(&copy, &error))
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Drop for ScratchRoot {
    fn drop(&mut self) {
        // Left in /run by a process that has ended; the next boot removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> CommandFailure {
    CommandFailure::system(format!("{}: {error}", path.display()))
}
