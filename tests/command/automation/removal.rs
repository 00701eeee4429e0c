//! `unset --if-policy` and `--if-devices`: what was looked at is what is removed, also where it changes at the last moment.

use harness::desk::{desk_on, give, json, json_error};
use harness::enrolled::record_path;
use harness::fault::{Halt, Traced, Window};
use harness::{Machine, Run};
use serde_json::{Value, json as value};

use crate::fleet_switch::{join, place};

/// A removal without a look at other users, so that its system calls are the same each time.
const UNSET: [&str; 5] = ["unset", "alice", "--force", "--yes", "--json"];

fn preview(machine: &Machine, more: &[&str]) -> Value {
    let call = [&["unset", "alice", "--dry-run", "--json"], more].concat();
    json(machine.command(&call))
}

fn hash<'v>(preview: &'v Value, key: &str) -> &'v str {
    preview[key].as_str().unwrap()
}

fn assert_changed_meanwhile(run: Run) {
    let error = json_error(run, 1);
    assert_eq!(error["kind"], "changed-meanwhile", "{error}");
}

/// The places after which a removal has just taken a lock: first that of the policy, last that of the user.
fn locks(traced: &Traced) -> Vec<usize> {
    let calls = traced.calls.iter().enumerate();
    let locks = calls.filter(|(_, call)| call.name() == "flock");
    locks.map(|(place, _)| place).collect()
}

#[test]
fn a_device_enrolled_after_the_preview_is_kept() {
    let machine = desk_on();
    for device in ["phone", "b"] {
        give(&machine, "alice", &["--device", device]);
    }
    let (all, one) = (preview(&machine, &[]), preview(&machine, &["--device=b"]));
    assert_eq!(all["devices_hash"], one["devices_hash"]);
    let old = ["--if-devices", hash(&all, "devices_hash")];
    give(&machine, "alice", &["--device=c"]);
    let before = machine.read(record_path("alice"));
    for more in [&[][..], &["--device=b"], &["--dry-run"]] {
        assert_changed_meanwhile(machine.command(&[&UNSET[..], &old, more].concat()));
    }
    assert_eq!(machine.read(record_path("alice")), before);
    let shown = preview(&machine, &[]);
    let new = ["--if-devices", hash(&shown, "devices_hash")];
    let made = json(machine.command(&[&UNSET[..], &new].concat()));
    assert_eq!(made["removed"], value!(["phone", "b", "c"]));
    // An invitation is no device.
    let none = preview_of_bob(&machine);
    assert_ne!(none["devices_hash"], "none");
    machine.write_file(record_path("bob"), "damaged", 0o600);
    let damaged = preview_of_bob(&machine);
    let call = ["unset", "bob", "--yes", "--json"];
    let named = ["--if-devices", hash(&none, "devices_hash")];
    assert_changed_meanwhile(machine.command(&[&call[..], &named].concat()));
    let unreadable = ["--if-devices", hash(&damaged, "devices_hash")];
    json(machine.command(&[&call[..], &unreadable].concat()));
    // A record that can be read by now is not the one that was looked at.
    preview_of_bob(&machine);
    assert_changed_meanwhile(machine.command(&[&call[..], &unreadable].concat()));
}

/// The question says it, and so does what is shown in its place.
#[test]
fn a_preview_shows_faults_and_hosts() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let told = |report: &Value| (report["everywhere"].clone(), report["fault"].clone());
    assert_eq!(told(&preview(&machine, &[])), (value!(false), Value::Null));
    join(&machine, &place());
    assert_eq!(told(&preview(&machine, &[])), (value!(true), Value::Null));
    machine.write_file(record_path("alice"), "damaged", 0o600);
    let (everywhere, fault) = told(&preview(&machine, &[]));
    let fault = fault.as_str().unwrap().to_owned();
    assert_eq!(everywhere, true);
    assert!(fault.contains("alice"), "{fault}");
    let text = machine
        .command(&["unset", "alice", "--dry-run"])
        .ok()
        .stdout;
    for line in [fault.as_str(), "It counts on all hosts of the fleet."] {
        assert!(text.contains(&format!("\n{line}\n")), "{text}");
    }
    // What is left here alone.
    std::fs::remove_file(record_path("alice")).unwrap();
    let (everywhere, fault) = told(&preview(&machine, &[]));
    assert_eq!(everywhere, false);
    let gone = "The record of alice is gone. Its remaining files keep alice from logging in.";
    assert_eq!(fault, gone);
}

