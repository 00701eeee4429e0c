//! The subjects of the comparison: the modules, their stacks and the policy, all on one disk.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use harness::{Machine, Program, workspace};
use twofactor_core::device::OtpKind;
use twofactor_core::otp::Interval;

/// Directory of everything: the build directory's disk, under a path that every user can walk.
pub const ROOT: &str = "/srv/bench";
/// The policy below it.
pub const POLICY: &str = "policy.toml";
/// The user who logs in.
pub const USER: &str = "alice";
/// Most processes at once, each with a user of its own.
pub const CROWD: usize = 64;
/// The services that are compared, as they are named in the figures.
pub const PEERS: [&str; 3] = ["twofactor", "google", "oath"];
/// pam_oath, looking far ahead. Logins at once write back each other's counters as they were before, and with the usual
/// window a user who is behind by more than that stays locked out.
pub const WIDE_OATH: &str = "oath_wide";
/// Below each: nothing but libpam, and that with what a durable login costs at least, in place and in a new file.
pub const FLOORS: [&str; 3] = ["permit", "write", "replace"];

/// The file of a module.
pub fn module(service: &str) -> PathBuf {
    let name = match service {
        "twofactor" => "pam_twofactor.so",
        "google" => "pam_google_authenticator.so",
        "oath" | WIDE_OATH => "pam_oath.so",
        _ => "pam_permit.so",
    };
    Path::new(ROOT).join("modules").join(name)
}

/// The directory of the stacks.
pub fn stacks() -> PathBuf {
    Path::new(ROOT).join("pam.d")
}

/// The user of a process of the crowd.
pub fn member(number: usize) -> String {
    format!("crowd{number}")
}

/// Modules and stacks in a directory of the build directory, under [`ROOT`].
pub fn make(machine: &Machine) -> BenchDirectory {
    let files = BenchDirectory::make();
    fs::create_dir_all(ROOT).unwrap();
    let bind = machine.program("mount").arg("--bind").arg(&files.0);
    bind.arg(ROOT).run().ok();
    for part in ["modules", "pam.d", "google", "oath"] {
        fs::create_dir(Path::new(ROOT).join(part)).unwrap();
    }
    write_policy(machine);
    machine.write_file(stacks().join("other"), "auth required pam_deny.so\n", 0o644);
    for (service, arguments) in [
        (
            "twofactor",
            stack_arguments(&Path::new(ROOT).join("twofactor")),
        ),
        ("google", format!("secret={ROOT}/google/${{USER}}/state")),
        ("oath", format!("usersfile={ROOT}/oath/users window=5")),
        (WIDE_OATH, format!("usersfile={ROOT}/oath/users window=100")),
        ("permit", String::new()),
    ] {
        install(&module(service));
        stack(machine, service, service, &arguments);
    }
    for service in ["write", "replace"] {
        stack(machine, service, "permit", "");
        write(&Path::new(ROOT).join(service), &[0; 4096]);
    }
    files
}

/// The policy as it is delivered, switched on with the command. A wrong code ends a login, as in the peers.
fn write_policy(machine: &Machine) {
    let delivered = fs::read_to_string(workspace().join("crates/core/src/policy/default.toml"));
    machine.write_file(Path::new(ROOT).join(POLICY), delivered.unwrap(), 0o644);
    let directory = Path::new(ROOT).join("twofactor");
    command(machine, &directory, &["init"]).run().ok();
    for (key, value) in [
        ("enabled", "true"),
        ("services.twofactor", "true"),
        ("tries", "1"),
    ] {
        // The service is switched on before its PAM file is there.
        let words = ["policy", "set", key, value, "--yes", "--force"];
        command(machine, &directory, &words).run().ok();
    }
}

/// The command, for this policy and a state directory.
pub fn command(machine: &Machine, state: &Path, words: &[&str]) -> Program {
    let policy = format!("{ROOT}/{POLICY}");
    let program = machine.twofactor(&["--policy", &policy, "--state"]);
    program.arg(state).args(words)
}

/// The file that a login of [`USER`] at a service changes, or that is written beside it.
pub fn file(service: &str) -> String {
    match service {
        "twofactor" => format!("{ROOT}/twofactor/state/{USER}"),
        "google" => format!("{ROOT}/google/{USER}/state"),
        "oath" => format!("{ROOT}/oath/users"),
        "write" | "replace" => format!("{ROOT}/{service}"),
        _ => String::new(),
    }
}

/// The arguments of pam_twofactor: its policy on the same disk as everything else, and who is enrolled.
pub fn stack_arguments(state: &Path) -> String {
    format!("policy={ROOT}/{POLICY} state={}", state.display())
}

/// The stack of a service: one module.
pub fn stack(machine: &Machine, service: &str, of: &str, arguments: &str) {
    let line = format!("auth required {} {arguments}\n", module(of).display());
    machine.write_file(stacks().join(service), line, 0o644);
}

fn install(module: &Path) {
    let name = module.file_name().unwrap();
    let directories = fs::read_dir("/lib").unwrap().flatten();
    let directories = directories.map(|entry| entry.path().join("security"));
    let installed = directories
        .chain([PathBuf::from("/lib64/security")])
        .map(|directory| directory.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{} is not installed", name.display()));
    // On the disk: pages that wait to be written would count as memory of each process that maps them.
    write(module, &fs::read(installed).unwrap());
}

/// Writes a file with exactly this content, on the disk.
pub fn write(path: &Path, content: &[u8]) {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
}

/// A time-based device of thirty seconds.
pub fn phone() -> OtpKind {
    OtpKind::Totp {
        interval: Interval::THIRTY,
    }
}

/// A directory on the disk of the build directory, removed at the end.
pub struct BenchDirectory(pub PathBuf);

impl BenchDirectory {
    fn make() -> Self {
        let target = harness::artefacts::target();
        let path = target.join(format!("bench-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for BenchDirectory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
