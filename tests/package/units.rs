//! The units of the daemon: what they let it do, and what must not stop it.

use std::process::Command;

use harness::{Machine, workspace};

fn unit(name: &str) -> String {
    let path = workspace().join("packaging/systemd").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_service_may_do_little() {
    let path = workspace().join("packaging/systemd/twofactord.service");
    // An exposure of more than 1.0 fails.
    let rating = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=10", "--no-pager"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&rating.stdout);
    assert!(rating.status.success(), "{text}");
    assert!(text.contains("exposure level"), "{text}");
}

#[test]
fn no_number_of_ends_or_connections_closes_the_socket() {
    let (service, socket) = (unit("twofactord.service"), unit("twofactord.socket"));
    assert!(service.contains("\nStartLimitIntervalSec=0\n"));
    assert!(socket.contains("\nTriggerLimitIntervalSec=0\n"));
    for line in ["ListenStream=/run/twofactor/socket", "SocketMode=0666"] {
        assert!(socket.contains(&format!("\n{line}\n")), "{line}");
    }
    // Peers would look foreign, and the files are root's.
    for wrong in ["PrivateUsers", "DynamicUser", "User="] {
        assert!(!service.contains(&format!("\n{wrong}")), "{wrong}");
    }
}

/// Without any capability, as the unit has it.
#[test]
fn root_without_capabilities_is_enough() {
    let machine = harness::enrolled::machine("enabled = true\n[throttle]\ndelay = 0\n");
    let alice = harness::enrolled::enroll_token(&machine, "alice");
    let _daemon = bare(&machine);
    let login = alice.login().answer(alice.code()).as_user("alice");
    assert_eq!(login.run().auth, harness::pam::code::SUCCESS);
    assert_eq!(harness::enrolled::state_of("alice").devices[0].next, 1);
}

fn bare(machine: &Machine) -> harness::twofactord::Daemon {
    let none = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"];
    machine.daemon_through(&[&["setpriv"], &none[..]].concat())
}
