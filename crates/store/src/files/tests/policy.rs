//! The policy as a file: noticing changes, and editing it.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;

use super::*;
use crate::files::state_generations::PATIENCE;
use twofactor_core::policy::{Policy, PolicyError};

pub(super) struct Policies {
    pub(super) scratch: ScratchStore,
    pub(super) store: FactorStore,
    pub(super) path: PathBuf,
    pub(super) file: PolicyFile,
}

pub(super) fn policy(text: &str) -> Policies {
    let scratch = ScratchStore::new();
    let path = scratch.path().join("twofactor.toml");
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o644);
    Policies {
        store: scratch.store(),
        file: PolicyFile::new(&path),
        path,
        scratch,
    }
}

impl Policies {
    fn edit(&self, text: &str) -> Result<OtherWriters, StoreError> {
        self.file.edit(
            (Some(&self.store), LockWait::Short),
            |_| Ok(text.to_owned()),
        )
    }

    pub(super) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// Content of the directory of the policy, the store apart.
    pub(super) fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scratch.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "twofactor" && name != "policy.id")
            .collect();
        names.sort();
        names
    }
}

fn invalid(path: &Path, error: PolicyError) -> StoreError {
    error_at(path, FileFault::Policy(error))
}

#[test]
fn a_policy_is_read_with_the_place_of_its_error() {
    let policies = policy("enabled = true\nwindow = 3\n");
    let loaded = policies.file.load().unwrap();
    let expected = Policy {
        enabled: true,
        window: 3,
        ..Policy::default()
    };
    assert_eq!(loaded.policy, expected);
    for text in [
        "",
        "enabled = tru",
        "enabled = true\nwindow = 11\n",
        "enabled = true\nwindows = 1\n",
    ] {
        fs::write(&policies.path, text).unwrap();
        let why = twofactor_core::policy::parse(text).unwrap_err();
        let expected = invalid(&policies.path, why.clone());
        assert_eq!(policies.file.load().unwrap_err(), expected);
        let shown = format!("{}: line {}, column", policies.path.display(), why.line);
        assert!(expected.to_string().starts_with(&shown), "{expected}");
    }
}

#[test]
fn a_missing_policy_is_an_error() {
    let policies = policy("enabled = true\n");
    let mut loaded = policies.file.load().unwrap();
    fs::remove_file(&policies.path).unwrap();
    let expected = unusable(&policies.path, FileError::System("open", Errno::NOENT));
    assert!(expected.is_missing());
    assert_eq!(policies.file.load().unwrap_err(), expected);
    assert_eq!(policies.file.refresh(&mut loaded).unwrap_err(), expected);
}

/// No other fault of the file passes for "no policy".
#[test]
fn only_a_missing_policy_is_absent() {
    let policies = policy("enabled = true\n");
    let found = policies.file.load_if_present().unwrap();
    assert!(found.is_some_and(|loaded| loaded.policy.enabled));
    for text in ["", "enabled = tru"] {
        fs::write(&policies.path, text).unwrap();
        assert!(policies.file.load_if_present().is_err(), "{text}");
    }
    fs::write(&policies.path, "enabled = true\n").unwrap();
    set_mode(&policies.path, 0o666);
    assert!(policies.file.load_if_present().is_err());
    fs::remove_file(&policies.path).unwrap();
    assert!(policies.file.load_if_present().unwrap().is_none());
}

/// Same size, same inode, and within one tick of the kernel's clock.
#[test]
fn every_change_is_noticed() {
    let policies = policy("enabled = true\nwindow = 0\n");
    let mut loaded = policies.file.load().unwrap();
    let inode = fs::metadata(&policies.path).unwrap().ino();
    for round in 0..200_u8 {
        let window = (round + 1) % 10;
        let before = loaded.fingerprint();
        let text = format!("enabled = true\nwindow = {window}\n");
        fs::write(&policies.path, text).unwrap();
        policies.file.refresh(&mut loaded).unwrap();
        assert_eq!(loaded.policy.window, window);
        assert_ne!(loaded.fingerprint(), before);
    }
    assert_eq!(fs::metadata(&policies.path).unwrap().ino(), inode);
    let before = loaded.fingerprint();
    policies.file.refresh(&mut loaded).unwrap();
    assert_eq!(loaded.fingerprint(), before);
}

