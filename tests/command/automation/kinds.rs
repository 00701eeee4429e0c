//! Errors by their kind, and errors of the command line itself.

use harness::desk::{desk_on, desk_without_store, give, json, json_error, keys};
use harness::enrolled::record_path;

/// The kind of the error with which a call ends.
fn kind(machine: &harness::Machine, arguments: &[&str], code: i32) -> String {
    let error = json_error(machine.command(&[arguments, &["--json"]].concat()), code);
    error["kind"].as_str().unwrap().to_owned()
}

#[test]
fn an_error_is_known_by_its_kind() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    for (arguments, code, expected) in [
        (&["nonsense"][..], 2, "usage"),
        (&[], 2, "usage"),
        (&["policy", "set", "window", "99", "--yes"], 2, "usage"),
        (&["policy", "set", "window", "2"], 2, "needs-confirmation"),
        (&["show", "no-such-user"], 1, "unknown-user"),
        (&["show", "bob"], 1, "not-enrolled"),
        (
            &["renew", "alice", "--device=x", "--no-confirm"],
            1,
            "unknown-device",
        ),
        (&["enroll", "alice", "--no-confirm"], 1, "exists"),
        (&["policy", "show", "issuer"], 1, "not-set"),
        (&["enable", "sshd", "--yes"], 1, "would-lock-out"),
        (&["verify", "alice"], 1, "cancelled"),
        (&["resync", "alice", "1", "2"], 1, "wrong-code"),
    ] {
        assert_eq!(kind(&machine, arguments, code), expected, "{arguments:?}");
    }
    machine.write_file(record_path("alice"), "x", 0o600);
    assert_eq!(kind(&machine, &["show", "alice"], 3), "invalid-record");
    machine.policy("window = 99");
    for arguments in [&["policy", "check"][..], &["policy", "show"]] {
        assert_eq!(kind(&machine, arguments, 3), "invalid-policy");
    }
    let run = machine.twofactor(&["show", "alice", "--json"]).user("bob");
    assert_eq!(json_error(run.run(), 1)["kind"], "not-root");
}

#[test]
fn what_is_missing_has_kinds_of_its_own() {
    let machine = desk_without_store();
    assert_eq!(kind(&machine, &["policy", "show"], 1), "no-policy");
    let enroll = &["enroll", "alice", "--no-confirm"];
    assert_eq!(kind(&machine, enroll, 3), "no-store");
}

/// Text in the wrong place may be a code, and standard error goes to journals.
#[test]
fn a_usage_error_for_programs_is_silent_on_stderr() {
    let machine = desk_on();
    for arguments in [
        &["--json"][..],
        &["--json", "nonsense"],
        &[
            "resync", "alice", "phone", "755224", "287082", "969429", "--json",
        ],
        &["renew", "alice", "JBSWY3DPEHPK3PXP", "--json"],
        &["status", "--no-such-option", "--json"],
    ] {
        let run = machine.command(arguments);
        assert_eq!(run.stderr, "", "{arguments:?}");
        let error = json_error(run, 2);
        assert_eq!(error["kind"], "usage");
        let next = error["next"].as_str().unwrap();
        assert!(next.contains("twofactor"), "{error}");
    }
    // A word after "--" is a name.
    let run = machine.command(&["show", "alice", "x", "--", "--json"]);
    assert_eq!(run.exits(2).stdout, "");
}

#[test]
fn the_version_has_the_number_of_the_interface() {
    let machine = desk_on();
    let report = json(machine.command(&["--version", "--json"]));
    assert_eq!(keys(&report), ["interface", "version"]);
    assert_eq!(report["interface"], 1);
    let text = machine.command(&["--version"]).ok().stdout;
    let version = report["version"].as_str().unwrap();
    assert_eq!(text, format!("twofactor {version}\n"));
}
