//! The common properties of all subcommands: help, exit codes, errors that say what to do next, JSON with stable keys.

use harness::desk::{desk, desk_on, give, give_phone, json, json_error, keys, parse};
use harness::enrolled::{policy_path, record_path};
use serde_json::Value;

use crate::subcommands;

fn names_of(command: &[&str]) -> Vec<String> {
    let words = if command[0] == "policy" { 2 } else { 1 };
    command[..words]
        .iter()
        .map(|word| (*word).to_owned())
        .collect()
}

const DEVICE: [&str; 7] = [
    "algorithm",
    "digits",
    "enrolled",
    "interval",
    "kind",
    "last_used",
    "name",
];

/// The keys of the reports of `enable` and `disable`.
pub(super) const SWITCH_KEYS: [&str; 17] = [
    "asked",
    "changed",
    "clock",
    "dangers",
    "done",
    "enabled",
    "file",
    "kept",
    "must_enroll",
    "no_longer_asked",
    "not_asked",
    "policy_hash",
    "refused",
    "required_later",
    "steps",
    "warnings",
    "written",
];

#[test]
fn every_subcommand_has_help_with_examples() {
    let machine = desk();
    let general = machine.command(&["--help"]).ok();
    assert_eq!(general.stderr, "");
    for part in [
        "Usage: twofactor [OPTIONS] <COMMAND>\n",
        "\nDevices    enroll  ",
        "\n\n      --policy <FILE>  ",
    ] {
        assert!(general.stdout.contains(part), "{}", general.stdout);
    }
    for command in subcommands("alice") {
        let name = names_of(&command);
        assert!(
            general.stdout.contains(&format!("  {}  ", name[0])),
            "{name:?}"
        );
        let words: Vec<&str> = name.iter().map(String::as_str).chain(["--help"]).collect();
        let help = machine.command(&words).ok().stdout;
        assert!(
            help.contains(&format!("Usage: twofactor {}", name.join(" "))),
            "{help}"
        );
        let examples = help
            .split_once("EXAMPLES\n")
            .unwrap_or_else(|| panic!("{help}"))
            .1;
        assert!(
            examples.starts_with(&format!("  twofactor {}", name.join(" ")))
                || examples.contains(&name[0])
        );
        for global in ["--policy", "--state", "--json", "--yes"] {
            assert!(help.contains(global), "{name:?} {global}");
        }
    }
    assert!(
        machine
            .command(&["--version"])
            .ok()
            .stdout
            .starts_with("twofactor 0.")
    );
}

#[test]
fn every_report_is_json_with_the_documented_keys() {
    let machine = desk_on();
    let report = give(&machine, "alice", &[]);
    assert_eq!(
        keys(&report),
        [
            "confirmed",
            "device",
            "recovery_codes",
            "recovery_file",
            "secret",
            "uri",
            "user",
            "warnings"
        ]
    );
    assert_eq!(keys(&report["device"]), DEVICE);
    assert_eq!(
        (&report["user"], &report["confirmed"]),
        (&"alice".into(), &false.into())
    );
    assert_eq!(
        (&report["device"]["kind"], &report["device"]["last_used"]),
        (&"totp".into(), &Value::Null)
    );

    let report = json(machine.command(&["show", "alice", "--json"]));
    assert_eq!(keys(&report), ["devices", "uid", "user"]);
    let mut device = DEVICE.to_vec();
    device.extend(["secret", "svg", "uri"]);
    assert_eq!(keys(&report["devices"][0]), device);

    let report = json(machine.command(&["status", "--json"]));
    assert_eq!(
        keys(&report),
        ["clock", "policy", "totals", "users", "warnings"]
    );
    let mut policy = report["policy"].clone();
    let hash = policy.as_object_mut().unwrap().remove("hash");
    assert!(hash.is_some_and(|hash| hash.is_string()));
    assert_eq!(
        policy,
        parse(
            "{\"file\": \"/etc/security/twofactor.toml\", \"present\": true, \"error\": null, \"enabled\": true, \
             \"enforcement\": \"optional\", \"services\": {\"default\": true, \"sshd\": false}}"
        )
    );
    let user = &report["users"][0];
    let expected = [
        "administrator",
        "asked_by",
        "bypass_until",
        "changes",
        "daemon",
        "devices",
        "enrolled",
        "error",
        "exempt",
        "failures",
        "full_name",
        "grace",
        "grace_sessions",
        "invited_until",
        "kind",
        "last_used",
        "locked",
        "locked_for_seconds",
        "recovery_codes_left",
        "required",
        "required_from",
        "uid",
        "user",
    ];
    assert_eq!(keys(user), expected);
    assert_eq!(keys(&user["devices"][0]), DEVICE);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    assert_eq!(
        (user["uid"].to_string(), &user["recovery_codes_left"]),
        (uid.trim().to_owned(), &10.into())
    );

    let report = parse(
        &machine
            .twofactor(&["verify", "alice", "--json"])
            .input("000")
            .run()
            .exits(1)
            .stdout,
    );
    let expected = [
        "accepted",
        "by",
        "device",
        "failures_before",
        "message",
        "offset",
        "reason",
        "user",
    ];
    assert_eq!(keys(&report), expected);
    for (arguments, expected) in [
        (
            &["renew", "alice", "--no-confirm"][..],
            &["confirmed", "device", "secret", "uri", "user", "warnings"][..],
        ),
        (
            &["recovery-codes", "alice"],
            &["recovery_codes", "recovery_file", "user"],
        ),
        (
            &["bypass", "alice"],
            &[
                "code",
                "expires",
                "locked_out",
                "new_device",
                "this_host",
                "user",
            ],
        ),
        (
            &["unlock", "alice"],
            &[
                "daemon_failures",
                "failures",
                "rebuilt",
                "user",
                "waiting_for_clock",
            ],
        ),
        (
            &["policy", "check"],
            &["enabled", "file", "state_checked", "valid", "warnings"],
        ),
        (
            &["unset", "alice"],
            &[
                "dangers",
                "device",
                "devices_hash",
                "devices_left",
                "done",
                "everywhere",
                "fault",
                "next_login",
                "policy_hash",
                "removed",
                "user",
            ],
        ),
    ] {
        let report = json(
            machine
                .twofactor(arguments)
                .args(&["--yes", "--json"])
                .run(),
        );
        assert_eq!(keys(&report), expected, "{arguments:?}");
    }
    for arguments in [
        &["disable"][..],
        &["enable"],
        &["enable"],
        &["policy", "set", "window", "2"],
    ] {
        let report = json(
            machine
                .twofactor(arguments)
                .args(&["--yes", "--json"])
                .run(),
        );
        assert_eq!(keys(&report), SWITCH_KEYS, "{arguments:?}");
    }
}

