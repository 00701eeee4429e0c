//! `twofactor policy show|set|check`, and what the settings do at a login.

use harness::desk::{
    desk, desk_on, give, give_phone, is_asked, json, keys, lets_in, parse, strings, terminal,
};
use harness::enrolled::{logged, login, policy_path, record_path, run};
use harness::pam::code;
use harness::{Machine, Totp};

/// `policy set`, which is expected to work.
fn set(machine: &Machine, key: &str, value: &str) -> String {
    machine
        .command(&["policy", "set", key, value, "--yes"])
        .ok()
        .stdout
}

/// Has the code of a phone checked, as an administrator would after an enrollment without confirmation.
fn try_code(machine: &Machine, user: &str, phone: &Totp) {
    let verify = machine.twofactor(&["verify", user]);
    verify.input(phone.code()).run().ok();
}

#[test]
fn r4_the_window_counts_codes_before_and_after() {
    let machine = desk_on();
    let mut users = 0;
    let mut accepted = |steps: i64| {
        users += 1;
        let user = format!("user{users}");
        machine.add_user(&user);
        let phone = give_phone(&machine, &user);
        phone.settle(10);
        lets_in(&user, &phone.code_after(steps))
    };
    assert!(
        accepted(-1) && accepted(0) && accepted(1),
        "the default is 1: three codes"
    );
    assert!(!accepted(-2) && !accepted(2));
    set(&machine, "window", "0");
    assert!(accepted(0) && !accepted(-1) && !accepted(1));
    set(&machine, "window", "10");
    assert!(accepted(-10) && accepted(10) && !accepted(-11) && !accepted(11));
    for wrong in ["11", "-1", "1.5", "many", "true"] {
        machine
            .command(&["policy", "set", "window", wrong, "--yes"])
            .exits(2);
    }
    assert_eq!(
        json(machine.command(&["policy", "show", "--json"]))["window"],
        10
    );
}

#[test]
fn r6_a_code_near_the_window_is_logged() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    phone.settle(15);
    machine.forget_log();
    assert!(!lets_in("alice", &phone.code_after(-3)));
    let lines = logged(&machine);
    let line = "user=alice rhost= result=wrong device=phone steps_off=-3 hint=\"the clocks of this machine and of the device \
                differ: set the wrong one right, or: twofactor resync USER DEVICE\"";
    assert_eq!(lines[0], line);
    phone.settle(10);
    let verify = machine
        .twofactor(&["verify", "alice", "--json"])
        .input(phone.code_after(4))
        .run();
    let report = parse(&verify.exits(1).stdout);
    assert_eq!(
        (&report["reason"], &report["offset"]),
        (&"wrong".into(), &4.into())
    );
    let told = "The code belongs to device phone, but is 4 codes too early: a clock is wrong. This machine's clock shows ";
    assert!(
        report["message"].as_str().unwrap().starts_with(told),
        "{report}"
    );
}

#[test]
fn r12_policy_is_global_and_secrets_are_in_records() {
    let machine = desk();
    let secret = give(&machine, "alice", &[])["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    for (key, value) in [
        ("window", "2"),
        ("services.sshd", "true"),
        ("issuer", "example.org"),
    ] {
        set(&machine, key, value);
    }
    let policy = machine.read(policy_path());
    assert!(policy.contains("\nwindow = 2\n") && policy.contains("\nsshd = true\n"));
    assert!(!policy.contains(&secret));
    let record = machine.read(record_path("alice"));
    assert!(record.contains(&secret), "{record}");
    for key in ["window", "enabled", "sshd", "issuer"] {
        assert!(!record.contains(key), "{record}");
    }
    let shown = json(machine.command(&["policy", "show", "--json"]));
    assert_eq!(
        keys(&shown),
        [
            "echo",
            "enabled",
            "enforcement",
            "enroll_at_login",
            "enroll_needs_invite",
            "fleet",
            "grace",
            "grace_session",
            "issuer",
            "new_devices",
            "prompt",
            "self_service",
            "services",
            "throttle",
            "tries",
            "uniform_prompt",
            "window"
        ]
    );
    assert_eq!(
        shown["services"],
        parse("{\"default\": true, \"sshd\": true}")
    );
}

#[test]
fn r17_mandatory_refuses_users_without_a_device() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    machine.add_to_group("alice", "sudo");
    try_code(&machine, "alice", &phone);
    set(&machine, "enforcement", "mandatory");
    assert_eq!(run(login("bob")).auth, code::AUTH_ERR);
    assert_eq!(run(login("root")).auth, code::AUTH_ERR);
    assert!(lets_in("alice", &phone.code_after(1)));
    set(&machine, "enforcement", "optional");
    assert!(!is_asked("bob"));
}

