//! `twofactor disable`: one action that always works, needs no code and keeps every secret.

use harness::desk::{desk, desk_on, give, give_phone, is_asked, json, lets_in, terminal};
use harness::enrolled::{login, policy_path, record_path, run, state_path};
use harness::pam::code;

#[test]
fn r18_r40_disable_ends_all_questions_without_a_code() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    give(&machine, "root", &[]);
    assert!(is_asked("alice") && is_asked("root"));
    let mut pty = terminal(&machine, &["disable"]);
    pty.answer("Switch two-factor login off? [y/N] ", "y");
    let ended = pty.end();
    assert_eq!(
        (ended.code, ended.shown.as_str()),
        (
            Some(0),
            "Changes:\n  enabled = false\n\
             Effect:\n  \
             No user is asked for a code, whatever else the policy says.\n  \
             No longer asked  alice, root\n\
             Switch two-factor login off? [y/N] y\n\
             Done: /etc/security/twofactor.toml. Two-factor login is off.\n"
        )
    );
    assert!(!is_asked("alice") && !is_asked("root"));
    let again = machine.command(&["disable", "--yes"]).ok();
    let nothing = "Nothing to change in /etc/security/twofactor.toml. Two-factor login is off.\n";
    assert_eq!(again.stdout, nothing);
}

#[test]
fn an_exempt_user_is_not_called_no_longer_asked() {
    let machine = desk_on();
    for user in ["alice", "bob", "root"] {
        give(&machine, user, &[]);
    }
    let policy = "enabled = true\n[services]\nsshd = true\n\
                  [[exempt]]\nusers = [\"alice\"]\n\
                  [[exempt]]\nusers = [\"bob\"]\nservices = [\"sshd\"]\n";
    let told = |arguments: &[&str]| {
        machine.policy(policy);
        let report = machine.command(&[arguments, &["--yes", "--json"]].concat());
        json(report)["no_longer_asked"].clone()
    };
    assert_eq!(
        told(&["disable", "--service=sshd"]),
        serde_json::json!(["root"])
    );
    assert_eq!(told(&["disable"]), serde_json::json!(["bob", "root"]));
}

#[test]
fn r40_disable_works_while_all_users_are_refused() {
    let machine = desk_on();
    give(&machine, "root", &[]);
    for broken in [
        "enabled = true\nwindow = 99\n",
        "enabled = true\nthis is not TOML",
    ] {
        machine.policy(broken);
        assert_eq!(run(login("root")).auth, code::AUTHINFO_UNAVAIL);
        machine.command(&["disable", "--yes"]).ok();
        assert!(!is_asked("root"), "{broken}");
    }
    // One that others can write, or that is no file: nothing of it is trusted.
    machine.write_file(policy_path(), "enabled = true\n", 0o666);
    assert_eq!(run(login("root")).auth, code::AUTHINFO_UNAVAIL);
    machine.command(&["disable", "--yes"]).ok();
    assert!(!is_asked("root"));
    std::fs::remove_file(policy_path()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", policy_path()).unwrap();
    machine.command(&["disable", "--yes"]).ok();
    assert!(!is_asked("root"));
    assert!(machine.read("/etc/passwd").starts_with("root:"));
    // Damaged records and states do not stand in its way either.
    machine.policy("enabled = true\nenforcement = \"mandatory\"\n");
    machine.write_file(record_path("root"), "no record", 0o600);
    machine.write_file(record_path("alice"), "", 0o666);
    machine.command(&["disable", "--yes"]).ok();
    assert!(!is_asked("root"));
}

#[test]
fn r40_disable_works_without_a_usable_directory() {
    let machine = desk_on();
    give(&machine, "root", &[]);
    let directory = "/var/lib/twofactor";
    machine.run("chmod", &["0755", directory]).ok();
    assert_eq!(run(login("root")).auth, code::AUTHINFO_UNAVAIL);
    machine.command(&["disable", "--yes"]).ok();
    assert!(!is_asked("root"));
    machine.policy("this is not TOML");
    machine.command(&["disable", "--yes"]).ok();
    assert!(!is_asked("root"));
    machine.command(&["enable", "--yes"]).exits(3);
    machine.run("chmod", &["0700", directory]).ok();
    // Its device never gave a code.
    machine.command(&["enable", "--yes", "--force"]).ok();
    assert!(is_asked("root"));
}

#[test]
fn r40_disable_works_without_account_lookups() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    machine.write_file("/etc/nsswitch.conf", "passwd: files\ngroup: files\n", 0o644);
    let without_accounts = |switch: &str| {
        let strace = machine.program("strace").args(&["-qq", "-o", "/dev/null"]);
        let strace = strace.args(&["-P", "/etc/passwd", "--inject=openat:error=EIO"]);
        strace
            .args(&["/usr/local/bin/twofactor", switch, "--yes"])
            .run()
    };
    machine.policy("enabled = false\n");
    without_accounts("enable").exits(4);
    machine.policy("enabled = true\n");
    without_accounts("disable").ok();
    assert!(!is_asked("alice"));
}

#[test]
fn r40_an_invalid_policy_is_kept_beside_the_new_one() {
    let machine = desk();
    let broken = "enabled = true # mine\nwindow = 99\n";
    machine.policy(broken);
    let report = machine.command(&["disable", "--yes"]).ok();
    assert_eq!(
        report.stdout,
        "The policy cannot be used, so it is replaced by the default one, switched off.\n\
         The old one is kept: /etc/security/twofactor.toml.invalid\n\
         Done: /etc/security/twofactor.toml. Two-factor login is off.\n"
    );
    assert_eq!(machine.read("/etc/security/twofactor.toml.invalid"), broken);
    machine.command(&["policy", "check"]).ok();
    let enable = machine.command(&["enable", "--yes"]).ok();
    assert!(enable.stdout.contains("Two-factor login is on.\n"));
    // The second one does not take the place of the first.
    machine.policy("enabled =");
    let again = machine.command(&["disable", "--yes"]).ok();
    assert!(again.stdout.contains("twofactor.toml.invalid.2\n"));
    assert_eq!(machine.read("/etc/security/twofactor.toml.invalid"), broken);
    assert_eq!(
        machine.read("/etc/security/twofactor.toml.invalid.2"),
        "enabled ="
    );
}

#[test]
fn r19_switching_off_and_on_keeps_every_byte() {
    let machine = desk_on();
    let phone = give_phone(&machine, "alice");
    give(&machine, "alice", &["--device=token", "--hotp"]);
    let code = phone.code();
    assert!(lets_in("alice", &code));
    let files =
        || [record_path("alice"), state_path("alice")].map(|path| std::fs::read(path).unwrap());
    let before = files();
    for step in ["disable", "enable", "disable", "enable"] {
        machine.command(&[step, "--yes"]).ok();
        assert!(files() == before, "{step}");
    }
    assert!(!lets_in("alice", &code), "a used code stays used");
    assert!(lets_in("alice", &phone.code_after(1)));
}
