//! `--dry-run` and `--if-policy`, and several settings in one change.

use harness::desk::{
    desk, desk_on, give, give_phone, json, json_error, lets_in, strings, terminal,
};
use harness::enrolled::record_path;
use harness::snapshot::Snapshot;
use harness::{Machine, Totp};
use serde_json::{Value, json as value};

const POLICY: &str = "/etc/security/twofactor.toml";

/// The hash as another program has it.
fn sum(machine: &Machine) -> String {
    let sum = machine.run("sha256sum", &[POLICY]).ok().stdout;
    sum.split(' ').next().unwrap().to_owned()
}

/// A call with these options beside its own.
fn call(machine: &Machine, arguments: &[&str], more: &[&str]) -> harness::Run {
    machine.command(&[arguments, more, &["--json"]].concat())
}

#[test]
fn a_preview_is_what_the_change_reports() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    assert!(lets_in("alice", &phone.code()));
    for arguments in [
        &["enable", "sshd"][..],
        &["policy", "set", "enforcement", "mandatory"],
        &["policy", "set", "window", "2", "services.su", "false"],
        &["disable", "sshd"],
        &["disable"],
    ] {
        let before = Snapshot::take();
        let planned = json(call(&machine, arguments, &["--dry-run"]));
        assert_eq!(before.changed(), [""; 0], "{arguments:?}");
        assert_eq!(planned["policy_hash"], sum(&machine));
        assert_eq!(
            (&planned["done"], &planned["written"]),
            (&value!(false), &value!(false))
        );
        let force = match arguments[0] {
            "disable" => &["--yes"][..],
            _ => &["--yes", "--force"],
        };
        let mut made = json(call(&machine, arguments, force));
        assert_eq!(made["policy_hash"], sum(&machine));
        assert_eq!(
            (&made["done"], &made["written"]),
            (&value!(true), &value!(true))
        );
        for key in ["done", "written", "policy_hash"] {
            made[key] = planned[key].clone();
        }
        assert_eq!(planned, made, "{arguments:?}");
        assert_ne!(planned["changed"], value!([]));
    }
}

#[test]
fn a_preview_names_who_is_asked_and_refused() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let arguments = ["policy", "set", "enforcement", "mandatory"];
    let planned = json(call(&machine, &arguments, &["--dry-run"]));
    let names = |key: &str| strings(&planned[key]);
    assert_eq!(names("asked"), ["alice"]);
    assert!(names("refused").contains(&"bob".to_owned()), "{planned}");
    assert!(
        names("dangers")[0].contains("no administrator"),
        "{planned}"
    );
    let error = json_error(call(&machine, &arguments, &["--yes"]), 1);
    assert_eq!(error["kind"], "would-lock-out");
    let steps = names("steps");
    assert_eq!(steps.len(), 1, "{planned}");
    let next = format!("{}\nTo proceed despite this: --force", steps[0]);
    assert_eq!(error["next"], next);
    let text = machine
        .command(&[&arguments[..], &["--dry-run"]].concat())
        .ok();
    assert_eq!(text.stderr, "");
    for part in [
        "Changes:\n  enforcement = \"mandatory\"\n",
        "  Asked for a code alice\n",
        "\nDanger: no administrator (root, or a member of sudo or wheel) could log in: none is let in without a code",
        "\nNothing was changed (--dry-run).",
    ] {
        assert!(text.stdout.contains(part), "{part} {}", text.stdout);
    }
    let end = format!("\n--if-policy {}\n", sum(&machine));
    assert!(text.stdout.ends_with(&end), "{}", text.stdout);
}

