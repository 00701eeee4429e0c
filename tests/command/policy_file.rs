//! The parts of the file that `twofactor policy set` leaves as they were, its refusals, and the findings of `policy
//! check`.

use harness::desk::{desk, desk_on, desk_without_store, json, json_error, parse};
use harness::enrolled::policy_path;
use harness::{Machine, workspace};

/// `policy set`, which is expected to work.
fn set(machine: &Machine, key: &str, value: &str) -> String {
    machine
        .command(&["policy", "set", key, value, "--yes"])
        .ok()
        .stdout
}

fn default_policy() -> String {
    std::fs::read_to_string(workspace().join("crates/core/src/policy/default.toml")).unwrap()
}

#[test]
fn every_setting_is_set_and_the_rest_stays() {
    let machine = desk();
    let settings = [
        ("enabled = false", "enabled", "true"),
        ("enforcement = \"optional\"", "enforcement", "mandatory"),
        ("window = 1", "window", "3"),
        ("tries = 3", "tries", "5"),
        ("prompt = \"Verification code: \"", "prompt", "Code: "),
        ("echo = false", "echo", "true"),
        ("grace = 0", "grace", "60"),
        ("uniform_prompt = false", "uniform_prompt", "true"),
        ("digits = 6", "new_devices.digits", "8"),
        ("interval = 30", "new_devices.interval", "60"),
        ("algorithm = \"SHA1\"", "new_devices.algorithm", "SHA256"),
        ("default = true", "services.default", "false"),
        ("sshd = false", "services.sshd", "true"),
        ("attempts = 5", "throttle.attempts", "9"),
        ("lockout = 30", "throttle.lockout", "60"),
        ("max_lockout = 900", "throttle.max_lockout", "3600"),
        ("max_failures = 100", "throttle.max_failures", "50"),
        ("delay = 2", "throttle.delay", "0"),
    ];
    for (line, key, value) in settings {
        machine.policy(&default_policy());
        set(&machine, key, value);
        let quoted = if line.contains('"') {
            format!("{value:?}")
        } else {
            value.to_owned()
        };
        let (name, _) = line.split_once(" = ").unwrap();
        let expected =
            default_policy().replacen(&format!("\n{line}"), &format!("\n{name} = {quoted}"), 1);
        assert_ne!(expected, default_policy(), "{key}");
        assert_eq!(machine.read(policy_path()), expected, "{key}");
        machine.command(&["policy", "check"]).ok();
    }
    // Comments, order, blank lines and spelling of an edited file.
    let own = "# mine\nwindow = 0x2 # hex\n\nenabled=false   # off\n  [services] # which\nsudo = true\n\n\n[[exempt]]\nusers = [\n  'x', # X\n]\n";
    machine.policy(own);
    set(&machine, "enabled", "true");
    set(&machine, "services.sudo", "false");
    let expected = own
        .replace("enabled=false", "enabled=true")
        .replace("sudo = true", "sudo = false");
    assert_eq!(machine.read(policy_path()), expected);
    assert_eq!(
        machine
            .command(&["policy", "set", "services.sudo", "false", "--yes"])
            .ok()
            .stdout,
        "Nothing to change in /etc/security/twofactor.toml. Two-factor login is on.\n"
    );
}

#[test]
fn the_first_setting_makes_the_file_with_its_comments() {
    let machine = desk();
    set(&machine, "enabled", "false");
    assert_eq!(machine.read(policy_path()), default_policy());
    let mode = machine
        .run("stat", &["-c", "%U %a", "/etc/security/twofactor.toml"])
        .ok();
    assert_eq!(mode.stdout, "root 644\n");
}

#[test]
fn wrong_settings_change_nothing() {
    let machine = desk_on();
    let before = machine.read(policy_path());
    for (key, value, told) in [
        (
            "windows",
            "1",
            "unknown key \"windows\" (did you mean window?); valid keys here: enabled, enforcement, enroll_at_login, enroll_needs_invite, window, tries, prompt, echo, issuer, grace, grace_session, uniform_prompt, notify, new_devices, services, throttle, self_service, fleet, exempt, require\n",
        ),
        (
            "throttle.tries",
            "1",
            "unknown key \"tries\"; valid keys here: attempts, lockout, max_lockout, max_failures, delay\n",
        ),
        ("window", "99", "window is 99; allowed: 0 to 10\n"),
        ("tries", "0", "tries is 0; allowed: 1 to 10\n"),
        (
            "new_devices.digits",
            "9",
            "new_devices.digits is 9; allowed: 6 to 8\n",
        ),
        (
            "new_devices.interval",
            "4",
            "new_devices.interval is 4; allowed: 5 to 3600\n",
        ),
        (
            "enabled",
            "maybe",
            "enabled must be true or false, not a string\n",
        ),
        (
            "services.sshd",
            "1",
            "services.sshd must be true or false, not a whole number\n",
        ),
        (
            "enforcement",
            "always",
            "enforcement is \"always\"; allowed: \"optional\", \"mandatory\"\n",
        ),
        (
            "throttle",
            "1",
            "throttle is a table, not a setting\nSettings are named as in: twofactor policy show\n",
        ),
        (
            "a b",
            "1",
            "\"a b\" is not the name of a setting\nSettings are named as in: twofactor policy show\n",
        ),
    ] {
        let run = machine
            .command(&["policy", "set", key, value, "--yes"])
            .exits(2);
        assert_eq!(
            (run.stderr, run.stdout.as_str()),
            (format!("twofactor: {told}"), "")
        );
        assert_eq!(machine.read(policy_path()), before);
    }
    let error = json_error(
        machine.command(&["policy", "set", "window", "99", "--yes", "--json"]),
        2,
    );
    assert_eq!(error["message"], "window is 99; allowed: 0 to 10");
}

