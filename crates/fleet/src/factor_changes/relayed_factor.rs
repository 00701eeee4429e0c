//! A change of one user's factor by a program that does not speak with the store: the module, or the users' daemon. Its service makes it,
//! in the same transaction as one of root's command, and only on the record that the program has made it from.

use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::factor_commit::{CommitFault, ExpectedRecord, FactorCommit, RecordPart};
use super::fleet_changes::{content, stored_kind};
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::TimeLeft as _;
use crate::host::fleet_host::FleetHost;
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mark::MarkKind;
use crate::sealed_values::shared_record::RecordContent;
use crate::sealed_values::shared_state_merge;

/// A change, made from a record that is known by its digest.
pub struct RelayedFactor<'a> {
    /// The user, by the name of the record.
    pub user: &'a str,
    /// The user's id, which is that of both records.
    pub uid: u32,
    /// The digest of the record that it was made from; `None` where there was none.
    pub base: Option<[u8; 32]>,
    /// The record that counts from now on, with a state that knows all of its devices; `None` where the change removes it.
    pub next: Option<(&'a UserRecord, &'a UserState)>,
}

impl RelayedFactor<'_> {
    /// True if the store has the record that the change was made from.
    fn is_base(&self, stored: Option<&str>) -> bool {
        match (stored, self.base) {
            (None, None) => true,
            (Some(text), Some(digest)) => UserRecord::parse(text)
                .is_ok_and(|record| record.uid == self.uid && record.digest() == digest),
            _ => false,
        }
    }
}

impl FleetHost {
    /// Makes a relayed change. It counts on all hosts when this returns. The program holds the lock of the user's state.
    ///
    /// # Errors
    /// [`CommitFault`].
    pub fn relay(
        &self,
        change: &RelayedFactor<'_>,
        time: &WorkDeadline,
    ) -> Result<(), CommitFault> {
        let is_base = |stored: Option<&str>| change.is_base(stored);
        let state = |shared: Option<&UserState>, _| match change.next {
            Some((record, local)) => shared_state_merge::of_change(record, local, shared),
            None => UserState::new(0),
        };
        let commit = FactorCommit {
            user: change.user,
            expected: ExpectedRecord::Matching(&is_base),
            record: RecordPart::Write(match change.next {
                Some((record, _)) => content(record),
                None => RecordContent::Removed,
            }),
            state: &state,
            count: None,
        };
        let revision = self.commit_factor(&commit, time)?;
        let kind = stored_kind(change.next.map(|(record, _)| record));
        // Where this is not noted, it is when the service looks at the store the next time.
        let marks = MirrorMarks::open(self.directory().path());
        let here = MarkKind::of_digest(change.base);
        let _ = marks.and_then(|marks| {
            let marks = marks.waiting(time.left());
            marks.note_coming(change.user, (revision, kind), here)
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_store::testing::{alice, phone, record_of, token};

    #[test]
    fn a_change_is_made_on_its_base_alone() {
        let record = record_of(&alice(), &[token()]);
        let newer = record_of(&alice(), &[token(), phone()]);
        let of = |uid, base| RelayedFactor {
            user: "alice",
            uid,
            base,
            next: None,
        };
        let stored = record.to_toml();
        let on_base = of(1000, Some(record.digest()));
        assert!(on_base.is_base(Some(&stored)));
        // Another form of the same record.
        assert!(on_base.is_base(Some(&format!("\n{}", *stored))));
        assert!(!on_base.is_base(Some(&newer.to_toml())));
        assert!(!on_base.is_base(Some("x")));
        assert!(!on_base.is_base(None), "it was removed");
        assert!(!of(1001, Some(record.digest())).is_base(Some(&stored)));
        assert!(of(1000, None).is_base(None));
        assert!(!of(1000, None).is_base(Some(&stored)), "it was enrolled");
    }
}
