//! The directories themselves, and which file belongs to which user.

use std::os::unix::fs::{chown, symlink};

use rustix::io::Errno;

use super::*;
use crate::sys::new_file::LinkDurability;

fn initialize(scratch: &ScratchStore) -> Result<FactorStore, StoreError> {
    let (top, policy) = (scratch.top(), scratch.policy());
    FactorStore::initialize(&top, &policy, MarkDisagreement::Settle).map(|(store, _)| store)
}

#[test]
fn a_new_store_is_closed_to_others() {
    let scratch = ScratchStore::new();
    scratch.store();
    for part in ["", "users", "state"] {
        assert_eq!(mode(&scratch.top().join(part)), 0o700);
    }
    initialize(&scratch).unwrap();
    FactorStore::open(&scratch.top(), &scratch.policy()).unwrap();
}

#[test]
fn open_makes_no_missing_directory() {
    for part in ["", "users", "state"] {
        let scratch = ScratchStore::new();
        scratch.store();
        let path = scratch.top().join(part);
        fs::remove_dir_all(&path).unwrap();
        let path = if part.is_empty() { scratch.top() } else { path };
        let expected = unusable(&path, FileError::System("open", Errno::NOENT));
        assert_eq!(
            FactorStore::open(&scratch.top(), &scratch.policy()).err(),
            Some(expected)
        );
        assert!(!path.exists());
        initialize(&scratch).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
}

#[test]
fn an_unsafe_directory_is_an_error() {
    type DirectoryDamage = fn(&Path);
    let spoils: [(DirectoryDamage, FileError); 7] = [
        (|path| set_mode(path, 0o750), FileError::TooOpen(0o750)),
        (|path| set_mode(path, 0o701), FileError::TooOpen(0o701)),
        (|path| set_mode(path, 0o1777), FileError::TooOpen(0o1777)),
        (
            |path| chown(path, Some(1000), None).unwrap(),
            FileError::NotRoots,
        ),
        (
            |path| {
                let moved = path.with_extension("moved");
                fs::rename(path, &moved).unwrap();
                symlink(moved, path).unwrap();
            },
            FileError::WrongType,
        ),
        (
            |path| {
                fs::remove_dir_all(path).unwrap();
                symlink("nowhere", path).unwrap();
            },
            FileError::WrongType,
        ),
        (
            |path| {
                fs::remove_dir_all(path).unwrap();
                fs::write(path, "").unwrap();
            },
            FileError::WrongType,
        ),
    ];
    for part in ["", "users", "state"] {
        for (spoil, why) in spoils {
            let (scratch, _) = enrolled();
            let path = match part {
                "" => scratch.top(),
                part => scratch.top().join(part),
            };
            spoil(&path);
            let expected = Some(unusable(&path, why));
            assert_eq!(
                FactorStore::open(&scratch.top(), &scratch.policy()).err(),
                expected
            );
            assert_eq!(initialize(&scratch).err(), expected);
        }
    }
}

#[test]
fn no_user_is_enrolled_in_an_empty_store() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    assert!(store.record(&alice()).unwrap().is_none());
    assert!(store.users().unwrap().is_empty());
    let expected = error_at(&scratch.state(), FileFault::MissingState);
    assert_eq!(store.lock(&alice()).err(), Some(expected));
    assert!(scratch.listing().is_empty());
}

#[test]
fn no_name_leaves_the_directory() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let long = "a".repeat(240);
    let slashes = "/".repeat(80);
    let names = [
        "../../x",
        "..",
        ".",
        "CORP\\alice",
        "a\nb",
        "a%2Fb",
        "a/b",
        "é",
        &long,
        &slashes,
    ];
    for (number, name) in (1..).zip(names) {
        let account = account(name, number);
        enroll_devices(&store, &account, &[phone()]);
        assert_eq!(store.record(&account).unwrap().unwrap().user, name);
        assert!(store.lock(&account).is_ok());
    }
    let mut expected = names.map(str::to_owned);
    expected.sort();
    assert_eq!(store.users().unwrap(), expected);
    assert_eq!(scratch.listing().len(), 2 * names.len());
    let outside: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    // The store, and the file of ids beside the policy.
    assert_eq!(outside.len(), 2);
}

#[test]
fn a_name_over_240_bytes_belongs_to_no_user() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    for name in ["a".repeat(241), "/".repeat(81), String::new()] {
        let account = account(&name, 1);
        assert!(store.record(&account).unwrap().is_none());
        let refused = store.lock_for_change(&account).err().unwrap();
        assert_eq!(refused.cause, FileFault::NameTooLong);
        assert!(!refused.fixed_by_unlock() && !refused.is_missing());
        store.discard(&name).unwrap();
    }
    assert!(scratch.listing().is_empty());
}

#[test]
fn names_differ_by_case_and_dots() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    enroll_devices(&store, &account("alice", 1), &[phone()]);
    for name in ["Alice", "alice.", "alice.toml", ".alice"] {
        assert!(store.record(&account(name, 1)).unwrap().is_none(), "{name}");
    }
}

#[test]
fn foreign_files_are_not_users() {
    let (scratch, store) = enrolled();
    for name in [
        "bob",
        ".bob.toml.new",
        "%41lice.toml",
        "%.toml",
        ".toml",
        "README",
    ] {
        fs::write(scratch.top().join("users").join(name), "").unwrap();
    }
    assert_eq!(store.users().unwrap(), ["alice"]);
}

#[test]
fn discard_removes_one_user_whatever_the_files_hold() {
    let (scratch, store) = enrolled();
    let bob = account("bob", 1001);
    enroll_devices(&store, &bob, &[phone()]);
    fs::write(scratch.record(), "garbage").unwrap();
    fs::write(scratch.state(), "garbage").unwrap();
    fs::write(scratch.top().join("users/.alice.toml.new"), "half a secret").unwrap();
    fs::write(scratch.top().join("state/.alice.new"), "").unwrap();
    store.discard("alice").unwrap();
    assert_eq!(scratch.listing(), ["state/bob", "users/bob.toml"]);
    assert!(store.record(&alice()).unwrap().is_none());
    store.discard("alice").unwrap();
    assert!(store.record(&bob).unwrap().is_some());
}

/// A reader looks at one entry of a uid, and at the further ones only where a file says that there are any, for each uid by itself.
#[test]
fn further_names_of_a_uid_are_announced_for_it_alone() {
    let (scratch, store) = enrolled();
    let index = || {
        let mut names = scratch.everything();
        names.retain(|name| name.starts_with("users/+"));
        names
    };
    assert_eq!(index(), ["users/+1000"]);
    let add = |uid, name| {
        uid_index::add(
            store.users.directory().unwrap(),
            uid,
            name,
            LinkDurability::Now,
        )
        .unwrap()
    };
    assert!(add(1000, "bob"));
    assert!(add(1001, "carol"));
    assert_eq!(
        index(),
        [
            "users/+1000",
            "users/+1000+",
            "users/+1000+1",
            "users/+1001"
        ]
    );
    let names = |uid| uid_index::names_of(store.users.directory().unwrap(), uid).unwrap();
    assert_eq!((names(1000).len(), names(1001).len()), (2, 1));
}
