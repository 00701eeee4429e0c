//! The units of the daemon: enabled by the package, restarted by an upgrade, killed, and stopped by a removal.

use harness::BootedSystem;
use harness::pam::code;

use super::ready::*;
use crate::debian::clean::later;

const SOCKET: &str = "twofactord.socket";
const SERVICE: &str = "twofactord.service";

fn is_active(system: &BootedSystem, unit: &str) -> bool {
    system
        .run("systemctl", &["is-active", "--quiet", unit])
        .code
        == Some(0)
}

#[test]
fn the_package_starts_the_socket() {
    let (_machine, system, mut token) = in_use();
    assert!(is_active(&system, SOCKET) && !is_active(&system, SERVICE));
    let enabled = system.run("systemctl", &["is-enabled", SOCKET]).ok().stdout;
    assert_eq!(enabled, "enabled\n");
    opens(&system, "alice", &token.code());
    assert!(is_active(&system, SERVICE));
    let refused = locker(&system, "alice", &token.wrong_code()).run();
    assert_ne!(refused.auth, code::SUCCESS);
    let log = system
        .run("journalctl", &["--unit", SERVICE, "--no-pager"])
        .ok()
        .stdout;
    for result in ["result=accepted", "result=wrong"] {
        assert!(log.contains(result), "{log}");
    }
    // As systemd has loaded it. More than 1.0 fails.
    let words = ["security", "--threshold=10", "--no-pager", SERVICE];
    let rating = system.run("systemd-analyze", &words).ok().stdout;
    assert!(rating.contains("Overall exposure level"), "{rating}");
}

#[test]
fn an_upgrade_restarts_it_without_a_refusal() {
    let (machine, system, mut token) = in_use();
    let later = later(&machine).display().to_string();
    opens(&system, "alice", &token.code());
    for file in [later.clone(), PACKAGE.to_owned(), later] {
        let before = system.property(SERVICE, "MainPID");
        assert_ne!(before, "0");
        let apt = system
            .program("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive");
        let words = ["--yes", "--quiet", "install", "--allow-downgrades", &file];
        let mut apt = apt.args(&words).start();
        let status = loop {
            opens(&system, "alice", &token.code());
            if let Some(status) = apt.try_wait() {
                break status;
            }
        };
        assert!(status.success(), "{:?}", apt.kill());
        opens(&system, "alice", &token.code());
        assert_ne!(system.property(SERVICE, "MainPID"), before);
    }
}

#[test]
fn twenty_kills_close_nothing() {
    let (_machine, system, mut token) = in_use();
    for _ in 0..20 {
        let call = "{\"method\":\"org.varlink.service.GetInfo\"}\0";
        let ask = system.program_of("bob", "/usr/local/bin/daemonask");
        let ask = ask.arg(harness::twofactord::SOCKET).input(call);
        assert!(ask.run().ok().stdout.contains("twofactord"));
        system
            .run("systemctl", &["kill", "--signal=KILL", SERVICE])
            .ok();
    }
    assert!(is_active(&system, SOCKET));
    opens(&system, "alice", &token.code());
}

#[test]
fn a_removal_stops_the_socket() {
    let (_machine, mut system, mut token) = in_use();
    opens(&system, "alice", &token.code());
    apt(&system, &["remove", "libpam-twofactor"]);
    assert!(!is_active(&system, SOCKET) && !is_active(&system, SERVICE));
    let gone = system.run("test", &["-e", harness::twofactord::SOCKET]);
    assert_eq!(gone.code, Some(1));
    console_login(system.console(), "alice", None);
    console_logout(system.console());
    // It comes back with the package.
    install(&system, PACKAGE);
    assert!(is_active(&system, SOCKET));
}
