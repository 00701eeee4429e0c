//! Record and state for displays: two files without a lock, looked at anew when a change may have come between.

use super::*;
use crate::files::record_lookup::tried_anew;

/// Looks that fail in turn with these causes, and how often it was looked.
fn looks(causes: &[FileFault]) -> (Result<&'static str, StoreError>, usize) {
    let mut looked = 0;
    let result = tried_anew(|| {
        let cause = causes.get(looked).cloned();
        looked += 1;
        cause.map_or(Ok("both"), |cause| {
            Err(error_at(Path::new("/state"), cause))
        })
    });
    (result, looked)
}

#[test]
fn a_change_between_the_two_files_is_looked_at_anew() {
    for changes in 0..=4 {
        let causes = vec![FileFault::MissingState; changes];
        assert_eq!(looks(&causes), (Ok("both"), changes + 1));
    }
}

#[test]
fn what_stays_contradictory_is_an_error() {
    let missing = Err(error_at(Path::new("/state"), FileFault::MissingState));
    assert_eq!(looks(&vec![FileFault::MissingState; 9]), (missing, 5));
    // Looked at anew already, and only once, before it is said.
    let lost = Err(error_at(Path::new("/state"), FileFault::LostRecord));
    assert_eq!(looks(&[FileFault::LostRecord]), (lost, 1));
}

#[test]
fn a_damaged_state_has_no_snapshot() {
    let (scratch, store) = enrolled();
    fs::write(scratch.state(), [0; 1024]).unwrap();
    let error = store.snapshot(&alice()).unwrap_err();
    assert!(error.fixed_by_unlock(), "{error}");
}
