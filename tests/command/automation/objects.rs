//! Every object that the command writes, against docs/automation.md, in both directions.

use harness::desk::{desk_on, give, parse};
use harness::enrolled::{SERVICE, state_path};
use harness::pam::Drive;
use harness::{Machine, Totp, hotp};
use serde_json::Value;
use twofactor_core::log::audit_line::{AuditEvent, ChangeEnd, FactorChange};
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin};
use twofactor_store::notify_message::NotifyMessage;

use super::documented::DocumentedObjects;
use crate::listed_commands;
use harness::DialogueProcess;

const POLICY: &str = "enabled = true\nissuer = \"example.org\"\ngrace = 3600\nnotify = \"/usr/local/sbin/tell\"\n[throttle]\ndelay = 0\n\
    [[exempt]]\nusers = [\"backup\"]\ngroups = [\"robots\"]\nservices = [\"cron\"]\nnetworks = [\"192.0.2.0/24\"]\n\
    [[require]]\nusers = [\"bob\"]\nfrom = 2099-03-01\n[[require]]\ngroups = [\"staff\"]\n";

/// Calls on one machine, each compared with its object.
struct CheckedCalls {
    machine: Machine,
    documented: DocumentedObjects,
    /// Keys and codes that the calls have printed so far.
    secrets: Vec<String>,
}

/// The texts of keys that hold secrets, wherever they are in a value.
fn secrets_in(value: &Value) -> Vec<String> {
    const SECRET: [&str; 5] = ["secret", "uri", "code", "recovery_codes", "lines"];
    match value {
        Value::Object(object) => {
            let texts = |(key, value): (&String, &Value)| match value {
                Value::String(text) if SECRET.contains(&key.as_str()) => vec![text.clone()],
                Value::Array(list) if SECRET.contains(&key.as_str()) => {
                    let texts = list.iter().filter_map(Value::as_str);
                    texts.map(str::to_owned).collect()
                }
                other => secrets_in(other),
            };
            object.iter().flat_map(texts).collect()
        }
        Value::Array(list) => list.iter().flat_map(secrets_in).collect(),
        _ => Vec::new(),
    }
}

impl CheckedCalls {
    fn call(&mut self, name: &str, arguments: &[&str]) -> Value {
        self.answered(name, arguments, "")
    }

    fn answered(&mut self, name: &str, arguments: &[&str], input: &str) -> Value {
        let program = self.machine.twofactor(arguments).arg("--json");
        let run = program
            .env("EDITOR", "sed -i s/^window.*/window=4/")
            .input(input)
            .run();
        let value = parse(&run.stdout);
        assert!(
            name == "errors" || value.get("error").is_none(),
            "{arguments:?} {value}"
        );
        self.documented.check(name, &value);
        self.secrets.extend(secrets_in(&value));
        for secret in &self.secrets {
            assert!(!run.stderr.contains(secret), "{arguments:?} {}", run.stderr);
        }
        value
    }
}

#[test]
fn every_object_is_as_documented() {
    let machine = desk_on();
    machine.policy(POLICY);
    let program = "#!/bin/sh\ncat >>/run/told\n";
    machine.write_file("/usr/local/sbin/tell", program, 0o755);
    let mut calls = CheckedCalls {
        machine,
        documented: DocumentedObjects::read(),
        secrets: Vec::new(),
    };
    read_policy(&mut calls);
    change_policy(&mut calls);
    use_factor(&mut calls);
    move_devices(&mut calls);
    dialogue(&mut calls);
    for change in calls.machine.read("/run/told").lines() {
        let change = parse(change);
        calls.documented.check("object notified-change", &change);
        let change = change.to_string();
        assert!(!calls.secrets.iter().any(|secret| change.contains(secret)));
    }
    let unsure = parse(&unsure_change());
    calls.documented.check("object notified-change", &unsure);
    assert_eq!(
        calls.documented.unseen(),
        [""; 0],
        "documented, but never there"
    );
}

/// A change as only a host of a fleet tells it.
fn unsure_change() -> String {
    let event = AuditEvent {
        user: "alice",
        change: FactorChange::Unlocked,
        end: ChangeEnd::Unsure,
    };
    let origin = ChangeOrigin {
        channel: ChangeChannel::Command,
        uid: 0,
        terminal: None,
        address: None,
    };
    NotifyMessage::of(&event).by(&origin, 1).json()
}

fn read_policy(calls: &mut CheckedCalls) {
    calls.call("--version", &["--version"]);
    calls.call("errors", &["nonsense"]);
    calls.call("init", &["init"]);
    calls.call("completions", &["completions", "bash"]);
    calls.call("policy show", &["policy", "show"]);
    for key in ["window", "echo", "prompt", "throttle", "exempt"] {
        calls.call("policy show KEY", &["policy", "show", key]);
    }
    calls.call("policy check", &["policy", "check"]);
}

