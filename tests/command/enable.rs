//! `twofactor enable`: what it announces, asks, refuses and changes, and for which users.

use harness::desk::{
    ASK, Shown, caller, desk, finish, give, give_phone, is_asked, json, json_error, keys, lets_in,
    strings, terminal,
};
use harness::enrolled::{add_stack, login, policy_path, record_path, run};
use harness::patient::with_clock;
use harness::{Machine, PASSWORD};

use crate::report::SWITCH_KEYS;

/// The lines of an announcement that begin with a label.
fn line<'a>(text: &'a str, label: &str) -> &'a str {
    let mut lines = text.lines().map(str::trim_start);
    let found = lines.find_map(|line| line.strip_prefix(label));
    found
        .unwrap_or_else(|| panic!("no {label:?} in {text}"))
        .trim_start()
}

/// The settings with which sshd can ask for a code.
fn let_sshd_ask(machine: &Machine) {
    let settings = "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n";
    let path = "/etc/ssh/sshd_config.d/01-twofactor.conf";
    machine.write_file(path, settings, 0o644);
}

fn names(list: &str) -> Vec<&str> {
    list.split(", ").collect()
}

#[test]
fn r6_enable_and_status_report_the_kernels_clock() {
    let machine = desk();
    let warning = "the clock is not synchronized, and codes depend on it. Set up NTP \
                   (chrony or systemd-timesyncd)";
    // STA_UNSYNC, 0x40, in the word at byte 40 of struct timex.
    let unsynchronized = format!("retval=5:poke_exit=@arg2={}40000000", "00".repeat(40));
    for (answer, word, warned) in [
        ("retval=0", "synchronized", false),
        (unsynchronized.as_str(), "unsynchronized", true),
        ("error=EPERM", "unknown", true),
    ] {
        let status = with_clock(&machine, answer, &["status"]).run().ok();
        assert_eq!(line(&status.stdout, "Clock:"), word);
        machine.policy("enabled = false\n");
        let enable = with_clock(&machine, answer, &["enable", "--yes", "--json"]).run();
        let report = json(enable.clone());
        assert_eq!(report["clock"], word);
        assert_eq!(
            strings(&report["warnings"]).contains(&warning.to_owned()),
            warned
        );
        assert_eq!(
            enable.stderr.contains(&format!("Warning: {warning}\n")),
            warned
        );
        std::fs::remove_file(policy_path()).unwrap();
    }
}

#[test]
fn r15_r16_switching_it_on_forces_no_user() {
    let machine = desk();
    give(&machine, "alice", &[]);
    let report = json(machine.command(&["enable", "--yes", "--json"]));
    assert_eq!(keys(&report), SWITCH_KEYS);
    assert_eq!(report["enabled"], true);
    assert_eq!(report["file"], "/etc/security/twofactor.toml");
    assert_eq!(strings(&report["asked"]), ["alice"]);
    assert!(strings(&report["not_asked"]).contains(&"bob".to_owned()));
    assert_eq!(strings(&report["refused"]), [""; 0]);
    assert_eq!(
        json(machine.command(&["policy", "show", "--json"]))["enforcement"],
        "optional"
    );
    assert!(is_asked("alice") && !is_asked("bob"));
}

#[test]
fn r21_enable_announces_what_changes_for_which_users() {
    let machine = desk();
    give(&machine, "alice", &[]);
    machine.policy("enabled = false\nenforcement = \"mandatory\"\n");
    let root = give_phone(&machine, "root");
    let verify = machine.twofactor(&["verify", "root"]);
    verify.input(root.code()).run().ok();
    let before = machine.read(policy_path());
    let mut pty = terminal(&machine, &["enable"]);
    let question =
        "Switch two-factor login on? Keep a root shell open until a login has worked. [y/N] ";
    let told = pty.expect(question);
    assert!(told.starts_with("Changes:\n  enabled = true\nEffect:\n"));
    assert_eq!(line(&told, "Services"), "test on");
    assert_eq!(line(&told, "Asked for a code"), "alice, root");
    assert_eq!(line(&told, "Not asked"), "none");
    let (all, refused) = line(&told, "Refused").split_once(" (").unwrap();
    let refused = refused.trim_end_matches(')');
    assert!(names(refused).contains(&"bob") && !names(refused).contains(&"alice"));
    assert_eq!(all, "all users without a device");
    assert_eq!(
        machine.read(policy_path()),
        before,
        "nothing has changed yet"
    );
    pty.send_line("yes");
    pty.expect("Done: /etc/security/twofactor.toml. Two-factor login is on.\n");
    assert_eq!(machine.read(policy_path()), before.replace("false", "true"));
}