#[test]
fn r17_r21_mandatory_needs_a_verified_administrator() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    try_code(&machine, "alice", &phone);
    let mandatory = ["policy", "set", "enforcement", "mandatory", "--yes"];
    let refused = machine.command(&mandatory).exits(1);
    assert_eq!(
        refused.stderr,
        "twofactor: not done: no administrator (root, or a member of sudo or wheel) could log in: none is let in \
         without a code, and none who is not locked has a device that has ever given a right one\n\
         Enroll a device and try it first: twofactor enroll USER, twofactor verify USER\n\
         To proceed despite this: --force\n"
    );
    let (asked, lists) = refused.stdout.split_once("Asked for a code ").unwrap();
    assert!(
        asked.starts_with("Changes:\n  enforcement = \"mandatory\"\n")
            && lists.starts_with("alice\n")
    );
    assert!(lists.contains("bob") && lists.contains("all users without a device ("));
    assert!(!is_asked("bob"), "nothing was changed");

    machine.add_group("wheel");
    machine.add_to_group("alice", "wheel");
    machine.command(&mandatory).ok();
    machine.policy("enabled = true\n");
    machine.command(&["unset", "alice", "--yes"]).ok();
    machine.command(&mandatory).exits(1);
    // A device that was never tried may not work.
    let phone = give_phone(&machine, "root");
    machine.command(&mandatory).exits(1);
    let enable = ["enable", "--yes"];
    machine.policy("enabled = false\nenforcement = \"mandatory\"\n");
    machine.command(&enable).exits(1);
    try_code(&machine, "root", &phone);
    // Neither a password nor a key lets root in.
    machine.command(&enable).exits(1);
    machine.set_password("root");
    machine.command(&enable).ok();
    machine.policy("enabled = true\n");
    machine.command(&mandatory).ok();
    machine.policy("enabled = true\n");
    machine.command(&["unset", "root", "--yes"]).ok();
    machine
        .command(&[&mandatory[..], &["--force"]].concat())
        .ok();
    assert_eq!(run(login("root")).auth, code::AUTH_ERR);
}

#[test]
fn r21_policy_set_says_what_it_means_before_it_does() {
    let machine = desk_on();
    let before = machine.read(policy_path());
    let mut pty = terminal(&machine, &["policy", "set", "window", "10"]);
    let told = pty.expect("Change the policy? [y/N] ");
    assert!(told.starts_with("Changes:\n  window = 10\n"), "{told}");
    assert!(
        told.contains("\nWarning: a window of 10 makes 21 codes right at any time\n"),
        "{told}"
    );
    assert_eq!(machine.read(policy_path()), before);
    pty.send_line("n");
    assert_eq!(pty.end().code, Some(1));
    assert_eq!(machine.read(policy_path()), before);
    machine
        .twofactor(&["policy", "set", "window", "10"])
        .input("y\n")
        .run()
        .exits(2);
    assert_eq!(machine.read(policy_path()), before);
    for (key, value, warning) in [
        (
            "grace",
            "60",
            "during a grace period the password alone is enough from the same address",
        ),
        (
            "grace_session",
            "60",
            "for 60 s after a login with a code, programs in the session need only the password for sudo",
        ),
        (
            "throttle.max_failures",
            "0",
            "without max_failures, guessing is slowed down but never stopped",
        ),
        (
            "new_devices.digits",
            "8",
            "new devices will not work with Google Authenticator: it needs 6 digits, 30 seconds, SHA1",
        ),
    ] {
        let report = json(machine.command(&["policy", "set", key, value, "--yes", "--json"]));
        assert_eq!(strings(&report["warnings"]), [warning]);
    }
}

#[test]
fn a_program_to_notify_is_named_with_its_faults() {
    let machine = desk();
    let told = |program: &str| {
        let call = ["policy", "set", "notify", program, "--dry-run", "--json"];
        let report = json(machine.command(&call));
        assert_eq!(strings(&report["dangers"]), [""; 0]);
        let warnings = strings(&report["warnings"]).join("\n");
        let runs =
            format!("{program} is run with root's rights after each change of a user's factor");
        assert!(warnings.contains(&runs), "{warnings}");
        warnings
    };
    machine.write_file("/usr/local/sbin/good", "#!/bin/sh\n", 0o755);
    machine.write_file("/usr/local/sbin/dull", "#!/bin/sh\n", 0o644);
    machine.write_file("/usr/local/sbin/open", "#!/bin/sh\n", 0o777);
    machine
        .run("install", &["-d", "-m", "777", "/usr/local/lib/all"])
        .ok();
    machine.write_file("/usr/local/lib/all/tool", "#!/bin/sh\n", 0o755);
    let program = "/usr/local/sbin/good";
    assert!(!told(program).contains("is not run"), "{}", told(program));
    for (program, fault) in [
        (
            "/usr/local/sbin/dull",
            "/usr/local/sbin/dull: is not executable",
        ),
        (
            "/usr/local/sbin/open",
            "/usr/local/sbin/open: is writable by others than root",
        ),
        (
            "/usr/local/lib/all/tool",
            "/usr/local/lib/all: is writable by others than root",
        ),
        ("/usr/local/sbin/none", "/usr/local/sbin/none: No such file"),
    ] {
        let warnings = told(program);
        assert!(
            warnings.contains(fault) && warnings.contains("is not run"),
            "{warnings}"
        );
    }
    let call = [
        "policy",
        "set",
        "notify",
        "/usr/local/sbin/open",
        "--dry-run",
    ];
    let text = machine.command(&call).ok().stdout;
    assert!(text.contains("is writable by others than root"), "{text}");
}
