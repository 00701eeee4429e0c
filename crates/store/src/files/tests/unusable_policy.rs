//! A policy that takes the place of one that cannot be used.

use std::thread;
use std::time::Duration;

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::policy::policy;
use super::*;
use crate::files::policy_file::OtherWriters;
use crate::sys::file::{self, FileAccess, FlaggedRename};

const OFF: &str = "enabled = false\n";

#[test]
fn an_unusable_policy_is_kept_beside_the_new_one() {
    for broken in ["enabled =", "window = 99\n"] {
        let policies = policy(broken);
        let kept = policies.scratch.path().join("twofactor.toml.invalid");
        let shown = policies.file.unusable().unwrap();
        assert_eq!((shown.text(), shown.kept()), (Some(broken), kept.as_path()));
        let store = Some(&policies.store);
        policies.file.replace_unusable(store, &shown, OFF).unwrap();
        assert_eq!(policies.text(), OFF);
        assert_eq!((mode(&policies.path), mode(&kept)), (0o644, 0o644));
        assert_eq!(fs::read_to_string(&kept).unwrap(), broken);
        assert_eq!(
            policies.listing(),
            ["twofactor.toml", "twofactor.toml.invalid"]
        );
    }
}

#[test]
fn only_a_policy_that_is_refused_is_unusable() {
    let policies = policy(OFF);
    assert_eq!(policies.file.unusable(), None);
    fs::remove_file(&policies.path).unwrap();
    assert_eq!(policies.file.unusable(), None);
    // Neither is text, and both are moved.
    fs::create_dir(&policies.path).unwrap();
    let shown = policies.file.unusable().unwrap();
    assert_eq!(shown.text(), None);
    policies.file.replace_unusable(None, &shown, OFF).unwrap();
    assert!(shown.kept().is_dir());
    fs::remove_file(&policies.path).unwrap();
    std::os::unix::fs::symlink("nowhere", &policies.path).unwrap();
    let shown = policies.file.unusable().unwrap();
    assert!(shown.kept().ends_with("twofactor.toml.invalid.2"));
    policies.file.replace_unusable(None, &shown, OFF).unwrap();
    assert_eq!(policies.text(), OFF);
    assert!(shown.kept().is_symlink());
}

