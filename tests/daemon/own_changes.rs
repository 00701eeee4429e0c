//! Changes without root by the command: the proof that is asked for, and what is left where it is not given.

use harness::desk::{json, json_error};
use harness::enrolled::{
    add_account, add_recovery_codes, enroll_token, machine, record_path, state_of,
};
use harness::logins::{ASK_CODE, enroll, enrolled};
use harness::twofactord::SOCKET;
use harness::{Ended, Machine, PASSWORD, Pty, Run};
use serde_json::{Value, json as value};

use super::QUICK;

/// Asks for a code of a device, or a recovery code.
pub const ASK_PROOF: &str = "A code of one of your devices, or a recovery code (Enter to cancel): ";
/// Asks for a code of a device.
pub const ASK_DEVICE_CODE: &str = "A code of one of your devices (Enter to cancel): ";

pub fn devices(machine: &Machine) -> Vec<String> {
    let status = json(machine.command(&["status", "alice", "--json"]));
    let devices = status["users"][0]["devices"].as_array().unwrap();
    let names = devices.iter().map(|it| it["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

pub fn alice(machine: &Machine, arguments: &[&str], input: &str) -> Run {
    let command = machine.twofactor(arguments).user("alice");
    command.input(input).run()
}

/// A command of alice's after a login of hers, in one audit session and on one terminal.
pub fn after_login(machine: &Machine, command: &str) -> Pty {
    let su = format!("exec su alice --session-command '{command}'");
    in_new_session(machine, "alice", &su)
}

/// Commands of a user's in an audit session of their own, on one terminal.
fn in_new_session(machine: &Machine, user: &str, commands: &str) -> Pty {
    let uid = machine.run("id", &["-u", user]).ok().stdout;
    let uid = uid.trim();
    // pam_loginuid(8) writes there at a login.
    let begin = format!(
        "echo {uid} > /proc/self/loginuid && exec setpriv --reuid={uid} --regid={uid} --clear-groups sh -c \"$1\""
    );
    let program = machine.program("sh");
    program.args(&["-c", &begin, "sh", commands]).pty()
}

pub fn ended(pty: Pty, code: i32) -> Ended {
    let ended = pty.end();
    assert_eq!(ended.code, Some(code), "{}", ended.shown);
    ended
}

#[test]
fn a_device_is_unset_with_a_code() {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    enroll(&machine, "alice", &["--device", "tablet"]);
    let daemon = machine.daemon();
    let unset = ["unset", "--device=tablet", "--yes", "--json"];
    let before = machine.read(record_path("alice"));
    let wrong = alice(&machine, &unset, &format!("{}\n", token.wrong()));
    assert!(wrong.stderr.contains("Wrong code.\n"), "{}", wrong.stderr);
    assert_eq!(json_error(wrong, 1)["kind"], "wrong-code");
    let none = alice(&machine, &unset, "\n");
    assert_eq!(json_error(none, 1)["kind"], "cancelled");
    let unanswered = alice(&machine, &unset, "");
    assert_eq!(json_error(unanswered, 1)["kind"], "cancelled");
    let unconfirmed = alice(&machine, &["unset", "--json"], "");
    assert_eq!(json_error(unconfirmed, 2)["kind"], "needs-confirmation");
    let unknown = alice(&machine, &["unset", "--device=x", "--yes", "--json"], "");
    let unknown = json_error(unknown, 1);
    assert_eq!(unknown["kind"], "unknown-device");
    assert_eq!(unknown["next"], "There is: token, tablet");
    assert_eq!(machine.read(record_path("alice")), before);
    let removed = json(alice(&machine, &unset, &format!("{}\n", codes[0])));
    assert_eq!(removed["device"], "tablet");
    assert_eq!(removed["devices_left"], 1);
    assert_eq!(removed["removed"], value!(["tablet"]));
    assert_eq!(removed["done"], true);
    assert_eq!(devices(&machine), ["token"]);
    // The keys are those of root's report.
    let root = json(machine.command(&["unset", "alice", "--dry-run", "--json"]));
    assert_eq!(harness::desk::keys(&removed), harness::desk::keys(&root));
    assert!(!daemon.log().contains(&codes[0]), "{}", daemon.log());
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn options_of_roots_commands_are_refused_by_name() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    let _daemon = machine.daemon();
    for (command, option) in [
        ("unset", "--force"),
        ("unset", "--dry-run"),
        ("unset", "--if-policy=none"),
        ("unset", "--if-devices=none"),
    ] {
        let refused = json_error(alice(&machine, &[command, option, "--json"], ""), 1);
        assert_eq!(refused["kind"], "not-root", "{option}");
        let name = option.split('=').next().unwrap();
        assert_eq!(refused["message"], format!("{name} needs root"));
    }
    add_account(&machine, "bob");
    for command in ["unset", "recovery-codes"] {
        let refused =
            |name: &str| json_error(alice(&machine, &[command, name, "--yes", "--json"], ""), 1);
        assert_eq!(refused("bob"), refused("mallory"));
        assert_eq!(refused("bob")["kind"], "not-root");
    }
}

#[test]
fn recovery_codes_take_a_login_and_a_code() {
    let machine = harness::logins::machine();
    let phone = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let command = ["recovery-codes", "--yes", "--json"];
    let without = json_error(alice(&machine, &command, ""), 1);
    assert_eq!(without["kind"], "login-required");
    let next = "Next: log in with the password in this session, as with su alice or sudo -k -v, and try again there.\n\
                It counts where it asks for a code. If none does, ask your administrator.";
    assert_eq!(without["next"], next);
    let mut pty = after_login(&machine, "/usr/local/bin/twofactor recovery-codes");
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, &phone.code());
    pty.answer("Replace the recovery codes of alice? [y/N] ", "y");
    pty.answer(ASK_DEVICE_CODE, &phone.recovery[0]);
    pty.expect("Wrong code.\n");
    pty.answer(ASK_DEVICE_CODE, &phone.code_after(1));
    let shown = ended(pty, 0).shown;
    assert!(
        shown.contains("they are not shown again:\n\n    "),
        "{shown}"
    );
    let status = json(machine.command(&["status", "alice", "--json"]));
    assert_eq!(status["users"][0]["recovery_codes_left"], 10);
    let verify = |code: &str| {
        let command = machine.twofactor(&["verify", "alice", "--json"]);
        command.input(format!("{code}\n")).run()
    };
    verify(&phone.recovery[0]).exits(1);
    let (_, list) = shown.split_once("not shown again:").unwrap();
    let codes: Vec<&str> = list
        .split_whitespace()
        .filter(|it| it.len() == 19)
        .collect();
    assert_eq!(codes.len(), 10, "{shown}");
    verify(codes[9]).ok();
}

/// As after README's quick start: sshd and sudo ask for codes, su does not.
#[test]
fn where_su_asks_for_no_code_sudo_is_the_login() {
    let machine = harness::logins::machine();
    machine.policy(
        "enabled = true\n[services]\nsshd = true\nsudo = true\nsu = false\n[throttle]\ndelay = 0\n",
    );
    let phone = enrolled(&machine, "alice");
    machine.allow_sudo("alice");
    let _daemon = machine.daemon();
    let codes = "/usr/local/bin/twofactor -y recovery-codes";
    let mut su = after_login(&machine, codes);
    su.answer("Password: ", PASSWORD);
    let shown = ended(su, 1).shown;
    assert!(shown.contains("as with su alice or sudo -k -v"), "{shown}");
    let mut sudo = in_new_session(&machine, "alice", &format!("sudo -k -v; {codes}"));
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer(ASK_CODE, &phone.code());
    sudo.answer(ASK_DEVICE_CODE, &phone.code_after(1));
    let shown = ended(sudo, 0).shown;
    assert!(shown.contains("they are not shown again:"), "{shown}");
}

#[test]
fn recovery_codes_go_to_a_file_of_the_users() {
    let machine = harness::logins::machine();
    let phone = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let file = "/tmp/sheet";
    let command = format!("/usr/local/bin/twofactor -y recovery-codes --recovery-file {file}");
    // Neither a refusal nor a signal leaves the empty file.
    let refused = ["recovery-codes", "--yes", "--recovery-file", file];
    alice(&machine, &refused, "").exits(1);
    let mut pty = after_login(&machine, &command);
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, &phone.code());
    pty.expect(ASK_DEVICE_CODE);
    assert!(std::fs::exists(file).unwrap());
    pty.send(b"\x03");
    pty.end();
    assert!(!std::fs::exists(file).unwrap());
    let mut pty = after_login(&machine, &command);
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, &phone.recovery[0]);
    pty.answer(ASK_DEVICE_CODE, &phone.code_after(1));
    let shown = ended(pty, 0).shown;
    assert!(
        shown.contains("/tmp/sheet (only you can read it)."),
        "{shown}"
    );
    let sheet = machine.read(file);
    assert!(sheet.contains("\nUser: alice\n"), "{sheet}");
    let codes: Vec<&str> = sheet
        .split_whitespace()
        .filter(|it| it.len() == 19)
        .collect();
    assert_eq!(codes.len(), 10, "{sheet}");
    assert!(!shown.contains(codes[0]));
}

