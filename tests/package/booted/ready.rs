//! A booted Debian with the package in use, and the ways into it.

use std::path::Path;

use harness::artefacts::{daemonask, pamdrive};
use harness::pam::{Drive, code};
use harness::{BootedSystem, Machine, PASSWORD, Pty};

use crate::debian::clean::{PackageToken, clean_root, package, switch_on};
use harness::logins::{ASK_CODE, ASK_PASSWORD};

/// The service of a program that runs as the user, as screen lockers do.
const LOCKER: &str = "locker";

/// The package as the system sees it.
pub const PACKAGE: &str = "/root/libpam-twofactor.deb";

/// Boots a clean root, in which alice may use sudo and bob may not, and installs the package there.
pub fn installed() -> (Machine, BootedSystem) {
    // Found from the real system alone.
    let clients = [pamdrive(), daemonask()];
    let machine = clean_root();
    machine.add_user("bob");
    machine.allow_sudo("alice");
    machine.stack(
        LOCKER,
        "auth include common-auth\naccount include common-account\n",
    );
    for client in clients {
        let content = std::fs::read(&client).unwrap();
        let path = Path::new("/usr/local/bin").join(client.file_name().unwrap());
        machine.write_file(path, content, 0o755);
    }
    // The build directory is not part of the system.
    let content = std::fs::read(package()).unwrap();
    machine.write_file(PACKAGE, content, 0o644);
    let system = machine.boot();
    install(&system, PACKAGE);
    (machine, system)
}

/// Installs a package file with apt, in the system.
pub fn install(system: &BootedSystem, file: &str) {
    apt(system, &["install", "--allow-downgrades", file]);
}

/// Runs apt in the system, without answers.
pub fn apt(system: &BootedSystem, words: &[&str]) {
    let apt = system.program("apt-get").args(&["--yes", "--quiet"]);
    let apt = apt.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    apt.run().ok();
}

/// The booted machine with the profile selected, the policy on, and a token of alice's.
pub fn in_use() -> (Machine, BootedSystem, PackageToken) {
    let (machine, system) = installed();
    let select = system
        .program("pam-auth-update")
        .args(&["--enable", "twofactor"]);
    select.env("DEBIAN_FRONTEND", "noninteractive").run().ok();
    let token = PackageToken::of(&machine, "alice");
    switch_on(&machine);
    system.run("systemctl", &["restart", "ssh"]).ok();
    (machine, system, token)
}

/// Logs in on the console, up to the shell's prompt; the prompt `login: ` was shown.
pub fn console_login(console: &mut Pty, user: &str, code: Option<&str>) {
    console.send_line(user);
    console.answer(ASK_PASSWORD, PASSWORD);
    if let Some(code) = code {
        console.answer(ASK_CODE, code);
    }
    console.expect("$ ");
}

/// Ends a login on the console, and waits for the next prompt.
pub fn console_logout(console: &mut Pty) {
    console.send_line("exit");
    console.expect("login: ");
}

/// An OpenSSH client in the system, on a terminal, that asks for the password of a user.
pub fn ssh(system: &BootedSystem, user: &str) -> Pty {
    let options = [
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ];
    let ssh = system.program("ssh").args(&options);
    ssh.arg(format!("{user}@127.0.0.1")).pty()
}

/// A program that runs as the user and asks for password and code.
pub fn locker(system: &BootedSystem, user: &str, code: &str) -> Drive {
    let drive = system.drive_as(user).service(LOCKER);
    drive.answer(PASSWORD).answer(code)
}

/// Sees that such a program lets the user in.
pub fn opens(system: &BootedSystem, user: &str, typed: &str) {
    assert_eq!(locker(system, user, typed).run().auth, code::SUCCESS);
}