fn change_policy(calls: &mut CheckedCalls) {
    give(&calls.machine, "alice", &[]);
    for more in [&["--dry-run"][..], &["--yes", "--force"]] {
        calls.call(
            "policy set",
            &[&["policy", "set", "window", "2", "issuer", "a"], more].concat(),
        );
        calls.call("disable", &["disable", more[0]]);
        calls.call("enable", &[&["enable"], more].concat());
    }
    calls.call("policy edit", &["policy", "edit", "--yes", "--force"]);
    calls.call("unset", &["unset", "alice", "--dry-run"]);
    calls.call("unset", &["unset", "alice", "--yes"]);
    calls.call("invite", &["invite", "bob"]);
    calls.call("invite", &["invite", "alice", "bob", "no-such-user"]);
    calls.call("invite", &["invite", "alice", "--for=0"]);
}

fn use_factor(calls: &mut CheckedCalls) {
    let given = calls.call("enroll", &["enroll", "alice", "--no-confirm"]);
    assert!(given["secret"].is_string());
    let renew = ["renew", "alice", "--device=phone", "--no-confirm"];
    let given = calls.call("renew", &renew);
    let phone = Totp::new(given["secret"].as_str().unwrap());
    let token = calls.call(
        "enroll",
        &["enroll", "alice", "--device=t", "--hotp", "--no-confirm"],
    );
    let token = token["secret"].as_str().unwrap().to_owned();
    calls.answered("verify", &["verify", "alice"], "000000\n");
    calls.call(
        "resync",
        &[
            "resync",
            "alice",
            "t",
            &hotp(&token, 3, 6),
            &hotp(&token, 4, 6),
        ],
    );
    for more in [
        &[][..],
        &["--device=t", "--secret"],
        &["--device=phone", "--qr"],
    ] {
        calls.call("show", &[&["show", "alice"], more].concat());
    }
    calls.call("recovery-codes", &["recovery-codes", "alice", "--yes"]);
    calls.call("bypass", &["bypass", "alice"]);
    let login = Drive::installed().service(SERVICE).user("alice");
    let login = login.rhost("198.51.100.7").answer(phone.code());
    assert_eq!(login.run().auth, 0);
    calls.call("status", &["status", "--all"]);
    calls.call("status", &["status", "alice"]);
    calls.call("doctor", &["doctor"]);
    calls.call("unlock", &["unlock", "alice"]);
    std::fs::write(state_path("alice"), "x").unwrap();
    calls.call("unlock", &["unlock", "alice", "--yes", "--clock-is-right"]);
}

fn move_devices(calls: &mut CheckedCalls) {
    let uri = "otpauth://totp/x:new?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=x\nnonsense\n";
    calls.machine.write_file("/root/uris", uri, 0o600);
    let import = ["import", "uri", "/root/uris", "--user", "bob", "--yes"];
    calls.call("import", &import);
    calls.call("export", &["export", "users-oath", "--all", "--yes"]);
    calls.call("backup", &["backup", "--output", "/root/backup"]);
    calls.call("restore", &["restore", "/root/backup", "--yes"]);
    calls.call("setup", &["setup", "sudo", "--dry-run"]);
    calls.call("setup", &["setup", "sudo", "--yes", "--force"]);
    calls.call("setup --undo", &["setup", "--undo", "--dry-run"]);
    calls.call("setup --undo", &["setup", "--undo", "--yes"]);
    let id = |machine: &Machine, name: &str| -> u32 {
        let shown = machine.run("id", &["-u", name]).ok().stdout;
        shown.trim().parse().unwrap()
    };
    let uid = id(&calls.machine, "bob");
    calls.machine.remove_user("bob");
    calls.machine.add_user_with_id("robert", uid);
    calls.call("rename", &["rename", "bob", "robert", "--yes"]);
    calls.machine.remove_user("robert");
    calls.machine.add_user_with_id("robert", uid + 700);
    calls.call("adopt", &["adopt", "robert", "--force", "--yes"]);
}

fn dialogue(calls: &mut CheckedCalls) {
    let enroll = ["enroll", "alice", "--device=page"];
    let mut talk = DialogueProcess::begin(&calls.machine, &enroll);
    let key = talk.event();
    calls.documented.check("event key", &key);
    let phone = Totp::new(key["secret"].as_str().unwrap());
    let wrong = talk.answer(&phone.wrong_code());
    calls.documented.check("event wrong", &wrong);
    let stored = talk.answer(&phone.code());
    calls.documented.check("event stored", &stored);
    assert_eq!(talk.end(), 0);
    let mut talk = DialogueProcess::begin(&calls.machine, &enroll);
    calls.documented.check("event failed", &talk.event());
    assert_eq!(talk.end(), 1);
    // Without root a proof comes first.
    let _daemon = calls.machine.daemon();
    let enroll = ["enroll", "--device=own"];
    let mut talk = DialogueProcess::begin_as(&calls.machine, "alice", &enroll);
    calls.documented.check("event proof", &talk.event());
    talk.close();
    calls.documented.check("event failed", &talk.event());
    assert_eq!(talk.end(), 1);
}

#[test]
fn every_command_has_an_object() {
    let calls = DocumentedObjects::read().calls();
    // What `fleet` reports takes a store: the tests of the fleet hold it.
    for command in listed_commands().iter().filter(|name| *name != "fleet") {
        let known = calls
            .iter()
            .any(|call| call.split(' ').next() == Some(command));
        assert!(known, "{command}");
    }
}
