//! `twofactor doctor` and `enable` on programs that cannot ask for a code, beside what such a program gets.

use harness::pam::{Drive, code};
use harness::patient::{SSHD, all, doctor, finding, found, healthy, report, sshd, ways};
use harness::{Machine, PASSWORD};

use super::stacks::{ACCOUNT, LINE};

const UNIX: &str = "auth requisite pam_unix.so nodelay\n";

/// Gives a service the password, then the code.
fn both(machine: &Machine, service: &str) {
    machine.stack(service, &format!("{UNIX}{LINE}{ACCOUNT}"));
}

/// Value that pam_authenticate returned in a program of this service.
fn authenticate(service: &str, user: &str, program: impl Fn(Drive) -> Drive) -> i32 {
    let drive = Drive::installed().service(service).user(user);
    program(drive).answer(PASSWORD).answer(PASSWORD).run().auth
}

#[test]
fn a_screen_locker_refuses_and_is_reported() {
    let machine = healthy();
    machine.set_password("bob");
    both(&machine, "i3lock");
    let table = report(&machine, &[]);
    assert_eq!(all(&table), ["problem runs-as-user i3lock"]);
    let (cause, fix) = finding(&table, "runs-as-user");
    assert!(cause.contains("also of users without one"), "{cause}");
    assert!(fix.contains("twofactor disable --service i3lock"), "{fix}");
    for user in ["alice", "bob"] {
        let told = ways(&table, "i3lock", user);
        assert_eq!(told, ["pam: password = refused runs-as-user"], "{user}");
        let got = authenticate("i3lock", user, |drive| drive.as_user(user));
        assert_eq!(got, code::AUTHINFO_UNAVAIL, "{user}");
    }
    assert_eq!(
        ways(&table, "i3lock", "root"),
        ["pam: password = in no-device"]
    );
    let text = doctor(&machine, &[]).exits(1).stdout;
    assert!(text.contains("refused: runs as the user"), "{text}");
    // The cure cures, and is no finding itself.
    let disable = ["disable", "--service", "i3lock", "--yes"];
    machine.command(&disable).ok();
    let table = report(&machine, &[]);
    assert_eq!(all(&table), [""; 0]);
    let off = "pam: password = in service-off";
    assert_eq!(ways(&table, "i3lock", "alice"), [off]);
    let got = authenticate("i3lock", "alice", |drive| drive.as_user("alice"));
    assert_eq!(got, code::SUCCESS);
}

#[test]
fn with_the_daemon_a_locker_asks_for_a_code() {
    let machine = healthy();
    machine.set_password("bob");
    both(&machine, "xscreensaver");
    machine.install_stack("i3lock");
    let missing = [
        "problem runs-as-user i3lock",
        "problem runs-as-user xscreensaver",
    ];
    assert_eq!(found(&machine), missing);
    let _daemon = machine.daemon();
    let table = report(&machine, &[]);
    assert_eq!(all(&table), [""; 0]);
    let told = ways(&table, "xscreensaver", "alice");
    assert_eq!(told, ["pam: password+code = in -"]);
    let told = ways(&table, "i3lock", "alice");
    assert_eq!(told, ["pam: password-and-code = in -"]);
    let got = authenticate("i3lock", "bob", |drive| drive.as_user("bob"));
    assert_eq!(got, code::SUCCESS);
    // It has one answer for two questions.
    both(&machine, "i3lock");
    assert_eq!(found(&machine), ["problem one-answer i3lock"]);
}

#[test]
fn an_unprivileged_server_is_refused_and_reported() {
    let machine = healthy();
    both(&machine, "nginx");
    both(&machine, "screen");
    let table = report(&machine, &[]);
    let expected = [
        "problem runs-as-account nginx",
        "problem runs-as-user screen",
    ];
    assert_eq!(all(&table), expected);
    for user in ["alice", "bob", "root"] {
        let told = ways(&table, "nginx", user);
        assert_eq!(told, ["pam: password = refused not-root"], "{user}");
    }
    // Such accounts may check passwords; here any is right.
    let open = format!("auth required pam_permit.so\n{LINE}{ACCOUNT}");
    machine.stack("nginx", &open);
    for user in ["alice", "bob"] {
        let got = authenticate("nginx", user, |drive| drive.as_user("www-data"));
        assert_eq!(got, code::AUTHINFO_UNAVAIL, "{user}");
    }
    machine
        .command(&["disable", "--service", "nginx", "--yes"])
        .ok();
    machine
        .command(&["disable", "--service", "screen", "--yes"])
        .ok();
    assert_eq!(found(&machine), [""; 0]);
    let got = authenticate("nginx", "alice", |drive| drive.as_user("www-data"));
    assert_eq!(got, code::SUCCESS);
}

