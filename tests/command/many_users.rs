//! A machine with many users: what previews look up does not grow with their number, and `status` lists accounts.

use std::collections::BTreeMap;

use harness::Machine;
use harness::desk::{desk, desk_on, give, json, parse};
use harness::enrolled::{device, record_path, write_numbered, write_record};
use serde_json::Value;
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

/// The uid of `user0`.
const FIRST: u32 = 2_000;
/// Users on a small machine, and on a larger one.
const SIZES: [u32; 2] = [50, 300];
/// A policy that looks up groups of users with and without a device.
const GROUPS: &str = "[[require]]\ngroups = [\"staff\"]\nfrom = 2099-03-01\n[[require]]\nusers = [\"user3\"]\n\
                      [[exempt]]\ngroups = [\"robots\"]\n";

fn with_users(count: u32) -> Machine {
    let machine = desk();
    machine.write_file(
        "/etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\n",
        0o644,
    );
    give(&machine, "root", &[]);
    machine.add_users(count, FIRST);
    // So many that their accounts are listed.
    for number in 4..count * 4 / 5 {
        write_numbered(number, FIRST);
    }
    for group in ["staff", "robots"] {
        machine.add_group(group);
    }
    machine.add_to_group("user1", "staff");
    machine.add_to_group("user2", "robots");
    machine.policy(&format!("enabled = true\n{GROUPS}"));
    machine
}

/// Number of times that a call opens each file of users and groups.
fn opened(machine: &Machine, arguments: &[&str]) -> BTreeMap<&'static str, usize> {
    let strace =
        machine
            .program("strace")
            .args(&["-f", "-qq", "-o", "/run/trace", "-e", "trace=openat"]);
    let run = strace.arg("/usr/local/bin/twofactor").args(arguments).run();
    assert!(
        [Some(0), Some(1)].contains(&run.code),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let trace = machine.read("/run/trace");
    let files = ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"];
    let count = |file: &str| trace.matches(&format!("\"{file}\"")).count();
    files.map(|file| (file, count(file))).into()
}

#[test]
fn look_ups_do_not_grow_with_the_number_of_users() {
    let calls: [&[&str]; 4] = [
        &["status", "--all"],
        &["doctor"],
        &["enable", "--yes"],
        &["policy", "set", "window", "2", "--yes"],
    ];
    let counts = SIZES.map(|size| {
        let machine = with_users(size);
        calls.map(|arguments| opened(&machine, arguments))
    });
    for (number, arguments) in calls.iter().enumerate() {
        let [small, large] = [&counts[0][number], &counts[1][number]];
        assert!(small["/etc/passwd"] > 0, "{arguments:?}");
        assert_eq!(small, large, "{arguments:?}");
    }
}

#[test]
fn listed_groups_say_what_single_look_ups_say() {
    let machine = with_users(SIZES[0]);
    let all = json(machine.command(&["status", "--all", "--json"]));
    let user = |name: &str| {
        let users = all["users"].as_array().unwrap();
        users
            .iter()
            .find(|user| user["user"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(user("user1")["required_from"], "2099-03-01");
    assert_eq!(user("user2")["exempt"], true);
    assert_eq!(user("user3")["required"], true);
    assert_eq!(user("user4")["required_from"], serde_json::Value::Null);
    for name in ["user1", "user2", "user3", "user4"] {
        let one = json(machine.command(&["status", name, "--json"]));
        assert_eq!(one["users"][0], user(name));
    }
    let preview = json(machine.command(&["enable", "--yes", "--json"]));
    assert_eq!(
        preview["required_later"][0]["users"],
        serde_json::json!(["user1"])
    );
}

/// Accounts of many are listed instead of looked up.
#[test]
fn the_status_of_many_users_is_that_of_each() {
    let machine = desk_on();
    for number in 0..40 {
        let name = format!("user{number}");
        add(&machine, &name, number);
        let account = Account {
            name,
            uid: 61_000 + number as u32,
            gid: 0,
        };
        write_record(&account, vec![device("token", OtpKind::Hotp)]);
    }
    // Gone, changed, and doubled: of two entries the first counts, as at a login.
    machine.remove_user("user7");
    machine.add_user_with_id("user8", 62_000);
    let passwd = machine.read("/etc/passwd") + "user9:x:63000:0::/:/bin/sh\n";
    machine.write_file("/etc/passwd", passwd, 0o644);
    let all = parse(&machine.command(&["status", "--json"]).exits(3).stdout);
    let users = all["users"].as_array().unwrap();
    assert_eq!(users.len(), 40);
    for user in users {
        let name = user["user"].as_str().unwrap();
        match name {
            "user7" => assert_eq!(
                user["error"],
                "no such user any more. To remove it: twofactor unset user7"
            ),
            "user8" => assert!(user["error"].as_str().unwrap().contains("61008"), "{user}"),
            _ => {
                assert_eq!(user["error"], Value::Null, "{user}");
                let one = json(machine.command(&["status", name, "--json"]));
                assert_eq!(&one["users"][0], user);
            }
        }
    }
    // A database that cannot be listed, but answers. The file itself is read before.
    machine.write_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\n", 0o644);
    let strace = machine.program("strace").args(&["-qq", "-o", "/run/trace"]);
    let strace = strace.args(&[
        "-P",
        "/etc/passwd",
        "--inject=openat:error=EAGAIN:when=2..3",
    ]);
    let unlisted = strace
        .args(&["/usr/local/bin/twofactor", "status", "--json"])
        .run();
    assert_eq!(parse(&unlisted.exits(3).stdout)["users"], all["users"]);
    assert_eq!(machine.read("/run/trace").matches("(INJECTED)").count(), 2);
}

#[test]
fn status_needs_no_threads() {
    let machine = desk_on();
    add(&machine, "alice", 0);
    give(&machine, "alice", &[]);
    let record = std::fs::read(record_path("alice")).unwrap();
    // With that many, a second thread is worth its while.
    for number in 0..1_100 {
        machine.write_file(record_path(&format!("gone{number}")), &record, 0o600);
    }
    let all = machine.command(&["status"]).exits(3).stdout;
    let strace = machine.program("strace").args(&["-qq", "-o", "/run/trace"]);
    let strace = strace.arg("--inject=clone,clone3:error=EAGAIN");
    let alone = strace.args(&["/usr/local/bin/twofactor", "status"]).run();
    assert_eq!(alone.exits(3).stdout, all);
    let processors = std::thread::available_parallelism().unwrap().get();
    let refused = machine.read("/run/trace").matches("(INJECTED)").count();
    assert_eq!(refused, processors.min(2) - 1);
}

fn add(machine: &Machine, name: &str, number: usize) {
    machine.add_user_with_id(name, 61_000 + u32::try_from(number).unwrap());
}
