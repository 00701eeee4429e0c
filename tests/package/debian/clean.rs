//! A clean Debian, the package, and what an administrator does with both.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::{Machine, PASSWORD, Program, Sshd, hotp};

use harness::logins::{ASK_AGAIN, ASK_CODE, ASK_PASSWORD, enroll};

pub const MODULE: &str = "pam_twofactor.so";
pub const POLICY: &str = "/etc/security/twofactor.toml";
pub const RECORD: &str = "/var/lib/twofactor/users/alice.toml";

/// A clean root with one user, in which nothing of the product is installed.
pub fn clean_root() -> Machine {
    let root = harness::artefacts::target().join("system/root");
    assert!(root.exists(), "run `make test-system`, which makes it");
    let machine = Machine::in_root(&root);
    machine.set_password("root");
    machine.add_user("alice");
    machine
}

/// The package that `make deb` built.
pub fn package() -> PathBuf {
    let directory = harness::artefacts::target().join("deb");
    let entries = std::fs::read_dir(&directory).unwrap();
    let mut found = entries.flatten().map(|entry| entry.path());
    found
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libpam-twofactor_") && name.ends_with(".deb")
        })
        .unwrap()
}

/// The package once more, with a higher version and another default policy.
pub fn later(machine: &Machine) -> PathBuf {
    let script = "set -e
        dpkg-deb --raw-extract \"$1\" /root/later
        sed -i 's/^Version: .*/&+later/' /root/later/DEBIAN/control
        echo '# A new comment.' >> /root/later/usr/share/libpam-twofactor/twofactor.toml
        dpkg-deb -Zgzip -z1 --root-owner-group --build /root/later /root/later.deb";
    let package = package().display().to_string();
    machine.run("sh", &["-c", script, "sh", &package]).ok();
    PathBuf::from("/root/later.deb")
}

/// apt, as an unattended upgrade calls it: there is no answer.
pub fn apt(machine: &Machine, arguments: &[&str]) -> Program {
    machine
        .program("apt-get")
        .args(&["--yes", "--quiet"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .limit(Duration::from_secs(180))
}

/// Installs a package file.
pub fn install(machine: &Machine, package: &Path) {
    let file = package.display().to_string();
    apt(machine, &["install", "--allow-downgrades", &file])
        .run()
        .ok();
}

/// The profile, as an administrator selects it.
pub fn select(machine: &Machine) {
    pam_auth_update(machine, &["--enable", "twofactor"]);
}

pub fn pam_auth_update(machine: &Machine, arguments: &[&str]) {
    let run = machine.program("pam-auth-update").args(arguments);
    run.env("DEBIAN_FRONTEND", "noninteractive").run().ok();
}

/// A counting token of alice's, so that a test need not wait for the next code.
pub struct PackageToken {
    secret: String,
    counter: u64,
}

impl PackageToken {
    /// Enrolls it with the command of the package.
    pub fn of(machine: &Machine, user: &str) -> Self {
        let phone = enroll(machine, user, &["--hotp"]);
        let mut token = Self {
            secret: phone.totp.secret,
            counter: 0,
        };
        // `enable` wants one device that has given a right code.
        let code = token.code() + "\n";
        machine.twofactor(&["verify", user]).input(code).run().ok();
        token
    }

    pub fn code(&mut self) -> String {
        self.counter += 1;
        hotp(&self.secret, self.counter - 1, 6)
    }

    /// A code that it does not show for a long time, another one each time.
    pub fn wrong_code(&self) -> String {
        static GUESSES: AtomicUsize = AtomicUsize::new(0);
        let shown = harness::otp::hotp_codes(&self.secret, self.counter, 40, 6);
        let guess = GUESSES.fetch_add(1, Ordering::Relaxed);
        let mut codes = (guess * 100..).map(|number| format!("{number:06}"));
        codes.find(|code| !shown.contains(code)).unwrap()
    }
}

/// A clean root with the package in use: profile selected, alice enrolled, policy on, failures not delayed.
pub fn in_use() -> (Machine, PackageToken) {
    let machine = clean_root();
    install(&machine, &package());
    select(&machine);
    let token = PackageToken::of(&machine, "alice");
    switch_on(&machine);
    (machine, token)
}

pub fn switch_on(machine: &Machine) {
    // Without these settings it would be refused.
    machine.write_file(
        "/etc/ssh/sshd_config.d/01-twofactor.conf",
        "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n",
        0o644,
    );
    machine
        .command(&["enable", "--service", "sshd", "--yes"])
        .ok();
    machine
        .command(&["policy", "set", "throttle.delay", "0", "--yes"])
        .ok();
}

/// The question of 0.1 after a wrong code.
const ASK_AGAIN_BEFORE: &str = "Wrong code.\nVerification code: ";

/// Logs in with the password alone, which must be enough.
pub fn password_is_enough(sshd: &Sshd<'_>) {
    let session = sshd.login("alice").answer(PASSWORD).run();
    assert!(session.is_in(), "{session:?}");
    assert_eq!(session.prompts, [ASK_PASSWORD]);
}

/// Logs in with password and code.
pub fn code_lets_in(sshd: &Sshd<'_>, token: &mut PackageToken) {
    let session = sshd
        .login("alice")
        .answer(PASSWORD)
        .answer(token.code())
        .run();
    assert!(session.is_in(), "{session:?}");
    assert_eq!(session.prompts, [ASK_PASSWORD, ASK_CODE]);
}

/// Tries to log in with the password and a wrong code, as often as one login asks.
pub fn wrong_code_is_refused(sshd: &Sshd<'_>, token: &PackageToken) {
    let [one, two, three] = std::array::from_fn(|_| token.wrong_code());
    let login = sshd.login("alice").answer(PASSWORD);
    // The last answer is Enter at what ends the login; an old module does not ask for it.
    let session = login.answers(&[&one, &two, &three, ""]).run();
    assert_eq!(session.code, Some(255), "{session:?}");
    assert!(!session.is_in() && !session.hung_up, "{session:?}");
    // An old module, before an upgrade, does not name recovery codes.
    let again = session.prompts.get(2).map_or("", String::as_str);
    assert!(
        [ASK_AGAIN, ASK_AGAIN_BEFORE].contains(&again),
        "{session:?}"
    );
    let (asked, end) = session.prompts.split_at(4);
    assert_eq!(asked, [ASK_PASSWORD, ASK_CODE, again, again]);
    let is_told = |it: &String| it.ends_with("Press Enter to go on: ");
    assert_eq!(end.iter().filter(|it| is_told(it)).count(), end.len());
    assert_eq!(end.len(), usize::from(again == ASK_AGAIN), "{session:?}");
}

/// The files in /etc/pam.d that name the module outside of comments.
pub fn naming() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/etc/pam.d").unwrap().flatten() {
        let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let names = |line: &str| {
            line.split('#')
                .next()
                .is_some_and(|line| line.contains(MODULE))
        };
        if content.lines().any(names) {
            found.push(entry.file_name().display().to_string());
        }
    }
    found.sort();
    found
}

/// Path of the module in the package.
pub fn module_file() -> PathBuf {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut directories = libraries.map(|entry| entry.path().join("security"));
    directories
        .find(|path| path.join("pam_unix.so").exists())
        .unwrap()
        .join(MODULE)
}
