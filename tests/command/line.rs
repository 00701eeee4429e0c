//! The command line: other names of commands, arguments that may be left out, and what was meant by a mistyped one.

use harness::desk::{
    ASK, Shown, caller, desk, desk_on, finish, give, give_phone, json, lets_in, on_terminals, parse,
};
use harness::screen::{COLUMNS, assert_fits};
use harness::{Machine, Program, Totp, hotp};

/// The command as sudo starts it for a caller.
fn under_sudo(machine: &Machine, user: &str, arguments: &[&str]) -> Program {
    let uid = machine.run("id", &["-u", user]).ok().stdout;
    let program = machine.twofactor(arguments);
    program.env("SUDO_USER", user).env("SUDO_UID", uid.trim())
}

#[test]
fn other_names_of_commands_do_the_same() {
    let machine = desk_on();
    for (name, device) in [("enrol", "a"), ("add", "b")] {
        let arguments = [name, "alice", "--device", device, "--no-confirm", "--json"];
        assert_eq!(json(machine.command(&arguments))["device"]["name"], device);
    }
    let list = json(machine.command(&["list", "--json"]));
    assert_eq!(list["users"][0]["user"], "alice");
    for (name, device) in [("remove", "a"), ("delete", "b")] {
        let run = machine.command(&[name, "alice", "--device", device, "--yes"]);
        assert!(run.ok().stdout.contains("Removed: "));
    }
    machine.command(&["show", "alice"]).exits(1);
}

#[test]
fn one_setting_is_shown_alone() {
    let machine = desk();
    machine.policy("enabled = true\nwindow = 3\n[services]\nsu = true\n");
    for (key, value) in [
        ("window", "3\n"),
        ("enforcement", "\"optional\"\n"),
        ("throttle.attempts", "5\n"),
        ("services.su", "true\n"),
        // It is one program with su.
        ("services.su-l", "true\n"),
        ("services.nginx", "true\n"),
    ] {
        for command in ["show", "get"] {
            let run = machine.command(&["policy", command, key]).ok();
            assert_eq!(run.stdout, value, "{key}");
        }
    }
    let shown = json(machine.command(&["policy", "get", "window", "--json"]));
    assert_eq!(shown, parse("{\"key\":\"window\",\"value\":3}"));
    let table = machine.command(&["policy", "get", "new_devices"]).ok();
    assert!(table.stdout.contains("digits = 6\n"), "{table:?}");
    let run = machine.command(&["policy", "get", "windows"]).exits(2);
    assert_eq!(
        run.stderr,
        "twofactor: there is no setting windows; did you mean window?\n\
         Settings are named as in: twofactor policy show\n"
    );
    let run = machine.command(&["policy", "get", "issuer"]).exits(1);
    assert!(
        run.stderr
            .contains("issuer is not set: the host name is used")
    );
}

#[test]
fn services_are_arguments_or_options() {
    let machine = desk();
    give_phone(&machine, "alice");
    machine.stack("sudo", "auth required pam_permit.so\n");
    machine.stack("login", "auth required pam_permit.so\n");
    let policy = || machine.read("/etc/security/twofactor.toml");
    let enable = ["enable", "sudo", "--service", "login", "--force", "--yes"];
    on_terminals(|| machine.twofactor(&enable), 0);
    for key in [
        "enabled = true",
        "sudo = true",
        "sudo-i = true",
        "login = true",
    ] {
        assert!(
            policy().contains(&format!("{key}\n")),
            "{key}: {}",
            policy()
        );
    }
    let disable = ["disable", "sudo", "login", "--yes"];
    on_terminals(|| machine.twofactor(&disable), 0);
    for key in ["enabled = true", "sudo = false", "login = false"] {
        assert!(
            policy().contains(&format!("{key}\n")),
            "{key}: {}",
            policy()
        );
    }
}

#[test]
fn without_a_name_it_is_for_the_caller_of_sudo() {
    for columns in COLUMNS {
        is_for_the_caller_of_sudo(columns);
    }
}

