//! Administrators who count as able to get in and repair things, and those who do not.

use harness::Machine;
use harness::desk::{desk, desk_on, give, give_phone, json_error};
use harness::enrolled::record_path;

const KEYS: &str = "/root/.ssh/authorized_keys";
const SHUT_OUT: &str = "no administrator (root, or a member of sudo or wheel) could log in";

/// carol may use sudo, has a password, and a device that never gave a right code.
fn untried_carol(machine: &Machine) {
    machine.add_user("carol");
    if !machine.read("/etc/group").contains("\nsudo:") {
        machine.add_group("sudo");
    }
    machine.add_to_group("carol", "sudo");
    give(machine, "carol", &[]);
}

fn is_refused(machine: &Machine) {
    let error = json_error(machine.command(&["enable", "--yes", "--json"]), 1);
    assert_eq!(error["kind"], "would-lock-out");
    assert!(error["message"].as_str().unwrap().contains(SHUT_OUT));
}

#[test]
fn a_locked_root_without_a_key_repairs_nothing() {
    let machine = desk();
    untried_carol(&machine);
    for locked in ["*", "!", "!!", "!$6$salt$hash"] {
        machine.set_password_field("root", locked);
        is_refused(&machine);
    }
    let image = "# no key\nno-pty,command=\"echo 'Please login as the user \\\"ubuntu\\\"';exit 142\" ssh-ed25519 AAAA root\n";
    for none in ["", image] {
        machine.write_file(KEYS, none, 0o600);
        is_refused(&machine);
    }
    machine.write_file(KEYS, "ssh-ed25519 AAAA root\n", 0o600);
    machine.command(&["enable", "--yes"]).ok();
}

/// A server that is gone would be waited for without an end. ramfs stands for each type that is not known to be local.
#[test]
fn keys_on_file_systems_that_may_hang_are_not_read() {
    let machine = desk();
    untried_carol(&machine);
    machine.set_password_field("root", "*");
    machine.write_file(KEYS, "", 0o600);
    machine
        .run("mount", &["-t", "ramfs", "keys", "/root/.ssh"])
        .ok();
    machine.write_file(KEYS, "ssh-ed25519 AAAA root\n", 0o600);
    is_refused(&machine);
    machine.run("mount", &["-t", "tmpfs", "keys", "/mnt"]).ok();
    machine.write_file("/mnt/keys", "ssh-ed25519 AAAA root\n", 0o600);
    machine.run("umount", &["/root/.ssh"]).ok();
    machine
        .run(
            "ln",
            &["-sf", "../../mnt/keys", "/root/.ssh/authorized_keys"],
        )
        .ok();
    machine.command(&["enable", "--yes"]).ok();
}

#[test]
fn a_root_with_a_password_repairs_things() {
    let machine = desk();
    untried_carol(&machine);
    machine.set_password("root");
    machine.command(&["enable", "--yes"]).ok();
}

/// Their way in is none that passwords decide on, such as a container's; the policy takes nothing from it.
#[test]
fn where_all_are_locked_no_password_is_asked_for() {
    let machine = desk();
    machine.set_password_field("root", "*");
    machine.command(&["enable", "--yes"]).ok();
}

#[test]
fn a_damaged_record_repairs_nothing() {
    let machine = desk();
    machine.set_password("root");
    give(&machine, "root", &[]);
    std::fs::write(record_path("root"), "damaged\n").unwrap();
    is_refused(&machine);
    machine.command(&["unset", "root", "--yes", "--force"]).ok();
    machine.command(&["enable", "--yes"]).ok();
}

/// sshd asks all users for a code, and bob has a device that works.
fn desk_asking_all(verified: &[&str]) -> Machine {
    let machine = desk_on();
    machine.set_password("root");
    machine.add_to_group("alice", "sudo");
    machine.set_password_field("alice", "!");
    for user in [&["bob"], verified].concat() {
        let phone = give_phone(&machine, user);
        let verify = machine.twofactor(&["verify", user]);
        verify.input(phone.code()).run().ok();
    }
    machine.policy("enabled = true\nenforcement = \"mandatory\"\n[services]\nsshd = true\n");
    machine
}

/// alice may have a key at another place.
#[test]
fn the_only_device_of_one_without_a_seen_key_stays() {
    let machine = desk_asking_all(&["alice"]);
    let refused = machine.command(&["unset", "alice", "--yes", "--json"]);
    let error = json_error(refused, 1);
    assert_eq!(error["kind"], "would-lock-out");
    let message = error["message"].as_str().unwrap();
    assert!(message.ends_with("has ever given a right one"), "{message}");
    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
}

#[test]
fn one_who_is_not_counted_is_named_with_the_reason() {
    let machine = desk_asking_all(&["alice", "root"]);
    let error = json_error(machine.command(&["unset", "root", "--yes", "--json"]), 1);
    assert_eq!(error["kind"], "would-lock-out");
    let message = error["message"].as_str().unwrap();
    let told = "has ever given a right one (alice is not counted: locked password, and no key that root can see)";
    assert!(message.ends_with(told), "{message}");
    machine.write_file(
        "/home/alice/.ssh/authorized_keys",
        "ssh-ed25519 AAAA\n",
        0o600,
    );
    machine.command(&["unset", "root", "--yes"]).ok();
}
