//! The slot that a write goes to, and the state after a torn write.

use std::os::unix::fs::MetadataExt;

use super::*;
use twofactor_core::state::{SLOT_LEN, SLOT_STRIDE, StateSlot};

fn halves(scratch: &ScratchStore) -> [Vec<u8>; 2] {
    let file = fs::read(scratch.state()).unwrap();
    let (first, second) = file.split_at(SLOT_STRIDE as usize);
    [first.to_vec(), second.to_vec()]
}

/// The slots that changed between two readings.
fn changed(before: &[Vec<u8>; 2], after: &[Vec<u8>; 2]) -> Vec<StateSlot> {
    [StateSlot::First, StateSlot::Second]
        .into_iter()
        .zip(before.iter().zip(after))
        .filter_map(|(slot, (before, after))| (before != after).then_some(slot))
        .collect()
}

/// Writes a state with that many failures and says which slots changed.
fn write(scratch: &ScratchStore, locked: &mut LockedFactor<'_>, failures: u32) -> Vec<StateSlot> {
    let before = halves(scratch);
    let mut state = locked.state().clone();
    state.failures = failures;
    locked.write(state).unwrap();
    changed(&before, &halves(scratch))
}

#[test]
fn writes_go_to_the_slot_that_is_not_flushed() {
    let (scratch, store) = enrolled();
    let start = scratch.stored();
    let mut locked = store.lock(&alice()).unwrap();
    let target = start.slot.other();
    for failures in 1..=3 {
        assert_eq!(write(&scratch, &mut locked, failures), [target]);
    }
    locked.flush().unwrap();
    for failures in 4..=5 {
        assert_eq!(write(&scratch, &mut locked, failures), [target.other()]);
    }
    locked.flush().unwrap();
    assert_eq!(write(&scratch, &mut locked, 6), [target]);
    assert_eq!(locked.state().failures, 6);
    drop(locked);
    let end = scratch.stored();
    assert_eq!((end.state.failures, end.slot), (6, target));
    assert_eq!(end.sequence, start.sequence + 6);
}

#[test]
fn a_flush_without_a_write_changes_nothing() {
    let (scratch, store) = enrolled();
    let newest = scratch.stored().slot;
    let mut locked = store.lock(&alice()).unwrap();
    for _ in 0..3 {
        locked.flush().unwrap();
    }
    assert_eq!(write(&scratch, &mut locked, 1), [newest.other()]);
    locked.flush().unwrap();
    locked.flush().unwrap();
    assert_eq!(write(&scratch, &mut locked, 2), [newest]);
}

#[test]
fn the_next_holder_overwrites_the_older_slot() {
    let (scratch, store) = enrolled();
    for failures in 1..=5 {
        let newest = scratch.stored().slot;
        let mut locked = store.lock(&alice()).unwrap();
        assert_eq!(locked.state().failures, failures - 1);
        assert_eq!(write(&scratch, &mut locked, failures), [newest.other()]);
        locked.flush().unwrap();
    }
}

#[test]
fn a_short_write_leaves_the_flushed_state() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock(&alice()).unwrap();
    write(&scratch, &mut locked, 1);
    locked.flush().unwrap();
    write(&scratch, &mut locked, 2);
    drop(locked);
    let newest = scratch.stored().slot;
    let whole = fs::read(scratch.state()).unwrap();
    for cut in [0, 1, 100, SLOT_LEN - 1] {
        let mut torn = whole.clone();
        let start = newest.offset() as usize;
        torn[start + cut..start + SLOT_LEN].fill(0xaa);
        fs::write(scratch.state(), torn).unwrap();
        assert_eq!(store.lock(&alice()).unwrap().state().failures, 1);
    }
}

#[test]
fn states_are_written_in_place() {
    let (scratch, store) = enrolled();
    let file = || {
        let meta = fs::metadata(scratch.state()).unwrap();
        (meta.ino(), meta.len(), meta.mode())
    };
    let before = file();
    let mut locked = store.lock(&alice()).unwrap();
    for failures in 1..=4 {
        write(&scratch, &mut locked, failures);
        locked.flush().unwrap();
    }
    assert_eq!(file(), before);
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
}