#[test]
fn a_policy_that_became_valid_is_not_replaced() {
    let policies = policy("window = 99\n");
    let shown = policies.file.unusable().unwrap();
    let held = policies.store.lock_whole(Duration::ZERO).unwrap().unwrap();
    thread::scope(|scope| {
        let replaced = || {
            let store = Some(&policies.store);
            policies.file.replace_unusable(store, &shown, OFF)
        };
        let replaced = scope.spawn(replaced);
        // Where nothing waits for the lock, this is more than it takes to move the policy away.
        thread::sleep(std::time::Duration::from_millis(200));
        let waited = policies.path.exists();
        fs::write(&policies.path, "window = 3\n").unwrap();
        drop(held);
        let changed = error_at(&policies.path, FileFault::Changed);
        assert_eq!(replaced.join().unwrap(), Err(changed));
        assert!(waited);
    });
    assert_eq!(policies.text(), "window = 3\n");
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

/// A directory where the new policy would get a temporary name.
#[test]
fn a_policy_that_cannot_be_replaced_stays() {
    for obstacle in [".twofactor.toml.new", ".twofactor.toml.invalid.new"] {
        let policies = policy("window = 99\n");
        fs::create_dir(policies.scratch.path().join(obstacle)).unwrap();
        let shown = policies.file.unusable().unwrap();
        let store = Some(&policies.store);
        let replaced = policies.file.replace_unusable(store, &shown, OFF);
        let kept = shown.kept().exists();
        assert_eq!((policies.path.exists(), kept), (true, replaced.is_ok()));
    }
    let policies = policy("window = 99\n");
    let shown = policies.file.unusable().unwrap();
    let invalid = policies
        .file
        .replace_unusable(None, &shown, "window = 98\n");
    assert!(matches!(invalid.unwrap_err().cause, FileFault::Policy(_)));
    fs::write(shown.kept(), "an earlier one").unwrap();
    let taken = policies.file.replace_unusable(None, &shown, OFF);
    assert_eq!(taken, Err(error_at(&policies.path, FileFault::Changed)));
    assert_eq!(policies.text(), "window = 99\n");
    assert_eq!(fs::read_to_string(shown.kept()).unwrap(), "an earlier one");
}

/// The writer waits for no lock, and comes after the look under it.
#[test]
fn what_another_writes_at_the_last_moment_stays() {
    let policies = policy("window = 99\n");
    let shown = policies.file.unusable().unwrap();
    fs::write(&policies.path, "window = 3\n").unwrap();
    let steps = (
        OtherWriters::MayWrite,
        file::rename_flagged as FlaggedRename,
    );
    let replaced = policies.file.exchange_unusable(&shown, OFF, steps);
    assert_eq!(replaced, Err(error_at(&policies.path, FileFault::Changed)));
    assert_eq!(policies.text(), "window = 3\n");
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

/// A writer that waits for no lock comes while the new text is flushed. Off is not in force even for a moment.
#[test]
fn what_another_writes_at_the_flush_is_never_off() {
    let rename: FlaggedRename = |directory, old, new, flags| {
        assert_ne!(flags, RenameFlags::EXCHANGE, "off was in force");
        let renamed = file::rename_flagged(directory, old, new, flags);
        let text = b"enabled = true\n";
        file::stage(directory, "twofactor.toml", text, FileAccess::Readable).unwrap();
        file::publish(directory, "twofactor.toml").unwrap();
        renamed
    };
    let policies = policy("window = 99\n");
    let shown = policies.file.unusable().unwrap();
    let steps = (OtherWriters::MayWrite, rename);
    let replaced = policies.file.exchange_unusable(&shown, OFF, steps);
    assert_eq!(replaced, Err(error_at(&policies.path, FileFault::Changed)));
    assert_eq!(policies.text(), "enabled = true\n");
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

/// Renamings of file systems that know no flags, or no exchange.
const REFUSING: [FlaggedRename; 2] = [
    |_, _, _, _| Err(Errno::INVAL),
    |directory, old, new, flags| match flags {
        RenameFlags::EXCHANGE => Err(Errno::OPNOTSUPP),
        _ => file::rename_flagged(directory, old, new, flags),
    },
];

#[test]
fn an_unusable_policy_is_replaced_on_nfs() {
    for rename in REFUSING {
        let steps = (OtherWriters::MayWrite, rename);
        let policies = policy("window = 99\n");
        let shown = policies.file.unusable().unwrap();
        let replaced = policies.file.exchange_unusable(&shown, OFF, steps);
        assert_eq!(replaced, Ok(()));
        assert_eq!(policies.text(), OFF);
        assert_eq!(fs::read_to_string(shown.kept()).unwrap(), "window = 99\n");
        assert_eq!(
            policies.listing(),
            ["twofactor.toml", "twofactor.toml.invalid"]
        );
        // What was kept earlier, or was written meanwhile, is lost by none.
        fs::write(&policies.path, "window = 3\n").unwrap();
        for kept in [true, false] {
            if !kept {
                fs::remove_file(shown.kept()).unwrap();
            }
            let replaced = policies.file.exchange_unusable(&shown, OFF, steps);
            assert_eq!(replaced, Err(error_at(&policies.path, FileFault::Changed)));
            assert_eq!(policies.text(), "window = 3\n");
            assert_eq!(shown.kept().exists(), kept);
        }
        assert_eq!(policies.listing(), ["twofactor.toml"]);
    }
}

#[test]
fn two_replacements_without_a_lock_share_no_name() {
    let policies = policy("window = 99\n");
    let shown = policies.file.unusable().unwrap();
    for name in [".twofactor.toml.new", ".twofactor.toml.invalid.new"] {
        fs::write(policies.scratch.path().join(name), "of another").unwrap();
    }
    policies.file.replace_unusable(None, &shown, OFF).unwrap();
    for name in [".twofactor.toml.new", ".twofactor.toml.invalid.new"] {
        let text = fs::read_to_string(policies.scratch.path().join(name)).unwrap();
        assert_eq!(text, "of another");
    }
}