fn preview_of_bob(machine: &Machine) -> Value {
    machine.command(&["invite", "bob"]);
    json(machine.command(&["unset", "bob", "--dry-run", "--json"]))
}

#[test]
fn the_text_of_a_preview_has_both_conditions() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let report = preview(&machine, &[]);
    let text = machine.command(&["unset", "alice", "--dry-run"]).ok();
    let end = format!(
        "\n--if-policy {}\n--if-devices {}\n",
        hash(&report, "policy_hash"),
        hash(&report, "devices_hash")
    );
    assert!(text.stdout.ends_with(&end), "{}", text.stdout);
}

/// alice with two devices; the call that removes one or all of them as they were previewed, and the places after which that
/// has just taken a lock.
fn watched(device: &[&str]) -> (Machine, Vec<String>, Vec<usize>) {
    let machine = desk_on();
    let give_all = || {
        for name in ["phone", "b"] {
            machine.command(&[
                "enroll",
                "alice",
                "--no-confirm",
                "--json",
                "--device",
                name,
            ]);
        }
    };
    give_all();
    let shown = preview(&machine, device);
    let named = ["--if-policy", hash(&shown, "policy_hash")];
    let call = [&UNSET[..], &named, device].concat();
    let whole = machine.twofactor(&call).traced(Window::Program(1), None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    give_all();
    let (call, places) = (call.into_iter().map(str::to_owned).collect(), locks(&whole));
    assert!(places.len() >= 2, "{places:?}");
    (machine, call, places)
}

/// Stops the removal after a lock that it has just taken, for as long as `meanwhile` takes. It removes nothing.
fn assert_stopped(machine: &Machine, call: &[String], place: usize, meanwhile: &mut dyn FnMut()) {
    let call: Vec<&str> = call.iter().map(String::as_str).collect();
    let unset = machine.twofactor(&call);
    let halted = unset.halted(Window::Program(1), (place, Halt::Signal), meanwhile);
    let struck = halted.struck.map(|call| call.name());
    assert_eq!(struck.as_deref(), Some("flock"), "{call:?}");
    assert_changed_meanwhile(halted.run);
}

#[test]
fn a_policy_changed_at_the_last_moment_is_noticed() {
    for device in [&[][..], &["--device=b"]] {
        let (machine, call, places) = watched(device);
        let policy = machine.read("/etc/security/twofactor.toml");
        let record = machine.read(record_path("alice"));
        for place in places {
            // The removal holds the lock.
            let set = ["policy", "set", "window", "3", "--force", "--yes"];
            assert_stopped(&machine, &call, place, &mut || {
                machine.command(&set).ok();
            });
            assert_eq!(machine.read(record_path("alice")), record);
            machine.write_file("/etc/security/twofactor.toml", &policy, 0o644);
        }
    }
}

#[test]
fn a_device_enrolled_at_the_last_moment_is_kept() {
    for device in [&[][..], &["--device=b"]] {
        let (machine, call, places) = watched(device);
        // The lock of the policy comes before that of the user.
        assert_stopped(&machine, &call, places[0], &mut || {
            give(&machine, "alice", &["--device=c"]);
        });
        let left = json(machine.command(&["status", "alice", "--json"]));
        assert_eq!(left["users"][0]["devices"].as_array().unwrap().len(), 3);
    }
}