#[test]
fn a_policy_that_was_changed_meanwhile_is_not_taken() {
    let machine = desk_on();
    give(&machine, "alice", &["--device=a"]);
    give(&machine, "alice", &["--device=b"]);
    let hash = sum(&machine);
    machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
    let before = Snapshot::take();
    let old = ["--if-policy", &hash, "--yes"];
    for arguments in [
        &["enable", "sudo"][..],
        &["disable"],
        &["policy", "set", "tries", "2"],
        &["policy", "set", "tries", "99"],
        &["unset", "alice"],
        &["unset", "alice", "--device=a"],
    ] {
        let error = json_error(call(&machine, arguments, &old), 1);
        assert_eq!(error["kind"], "changed-meanwhile", "{arguments:?}");
        let error = json_error(
            call(&machine, arguments, &[&old[..], &["--dry-run"]].concat()),
            1,
        );
        assert_eq!(error["kind"], "changed-meanwhile", "{arguments:?}");
    }
    assert_eq!(before.changed(), [""; 0]);
    let new = sum(&machine);
    let report = json(call(
        &machine,
        &["policy", "set", "tries", "2"],
        &["--yes", "--if-policy", &new],
    ));
    let next = report["policy_hash"].as_str().unwrap();
    let report = json(call(
        &machine,
        &["policy", "set", "tries", "4"],
        &["--yes", "--if-policy", next],
    ));
    assert_eq!(
        report["changed"],
        value!([{"key": "tries", "value": 4, "before": 2}])
    );
}

/// The policy changes while the question stands.
#[test]
fn the_named_policy_has_to_stand_at_the_change() {
    let machine = desk_on();
    give(&machine, "alice", &["--device=a"]);
    give(&machine, "alice", &["--device=b"]);
    for (options, question) in [
        (&["--device=a"][..], "Remove the device a of alice? [y/N] "),
        (
            &[],
            "Remove all devices (a, b) and the recovery codes of alice? [y/N] ",
        ),
    ] {
        let hash = sum(&machine);
        let before = machine.read(record_path("alice"));
        let call = [&["unset", "alice", "--if-policy", &hash], options].concat();
        let mut pty = terminal(&machine, &call);
        pty.expect(question);
        machine.policy(&format!("enabled = true\n# {}\n", options.len()));
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(1));
        assert_eq!(machine.read(record_path("alice")), before);
    }
    machine.policy("window = 99\n");
    let mut pty = terminal(&machine, &["disable"]);
    pty.expect("Switch two-factor login off? [y/N] ");
    machine.policy("window = 98\n");
    pty.send_line("y");
    assert_eq!(pty.end().code, Some(1));
    assert_eq!(machine.read(POLICY), "window = 98\n");
    assert!(!std::path::Path::new(&format!("{POLICY}.invalid")).exists());
}

#[test]
fn a_policy_that_is_not_there_has_a_hash_of_its_own() {
    let machine = desk();
    let set = ["policy", "set", "window", "2"];
    assert_eq!(
        json(call(&machine, &set, &["--dry-run"]))["policy_hash"],
        "none"
    );
    machine.policy("enabled = false\n");
    let error = json_error(call(&machine, &set, &["--yes", "--if-policy=none"]), 1);
    assert_eq!(error["kind"], "changed-meanwhile");
    machine.run("rm", &[POLICY]).ok();
    json(call(&machine, &set, &["--yes", "--if-policy=none"]));
}

#[test]
fn an_unusable_policy_is_replaced_only_as_it_was_seen() {
    let machine = desk_on();
    machine.policy("window = 99\n");
    let planned = json(call(&machine, &["disable"], &["--dry-run"]));
    assert_eq!(planned["policy_hash"], sum(&machine));
    let kept = format!("{POLICY}.invalid");
    assert_eq!(planned["kept"], kept.as_str());
    assert_eq!(machine.read(POLICY), "window = 99\n");
    let hash = planned["policy_hash"].as_str().unwrap();
    machine.policy("window = 98\n");
    let run = call(&machine, &["disable"], &["--yes", "--if-policy", hash]);
    assert_eq!(json_error(run, 1)["kind"], "changed-meanwhile");
    let hash = sum(&machine);
    let made = json(call(
        &machine,
        &["disable"],
        &["--yes", "--if-policy", &hash],
    ));
    assert_eq!(made["policy_hash"], sum(&machine));
    assert_eq!(
        made["changed"],
        value!([{"key": "enabled", "value": false, "before": null}])
    );
    assert_eq!(machine.read(&kept), "window = 98\n");
    // Others can write it: what it says may be an attacker's.
    machine.write_file(POLICY, "enabled = true\n", 0o666);
    let planned = json(call(&machine, &["disable"], &["--dry-run"]));
    assert_eq!(planned["policy_hash"], Value::Null);
}