#[test]
fn the_last_device_is_unset_with_a_login_and_a_code() {
    let machine = harness::logins::machine();
    let phone = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let command = "/usr/local/bin/twofactor unset --device phone";
    let mut pty = after_login(&machine, command);
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, &phone.code());
    pty.expect("phone is your only device: your recovery codes go with it.\n");
    pty.expect("Logins ask you for no code from then on.\n");
    pty.answer(
        "Remove all devices (phone) and the recovery codes of alice? [y/N] ",
        "y",
    );
    pty.answer(ASK_PROOF, &phone.recovery[0]);
    let shown = ended(pty, 0).shown;
    let told = "Removed: all devices and recovery codes of alice.\n";
    assert!(
        shown.ends_with(told.trim_end()) || shown.ends_with(told),
        "{shown}"
    );
    assert!(devices(&machine).is_empty());
    let none = json_error(alice(&machine, &["unset", "--yes", "--json"], ""), 1);
    assert_eq!(none["kind"], "not-enrolled");
}

#[test]
fn a_device_added_after_the_question_is_not_removed() {
    let machine = harness::logins::machine();
    let phone = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let mut pty = after_login(&machine, "/usr/local/bin/twofactor unset");
    pty.answer("Password: ", PASSWORD);
    pty.answer(ASK_CODE, &phone.code());
    pty.expect("Remove all devices (phone) and the recovery codes of alice? [y/N] ");
    enroll(&machine, "alice", &["--device", "tablet"]);
    let before = machine.read(record_path("alice"));
    pty.send_line("y");
    let shown = ended(pty, 1).shown;
    assert!(
        shown.contains("devices or settings were changed meanwhile, so nothing was changed here"),
        "{shown}"
    );
    assert_eq!(machine.read(record_path("alice")), before);
    assert_eq!(devices(&machine), ["phone", "tablet"]);
}

