//! Warnings of `setup` about programs and devices before it changes anything, and about files of users that cannot be read.

use std::os::unix::fs::PermissionsExt as _;

use harness::desk::json;

use super::{NONE, POLICY, changed, files, installed, setup};

/// The policy may be on for the service already, so that nothing of it changes.
#[test]
fn a_program_that_refuses_is_warned_of_in_each_setup() {
    let (machine, _) = installed();
    machine.write_file(
        "/etc/pam.d/screen",
        "@include common-auth\n@include common-account\n",
        0o644,
    );
    for policy in [POLICY, "enabled = true\n[services]\nscreen = true\n"] {
        machine.policy(policy);
        let before = files();
        let planned = setup(&machine, &["screen", "--dry-run"]).ok();
        let cure = "twofactor disable --service screen";
        assert!(planned.stdout.contains(cure), "{}", planned.stdout);
        assert_eq!(changed(&before), NONE);
    }
    machine.policy("enabled = true\n[services]\ndefault = true\nscreen = false\n");
    let planned = setup(&machine, &["sudo", "--dry-run"]).ok();
    assert!(
        !planned.stdout.contains("--service screen"),
        "{}",
        planned.stdout
    );
}

/// The policy is made during the setup then. What was shown and accepted is what is made and reported.
#[test]
fn without_a_policy_no_danger_is_lost() {
    let (machine, _) = installed();
    // It asks for the code after a wrong password, too.
    let stack = "auth required pam_unix.so\naccount required pam_unix.so\n";
    machine.write_file("/etc/pam.d/sudo", stack, 0o644);
    std::fs::remove_file("/etc/security/twofactor.toml").unwrap();
    let told = |arguments: &[&str]| {
        let report = json(setup(
            &machine,
            &[&["sudo", "--force", "--json"], arguments].concat(),
        ));
        [report["dangers"].clone(), report["warnings"].clone()]
    };
    let planned = told(&["--dry-run"]);
    assert_ne!(planned, [serde_json::json!([]), serde_json::json!([])]);
    assert_eq!(told(&["--yes"]), planned);
}

/// Without the records it is not known which users would be refused.
#[test]
fn unreadable_files_of_users_stop_a_setup() {
    let (machine, _) = installed();
    let state = "/var/lib/twofactor";
    std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let before = files();
    for arguments in [
        &["sudo", "--yes"][..],
        &["--everywhere", "--yes"],
        &["sudo", "--yes", "--force"],
    ] {
        let refused = setup(&machine, arguments).exits(3);
        let why = format!("{state}: is accessible to others");
        assert!(refused.stderr.contains(&why), "{}", refused.stderr);
        assert_eq!(changed(&before), NONE, "{arguments:?}");
    }
    std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o700)).unwrap();
    setup(&machine, &["sudo", "--yes"]).ok();
}

/// The trial is for the user who is named, and the caller is another one.
#[test]
fn a_device_is_offered_to_the_user_who_is_named() {
    let (machine, _) = installed();
    machine.add_user("bob");
    let question = |user: &str| {
        let setup = machine.twofactor(&["setup", "sudo", "--user", "bob"]);
        let setup = setup.env("SUDO_USER", user);
        let uid = machine.run("id", &["-u", user]).ok().stdout;
        let mut pty = setup.env("SUDO_UID", uid.trim()).pty_of(80, 24);
        let shown = pty.expect(" Enroll one now?");
        shown.lines().last().unwrap().to_owned()
    };
    assert_eq!(question("bob"), "You (bob) have no device. Enroll one now?");
    assert_eq!(question("alice"), "bob has no device. Enroll one now?");
}
