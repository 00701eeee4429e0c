//! Power cuts: what real programs wrote and flushed, in their order, is replayed on a model of a disk that loses what was
//! not flushed. After every cut the old record or the new one is there with a state that fits it, and what a program said was
//! done stays done.

mod disk;
mod trace;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use harness::Machine;
use twofactor_core::STATE_DIR;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;
use twofactor_store::FactorStore;
use twofactor_store::sys::accounts;

use disk::{DiskEntry, DiskTree, ModelDisk};
use harness::enrolled::{
    ON, SERVICE, add_account, add_recovery_codes, enroll_token, machine, record_path,
};
use trace::Op;

/// All records, index entries and states, temporary files as well.
fn files() -> DiskTree {
    let parts = ["users", "state"].map(|part| Path::new(STATE_DIR).join(part));
    let entries = parts.iter().flat_map(|part| fs::read_dir(part).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), entry(&path))).collect()
}

fn entry(path: &Path) -> DiskEntry {
    let kind = fs::symlink_metadata(path).unwrap().file_type();
    if kind.is_dir() {
        DiskEntry::Directory
    } else {
        DiskEntry::File(fs::read(path).unwrap())
    }
}

fn restore(wanted: &DiskTree) {
    let present = files();
    for (path, entry) in &present {
        match entry {
            same if wanted.get(path) == Some(same) => {}
            DiskEntry::Directory => fs::remove_dir(path).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
    }
    for (path, entry) in wanted {
        match entry {
            same if present.get(path) == Some(same) => {}
            DiskEntry::File(content) => {
                fs::write(path, content).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            }
            DiskEntry::Directory => DirBuilder::new().mode(0o700).create(path).unwrap(),
        }
    }
}

/// Data that the module would read: the record that counts, and the state under its lock. An error is also what
/// contradicts itself: a trace of a record that is not there.
fn readable(user: &str) -> Result<Option<(UserRecord, UserState)>, String> {
    let account = accounts::by_name(user).unwrap().unwrap();
    let store =
        FactorStore::open(Path::new(STATE_DIR), Path::new(twofactor_core::POLICY_FILE)).unwrap();
    let holder = |account: &Account| store.holder(account).map_err(|error| error.to_string());
    let found = holder(&account)?;
    let alias = Account {
        name: "alias".to_owned(),
        ..account.clone()
    };
    let by_uid = holder(&alias).map_err(|error| format!("by uid: {error}"))?;
    if found.record.is_some() != by_uid.record.is_some() {
        return Err("found by name or by uid only".to_owned());
    }
    let Some(record) = found.record else {
        return Ok(None);
    };
    let locked = store.lock(&account).map_err(|error| error.to_string())?;
    locked.record().map_err(|error| error.to_string())?;
    Ok(Some((record, locked.state().clone())))
}

/// Replays what a program did; judges every disk after every step, and tells whether the program had ended by then.
fn replay(before: &DiskTree, ops: &[Op], mut judge: impl FnMut(&DiskTree, bool)) -> usize {
    let mut disk = ModelDisk::holding(before);
    let mut cuts = 0;
    for (step, op) in ops.iter().enumerate() {
        disk.apply(op);
        for files in disk.after_power_cut() {
            restore(&files);
            judge(&files, step + 1 == ops.len());
            cuts += 1;
        }
    }
    cuts
}

/// A command that changes the record of a user.
fn change(machine: &Machine, words: &[&str], user: &str) {
    let before = files();
    let (run, ops) = trace::of(machine, words, Path::new(STATE_DIR));
    run.ok();
    assert!(ops.len() >= 3, "{words:?}: {ops:?}");
    let record: PathBuf = record_path(user);
    let (old, new) = (before.get(&record).cloned(), files().get(&record).cloned());
    assert_ne!(old, new);
    let mut seen = [0, 0];
    let cuts = replay(&before, &ops, |files, has_ended| {
        let found = files.get(&record);
        assert!(
            found == old.as_ref() || found == new.as_ref(),
            "{words:?}: neither"
        );
        let is_new = found == new.as_ref();
        seen[usize::from(is_new)] += 1;
        assert!(is_new || !has_ended, "{words:?}: said to be done, and lost");
        if let Err(why) = readable(user) {
            panic!("{words:?}: {why}");
        }
        let others = |files: &DiskTree| -> DiskTree {
            let of_carol = |(path, entry): &(&PathBuf, &DiskEntry)| {
                path.to_string_lossy().contains("carol")
                    || **entry == DiskEntry::File(b"carol\n".to_vec())
            };
            let kept = files.iter().filter(of_carol);
            kept.map(|(path, content)| (path.clone(), content.clone()))
                .collect()
        };
        assert_eq!(others(files), others(&before));
    });
    println!(
        "{:<48} {:>3} steps {cuts:>6} disks",
        words[..3].join(" "),
        ops.len()
    );
    assert!(seen[0] > 0 && seen[1] > 0, "{words:?}: {seen:?}");
    restore(&before);
}

#[test]
fn a_power_cut_leaves_the_old_record_or_the_new_one() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    add_recovery_codes("alice");
    enroll_token(&machine, "carol");
    add_account(&machine, "bob");
    for arguments in [
        ["enroll", "bob", "--hotp", "--no-confirm", "--yes"].as_slice(),
        &["renew", "alice", "--no-confirm", "--yes"],
        &["recovery-codes", "alice", "--yes"],
        &["bypass", "alice", "--yes"],
        &["unset", "alice", "--yes"],
    ] {
        change(
            &machine,
            &[&["twofactor"], arguments].concat(),
            arguments[1],
        );
    }
}

#[test]
fn a_used_code_stays_used_after_a_power_cut() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for counter in 0..3 {
        let before = files();
        let words = [
            "pamdrive",
            "--service",
            SERVICE,
            "--user",
            "alice",
            "--answer",
        ];
        let words = [&words, [alice.code_at(counter)].as_slice()].concat();
        let (run, ops) = trace::of(&machine, &words, Path::new(STATE_DIR));
        assert!(run.ok().stdout.contains("\"auth\":0"));
        let after = files();
        assert_eq!(ops.len(), 3, "two writes and a flush");
        let cuts = replay(&before, &ops, |_, has_ended| {
            let (_, state) = readable("alice").unwrap().unwrap();
            let next = state.devices[0].next;
            assert!(next == counter as u64 + 1 || (!has_ended && next == counter as u64));
        });
        println!("login {counter}: {cuts} disks");
        restore(&after);
    }
}
