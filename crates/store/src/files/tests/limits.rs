//! Full disks, as far as a limit on the file size is one (setrlimit(2)).

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use twofactor_core::recovery::RecoverySet;

/// While it lives, no file of this process can be written beyond so many bytes.
pub(crate) struct FileSize(Rlimit);

impl FileSize {
    pub(crate) fn limited_to(bytes: u64) -> Self {
        let before = getrlimit(Resource::Fsize);
        let mut limited = before;
        limited.current = Some(bytes);
        setrlimit(Resource::Fsize, limited).unwrap();
        Self(before)
    }
}

impl Drop for FileSize {
    fn drop(&mut self) {
        setrlimit(Resource::Fsize, self.0).unwrap();
    }
}

fn too_big(path: &Path) -> StoreError {
    unusable(path, FileError::System("write", Errno::FBIG))
}

#[test]
fn a_state_that_cannot_be_written_stays_as_it_was() {
    if !in_own_process("files::tests::limits::a_state_that_cannot_be_written_stays_as_it_was") {
        return;
    }
    let (scratch, store) = enrolled();
    let before = fs::read(scratch.state()).unwrap();
    let failed_once = |locked: &LockedFactor<'_>| {
        let mut state = locked.state().clone();
        state.failures = 1;
        state
    };
    // The slot that is written ends at 504.
    for limit in [0, 1, 200, 503] {
        let mut locked = store.lock(&alice()).unwrap();
        let state = failed_once(&locked);
        let limited = FileSize::limited_to(limit);
        assert_eq!(locked.write(state), Err(too_big(&scratch.state())));
        drop(limited);
        assert_eq!(locked.state().failures, 0);
        drop(locked);
        assert_eq!(fs::read(scratch.state()).unwrap(), before, "limit {limit}");
    }
    let mut locked = store.lock(&alice()).unwrap();
    let state = failed_once(&locked);
    let _limited = FileSize::limited_to(504);
    locked.write(state).unwrap();
}

#[test]
fn a_failed_write_leaves_the_old_record() {
    if !in_own_process("files::tests::limits::a_failed_write_leaves_the_old_record") {
        return;
    }
    let (scratch, store) = enrolled();
    let before = fs::read(scratch.record()).unwrap();
    let mut record = record_of(&alice(), &[phone(), token()]);
    record.recovery = Some(RecoverySet::generate(1).unwrap().0);
    let needed = record.to_toml().len() as u64;
    // Room enough for the state, so that it is the record that fails.
    assert!(needed > 1024);
    for limit in [1024, needed - 1] {
        let mut locked = store.lock_for_change(&alice()).unwrap();
        let limited = FileSize::limited_to(limit);
        let failed = locked.replace_record(&record, &[fresh(&token())]);
        drop(limited);
        assert_eq!(failed, Err(too_big(&scratch.record())));
        assert_eq!(fs::read(scratch.record()).unwrap(), before);
        assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
        assert!(locked.record().is_ok());
    }
    let _limited = FileSize::limited_to(needed);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    locked.replace_record(&record, &[fresh(&token())]).unwrap();
}

#[test]
fn a_state_that_cannot_be_made_leaves_no_litter() {
    if !in_own_process("files::tests::limits::a_state_that_cannot_be_made_leaves_no_litter") {
        return;
    }
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let limited = FileSize::limited_to(600);
    let expected = Some(too_big(&scratch.state()));
    assert_eq!(store.lock_for_change(&alice()).err(), expected);
    drop(limited);
    assert!(scratch.listing().is_empty());
}

#[test]
fn a_policy_that_cannot_be_written_stays_as_it_was() {
    if !in_own_process("files::tests::limits::a_policy_that_cannot_be_written_stays_as_it_was") {
        return;
    }
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let path = scratch.path().join("policy.toml");
    fs::write(&path, "enabled = true\n").unwrap();
    let limited = FileSize::limited_to(10);
    let edit = |_: Option<&str>| Ok("enabled = false\n".to_owned());
    let edited: Result<_, StoreError> =
        PolicyFile::new(&path).edit((Some(&store), LockWait::Short), edit);
    drop(limited);
    assert_eq!(edited, Err(too_big(&path)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "enabled = true\n");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 3);
}
