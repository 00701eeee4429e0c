//! The statements of `enable`, `policy set`, `status`, `import` and `export` about logins before they are tried.

use harness::Machine;
use harness::desk::on_terminals;
use harness::logins::{Phone, enroll};
use harness::screen::{COLUMNS, assert_fits};
use serde_json::Value;

const OFF: &str = "enabled = false\n[services]\ndefault = true\n[throttle]\ndelay = 0\n";

/// A machine whose PAM files are those of Debian, and alice's phone, which has given a right code.
fn machine() -> (Machine, Phone) {
    let machine = Machine::new();
    harness::module();
    machine.policy(OFF);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    let phone = enroll(&machine, "alice", &[]);
    let code = phone.totp.code_after(-1);
    let verify = machine.twofactor(&["verify", "alice"]);
    verify.input(format!("{code}\n")).run().ok();
    (machine, phone)
}

fn warnings(machine: &Machine) -> Vec<String> {
    let run = machine.command(&["status", "--json"]).ok();
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let list = report["warnings"].as_array().unwrap().iter();
    list.map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn enable_and_status_say_that_nothing_asks() {
    let (machine, _) = machine();
    let warning = "two-factor login is on, but no PAM file names pam_twofactor.so";
    assert_eq!(warnings(&machine), [""; 0], "it is off");
    let enable = || {
        machine.policy(OFF);
        machine.twofactor(&["enable", "--yes"])
    };
    for shown in on_terminals(enable, 0) {
        assert!(shown.contains(&format!("Warning: {warning}")), "{shown}");
        assert!(shown.contains("Cure: twofactor setup SERVICE"), "{shown}");
    }
    let [told] = warnings(&machine).try_into().unwrap();
    assert!(told.starts_with(warning), "{told}");
    for shown in on_terminals(|| machine.twofactor(&["status"]), 0) {
        assert!(shown.contains(&format!("Warning: {warning}")), "{shown}");
    }
}

#[test]
fn logins_that_sshd_would_refuse_stop_a_change() {
    let (machine, _) = machine();
    machine.install_stack("sshd");
    let before = machine.read("/etc/security/twofactor.toml");
    for change in [
        vec!["enable", "--service", "sshd", "--yes"],
        vec!["policy", "set", "services.sshd", "true", "--yes"],
    ] {
        if change[0] == "policy" {
            machine.policy(&OFF.replace("enabled = false", "enabled = true"));
        }
        for refused in on_terminals(|| machine.twofactor(&change), 1) {
            for told in [
                "not done: sshd would refuse alice: it cannot ask for a code",
                "twofactor setup sshd",
            ] {
                assert!(refused.contains(told), "{refused}");
            }
            assert!(
                refused.ends_with("To proceed despite this: --force"),
                "{refused}"
            );
        }
        machine.policy(&before);
    }
    machine
        .command(&["enable", "--service", "sshd", "--yes", "--force"])
        .ok();
    let told = warnings(&machine);
    assert!(
        told[0].starts_with("sshd has KbdInteractiveAuthentication no, so it cannot ask"),
        "{told:?}"
    );
    // The step that doctor and the refusal name fixes it.
    machine
        .command(&["setup", "sshd", "--user", "alice", "--yes"])
        .ok();
    assert_eq!(warnings(&machine), [""; 0]);
}

const ASKS: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
const ENROLLS: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\n";

/// The stack of login with these lines of the module.
fn login_with(machine: &Machine, auth: &str, account: &str) {
    let password = "@include common-auth\n";
    machine.stack(
        "login",
        &format!("{password}{auth}{account}@include common-account\n"),
    );
}

/// Without an account line that binds, users who have to enroll are let in.
#[test]
fn a_demand_without_account_lines_is_reported() {
    let (machine, _) = machine();
    let optional = "account optional pam_twofactor.so\n";
    for (account, told) in [
        (
            "",
            "Warning: /etc/pam.d/login names pam_twofactor.so in its auth lines but not in its account lines",
        ),
        (
            optional,
            "Warning: what /etc/pam.d/login line 3 (optional pam_twofactor.so) refuses is let in all the same",
        ),
    ] {
        login_with(&machine, ASKS, account);
        machine.policy("enabled = true\n[services]\nlogin = true\n");
        let set = |key: &str, value: &str| {
            machine.command(&["policy", "set", key, value, "--yes", "--force"])
        };
        let unconcerned = set("grace", "60").ok().stdout;
        assert!(!unconcerned.contains("account"), "{unconcerned}");
        let demanded = set("enroll_at_login", "require").ok().stdout;
        assert!(demanded.contains(told), "{demanded}");
        assert!(
            demanded.contains("are let in without a device. Cure: "),
            "{demanded}"
        );
        let known = set("grace", "30").ok().stdout;
        assert!(!known.contains("account"), "{known}");
    }
    login_with(&machine, ASKS, ENROLLS);
    machine.policy(OFF);
    let bound = machine.command(&["enable", "--yes"]).ok().stdout;
    assert!(!bound.contains("pam_twofactor.so"), "{bound}");
}

#[test]
fn lines_that_let_in_without_a_code_are_told() {
    let (machine, _) = machine();
    login_with(&machine, "auth optional pam_twofactor.so\n", ENROLLS);
    let told = "Warning: a wrong code lets in as well: /etc/pam.d/login line 2";
    for change in [
        &["enable", "--yes"][..],
        &["enable", "--service", "login", "--yes"],
        &["policy", "set", "enabled", "true", "--yes"],
    ] {
        machine.policy(OFF);
        let run = machine.command(change).ok();
        assert!(run.stdout.contains(told), "{change:?}: {}", run.stdout);
    }
    // Those of a service that stays off do not matter.
    machine.policy(&OFF.replace("default = true", "default = true\nlogin = false"));
    let run = machine.command(&["enable", "--yes"]).ok();
    assert!(!run.stdout.contains("a wrong code"), "{}", run.stdout);
}

#[test]
fn a_stack_that_refuses_all_users_stops_a_change() {
    let (machine, _) = machine();
    let twice = format!("{ASKS}{ASKS}");
    for (auth, told) in [
        (
            "auth [success=ok ignore=ignore default=die] pam_twofactor.so\nauth requisite pam_deny.so\n",
            "not done: no login passes the auth lines of login, whatever is typed",
        ),
        (
            &twice,
            "not done: the code is asked for twice, and the second time it is refused as used",
        ),
    ] {
        login_with(&machine, auth, ENROLLS);
        machine.policy(OFF);
        let enable = ["enable", "--service", "login", "--yes"];
        let refused = machine.command(&enable).exits(1).stderr;
        assert!(refused.contains(told), "{refused}");
        let end = "To proceed despite this: --force\n";
        assert!(refused.ends_with(end), "{refused}");
        assert_eq!(machine.read("/etc/security/twofactor.toml"), OFF);
        machine.command(&[&enable[..], &["--force"]].concat()).ok();
        // It is so already.
        let set = ["policy", "set", "grace", "60", "--yes"];
        machine.command(&set).ok();
    }
}

#[test]
fn a_service_that_asks_no_user_is_named() {
    let (machine, _) = machine();
    machine.install_stack("sudo");
    let run = machine
        .command(&["enable", "--service", "login", "--yes"])
        .ok();
    assert!(
        run.stdout.contains("Warning: the policy is on for login, but the auth lines of /etc/pam.d/login do not name"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("Cure: twofactor setup login."),
        "{}",
        run.stdout
    );
}

#[test]
fn services_are_those_whose_pam_files_name_it() {
    let (machine, _) = machine();
    machine.install_stack("sudo");
    machine.install_stack("sshd");
    let services = |run: harness::Run| {
        let text = run.ok().stdout;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Services"));
        line.unwrap_or_else(|| panic!("{text}"))
            .trim_matches([' ', ':'])
            .to_owned()
    };
    let enable = machine.command(&["enable", "--service", "sudo", "--yes"]);
    assert_eq!(services(enable), "sudo on; sshd off");
    assert_eq!(services(machine.command(&["status"])), "sudo on; sshd off");
    for arguments in [&["enable", "--service", "sudo", "--yes"][..], &["status"]] {
        let again = || {
            if arguments[0] == "enable" {
                machine.policy(OFF);
            }
            machine.twofactor(arguments)
        };
        for shown in on_terminals(again, 0) {
            assert!(shown.contains("sudo on; sshd off"), "{shown}");
        }
    }
}

#[test]
fn only_switches_the_other_services_off() {
    let (machine, _) = machine();
    machine.install_stack("sudo");
    machine.policy(&OFF.replace("default = true", "default = true\nlogin = true\nsu = true"));
    let only = ["enable", "--service", "sudo", "--only", "--yes"];
    on_terminals(|| machine.twofactor(&only), 0);
    let show = machine.command(&["policy", "show", "--json"]).ok().stdout;
    let policy: Value = serde_json::from_str(&show).unwrap();
    let services = &policy["services"];
    for (name, on) in [
        ("sudo", true),
        ("sudo-i", true),
        ("login", false),
        ("su", false),
        ("default", false),
    ] {
        assert_eq!(services[name], on, "{name}: {services}");
    }
    machine.command(&["enable", "--only", "--yes"]).exits(2);
}

#[test]
fn a_misspelt_service_is_refused() {
    let (machine, _) = machine();
    for change in [
        vec!["enable", "--service", "ssh", "--yes"],
        vec!["policy", "set", "services.ssh", "true", "--yes"],
    ] {
        for refused in on_terminals(|| machine.twofactor(&change), 1) {
            assert!(
                refused.contains(
                    "there is no PAM file of the service ssh: /etc/pam.d/ssh. Did you mean sshd?"
                ),
                "{refused}"
            );
        }
        machine.command(&[change, vec!["--force"]].concat()).ok();
        machine.policy(OFF);
    }
}

#[test]
fn import_names_the_line_that_asks_twice() {
    for columns in COLUMNS {
        import_names_the_line(columns);
    }
}

fn import_names_the_line(columns: u16) {
    let (machine, _) = machine();
    machine.add_user("bob");
    machine.write_file(
        "/root/users.oath",
        "HOTP/T30/6 bob - 3132333435363738393031323334353637383930\n",
        0o600,
    );
    let sshd = machine.read("/etc/pam.d/sshd");
    let line = "auth required pam_oath.so usersfile=/root/users.oath\n";
    machine.write_file("/etc/pam.d/sshd", format!("{line}{sshd}"), 0o644);
    let import = ["import", "users-oath", "/root/users.oath"];
    let dry = machine
        .command(&[&import[..], &["--dry-run"]].concat())
        .ok();
    assert!(!dry.stdout.contains("remove what asks"), "{}", dry.stdout);
    let run = machine.twofactor(&[&import[..], &["--yes"]].concat());
    let ended = run.env("NO_COLOR", "1").pty_of(columns, 24).end();
    assert_eq!(ended.code, Some(0), "{}", ended.shown);
    assert_fits(&ended.shown, columns, &["twofactor "]);
    // The line is in one piece.
    assert!(
        ended
            .shown
            .ends_with("\n  /etc/pam.d/sshd line 1 (pam_oath.so)\n"),
        "{}",
        ended.shown
    );
    let words: Vec<&str> = ended.shown.split_whitespace().collect();
    let told =
        "remove what asks for the same code a second time (go by the module: setup moves lines): ";
    assert!(words.join(" ").contains(told), "{}", ended.shown);
}

#[test]
fn export_asks_before_it_reveals() {
    let (machine, phone) = machine();
    let key = phone.totp.secret.as_str();
    machine.command(&["export", "uri"]).exits(2);
    let silent = machine.command(&["export", "uri", "--all"]).exits(2);
    assert!(!silent.stdout.contains(key) && silent.stderr.contains("--yes"));
    assert_eq!(machine.log_with("revealed"), [""; 0]);
    let ask = |answer: &str, columns: u16| {
        let mut export = machine
            .twofactor(&["export", "uri", "--user", "alice"])
            .pty_of(columns, 24);
        export.expect("Write the keys of 1 device of alice to standard output? ");
        export.answer("[y/N] ", answer);
        export.end()
    };
    for columns in COLUMNS {
        let refused = ask("n", columns);
        assert_eq!(
            (refused.code, refused.shown.contains(key)),
            (Some(1), false)
        );
        let shown = ask("y", columns);
        assert_eq!((shown.code, shown.shown.contains(key)), (Some(0), true));
    }
    // The question is not among the lines.
    let piped = machine.command(&["export", "uri", "--all", "--yes"]).ok();
    assert!(piped.stdout.starts_with("otpauth://") && piped.stdout.lines().count() == 1);
}