#[test]
fn r22_sshd_needs_its_own_and_the_global_switch() {
    let machine = desk();
    add_stack(&machine, "sshd", "");
    let_sshd_ask(&machine);
    let phone = give_phone(&machine, "alice");
    let asks_sshd = || !run(login("alice").service("sshd")).prompts.is_empty();
    machine.command(&["enable", "--yes"]).ok();
    assert!(
        is_asked("alice") && !asks_sshd(),
        "the global switch alone leaves sshd out"
    );
    assert!(lets_in("alice", &phone.code()));
    machine
        .command(&["enable", "--service", "sshd", "--yes"])
        .ok();
    assert!(asks_sshd());
    machine
        .command(&["disable", "--service", "sshd", "--yes"])
        .ok();
    assert!(is_asked("alice") && !asks_sshd());
    machine.command(&["disable", "--yes"]).ok();
    machine
        .command(&["policy", "set", "services.sshd", "true", "--yes"])
        .ok();
    assert!(
        !is_asked("alice") && !asks_sshd(),
        "sshd's switch alone is not enough"
    );
    // With it off, `enable --service` switches on both; sshd is on already.
    let enable = [
        "enable",
        "--service",
        "sshd",
        "--service",
        "test",
        "--yes",
        "--json",
    ];
    let changed = json(machine.command(&enable))["changed"].clone();
    let keys: Vec<&str> = changed
        .as_array()
        .unwrap()
        .iter()
        .map(|set| set["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["enabled", "services.test"]);
    assert!(is_asked("alice") && asks_sshd());
}

#[test]
fn r23_sshd_waits_for_a_verified_code() {
    let machine = desk();
    machine.install_stack("sshd");
    let_sshd_ask(&machine);
    let phone = give_phone(&machine, "alice");
    machine.policy("enabled = false\n");
    let told = "twofactor: not done: sshd would ask for codes, but no device on this machine has ever given a right one\n\
                Enroll a device and try it first: twofactor enroll USER, twofactor verify USER\n\
                To proceed despite this: --force\n";
    let enable = ["enable", "--service", "sshd", "--yes"];
    let refused = machine.command(&enable).exits(1);
    assert_eq!(
        (
            refused.stderr.as_str(),
            machine.read(policy_path()).as_str()
        ),
        (told, "enabled = false\n")
    );
    let error = json_error(machine.command(&[&enable[..], &["--json"]].concat()), 1);
    assert_eq!(error["next"].as_str().unwrap().lines().count(), 2);

    // A wrong code proves nothing, a right one does.
    machine
        .twofactor(&["verify", "alice"])
        .input(phone.wrong_code())
        .run()
        .exits(1);
    machine.command(&enable).exits(1);
    phone.settle(5);
    let verify = machine
        .twofactor(&["verify", "alice"])
        .input(phone.code())
        .run()
        .ok();
    assert_eq!(
        verify.stdout,
        "Verification code: \nRight: device phone. It is used up; the next login needs another one.\n\
         1 wrong code since the last right one.\n"
    );
    machine.command(&enable).ok();
    let sshd = machine.sshd("");
    assert!(
        sshd.login("alice")
            .answers(&[PASSWORD, &phone.code_after(1)])
            .run()
            .is_in()
    );
}

#[test]
fn r23_force_switches_sshd_on_all_the_same() {
    let machine = desk();
    machine
        .command(&["enable", "--service", "sshd", "--yes", "--force"])
        .ok();
    assert_eq!(
        json(machine.command(&["policy", "show", "--json"]))["services"]["sshd"],
        true
    );
    // A change that was accepted once does not stop other changes.
    machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
}

#[test]
fn r28_changes_need_a_confirmation_or_yes() {
    let machine = desk();
    caller(&machine);
    machine.policy("enabled = false\n");
    let policy = || machine.read(policy_path());
    for answer in ["n", "", "no", "yep", "\x04"] {
        let mut pty = terminal(&machine, &["enable"]);
        pty.expect("[y/N] ");
        pty.send(answer.as_bytes());
        pty.send(b"\r");
        let ended = pty.end();
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.shown.contains("\ntwofactor: nothing was changed\n"),
            "{}",
            ended.shown
        );
        assert_eq!(policy(), "enabled = false\n", "{answer:?}");
    }
    let mut pty = terminal(&machine, &["enable"]);
    pty.expect("[y/N] ");
    pty.send(b"\x03");
    assert_eq!(pty.end().signal, Some(2));
    assert_eq!(policy(), "enabled = false\n");

    let piped = machine.twofactor(&["enable"]).input("yes\n").run().exits(2);
    assert_eq!(
        piped.stderr,
        "twofactor: this needs a confirmation, and standard input is not a terminal\n\
         Nothing was changed. To go ahead without being asked: --yes\n"
    );
    assert_eq!(policy(), "enabled = false\n");
    machine.command(&["enable", "--yes"]).ok();
    assert_eq!(policy(), "enabled = true\n");
    let changed = machine.log_with("action=policy");
    assert_eq!(
        changed.len(),
        1,
        "only what was changed is logged: {changed:?}"
    );
}

#[test]
fn r29_enable_leads_its_caller_to_a_device() {
    let machine = desk();
    let (_, name) = caller(&machine);
    let mut pty = terminal(&machine, &["enable"]);
    pty.answer("[y/N] ", "y");
    pty.answer(
        &format!("You ({name}) have no device. Enroll one now? [y/N] "),
        "y",
    );
    let shown = Shown::read(&pty.expect(ASK));
    pty.send_line(&shown.totp().code());
    assert_eq!(finish(pty).code, Some(0));
    assert!(lets_in(&name, &shown.totp().code_after(1)));

    machine.command(&["disable", "--yes"]).ok();
    let enable = machine.command(&["enable", "--yes"]).ok();
    let hint = format!("To try a code without logging in: twofactor verify {name}\n");
    assert!(enable.stdout.ends_with(&hint), "{}", enable.stdout);

    machine.command(&["unset", &name, "--yes"]).ok();
    machine.command(&["disable", "--yes"]).ok();
    let mut pty = terminal(&machine, &["enable"]);
    pty.answer("[y/N] ", "y")
        .answer("Enroll one now? [y/N] ", "n");
    let ended = pty.end();
    let hint = format!("To enroll a device of your own: twofactor enroll {name}\n");
    assert!(
        ended.code == Some(0) && ended.shown.ends_with(&hint),
        "{}",
        ended.shown
    );
    assert!(!record_path(&name).exists());
}

#[test]
fn r21_a_service_without_a_pam_file_is_warned_of() {
    let machine = desk();
    let run = machine
        .command(&["enable", "--service", "ssh", "--yes"])
        .exits(1);
    let told = "there is no PAM file of the service ssh: /etc/pam.d/ssh. Did you mean sshd?\n";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let run = machine
        .command(&["enable", "--service", "login", "--yes"])
        .ok();
    assert!(!run.stdout.contains("no PAM file"), "{}", run.stdout);
}

#[test]
fn services_of_one_program_are_switched_together() {
    let machine = desk();
    let said = "su and su-l are one program, so both are switched. To switch su-l alone: twofactor policy set services.su-l \
                true, or false\n";
    let settings = |report: &serde_json::Value| -> Vec<String> {
        let changed = report["changed"].as_array().unwrap().iter();
        changed
            .map(|it| format!("{}={}", it["key"], it["value"]).replace('"', ""))
            .collect()
    };
    let enabled = machine.command(&["enable", "--service", "su", "--yes", "--json"]);
    assert!(enabled.stderr.starts_with(said), "{}", enabled.stderr);
    assert_eq!(
        settings(&json(enabled)),
        ["enabled=true", "services.su=true", "services.su-l=true"]
    );
    let shown = json(machine.command(&["policy", "show", "--json"]));
    assert_eq!(shown["services"]["su-l"], true);
    let both = ["--service", "su", "--service", "su-l"];
    let disabled = machine.command(&[&["disable", "--yes", "--json"], &both[..]].concat());
    assert!(!disabled.stderr.contains("one program"));
    assert_eq!(
        settings(&json(disabled)),
        ["services.su=false", "services.su-l=false"]
    );
    machine.policy("enabled = true\n[services]\ndefault = false\nsudo = true\n");
    let status = json(machine.command(&["status", "--json"]));
    assert_eq!(status["policy"]["services"]["sudo-i"], true);
    let one = machine.command(&["enable", "--service", "login", "--yes", "--json"]);
    assert!(!one.stderr.contains("one program"));
}

/// A policy that is on, and asks nowhere, shuts no user out; the first service that asks does.
#[test]
fn a_service_not_asking_yet_needs_an_administrator() {
    let machine = desk();
    let off = "enabled = true\nenforcement = \"mandatory\"\n[services]\ndefault = false\n";
    let told = "twofactor: not done: no administrator (root, or a member of sudo or wheel) could log in: none is let in \
                without a code, and none who is not locked has a device that has ever given a right one\n";
    let changes: [&[&str]; 3] = [
        &["enable", "--service", "test", "--yes"],
        &["policy", "set", "services.test", "true", "--yes"],
        &["policy", "set", "services.default", "true", "--yes"],
    ];
    for change in changes {
        machine.policy(off);
        let refused = machine.command(change).exits(1);
        assert!(refused.stderr.starts_with(told), "{}", refused.stderr);
        assert_eq!(machine.read(policy_path()), off);
        machine.command(&[change, &["--force"]].concat()).ok();
    }
    let phone = give_phone(&machine, "root");
    let verify = machine.twofactor(&["verify", "root"]);
    verify.input(phone.code()).run().ok();
    for change in changes {
        machine.policy(off);
        machine.command(change).ok();
    }
}