fn is_for_the_caller_of_sudo(columns: u16) {
    let machine = desk_on();
    let mut pty = under_sudo(&machine, "bob", &["enroll"]).pty_of(columns, 24);
    let text = pty.expect(ASK);
    assert!(text.starts_with("For bob, who called sudo.\n"), "{text}");
    let phone = Shown::read(&text).totp();
    pty.send_line(&phone.code());
    assert_eq!(finish(pty).code, Some(0));

    let run = |arguments: &[&str]| under_sudo(&machine, "bob", arguments);
    let show = run(&["show", "--secret"]).run().ok();
    assert_eq!(show.stderr, "For bob, who called sudo.\n");
    assert_eq!(show.stdout, format!("{}\n", phone.secret));
    let verify = run(&["verify", "--json"]).input(phone.code_after(1) + "\n");
    assert_eq!(json(verify.run())["user"], "bob");
    // A command that ends something without a question names the user.
    run(&["renew", "--no-confirm"]).run().exits(2);
    run(&["recovery-codes", "--yes"]).run().exits(2);
    // Everything that is kept is shown without a name, as before.
    give_phone(&machine, "alice");
    let all = json(run(&["status", "--json"]).run());
    assert_eq!(all["users"].as_array().unwrap().len(), 2);
}

#[test]
fn without_sudo_it_is_for_the_login_user() {
    let machine = desk_on();
    let (_, name) = caller(&machine);
    let run = machine.command(&["enroll", "--no-confirm", "--json"]);
    assert_eq!(run.stderr, format!("For {name}, who called it.\n"));
    assert_eq!(json(run)["user"], name.as_str());
}

#[test]
fn a_contradiction_about_the_caller_names_no_user() {
    let machine = desk_on();
    let enroll = machine.twofactor(&["enroll", "--no-confirm"]);
    let run = enroll
        .env("SUDO_USER", "alice")
        .env("SUDO_UID", "0")
        .run()
        .exits(2);
    let why = "twofactor: SUDO_USER and SUDO_UID do not belong to one account, so the user must be named\n";
    assert!(run.stderr.starts_with(why), "{run:?}");
    assert_eq!(
        json(machine.command(&["status", "--json"]))["users"],
        parse("[]")
    );
}

#[test]
fn nothing_is_removed_without_a_named_user() {
    let machine = desk_on();
    give_phone(&machine, "bob");
    let run = under_sudo(&machine, "bob", &["unset", "--yes"]).run();
    assert!(run.exits(2).stderr.contains("so the user must be named"));
    for columns in COLUMNS {
        let mut pty = under_sudo(&machine, "bob", &["unset"]).pty_of(columns, 24);
        let asked = pty.expect("[y/N] ");
        assert!(asked.starts_with("For bob, who called sudo.\n"), "{asked}");
        assert_fits(&asked, columns, &[]);
        let words: Vec<&str> = asked.split_whitespace().collect();
        assert!(
            words
                .join(" ")
                .ends_with("and the recovery codes of bob? [y/N]")
        );
        pty.send_line("n");
        assert_eq!(pty.end().code, Some(1));
    }
    json(machine.command(&["show", "bob", "--json"]));
    let mut pty = under_sudo(&machine, "bob", &["unset"]).pty_of(80, 24);
    pty.answer("[y/N] ", "y");
    assert_eq!(pty.end().code, Some(0));
    machine.command(&["show", "bob"]).exits(1);
}

#[test]
fn the_only_device_is_found_again_without_its_name() {
    let machine = desk_on();
    let key = give(&machine, "bob", &["--hotp", "--device=token"])["secret"].clone();
    let code = |counter| hotp(key.as_str().unwrap(), counter, 6);
    let found = machine.command(&["resync", "bob", &code(20), &code(21), "--json"]);
    assert_eq!(json(found)["device"], "token");
    for (columns, counter) in COLUMNS.into_iter().zip([30, 40]) {
        let mut pty = machine.twofactor(&["resync", "bob"]).pty_of(columns, 24);
        pty.answer("A code of the device: ", &code(counter))
            .answer("The code after it: ", &code(counter + 1));
        let ended = pty.end();
        assert_eq!(ended.code, Some(0));
        assert_fits(&ended.shown, columns, &[]);
    }
    let one = machine
        .command(&["resync", "bob", "token", &code(50)])
        .exits(2);
    assert_eq!(
        one.stderr,
        "twofactor: two codes that follow each other are needed\n"
    );
    give(&machine, "bob", &["--device=phone"]);
    let run = machine.command(&["resync", "bob"]).exits(2);
    assert_eq!(
        run.stderr,
        "twofactor: bob has several devices: token, phone\ntwofactor resync bob NAME\n"
    );
}