#[test]
fn status_lists_users_devices_and_problems() {
    let machine = desk();
    let status = machine.command(&["status"]).ok().stdout;
    assert!(
        status.starts_with(
            "Policy:  /etc/security/twofactor.toml does not exist; twofactor enable makes it\n         \
             Until then pam_twofactor.so, where it is used, refuses logins.\nClock: "
        ) && status.ends_with("\n\nNo user has a device.\n"),
        "{status}"
    );
    machine.policy("enabled = true\n");
    let phone = give_phone(&machine, "alice");
    give(&machine, "alice", &["--device=tablet"]);
    machine
        .twofactor(&["verify", "alice"])
        .input(phone.wrong_code())
        .run()
        .exits(1);
    let status = machine.command(&["status"]).ok().stdout;
    let (head, table) = status.split_once("\n\n").unwrap();
    assert!(head.starts_with("Two-factor login is on, optional (/etc/security/twofactor.toml)\nServices: test on\nClock: "));
    assert_eq!(
        table,
        "USER   DEVICES       RECOVERY CODES  LAST USED  NOTES\nalice  phone,tablet  10              never      1 wrong code\n"
    );
    let one = machine.command(&["status", "bob"]).ok().stdout;
    assert!(
        one.ends_with("\nbob   none     0               never      not enrolled\n"),
        "{one}"
    );
    std::fs::write(policy_path(), "enabled = true\nwindow = 99\n").unwrap();
    let broken = machine.command(&["status"]).exits(3).stdout;
    assert!(broken.starts_with(
        "Policy:  /etc/security/twofactor.toml: line 2, column 10: window is 99; allowed: 0 to 10\n         \
         Logins are refused wherever a PAM file names pam_twofactor.so.\n"
    ));
}

#[test]
fn given_places_for_policy_and_state_are_used() {
    let machine = desk();
    let other = machine.scratch();
    let place = |name: &str| other.join(name).display().to_string();
    let (policy, state) = (place("policy.toml"), place("state"));
    let run = |arguments: &[&str]| {
        let command = machine.twofactor(arguments);
        command
            .args(&["--policy", &policy, "--state", &state, "--json"])
            .run()
    };
    json_error(run(&["enroll", "alice", "--no-confirm"]), 3);
    let made = json(run(&["init"]));
    assert_eq!(
        (&made["mark"], &made["id_file"]),
        (&"marked".into(), &place("policy.id").into())
    );
    json(run(&["enroll", "alice", "--no-confirm"]));
    json(run(&["enable", "--yes"]));
    assert_eq!(json(run(&["status"]))["users"][0]["user"], "alice");
    assert_eq!(json(run(&["policy", "check"]))["file"], policy);
    assert!(other.join("state/users/alice.toml").exists());
    assert!(!record_path("alice").exists() && !policy_path().exists());
}

#[test]
fn names_of_a_directory_have_their_own_files() {
    let machine = desk_on();
    for (number, name) in ["CORP\\alice", "Alice", "a.b-c_d"].into_iter().enumerate() {
        machine.add_user_with_id(name, 61_000 + u32::try_from(number).unwrap());
        give(&machine, name, &[]);
    }
    let users: Vec<Value> = json(machine.command(&["status", "--json"]))["users"]
        .as_array()
        .unwrap()
        .clone();
    let names: Vec<&str> = users
        .iter()
        .map(|user| user["user"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Alice", "CORP\\alice", "a.b-c_d"]);
    assert!(std::path::Path::new("/var/lib/twofactor/users/CORP%5Calice.toml").exists());
    assert!(!record_path("alice").exists());
}
