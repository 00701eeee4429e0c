//! The file in which the service of the fleet marks the record that this host has of a user, or its removal.

use std::path::Path;

use rustix::fs::CWD;

use crate::fleet_contact::FLEET_DIRECTORY;
use crate::sys::file::{self, FileAccess, FileError};

/// Directory of the marks, in the one of the fleet.
pub const DIRECTORY: &str = "records";

/// Name of a user's mark. No two users have one file, and no name leaves the directory.
#[must_use]
pub fn file_of(user: &str) -> String {
    user.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// True if there is a mark of a user in a state directory. One that is not found is looked for once more.
///
/// # Errors
/// [`FileError`] when that cannot be told.
pub fn is_there(state: &Path, user: &str) -> Result<bool, FileError> {
    let path = format!("{FLEET_DIRECTORY}/{DIRECTORY}/{}", file_of(user));
    let state = file::open_directory(CWD, state, FileAccess::Private)?;
    Ok(!(file::is_absent(&state, &path)? && file::is_absent(&state, &path)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScratchStore;

    #[test]
    fn a_mark_is_one_of_its_user() {
        assert_eq!(file_of("a/."), "612f2e");
        let scratch = ScratchStore::new();
        let state = scratch.path();
        assert!(!is_there(state, "alice").unwrap());
        assert!(is_there(&state.join("none"), "alice").is_err());
        let marks = state.join(FLEET_DIRECTORY).join(DIRECTORY);
        std::fs::create_dir_all(&marks).unwrap();
        assert!(!is_there(state, "alice").unwrap());
        std::fs::write(marks.join(file_of("alice")), "").unwrap();
        assert!(is_there(state, "alice").unwrap());
        assert!(!is_there(state, "bob").unwrap());
    }
}
