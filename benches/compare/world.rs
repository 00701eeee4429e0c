//! What is compared: the modules, their stacks, and their users' files, all on one disk.
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use harness::otp::{hotp_codes, unix_time};
use harness::{Machine, Program};
use pam_twofactor::device::Kind;
use pam_twofactor::otp::Interval;
use pam_twofactor::sys::accounts::Account;

use crate::enrolled::{SECRET, device, write_record_in};

/// Where everything is: the build directory's disk, under a path that every user can walk.
pub const ROOT: &str = "/srv/bench";
/// The policy below it.
pub const POLICY: &str = "policy.toml";
/// Who logs in.
pub const USER: &str = "alice";
/// How many processes there are at once at most, each with a user of its own.
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

/// Modules and stacks in a directory of the build directory, under [`ROOT`]. Tries are one, and delays none, as in the
/// peers.
pub fn make(machine: &Machine) -> Files {
    let files = Files::make();
    fs::create_dir_all(ROOT).unwrap();
    let bind = machine.program("mount").arg("--bind").arg(&files.0);
    bind.arg(ROOT).run().ok();
    for part in ["modules", "pam.d", "google", "oath"] {
        fs::create_dir(Path::new(ROOT).join(part)).unwrap();
    }
    let policy = "enabled = true\ntries = 1\n[throttle]\ndelay = 0\n";
    machine.write_file(Path::new(ROOT).join(POLICY), policy, 0o644);
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
        write(&scratch(service), &BLOCK);
    }
    files
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
    // On the disk: pages that wait to be written would count as memory of whoever maps them.
    write(module, &fs::read(installed).unwrap());
}

/// What is written and flushed beside pam_permit: in place, as our state is, or in a new file that is renamed, as the
/// peers' are.
const BLOCK: [u8; 4096] = [1; 4096];

/// What a service does beside its login.
pub fn addition(service: &str) -> Box<dyn FnMut()> {
    let path = scratch(service);
    match service {
        "write" => {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            Box::new(move || {
                file.write_all_at(&BLOCK, 0).unwrap();
                file.sync_data().unwrap();
            })
        }
        "replace" => {
            let new = path.with_extension("new");
            Box::new(move || {
                write(&new, &BLOCK);
                fs::rename(&new, &path).unwrap();
            })
        }
        _ => Box::new(|| {}),
    }
}

fn scratch(service: &str) -> PathBuf {
    Path::new(ROOT).join(service)
}

/// A file with exactly this content, on the disk.
fn write(path: &Path, content: &[u8]) {
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

/// Enrols a user with the same key everywhere, counting time or logins.
pub fn enrol(account: &Account, kind: Kind) {
    let own = Path::new(ROOT).join("google").join(&account.name);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&own)
        .unwrap();
    chown(&own, Some(account.uid), Some(account.gid)).unwrap();
    let options = match kind {
        // What google-authenticator sets up by itself: reuse forbidden, attempts counted.
        Kind::Totp { .. } => {
            "\" RATE_LIMIT 3 30\n\" WINDOW_SIZE 3\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n"
        }
        // It would refuse more than 100 logins in 30 seconds.
        Kind::Hotp => "\" HOTP_COUNTER 1\n",
    };
    let content = format!("{SECRET}\n{options}");
    write(&own.join("state"), content.as_bytes());
    chown(own.join("state"), Some(account.uid), Some(account.gid)).unwrap();
    write_record_in(
        &Path::new(ROOT).join("twofactor"),
        account,
        vec![device("token", kind)],
    );
}

/// A time-based device of thirty seconds.
pub fn phone() -> Kind {
    Kind::Totp {
        interval: Interval::THIRTY,
    }
}

/// A line of pam_oath's file.
pub fn oath_line(user: &str, kind: Kind) -> String {
    let hex = data_encoding::BASE32.decode(SECRET.as_bytes()).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&hex);
    let word = match kind {
        Kind::Totp { .. } => "HOTP/T30/6",
        Kind::Hotp => "HOTP/E/6",
    };
    format!("{word}\t{user}\t-\t{hex}\n")
}

/// Writes pam_oath's file.
pub fn write_oath(lines: &str) {
    write(&Path::new(ROOT).join("oath/users"), lines.as_bytes());
}

/// The files of [`USER`] as they are now, to be put back before each login: codes are good once.
pub struct Pristine(Vec<(PathBuf, Vec<u8>)>);

impl Pristine {
    /// Remembers them.
    pub fn remember() -> Self {
        let paths = [
            format!("twofactor/state/{USER}"),
            format!("google/{USER}/state"),
            "oath/users".to_owned(),
        ];
        let remember = |path: String| {
            let path = Path::new(ROOT).join(path);
            let content = fs::read(&path).unwrap();
            (path, content)
        };
        Self(paths.map(remember).into())
    }

    /// Puts one back and waits until it is on the disk.
    pub fn restore(&self, service: &str, account: &Account) {
        let Some(position) = PEERS.iter().position(|peer| *peer == service) else {
            return;
        };
        let (path, content) = &self.0[position];
        write(path, content);
        if service == "google" {
            chown(path, Some(account.uid), Some(account.gid)).unwrap();
        }
    }
}

/// The codes of the next minutes, computed by oathtool.
pub struct Codes {
    first: u64,
    codes: Vec<String>,
}

impl Codes {
    /// Those of the next 20 minutes.
    pub fn ahead() -> Self {
        let first = unix_time() / 30;
        let program = Program::new("oathtool").args(&["--totp", "--base32", SECRET, "--window=40"]);
        let program = program.arg(format!("--now=@{}", first * 30));
        let stdout = program.run().ok().stdout;
        let codes = stdout.lines().map(str::to_owned).collect();
        Self { first, codes }
    }

    /// The code of this moment.
    pub fn now(&self) -> &str {
        &self.codes[(unix_time() / 30 - self.first) as usize]
    }

    /// One that none of them is.
    pub fn wrong(&self) -> String {
        let mut codes = (0..1000).map(|number| format!("{number:06}"));
        codes.find(|code| !self.codes.contains(code)).unwrap()
    }
}

/// The codes of a device that counts, from 1 on: google-authenticator knows no counter 0.
pub fn counted(count: usize) -> Vec<String> {
    hotp_codes(SECRET, 1, count as u64, 6)
}

/// A directory on the disk of the build directory, removed at the end.
pub struct Files(pub PathBuf);

impl Files {
    fn make() -> Self {
        let target = harness::artefacts::target();
        let path = target.join(format!("bench-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