#[test]
fn settings_of_one_call_are_set_together() {
    let machine = desk_on();
    let set = [
        "policy",
        "set",
        "throttle.lockout",
        "7200",
        "throttle.max_lockout",
        "7200",
    ];
    let made = json(call(
        &machine,
        &set,
        &["issuer", "42", "enabled", "true", "--yes"],
    ));
    assert_eq!(
        made["changed"],
        value!([
            {"key": "issuer", "value": "42", "before": null},
            {"key": "throttle.lockout", "value": 7200, "before": 30},
            {"key": "throttle.max_lockout", "value": 7200, "before": 900},
        ])
    );
    let before = Snapshot::take();
    for (more, told) in [
        (&["window", "2", "tries", "99"][..], "tries"),
        (&["window", "2", "no_such", "1"], "no_such"),
        (&["window", "2", "tries"], "the setting tries has no value"),
        (&["window", "2", "window", "3"], "window is set twice"),
        (
            &["services.su", "true", "services . \"su\"", "false"],
            "is set twice",
        ),
    ] {
        let run = call(&machine, &["policy", "set"], &[more, &["--yes"]].concat());
        let error = json_error(run, 2);
        assert_eq!(error["kind"], "usage");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(told), "{message}");
    }
    assert_eq!(before.changed(), [""; 0], "all or none");
    let text = machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
    assert!(text.stdout.contains("Changes:\n  window = 2\n"), "{text:?}");
    let again = machine
        .command(&["policy", "set", "window", "2", "--dry-run"])
        .ok();
    assert!(
        again.stdout.starts_with("Nothing to change in "),
        "{again:?}"
    );
}

#[test]
fn the_preview_of_a_removal_removes_nothing() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    assert!(lets_in("alice", &phone.code()));
    give(&machine, "alice", &["--device=b"]);
    machine.command(&["enable", "sshd", "--yes"]).ok();
    machine.command(&["invite", "bob"]).ok();
    let before = Snapshot::take();
    let plan = |arguments: &[&str]| {
        let report = json(call(
            &machine,
            &[&["unset"], arguments].concat(),
            &["--dry-run"],
        ));
        assert_eq!(report["done"], false);
        assert_eq!(report["policy_hash"], sum(&machine));
        report
    };
    let one = plan(&["alice", "--device=b"]);
    assert_eq!(
        (&one["removed"], &one["next_login"]),
        (&value!(["b"]), &value!("code"))
    );
    assert_eq!(
        (&one["devices_left"], &one["dangers"]),
        (&value!(1), &value!([]))
    );
    let all = plan(&["alice"]);
    assert_eq!(all["removed"], value!(["phone", "b"]));
    assert_eq!(all["next_login"], "no-code");
    let danger = strings(&all["dangers"]).join("");
    assert!(danger.contains("sshd asks for codes"), "{danger}");
    assert_eq!(plan(&["bob"])["removed"], value!([]));
    let text = machine
        .command(&["unset", "alice", "--dry-run"])
        .ok()
        .stdout;
    assert!(text.starts_with("To be removed: all devices and recovery codes of alice.\n"));
    assert!(
        text.contains("\nDanger: sshd asks") && text.contains("Nothing was changed"),
        "{text}"
    );
    assert_eq!(before.changed(), [""; 0]);
    machine.write_file(record_path("alice"), "x", 0o600);
    let damaged = plan(&["alice"]);
    assert_eq!(
        (&damaged["removed"], &damaged["next_login"]),
        (&value!([]), &value!("no-code"))
    );
    let made = json(call(&machine, &["unset", "bob"], &["--yes"]));
    assert_eq!(
        (&made["done"], &made["next_login"]),
        (&value!(true), &Value::Null)
    );
    let _: Totp = phone;
}
