//! `twofactor doctor` on a host whose policy has a fleet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use harness::enrolled::policy_path;
use harness::patient::{all, healthy, report};
use twofactor_core::STATE_DIR;

const SOCKET: &str = "/run/twofactor/fleet";

#[test]
fn a_fleet_that_cannot_be_asked_is_found() {
    let machine = healthy();
    let policy = machine.read(policy_path());
    let fleet = "\n[fleet]\nenabled = true\noutage_local_for = 0\n";
    machine.write_file(policy_path(), format!("{policy}{fleet}"), 0o644);
    let endless = "warning fleet-outage-endless outage_local_for";
    let unset = "problem fleet-settings /etc/security/twofactor-fleet.toml";
    let missing = format!("problem fleet-service {SOCKET}");
    assert_eq!(
        all(&report(&machine, &[])),
        [missing.as_str(), unset, endless]
    );
    fs::create_dir_all("/run/twofactor").unwrap();
    let _listening = UnixListener::bind(SOCKET).unwrap();
    let unmet = format!("problem fleet-contact {SOCKET}");
    assert_eq!(
        all(&report(&machine, &[])),
        [unmet.as_str(), unset, endless]
    );
    let directory = Path::new(STATE_DIR).join("fleet");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let note = |met: u64| {
        let text = format!("{met} {met} 3\n");
        machine.write_file(directory.join("contact"), &text, 0o600);
    };
    note(1);
    assert_eq!(
        all(&report(&machine, &[])),
        [unmet.as_str(), unset, endless]
    );
    note(harness::otp::unix_time());
    assert_eq!(all(&report(&machine, &[])), [unset, endless]);
}

/// Joined, and not switched on, or switched off since.
#[test]
fn a_fleet_that_the_policy_does_not_use_is_found() {
    let machine = healthy();
    assert_eq!(all(&report(&machine, &[])), [""; 0]);
    let directory = Path::new(STATE_DIR).join("fleet");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(all(&report(&machine, &[])), [""; 0], "it left its fleet");
    let place = directory.join("host");
    machine.write_file(&place, "twofactor-fleet-host 1\n", 0o600);
    let unusable = format!("problem fleet-off {STATE_DIR}");
    assert_eq!(all(&report(&machine, &[])), [unusable.as_str()]);
    let (fleet, eight) = ("0".repeat(32), "0".repeat(16));
    let text = format!(
        "twofactor-fleet-host 1\nfleet {fleet}\nepoch 1 {eight}\nbegun none\nhost web1-0a\n\
         previous 1 {eight}\ncurrent 1 {eight}\n"
    );
    machine.write_file(&place, text, 0o600);
    let unused = format!("warning fleet-off {STATE_DIR}");
    assert_eq!(all(&report(&machine, &[])), [unused.as_str()]);
}