#[test]
fn a_qr_code_needs_no_style() {
    let machine = desk();
    let uri = give(&machine, "bob", &[])["uri"].clone();
    for arguments in [
        &["show", "bob", "--qr"][..],
        &["show", "bob", "--qr", "auto"],
    ] {
        for shown in on_terminals(|| machine.twofactor(arguments), 0) {
            assert!(shown.contains('█'), "{shown}");
            assert!(shown.contains(uri.as_str().unwrap()));
        }
    }
    let run = machine.command(&["show", "--qr", "bob"]).exits(2);
    assert!(run.stderr.contains("auto, utf8, ascii, none"), "{run:?}");
}

#[test]
fn a_mistyped_command_names_the_one_that_was_meant() {
    let machine = desk();
    for (typed, meant) in [
        (&["enrll", "bob"][..], "enroll"),
        (&["disble"], "disable"),
        (&["policy", "chek"], "check"),
    ] {
        let tip = format!("tip: a similar subcommand exists: '{meant}' ");
        for shown in on_terminals(|| machine.twofactor(typed), 2) {
            assert!(shown.contains(&tip), "{shown}");
        }
    }
    let run = machine.command(&["frobnicate"]).exits(2);
    assert!(!run.stderr.contains("tip:"), "{run:?}");
}

#[test]
fn a_phone_of_ones_own_lets_one_in() {
    let machine = desk_on();
    let run = under_sudo(&machine, "alice", &["enrol", "--no-confirm", "--json"]).run();
    let phone = Totp::new(json(run)["secret"].as_str().unwrap());
    assert!(lets_in("alice", &phone.code()));
}

#[test]
fn every_user_may_check_and_show_the_policy() {
    let machine = desk_on();
    machine
        .program("chmod")
        .args(&["755", "/etc/security"])
        .run()
        .ok();
    let run = |arguments: &[&str]| machine.twofactor(arguments).user("alice").run();
    let shown = run(&["policy", "show"]).ok();
    assert!(shown.stdout.starts_with("enabled = true\n"), "{shown:?}");
    assert_eq!(run(&["policy", "get", "window"]).ok().stdout, "1\n");
    let check = || machine.twofactor(&["policy", "check"]).user("alice");
    for shown in on_terminals(check, 0) {
        assert_eq!(
            shown,
            "/etc/security/twofactor.toml is valid. Two-factor login is on in it. \
             The state directory was not checked: that needs root."
        );
    }
    let report = json(run(&["policy", "check", "--json"]));
    assert_eq!(report["state_checked"], false);
    let report = json(machine.command(&["policy", "check", "--json"]));
    assert_eq!(report["state_checked"], true);
    // All else is root's, but for one's own factor.
    for command in [&["doctor"][..], &["policy", "set", "window", "2"]] {
        run(command).exits(1);
    }
}

#[test]
fn a_policy_on_standard_input_is_checked_alone() {
    let machine = desk();
    let run = |policy: &str| {
        let check = machine.twofactor(&["policy", "check", "-"]);
        check.user("alice").input(policy).run()
    };
    // Neither a policy nor an account of this machine is read: it knows no such user.
    let valid = run("enabled = true\n[[exempt]]\nusers = [\"no-such-user\"]\n").ok();
    assert_eq!(
        (valid.stdout.as_str(), valid.stderr.as_str()),
        (
            "The policy on standard input is valid. Two-factor login is on in it.\n",
            ""
        )
    );
    let pipe = "echo 'enabled = true' | twofactor policy check -";
    let on_terminal = || machine.program("sh").args(&["-c", pipe]).user("alice");
    for shown in on_terminals(on_terminal, 0) {
        assert_eq!(
            shown,
            "The policy on standard input is valid. Two-factor login is on in it."
        );
    }
    let invalid = run("enabled = true\nwindows = 2\n").exits(3);
    assert!(
        invalid.stderr.starts_with(
            "twofactor: standard input: line 2, column 1: unknown key \"windows\" (did you mean window?); valid keys"
        ),
        "{invalid:?}"
    );
}