#[test]
fn a_change_to_something_invalid_is_an_error() {
    let policies = policy("enabled = true\n");
    let mut loaded = policies.file.load().unwrap();
    fs::write(&policies.path, "enabled = trux\n").unwrap();
    let why = twofactor_core::policy::parse("enabled = trux\n").unwrap_err();
    let expected = invalid(&policies.path, why);
    assert_eq!(policies.file.refresh(&mut loaded).unwrap_err(), expected);
}

#[test]
fn an_edit_keeps_the_mode_of_the_file() {
    let policies = policy("enabled = true\n");
    for before in [0o644, 0o600] {
        set_mode(&policies.path, before);
        policies.edit("enabled = false\n").unwrap();
        let meta = fs::metadata(&policies.path).unwrap();
        assert_eq!(
            (mode(&policies.path), meta.uid(), meta.gid()),
            (0o644, 0, 0)
        );
    }
    assert_eq!(policies.text(), "enabled = false\n");
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

#[test]
fn an_edit_gets_the_current_text_or_none() {
    let policies = policy("# mine\nenabled = true\n");
    let append = |current: Option<&str>| {
        let text = current.unwrap_or("enabled = false\n");
        Ok::<_, StoreError>(format!("{text}window = 2\n"))
    };
    policies
        .file
        .edit((Some(&policies.store), LockWait::Short), append)
        .unwrap();
    assert_eq!(policies.text(), "# mine\nenabled = true\nwindow = 2\n");
    fs::remove_file(&policies.path).unwrap();
    policies
        .file
        .edit((Some(&policies.store), LockWait::Short), append)
        .unwrap();
    assert_eq!(policies.text(), "enabled = false\nwindow = 2\n");
    assert_eq!(mode(&policies.path), 0o644);
}

#[test]
fn an_edit_with_an_invalid_result_changes_nothing() {
    let policies = policy("enabled = true\n");
    let inode = fs::metadata(&policies.path).unwrap().ino();
    for text in ["", "enabled = 1\n", "enabled = true\nwindow = 99\n"] {
        let why = twofactor_core::policy::parse(text).unwrap_err();
        assert_eq!(policies.edit(text), Err(invalid(&policies.path, why)));
    }
    let refused = policies
        .file
        .edit((Some(&policies.store), LockWait::Short), |_| {
            Err(error_at(Path::new("x"), FileFault::Busy(None)))
        });
    assert_eq!(
        refused,
        Err(error_at(Path::new("x"), FileFault::Busy(None)))
    );
    assert_eq!(policies.text(), "enabled = true\n");
    assert_eq!(fs::metadata(&policies.path).unwrap().ino(), inode);
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

#[test]
fn an_edit_cleans_up_after_a_killed_one() {
    let policies = policy("enabled = true\n");
    fs::write(policies.scratch.path().join(".twofactor.toml.new"), "half").unwrap();
    policies.edit("enabled = false\n").unwrap();
    assert_eq!(policies.listing(), ["twofactor.toml"]);
}

#[test]
fn an_edit_in_a_writable_directory_is_refused() {
    let policies = policy("enabled = true\n");
    let directory = policies.scratch.path().join("open");
    fs::create_dir(&directory).unwrap();
    set_mode(&directory, 0o777);
    let file = PolicyFile::new(&directory.join("twofactor.toml"));
    let edited = file.edit((Some(&policies.store), LockWait::Short), |_| {
        Ok::<_, StoreError>("enabled = true\n".into())
    });
    assert_eq!(edited, Err(unusable(&directory, FileError::TooOpen(0o777))));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn edits_at_the_same_time_do_not_lose_each_other() {
    let policies = policy("enabled = true\n");
    thread::scope(|scope| {
        for number in 0..8 {
            let policies = &policies;
            scope.spawn(move || {
                let append = |current: Option<&str>| {
                    Ok::<_, StoreError>(format!("{}# {number}\n", current.unwrap()))
                };
                policies
                    .file
                    .edit((Some(&policies.store), LockWait::Short), append)
                    .unwrap();
            });
        }
    });
    let text = policies.text();
    for number in 0..8 {
        assert!(text.contains(&format!("# {number}\n")), "{text}");
    }
    assert_eq!(text.lines().count(), 9);
}

#[test]
fn a_writer_that_does_not_move_holds_up_no_edit() {
    let policies = policy("enabled = true\n");
    let _stopped = policies.store.lock_whole(Duration::ZERO).unwrap().unwrap();
    let edited = policies.edit("enabled = false\n");
    assert_eq!(edited, Ok(OtherWriters::MayWrite));
    assert_eq!(policies.text(), "enabled = false\n");
    assert!(!policies.listing().iter().any(|name| name.starts_with('.')));
}

#[test]
fn the_wait_of_an_edit_can_be_given_up() {
    let policies = policy("enabled = true\n");
    let _held = policies.store.lock_whole(Duration::ZERO).unwrap().unwrap();
    let place = (Some(&policies.store), LockWait::Required(|| true));
    let edited = policies
        .file
        .edit(place, |_| -> Result<_, StoreError> { unreachable!() });
    assert!(matches!(edited.unwrap_err().cause, FileFault::Busy(_)));
    assert_eq!(policies.text(), "enabled = true\n");
}

/// A change that is judged by devices must not come between the last look of a removal and its end.
#[test]
fn an_edit_that_needs_the_lock_waits_for_it() {
    let policies = policy("enabled = true\n");
    let held = policies.store.lock_whole(Duration::ZERO).unwrap().unwrap();
    let edited = AtomicBool::new(false);
    thread::scope(|scope| {
        let edit = || {
            let place = (Some(&policies.store), LockWait::Required(|| false));
            policies.file.edit(place, |_| {
                edited.store(true, Ordering::Relaxed);
                Ok::<_, StoreError>("enabled = false\n".to_owned())
            })
        };
        let edit = scope.spawn(edit);
        // Longer than a writer waits that needs no lock.
        thread::sleep(PATIENCE * 2);
        assert!(!edited.load(Ordering::Relaxed));
        drop(held);
        assert_eq!(edit.join().unwrap(), Ok(OtherWriters::Wait));
    });
    assert_eq!(policies.text(), "enabled = false\n");
}

#[test]
fn the_holder_of_the_whole_directory_is_seen() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    assert_eq!(store.whole_holder(), None);
    let child = locks::holder(&scratch.top());
    assert_eq!(store.whole_holder(), Some(child.id()));
    assert!(store.lock_whole(Duration::ZERO).unwrap().is_none());
    locks::kill(child);
    assert_eq!(store.whole_holder(), None);
}

#[test]
fn an_edit_without_the_lock_replaces_no_other_text() {
    let policies = policy("enabled = true\n");
    let _stopped = policies.store.lock_whole(Duration::ZERO).unwrap().unwrap();
    let edited = policies
        .file
        .edit((Some(&policies.store), LockWait::Short), |_| {
            fs::write(&policies.path, "enabled = true\nwindow = 3\n").unwrap();
            Ok::<_, StoreError>("enabled = false\n".into())
        });
    assert_eq!(edited, Err(error_at(&policies.path, FileFault::Changed)));
    assert_eq!(policies.text(), "enabled = true\nwindow = 3\n");
    assert!(!policies.listing().iter().any(|name| name.starts_with('.')));
}

#[test]
fn litter_of_a_killed_writer_is_removed() {
    let policies = policy("enabled = true\n");
    let left = |pid: &str| {
        policies
            .scratch
            .path()
            .join(format!(".twofactor.toml.{pid}.new"))
    };
    let alive = std::process::id().to_string();
    fs::write(left("4194305"), "half").unwrap();
    fs::write(left(&alive), "of one that lives").unwrap();
    fs::write(left("mine"), "of another program").unwrap();
    policies.edit("enabled = false\n").unwrap();
    assert!(!left("4194305").exists() && left(&alive).exists() && left("mine").exists());
}