#[test]
fn policy_check_names_line_and_column() {
    let machine = desk();
    for (text, told) in [
        (
            "enabled = true\nwindow = 99\n",
            "line 2, column 10: window is 99; allowed: 0 to 10",
        ),
        (
            "enabled = true\n\n  tires = 3\n",
            "line 3, column 3: unknown key \"tires\" (did you mean tries?); ",
        ),
        ("enabled = \n", "line 1, column "),
        ("window = 1\n", "line 1, column 1: "),
        ("enabled = true\n[[exempt]]\n", "line 2, column 1: "),
        (
            "enabled = true\n# ä\nprompt = 7",
            "line 3, column 10: prompt must be a string, not a whole number",
        ),
    ] {
        machine.policy(text);
        for arguments in [
            &["policy", "check"][..],
            &["policy", "show"],
            &["policy", "set", "tries", "2"],
        ] {
            let run = machine.command(arguments).exits(3);
            let place = format!("twofactor: /etc/security/twofactor.toml: {told}");
            assert!(
                run.stderr.starts_with(&place),
                "{arguments:?} {}",
                run.stderr
            );
            assert_eq!(run.stdout, "");
        }
        assert_eq!(machine.read(policy_path()), text);
        // This text as a draft, which any user may own.
        machine.write_file("/tmp/draft.toml", text, 0o666);
        let run = machine
            .command(&["policy", "check", "/tmp/draft.toml"])
            .exits(3);
        assert!(
            run.stderr
                .starts_with(&format!("twofactor: /tmp/draft.toml: {told}")),
            "{}",
            run.stderr
        );
    }
    let error = json_error(machine.command(&["policy", "check", "--json"]), 3);
    assert_eq!(error["next"], "Correct it, then: twofactor policy check");
    let status = machine.command(&["status", "--json"]).exits(3);
    assert!(parse(&status.stdout)["policy"]["error"].is_string());
}

#[test]
fn check_reports_validity_and_write_permission() {
    let machine = desk_without_store();
    machine.policy("enabled = true\n");
    // Valid, but every login is refused all the same.
    let run = machine.command(&["policy", "check"]).exits(3);
    assert_eq!(
        run.stderr,
        "twofactor: /var/lib/twofactor: is missing or not complete, so logins are refused\n\
         To make it: twofactor init\n"
    );
    machine.command(&["status"]).exits(3);
    machine.command(&["enable", "--yes"]).exits(3);
    machine.command(&["init"]).ok();
    machine.command(&["status"]).ok();
    let run = machine.command(&["policy", "check"]).ok();
    assert_eq!(
        run.stdout,
        "/etc/security/twofactor.toml is valid. Two-factor login is on in it.\n"
    );
    let report = json(machine.command(&["policy", "check", "--json"]));
    assert_eq!(
        report,
        parse(
            "{\"file\": \"/etc/security/twofactor.toml\", \"valid\": true, \"enabled\": true, \"state_checked\": true, \"warnings\": []}"
        )
    );
    machine.write_file(policy_path(), "enabled = true\n", 0o666);
    let run = machine.command(&["policy", "check"]).exits(3);
    assert_eq!(
        run.stderr,
        "twofactor: /etc/security/twofactor.toml: is accessible to others (mode 0666)\n\
         See who changed it; then: chmod go-w /etc/security/twofactor.toml\n"
    );
    std::fs::remove_file(policy_path()).unwrap();
    let run = machine.command(&["policy", "check"]).exits(1);
    assert_eq!(
        run.stderr,
        "twofactor: there is no policy: /etc/security/twofactor.toml\n\
         To make one, switched off: twofactor policy set enabled false\n"
    );
    machine
        .command(&["policy", "check", "/nosuch.toml"])
        .exits(1);
}

#[test]
fn exemptions_are_edited_in_the_file_as_a_whole() {
    let machine = desk_on();
    let before = machine.read(policy_path());
    for value in ["[]", "[{users=[\"root\"]}]"] {
        let run = machine
            .command(&["policy", "set", "exempt", value, "--yes"])
            .exits(2);
        assert_eq!(
            run.stderr,
            "twofactor: exempt is a list of tables\n\
             Edit /etc/security/twofactor.toml, then: twofactor policy check\n"
        );
    }
    assert_eq!(machine.read(policy_path()), before);
}
