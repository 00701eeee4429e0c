//! What there is in a state directory, by names alone: for comparing records, states and index.
#![forbid(unsafe_code)]

use crate::sys::file;

use super::{Error, Store, list, names};

/// The files of a state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The names of users with a record, sorted.
    pub records: Vec<String>,
    /// The names of users with a state, sorted.
    pub states: Vec<String>,
    /// The entries of the index: each uid with a name.
    pub index: Vec<(u32, String)>,
    /// File names in `state/` of generations that were claimed and not completed (`NAME+N`), sorted.
    pub claims: Vec<String>,
}

impl Store {
    /// True if something but a record is kept under a name: a state, claims to it, or an entry of the index.
    ///
    /// # Errors
    /// [`Error`] when that cannot be told.
    pub fn has_traces(&self, name: &str) -> Result<bool, Error> {
        let Some(state) = names::state_file(name) else {
            return Ok(false);
        };
        let path = self.path.join("state").join(&state);
        if !file::is_absent(&self.states, &state).map_err(Error::file(&path))? {
            return Ok(true);
        }
        let inventory = self.inventory()?;
        let claims = format!("{state}+");
        Ok(inventory.index.iter().any(|(_, entry)| entry == name)
            || inventory
                .claims
                .iter()
                .any(|claim| claim.starts_with(&claims)))
    }

    /// Lists what there is.
    ///
    /// # Errors
    /// [`Error`] when a directory or the index cannot be read.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        let mut found = Inventory {
            records: self.users()?,
            index: self.index()?,
            ..Inventory::default()
        };
        for file_name in list(&self.states, &self.path.join("state"))? {
            if let Some(name) = names::user_of_state(&file_name) {
                found.states.push(name);
            } else if is_claim(&file_name) {
                found.claims.push(file_name);
            }
        }
        found.states.sort_unstable();
        found.claims.sort_unstable();
        Ok(found)
    }
}

/// `NAME+N`, as `generations` makes them.
fn is_claim(file_name: &str) -> bool {
    file_name.rsplit_once('+').is_some_and(|(name, number)| {
        names::user_of_state(name).is_some() && number.parse::<u64>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, alice, enrol, phone};
    use super::*;

    #[test]
    fn the_inventory_lists_what_there_is_and_no_temporary_files() {
        let scratch = Scratch::new();
        let store = scratch.store();
        enrol(&store, &alice(), &[phone()]);
        for stray in ["alice+7", ".alice.new", "alice+", "+7", "x+y"] {
            std::fs::write(scratch.top().join("state").join(stray), "").unwrap();
        }
        let name = alice().name;
        let expected = Inventory {
            records: vec![name.clone()],
            states: vec![name.clone()],
            index: vec![(alice().uid, name)],
            claims: vec!["alice+7".to_owned()],
        };
        assert_eq!(store.inventory().unwrap(), expected);
    }
}
