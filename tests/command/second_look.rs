//! The look at users after the question of a policy: another command may have removed a device meanwhile.

use harness::desk::{desk_on, give_phone, terminal};
use harness::enrolled::SERVICE;
use harness::{Machine, Pty};

const POLICY: &str = "/etc/security/twofactor.toml";
/// Nothing asks by it yet: the PAM file that names the module is that of another service.
const LOGIN: &str =
    "enabled = true\nenforcement = \"mandatory\"\n[services]\ndefault = false\nlogin = true\n";
const CHANGED: &str = "not done, since something was changed meanwhile: no administrator";

/// alice is the only administrator whose device has given a right code.
fn one_administrator(policy: &str) -> Machine {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    let verify = machine.twofactor(&["verify", "alice"]);
    verify.input(phone.code()).run().ok();
    machine.add_to_group("alice", "sudo");
    machine.set_password("root");
    machine.policy(policy);
    machine
}

/// The question whether to set this, after which alice has no device any more.
fn asked(machine: &Machine, setting: [&str; 2], options: &[&str]) -> Pty {
    let call = [&["policy", "set"], &setting[..], options].concat();
    let mut pty = terminal(machine, &call);
    pty.expect("Change the policy? [y/N] ");
    let unset = ["unset", "alice", "--yes", "--force"];
    machine.command(&unset).ok();
    pty
}

/// The answer is yes, and the policy stays as it is.
fn assert_refused(machine: &Machine, mut pty: Pty, policy: &str) {
    pty.send_line("y");
    let end = pty.end();
    let told = end.shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(CHANGED), "{told}");
    assert_eq!(end.code, Some(1));
    assert_eq!(machine.read(POLICY), policy);
}

#[test]
fn a_service_that_asks_newly_is_looked_at_again() {
    let machine = one_administrator(LOGIN);
    let service = format!("services.{SERVICE}");
    let pty = asked(&machine, [&service, "true"], &[]);
    assert_refused(&machine, pty, LOGIN);
}

#[test]
fn an_exemption_that_ends_is_looked_at_again() {
    let policy = format!(
        "enabled = true\nenforcement = \"mandatory\"\n[services]\n{SERVICE} = true\n\
         [[exempt]]\nusers = [\"root\"]\nservices = [\"{SERVICE}\"]\n"
    );
    let machine = one_administrator(&policy);
    let editor = "#!/bin/sh\nsed -i '/exempt/,$d' $1\n";
    machine.write_file("/tmp/editor", editor, 0o755);
    let edit = machine.twofactor(&["policy", "edit"]);
    let mut pty = edit.env("EDITOR", "/tmp/editor").pty();
    pty.expect("Change the policy? [y/N] ");
    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    assert_refused(&machine, pty, &policy);
}

#[test]
fn force_accepts_only_what_was_shown() {
    let optional = LOGIN.replace("mandatory", "optional");
    for (policy, setting) in [
        (LOGIN, ["services.test", "true"]),
        (&optional, ["enforcement", "mandatory"]),
    ] {
        let machine = one_administrator(policy);
        let pty = asked(&machine, setting, &["--force"]);
        assert_refused(&machine, pty, policy);
        // Now it is shown.
        let call = [&["policy", "set"], &setting[..], &["--force"]].concat();
        let mut pty = terminal(&machine, &call);
        let told = pty.expect("Change the policy? [y/N] ");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("Danger: no administrator"), "{told}");
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(0));
        assert_ne!(machine.read(POLICY), policy);
    }
}

#[test]
fn a_switch_off_is_made_whatever_was_changed() {
    let on = LOGIN.replace("[services]", &format!("[services]\n{SERVICE} = true"));
    for setting in [["services.test", "false"], ["enabled", "false"]] {
        let machine = one_administrator(&on);
        let call = [&["policy", "set"], &setting[..]].concat();
        let mut pty = terminal(&machine, &call);
        pty.expect("[y/N] ");
        machine
            .command(&["unset", "alice", "--yes", "--force"])
            .ok();
        pty.send_line("y");
        assert_eq!(pty.end().code, Some(0));
        assert_ne!(machine.read(POLICY), on);
    }
}
