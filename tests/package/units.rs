//! The units of the daemon: what they let it do, and what must not stop it.

use std::process::Command;

use harness::{Machine, workspace};

fn unit(name: &str) -> String {
    let path = workspace().join("packaging/systemd").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_services_may_do_little() {
    // The exposure, in tenths, above which it fails. The one of a fleet has the network.
    for (name, most) in [("twofactord.service", 10), ("twofactord-fleet.service", 16)] {
        let path = workspace().join("packaging/systemd").join(name);
        let threshold = format!("--threshold={most}");
        let rating = Command::new("systemd-analyze")
            .args(["security", "--offline=true", &threshold, "--no-pager"])
            .arg(path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&rating.stdout);
        assert!(rating.status.success(), "{text}");
        assert!(text.contains("exposure level"), "{text}");
    }
}

/// The service that users reach has no network; the one with the network is reached by root alone.
#[test]
fn the_network_is_for_the_fleet_alone() {
    let (service, socket) = (
        unit("twofactord-fleet.service"),
        unit("twofactord-fleet.socket"),
    );
    for line in ["ListenStream=/run/twofactor/fleet", "SocketMode=0600"] {
        assert!(socket.contains(&format!("\n{line}\n")), "{line}");
    }
    let lines = [
        "ExecStart=twofactord --fleet",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "Restart=always",
        "StartLimitIntervalSec=0",
    ];
    for line in lines {
        assert!(service.contains(&format!("\n{line}\n")), "{line}");
    }
    assert!(unit("twofactord.service").contains("\nPrivateNetwork=yes\n"));
    // Only a host that is in a fleet runs it.
    for file in ["debian/rules", "rpm/pam_twofactor.spec"] {
        let text = std::fs::read_to_string(workspace().join("packaging").join(file)).unwrap();
        let starts = text.lines().filter(|line| {
            line.contains("twofactord-fleet")
                && (line.contains("enable --now") || line.contains("dh_install"))
        });
        for line in starts {
            assert!(line.contains("--no-enable --no-start"), "{line}");
        }
    }
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