#[test]
fn one_answer_is_taken_for_the_code_and_refused() {
    let machine = healthy();
    both(&machine, "dovecot");
    let table = report(&machine, &[]);
    assert_eq!(all(&table), ["problem one-answer dovecot"]);
    let told = ways(&table, "dovecot", "alice");
    assert_eq!(told, ["pam: password = refused one-answer"]);
    assert_ne!(
        authenticate("dovecot", "alice", |drive| drive),
        code::SUCCESS
    );
    let text = doctor(&machine, &[]).exits(1).stdout;
    assert!(text.contains("refused: one answer only"), "{text}");
    let others = ["cups", "openvpn", "samba", "vsftpd", "xrdp-sesman"];
    for service in others {
        both(&machine, service);
    }
    let table = report(&machine, &[]);
    for service in others {
        let told = ways(&table, service, "alice");
        assert_eq!(told, ["pam: password = refused one-answer"], "{service}");
        std::fs::remove_file(format!("/etc/pam.d/{service}")).unwrap();
    }
    // Both steps of the cure.
    machine.install_stack_as("sshd-password-and-code-in-one-field", "dovecot");
    let table = report(&machine, &[]);
    assert_eq!(all(&table), [""; 0]);
    let told = ways(&table, "dovecot", "alice");
    assert_eq!(told, ["pam: password-and-code = in -"]);
    both(&machine, "dovecot");
    machine
        .command(&["disable", "--service", "dovecot", "--yes"])
        .ok();
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn jobs_are_never_asked() {
    let machine = healthy();
    for service in ["cron", "atd"] {
        both(&machine, service);
        let table = report(&machine, &[]);
        assert_eq!(all(&table), [""; 0]);
        assert_eq!(ways(&table, service, "alice"), ["pam:  = in never-asked"]);
        let text = doctor(&machine, &[]).ok().stdout;
        let mut below = text.lines().skip_while(|line| !line.starts_with(service));
        let row = below.nth(1).unwrap();
        assert!(row.ends_with(" users: never asked"), "{text}");
        let job = Drive::installed().service(service).user("alice");
        let job = job.phases("acct,setcred,open").run();
        assert!(job.prompts.is_empty() && job.acct == code::SUCCESS);
    }
}

#[test]
fn enable_warns_of_programs_that_would_refuse() {
    let machine = healthy();
    both(&machine, "i3lock");
    both(&machine, "nginx");
    machine.policy("enabled = false\n");
    let warnings = |arguments: &[&str]| {
        let run = machine.command(&[arguments, &["--yes", "--json"]].concat());
        let report: serde_json::Value = serde_json::from_str(&run.ok().stdout).unwrap();
        let warnings = report["warnings"].as_array().unwrap().clone();
        let text = |warning: &serde_json::Value| warning.as_str().unwrap().to_owned();
        let all = warnings.iter().map(text);
        all.filter(|warning| warning.contains("disable --service"))
            .collect::<Vec<_>>()
    };
    let told = warnings(&["enable"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("twofactor disable --service i3lock"));
    assert!(told[1].contains("twofactor disable --service nginx"));
    // A fault that was there before is told once, unless it is asked for by name.
    assert_eq!(warnings(&["policy", "set", "window", "2"]), [""; 0]);
    assert_eq!(warnings(&["enable", "--service", "i3lock"]).len(), 1);
    assert_eq!(warnings(&["disable", "--service", "i3lock"]), [""; 0]);
}

#[test]
fn a_second_module_that_asks_for_a_code_is_named() {
    let machine = healthy();
    let google = "auth required pam_google_authenticator.so nullok\n";
    let stack = format!("{UNIX}{LINE}# before\n{google}{ACCOUNT}");
    machine.stack("sshd", &stack);
    machine.stack("login", &stack);
    let table = report(&machine, &[]);
    let expected = ["login", "sshd"].map(|service| format!("warning other-code-module {service}"));
    assert_eq!(all(&table), expected);
    let (cause, _) = finding(&table, "other-code-module");
    assert!(
        cause.starts_with("/etc/pam.d/login line 4 names pam_google_authenticator.so"),
        "{cause}"
    );
    for module in ["oath", "u2f", "yubico", "duo", "radius", "radius_auth"] {
        let other = format!("auth required pam_{module}.so\n");
        machine.stack("login", &format!("{UNIX}{LINE}{other}{ACCOUNT}"));
        let (cause, _) = finding(&report(&machine, &[]), "other-code-module");
        assert!(
            cause.contains(&format!(" names pam_{module}.so ")),
            "{cause}"
        );
    }
    // In a file that both take in it is one line.
    machine.stack("codes", google);
    let stack = format!("{UNIX}{LINE}auth include codes\n{ACCOUNT}");
    machine.stack("sshd", &stack);
    machine.stack("login", &stack);
    assert_eq!(found(&machine), ["warning other-code-module login, sshd"]);
    // Alone it is not ours to judge.
    machine.stack("sshd", &format!("{UNIX}{LINE}{ACCOUNT}"));
    machine.stack("login", &format!("{UNIX}{google}{ACCOUNT}"));
    assert!(!found(&machine).iter().any(|one| one.contains("other-code")));
}

#[test]
fn names_in_place_of_addresses_are_found() {
    let machine = healthy();
    sshd(&machine, &format!("{SSHD}UseDNS yes\n"));
    let on = "enabled = true\n";
    let tables = "[services]\nsshd = true\n";
    machine.policy(&format!("{on}{tables}"));
    assert_eq!(found(&machine), [""; 0]);
    machine.policy(&format!("{on}grace = 600\n{tables}"));
    assert_eq!(found(&machine), ["warning sshd-usedns sshd"]);
    let network = "[[exempt]]\nnetworks = [\"10.0.0.0/8\"]\n";
    machine.policy(&format!("{on}{tables}{network}"));
    let table = report(&machine, &[]);
    assert_eq!(all(&table), ["problem sshd-usedns sshd"]);
    let (_, fix) = finding(&table, "sshd-usedns");
    assert!(fix.contains("UseDNS no"), "{fix}");
    sshd(&machine, SSHD);
    assert_eq!(found(&machine), [""; 0]);
}

/// Directory in which an administrator puts what changes a unit.
const UNITS: &str = "/etc/systemd/system";
const HELPER: &str = "polkit-agent-helper@.service";

#[test]
fn the_sandbox_of_polkit_is_found_unless_it_is_opened() {
    let machine = healthy();
    both(&machine, "polkit-1");
    let drop_in = format!("{UNITS}/{HELPER}.d/twofactor.conf");
    // In place of one that this computer may have.
    machine.write_file(&drop_in, "", 0o644);
    let unit = "[Service]\nExecStart=/bin/false\nProtectSystem=strict\n";
    machine.write_file(format!("{UNITS}/{HELPER}"), unit, 0o644);
    let table = report(&machine, &[]);
    assert_eq!(all(&table), ["problem polkit-sandbox polkit-1"]);
    let (_, fix) = finding(&table, "polkit-sandbox");
    assert!(fix.contains(&drop_in), "{fix}");
    machine.write_file(&drop_in, shipped(), 0o644);
    assert_eq!(found(&machine), [""; 0]);
    std::fs::remove_file(&drop_in).unwrap();
    let open = "[Service]\nReadWritePaths=-/var/lib/twofactor\n";
    machine.write_file(format!("{UNITS}/{HELPER}.d/50-own.conf"), open, 0o644);
    assert_eq!(found(&machine), [""; 0]);
    machine.write_file(&drop_in, "[Service]\nReadWritePaths=\n", 0o644);
    assert_eq!(found(&machine), ["problem polkit-sandbox polkit-1"]);
    machine
        .command(&["disable", "--service", "polkit-1", "--yes"])
        .ok();
    assert_eq!(found(&machine), [""; 0]);
}

/// The drop-in of the packages.
fn shipped() -> String {
    let path = harness::workspace().join("packaging/systemd/polkit-agent-helper.conf");
    std::fs::read_to_string(path).unwrap()
}
