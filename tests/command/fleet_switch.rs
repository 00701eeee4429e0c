//! A policy that switches the fleet on or off, before the host is in one and after.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk::{on_terminals, strings};
use harness::logins::enroll;
use serde_json::Value;
use twofactor_core::STATE_DIR;

const POLICY: &str = "/etc/security/twofactor.toml";
const ALONE: &str = "enabled = true\n[services]\nlogin = true\n";
const IN_FLEET: &str = "enabled = false\n[services]\nlogin = true\n[fleet]\nenabled = true\n";
const ON: [&str; 5] = ["policy", "set", "fleet.enabled", "true", "--yes"];
const OFF: [&str; 5] = ["policy", "set", "fleet.enabled", "false", "--yes"];
const IN_NONE: &str = "this host is in no fleet, so fleet.enabled would refuse every code";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.policy(ALONE);
    machine.command(&["init"]).ok();
    machine.install_stack("login");
    machine.add_user("alice");
    enroll(&machine, "alice", &[]);
    machine
}

/// The file by which a host knows its place in a fleet, and the notes of its mirror.
pub fn join(machine: &Machine, text: &str) {
    let directory = Path::new(STATE_DIR).join("fleet");
    for path in [&directory, &directory.join("unmirrored")] {
        if !path.exists() {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
    machine.write_file(directory.join("host"), text, 0o600);
}

/// A whole one.
pub fn place() -> String {
    let (fleet, eight) = ("0".repeat(32), "0".repeat(16));
    format!(
        "twofactor-fleet-host 1\nfleet {fleet}\nepoch 1 {eight}\nbegun none\nhost web1-0a\n\
         previous 1 {eight}\ncurrent 1 {eight}\n"
    )
}

/// All users but those at the console would be refused.
#[test]
fn a_host_in_no_fleet_does_not_get_its_policy() {
    let machine = machine();
    let enable = ["enable", "--yes"];
    for (policy, change) in [
        (ALONE, &ON[..]),
        (IN_FLEET, &enable),
        (IN_FLEET, &["policy", "set", "enabled", "true", "--yes"]),
    ] {
        machine.policy(policy);
        for refused in on_terminals(|| machine.twofactor(change), 1) {
            for told in [&format!("not done: {IN_NONE}"), "twofactor fleet join FILE"] {
                assert!(refused.contains(told), "{change:?}: {refused}");
            }
        }
        let planned = machine.command(&[change, &["--dry-run", "--json"]].concat());
        let planned: Value = serde_json::from_str(&planned.ok().stdout).unwrap();
        let dangers = strings(&planned["dangers"]).join("\n");
        assert!(dangers.contains(IN_NONE), "{planned}");
        assert_eq!(machine.read(POLICY), policy);
    }
    machine.policy(ALONE);
    machine.command(&[&ON[..], &["--force"]].concat()).ok();
    // It is so already.
    machine
        .command(&["policy", "set", "grace", "60", "--yes"])
        .ok();
    // What cannot be read is the place of no host.
    join(&machine, "twofactor-fleet-host 1\n");
    machine.policy(ALONE);
    let refused = machine.command(&ON).exits(1).stderr;
    assert!(
        refused.contains("not done: ") && refused.contains("fleet/host"),
        "{refused}"
    );
}

#[test]
fn a_host_gets_the_fleets_policy_and_hears_of_its_end() {
    let machine = machine();
    join(&machine, &place());
    let on = machine.command(&ON).ok().stdout;
    assert!(!on.contains("fleet and"), "{on}");
    let told = "Warning: this host is in a fleet and the policy has fleet.enabled = false";
    let off = machine.command(&OFF).ok().stdout;
    assert!(off.contains(told), "{off}");
    let known = machine
        .command(&["policy", "set", "grace", "60", "--yes"])
        .ok()
        .stdout;
    assert!(!known.contains("this host is in a fleet"), "{known}");
}

#[test]
fn the_last_way_in_of_an_outage_stays() {
    let machine = machine();
    join(&machine, &place());
    machine.policy(&format!("{ALONE}[fleet]\nenabled = true\n"));
    let set = |key: &str, value: &str| ["policy", "set", key, value, "--yes"].map(str::to_owned);
    let call = |arguments: [String; 5]| machine.command(&arguments.each_ref().map(String::as_str));
    call(set("fleet.on_outage", "deny")).ok();
    let refused = call(set("fleet.local_services", "[]")).exits(1).stderr;
    assert!(
        refused.contains("not done: in an outage no login with a code is left"),
        "{refused}"
    );
    let forced = [
        "policy",
        "set",
        "fleet.local_services",
        "[]",
        "--force",
        "--yes",
    ];
    machine.command(&forced).ok();
    // It is so already.
    call(set("grace", "60")).ok();
}
