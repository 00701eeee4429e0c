//! The content of a state directory, by names alone, for comparing records, states and index.

use crate::sys::file;

use super::{FactorStore, StoreError, file_names, list};

/// The files of a state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryInventory {
    /// The names of users with a record, sorted.
    pub records: Vec<String>,
    /// The names of users with a state, sorted.
    pub states: Vec<String>,
    /// The entries of the index: each uid with a name.
    pub index: Vec<(u32, String)>,
    /// The names of users who have generations and no state, sorted.
    pub leftovers: Vec<String>,
}

impl FactorStore {
    /// True if something but a record is kept under a name: a state, generations of it, or an entry of the index.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be told.
    pub fn has_traces(&self, name: &str) -> Result<bool, StoreError> {
        let Some(state) = file_names::state_file(name) else {
            return Ok(false);
        };
        let path = self.path.join("state").join(&state);
        if !file::is_absent(self.states.directory()?, &state).map_err(StoreError::file(&path))? {
            return Ok(true);
        }
        let inventory = self.inventory()?;
        Ok(inventory.index.iter().any(|(_, entry)| entry == name)
            || inventory.leftovers.iter().any(|left| left == name))
    }

    /// Lists what there is.
    ///
    /// # Errors
    /// [`StoreError`] when a directory or the index cannot be read.
    pub fn inventory(&self) -> Result<DirectoryInventory, StoreError> {
        let mut found = DirectoryInventory {
            records: self.users()?,
            index: self.index()?,
            ..DirectoryInventory::default()
        };
        for file_name in list(self.states.directory()?, self.states.path())? {
            if let Some(name) = file_names::user_of_state(&file_name) {
                found.states.push(name);
            } else if let Some(name) = file_name.strip_suffix('+') {
                found.leftovers.extend(file_names::user_of_state(name));
            }
        }
        found.states.sort_unstable();
        found.leftovers.sort_unstable();
        let states = &found.states;
        found.leftovers.retain(|name| !states.contains(name));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ScratchStore, alice, enroll_devices, phone};

    #[test]
    fn the_inventory_lists_no_temporary_files() {
        let scratch = ScratchStore::new();
        let store = scratch.store();
        enroll_devices(&store, &alice(), &[phone()]);
        for stray in ["alice+7", ".alice.new", "alice+", "bob+", "+7", "x+y"] {
            std::fs::write(scratch.top().join("state").join(stray), "").unwrap();
        }
        let name = alice().name;
        let expected = DirectoryInventory {
            records: vec![name.clone()],
            states: vec![name.clone()],
            index: vec![(alice().uid, name)],
            leftovers: vec!["bob".to_owned()],
        };
        assert_eq!(store.inventory().unwrap(), expected);
    }
}
