//! The state directory and its parts: only "no such file" in a directory that is safe means "not enrolled".

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use harness::pam::code;

use harness::enrolled::{
    IGNORED, ON, UNUSABLE, add_account, auth, enroll_token, logged, login, machine, run, said,
};
use harness::snapshot::Snapshot;

const PARTS: [&str; 3] = ["", "users", "state"];

fn part(name: &str) -> PathBuf {
    // Joined with nothing, a path gets a slash at its end.
    let top = Path::new(twofactor_core::STATE_DIR);
    if name.is_empty() {
        top.to_owned()
    } else {
        top.join(name)
    }
}

fn every_part_refuses(spoil: impl Fn(&Path), cause: &str) {
    for name in PARTS {
        let machine = machine(ON);
        let alice = enroll_token(&machine, "alice");
        add_account(&machine, "bob");
        let path = part(name);
        spoil(&path);
        for user in ["alice", "bob", "no-such-user"] {
            let before = Snapshot::take();
            let outcome = run(login(user).answer(alice.code_at(0)));
            assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{user}: {cause}");
            assert_eq!(said(&outcome), [("error", UNUSABLE)]);
            assert_eq!(before.changed(), [""; 0]);
            let line = format!(
                "user={user} rhost= result=error error=\"{}: {cause}",
                path.display()
            );
            assert_eq!(logged(&machine), [line]);
        }
    }
}

#[test]
fn a_missing_directory_refuses() {
    let gone = |path: &Path| std::fs::remove_dir_all(path).unwrap();
    every_part_refuses(
        gone,
        "open: No such file or directory (os error 2)\" hint=\"twofactor doctor says what to do\"",
    );
}

#[test]
fn a_link_to_a_directory_refuses() {
    let link = |path: &Path| {
        std::fs::remove_dir_all(path).unwrap();
        std::fs::create_dir("/srv/real").unwrap();
        std::fs::set_permissions("/srv/real", PermissionsExt::from_mode(0o700)).unwrap();
        symlink("/srv/real", path).unwrap();
    };
    every_part_refuses(link, "is a link or not of the right type\"");
}

#[test]
fn a_file_in_the_place_of_a_directory_refuses() {
    let file = |path: &Path| {
        std::fs::remove_dir_all(path).unwrap();
        std::fs::write(path, "").unwrap();
    };
    every_part_refuses(file, "is a link or not of the right type\"");
}

#[test]
fn a_directory_of_another_user_refuses() {
    let theirs = |path: &Path| chown(path, Some(60_000), None).unwrap();
    every_part_refuses(theirs, "is not owned by root\"");
}

#[test]
fn a_directory_that_others_can_enter_refuses() {
    for mode in [0o755, 0o710, 0o701, 0o777] {
        let open =
            |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        every_part_refuses(
            open,
            &format!("is accessible to others (mode {mode:04o})\""),
        );
    }
}

#[test]
fn no_trace_in_a_safe_directory_is_not_enrolled() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    machine.add_user("bob");
    assert_eq!(auth(login("bob")), IGNORED);
    machine.policy("enabled = true\nenforcement = \"mandatory\"\n");
    assert_eq!(auth(login("bob")), code::AUTH_ERR);
}

#[test]
fn who_is_not_asked_needs_no_state_directory() {
    let machine = machine("enabled = false\n");
    std::fs::remove_dir_all(part("")).unwrap();
    assert_eq!(auth(login("alice")), IGNORED);
    machine.policy("enabled = true\n[[exempt]]\nservices = [\"test\"]\n");
    assert_eq!(auth(login("alice")), IGNORED);
    assert!(!part("").exists(), "and a login makes none");
}

/// Old kernels do not know openat2(2), and sandboxes may refuse it: the files are found as before there was one.
#[test]
fn a_kernel_that_refuses_openat2_changes_nothing() {
    for errno in ["ENOSYS", "EPERM"] {
        let machine = machine("enabled = true\ntries = 1\n");
        let alice = enroll_token(&machine, "alice");
        add_account(&machine, "bob");
        let inject = format!("--inject=openat2:error={errno}");
        let strace = ["strace", "-f", "-qq", "-o", "/run/trace", &inject];
        let typed = |user: &str, code: &str| run(login(user).answer(code).through(&strace)).auth;
        assert_eq!(typed("alice", &alice.wrong()), code::MAXTRIES);
        assert!(machine.read("/run/trace").contains("(INJECTED)"), "{errno}");
        assert_eq!(typed("alice", alice.code_at(0)), code::SUCCESS);
        assert_eq!(typed("bob", alice.code_at(0)), IGNORED);
        // A directory that is missing is missed in this way, too.
        std::fs::remove_dir_all(part("users")).unwrap();
        let outcome = typed("bob", alice.code_at(0));
        assert_eq!(outcome, code::AUTHINFO_UNAVAIL, "{errno}");
    }
}
