//! Policy, record and state that are no plain files of root's: links, FIFOs, wrong owners and modes, too large.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use harness::Machine;
use harness::pam::code;

use harness::enrolled::{
    ON, Token, UNUSABLE, enroll_token, logged, machine, policy_path, record_path, run, said,
    state_path,
};
use harness::snapshot::Snapshot;

/// Way in which a good file is spoilt.
type FileDamage = fn(&Path);

/// Damage to a file, and the text of the log about it.
const SPOILT: [(&str, FileDamage, &str); 10] = [
    (
        "link",
        |path| {
            std::fs::copy(path, "/srv/real").unwrap();
            std::fs::remove_file(path).unwrap();
            symlink("/srv/real", path).unwrap();
        },
        "is a link or not of the right type",
    ),
    (
        "dangling link",
        |path| {
            std::fs::remove_file(path).unwrap();
            symlink("/srv/nowhere", path).unwrap();
        },
        "is a link or not of the right type",
    ),
    (
        "link to itself",
        |path| {
            std::fs::remove_file(path).unwrap();
            symlink(path, path).unwrap();
        },
        "is a link or not of the right type",
    ),
    (
        "FIFO",
        |path| {
            std::fs::remove_file(path).unwrap();
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
        },
        "is a link or not of the right type",
    ),
    (
        "directory",
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
        "is a link or not of the right type",
    ),
    (
        "socket",
        |path| {
            std::fs::remove_file(path).unwrap();
            drop(UnixListener::bind(path).unwrap());
        },
        "is a link or not of the right type",
    ),
    (
        "another user's",
        |path| chown(path, Some(60_000), None).unwrap(),
        "is not owned by root",
    ),
    (
        "writable by a group",
        |path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o620)).unwrap(),
        "is accessible to others (mode 0620)",
    ),
    (
        "writable by all users",
        |path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o602)).unwrap(),
        "is accessible to others (mode 0602)",
    ),
    (
        "too large",
        |path| {
            let mut text = std::fs::read(path).unwrap();
            text.resize(64 * 1024 + 1, b'\n');
            std::fs::write(path, text).unwrap();
        },
        "is larger than 64 KiB",
    ),
];

/// A login is refused before anything is asked, the log tells why, and all files stay as they are.
fn refuses(machine: &Machine, alice: &Token, spoilt: &str, path: &Path, cause: &str) {
    machine.forget_log();
    let before = Snapshot::take();
    let outcome = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{spoilt}");
    assert_eq!(said(&outcome), [("error", UNUSABLE)], "{spoilt}");
    assert_eq!(before.changed(), [""; 0], "{spoilt}");
    let line = format!(
        "user=alice rhost= result=error error=\"{}: {cause}\"",
        path.display()
    );
    assert_eq!(logged(machine), [line], "{spoilt}");
}

fn every_spoilt_file_refuses(path: &Path) {
    for (name, spoil, cause) in SPOILT {
        let machine = machine(ON);
        let alice = enroll_token(&machine, "alice");
        spoil(path);
        refuses(&machine, &alice, name, path, cause);
    }
}

#[test]
fn a_policy_that_is_no_plain_file_of_roots_refuses() {
    every_spoilt_file_refuses(policy_path());
}

#[test]
fn a_record_that_is_no_plain_file_of_roots_refuses() {
    every_spoilt_file_refuses(&record_path("alice"));
}

#[test]
fn a_state_that_is_no_plain_file_of_roots_refuses() {
    every_spoilt_file_refuses(&state_path("alice"));
}

#[test]
fn record_and_state_that_others_can_read_refuse() {
    for path in [record_path("alice"), state_path("alice")] {
        for mode in [0o640, 0o604, 0o610, 0o601] {
            let machine = machine(ON);
            let alice = enroll_token(&machine, "alice");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let cause = format!("is accessible to others (mode {mode:04o})");
            refuses(&machine, &alice, "readable", &path, &cause);
        }
    }
}

#[test]
fn a_policy_that_others_can_read_is_good() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for mode in [0o644, 0o600, 0o444, 0o755] {
        machine.write_file(policy_path(), ON, mode);
        let outcome = run(alice.login().answer(alice.code()));
        assert_eq!(outcome.auth, code::SUCCESS, "{mode:o}");
    }
}