#[test]
fn what_the_policy_keeps_is_left_to_the_administrator() {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let _daemon = machine.daemon();
    let refused = |command: &[&str]| -> Value {
        let command = [command, &["--yes", "--json"]].concat();
        json_error(alice(&machine, &command, &token.code()), 1)
    };
    machine.policy(&format!("{QUICK}[self_service]\nunset_last = false\n"));
    assert_eq!(refused(&["unset"])["kind"], "not-root");
    machine.policy(&format!("{QUICK}[self_service]\nmanage = false\n"));
    for command in ["unset", "recovery-codes"] {
        let error = refused(&[command]);
        assert_eq!(error["kind"], "not-root");
        assert_eq!(
            error["message"],
            "the policy leaves this change to the administrator"
        );
    }
    // No code was looked at.
    assert_eq!(state_of("alice").devices[0].next, 0);
}

#[test]
fn changes_without_the_daemon_say_what_to_do() {
    let machine = machine(QUICK);
    enroll_token(&machine, "alice");
    for command in ["unset", "recovery-codes"] {
        let run = alice(&machine, &[command, "--yes", "--json"], "");
        let error = json_error(run, 4);
        let told = format!("twofactord gave no answer: {SOCKET}: connect: ");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with(&told), "{message}");
        let next = error["next"].as_str().unwrap();
        assert!(next.contains("systemctl enable --now"), "{next}");
    }
}
