//! The names of the users who can be listed: those of all records, and the local accounts that users log in with.

use std::collections::BTreeSet;

use twofactor_store::{FactorStore, StoreError};

use super::local_users;
use crate::command_failure::CommandFailure;

/// The names of each source.
#[derive(Debug)]
pub struct RosterNames {
    /// The names of all records; none without a store.
    pub recorded: BTreeSet<String>,
    /// Name and uid of the local accounts that users log in with.
    pub local: Vec<(String, u32)>,
}

/// A source that cannot be read.
pub enum RosterFault {
    /// The directory of the records.
    Records(StoreError),
    /// The local accounts.
    Accounts(CommandFailure),
}

impl From<RosterFault> for CommandFailure {
    fn from(fault: RosterFault) -> Self {
        match fault {
            RosterFault::Records(error) => error.into(),
            RosterFault::Accounts(failure) => failure,
        }
    }
}

impl RosterNames {
    /// Reads both sources.
    ///
    /// # Errors
    /// A source that cannot be read: the users that it has would be missing.
    pub fn read(store: Option<&FactorStore>) -> Result<Self, CommandFailure> {
        let mut last = None;
        let names = Self::readable(store, |fault| last = Some(fault));
        last.map_or(Ok(names), |fault| Err(fault.into()))
    }

    /// Reads the sources that can be read. Each other one is handed to `missing`.
    pub fn readable(store: Option<&FactorStore>, mut missing: impl FnMut(RosterFault)) -> Self {
        let local = local_users::accounts().unwrap_or_else(|failure| {
            missing(RosterFault::Accounts(failure));
            Vec::new()
        });
        let recorded = store.map_or(Ok(Vec::new()), FactorStore::users);
        let recorded = recorded.unwrap_or_else(|error| {
            missing(RosterFault::Records(error));
            Vec::new()
        });
        Self {
            recorded: recorded.into_iter().collect(),
            local,
        }
    }

    /// All names, each once.
    pub fn all(&self) -> BTreeSet<String> {
        let local = self.local.iter().map(|(name, _)| name);
        local.chain(&self.recorded).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_both_sources_is_listed_once() {
        let names = RosterNames {
            recorded: ["alice", "old"].map(str::to_owned).into(),
            local: vec![("root".to_owned(), 0), ("alice".to_owned(), 1000)],
        };
        assert_eq!(Vec::from_iter(names.all()), ["alice", "old", "root"]);
    }

    #[test]
    fn without_a_store_the_local_accounts_are_listed() {
        let names = RosterNames::read(None).unwrap();
        assert!(names.recorded.is_empty());
        assert!(names.all().contains("root"));
    }
}
