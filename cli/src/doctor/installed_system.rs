//! The parts of the machine that doctor reads: libpam's directories, PAM files, modules, and sshd.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};

use super::daemon_check::DaemonPresence;
use super::module_facts::OURS;
use super::pam::{ConfigFile, ConfigFiles, ModuleCall};
use super::sshd::SshdProgram;

/// Directories of libraries, themselves or in a directory for each architecture.
const LIBRARIES: [&str; 4] = ["/usr/lib", "/lib", "/usr/lib64", "/lib64"];
/// Largest file that is read, in bytes.
const MAX_LEN: u64 = 4 << 20;
/// The machine.
#[derive(Clone)]
pub struct InstalledSystem {
    /// Directories in which libpam looks for PAM files, in its order.
    pub services: Vec<PathBuf>,
    /// Directory in which libpam looks for modules.
    pub modules: PathBuf,
    /// The daemon that programs of users ask.
    pub daemon: DaemonPresence,
    /// The sshd.
    pub sshd: SshdProgram,
    /// PAM files that are not written yet: their texts by path.
    planned: BTreeMap<String, String>,
}

impl InstalledSystem {
    /// Looks around. What libpam does is written in libpam itself.
    pub fn look() -> Self {
        let libpam = libpam().unwrap_or_default();
        let modules = strings_ending(&libpam, "/security/")
            .into_iter()
            .map(PathBuf::from)
            .chain(libraries().into_iter().map(|path| path.join("security")))
            .find(|path| path.join("pam_unix.so").exists());
        Self {
            services: directories_in(&libpam),
            daemon: DaemonPresence::look(),
            modules: modules.unwrap_or_else(|| PathBuf::from("/usr/lib/security")),
            sshd: SshdProgram::look(),
            planned: BTreeMap::new(),
        }
    }

    /// The machine as it will be with these texts in PAM files, by path, and these settings of sshd.
    #[must_use]
    pub fn planned(
        &self,
        texts: BTreeMap<String, String>,
        sshd_settings: Vec<&'static str>,
    ) -> Self {
        Self {
            planned: texts,
            sshd: self.sshd.planned(sshd_settings),
            ..self.clone()
        }
    }

    /// The files in which libpam looks for the stacks of a service, in its order; they need not exist.
    pub fn service_files(&self, service: &str) -> impl Iterator<Item = PathBuf> {
        self.services
            .iter()
            .map(move |directory| directory.join(service))
    }

    /// The names of all PAM files.
    pub fn names(&self) -> BTreeSet<String> {
        self.services
            .iter()
            .flat_map(|directory| entries(directory))
            .filter(|path| path.is_file())
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect()
    }

    /// The file of a module.
    pub fn module(&self, module: &ModuleCall) -> PathBuf {
        self.modules.join(&module.path)
    }

    /// True if libpam can load a module.
    pub fn found(&self, module: &ModuleCall) -> bool {
        let path = self.module(module);
        path.is_file() && same_architecture(&path)
    }

    /// Path at which the module belongs.
    pub fn ours(&self) -> PathBuf {
        self.modules.join(OURS)
    }
}

impl ConfigFiles for InstalledSystem {
    fn open(&self, name: &str) -> Option<ConfigFile> {
        // An absolute name replaces the directory.
        self.service_files(name).find_map(|path| {
            let bytes = read(&path)?;
            let path = path.display().to_string();
            let planned = self.planned.get(&path).cloned();
            Some(ConfigFile {
                text: planned.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned()),
                path,
            })
        })
    }
}

/// A regular file or a link to one, as libpam follows links.
fn read(path: &Path) -> Option<Vec<u8>> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_LEN)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Directories in which libpam looks for PAM files, in its order.
pub fn service_directories() -> Vec<PathBuf> {
    directories_in(&libpam().unwrap_or_default())
}

fn directories_in(libpam: &[u8]) -> Vec<PathBuf> {
    let mut files = strings_ending(libpam, "/pam.d/%s");
    files.sort_by_key(|path| !path.starts_with("/etc"));
    if files.is_empty() {
        files = vec!["/etc/pam.d/%s".into(), "/usr/lib/pam.d/%s".into()];
    }
    let parents = files.iter().filter_map(|file| Path::new(file).parent());
    parents.map(Path::to_owned).collect()
}

/// The files of a directory, none where it cannot be read. std::fs::read_dir would panic where close(2) reports an error.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty());
    let entries = opened.and_then(Dir::new).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| name != b"." && name != b"..")
        .map(|name| directory.join(OsStr::from_bytes(&name)))
        .collect()
}

/// The directories of libraries that there are.
fn libraries() -> Vec<PathBuf> {
    let inside = |base: &str| {
        let mut paths = entries(Path::new(base));
        paths.sort();
        paths.insert(0, PathBuf::from(base));
        paths
    };
    LIBRARIES.into_iter().flat_map(inside).collect()
}

/// libpam of the architecture that this program has.
fn libpam() -> Option<Vec<u8>> {
    libraries()
        .into_iter()
        .map(|directory| directory.join("libpam.so.0"))
        .find(|path| same_architecture(path))
        .and_then(|path| read(&path))
}

/// Compares the ELF headers (class and machine) of a file and of this program.
pub fn same_architecture(path: &Path) -> bool {
    let header = |path: &Path| {
        let mut bytes = [0_u8; 20];
        File::open(path).ok()?.read_exact(&mut bytes).ok()?;
        let [a, b, c, d, class, .., low, high] = bytes;
        Some(([a, b, c, d], class, [low, high]))
    };
    header(path).is_some_and(|own| Some(own) == header(Path::new("/proc/self/exe")))
}

/// The strings in a program that end in `end` and begin with a slash.
fn strings_ending(program: &[u8], end: &str) -> Vec<String> {
    let strings = program.split(|byte| *byte == 0);
    let path = |string: &[u8]| {
        let start = string.iter().position(|byte| *byte == b'/')?;
        let text = std::str::from_utf8(string.get(start..)?).ok()?;
        (text.ends_with(end) && text.bytes().all(|byte| byte.is_ascii_graphic()))
            .then(|| text.to_owned())
    };
    strings.filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_a_program() {
        let program =
            b"\x7fELF\0/etc/pam.d/%s\0x\0/usr/lib/pam.d/%s\0\x01\x02/lib/x/security/\0/security\0";
        assert_eq!(
            strings_ending(program, "/pam.d/%s"),
            ["/etc/pam.d/%s", "/usr/lib/pam.d/%s"]
        );
        assert_eq!(strings_ending(program, "/security/"), ["/lib/x/security/"]);
    }

    #[test]
    fn programs_of_another_kind_are_no_modules() {
        assert!(same_architecture(Path::new("/proc/self/exe")));
        assert!(!same_architecture(Path::new("/etc/passwd")));
        assert!(!same_architecture(Path::new("/nowhere")));
    }

    #[test]
    fn this_machine_has_a_libpam_with_modules() {
        let system = InstalledSystem::look();
        assert_eq!(system.services[0], Path::new("/etc/pam.d"));
        assert!(system.modules.join("pam_unix.so").is_file());
        assert!(system.open("other").is_some());
        assert!(system.names().contains("other"));
    }
}
