//! Changes by root on this host, made in the fleet: the record and the state that follows from it, in one transaction.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeScope, OneTimeCode};
use twofactor_core::state::UserState;
use twofactor_store::attempt::StatePush;
use twofactor_store::sys::lock_heartbeat::{self, LONGEST, LockHeartbeat};
use twofactor_store::{ShareFault, SharedChange, SharedFactors};
use zeroize::Zeroizing;

use super::factor_commit::{
    self, CommitFault, CommitTarget, ExpectedRecord, FactorCommit, RecordPart,
};
use super::host_bypass::HostBypass;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::TimeLeft as _;
use crate::host::fleet_host::FleetHost;
use crate::host_files::host_error::{HostError, HostFault};
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mark::MarkKind;
use crate::sealed_values::shared_record::RecordContent;
use crate::sealed_values::shared_state_merge;

/// Longest time of a change, with the wait for the files of the fleet. The user's lock is held meanwhile, for which logins wait 5 s, and
/// the heartbeat of its holder ends then.
const CHANGE_TIME: Duration = LONGEST;

/// Reason against the removal of a user that this host lacks.
const USABLE: &str =
    "what the fleet has of this user can be used, on hosts where it could be put in place";

/// The fleet of a host, for those who change what users have. It is asked at the first change.
pub struct FleetChanges {
    settings: PathBuf,
    state: PathBuf,
    reach: ChangeReach,
}

/// The hosts on which a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeReach {
    /// All of the fleet.
    AllHosts,
    /// This one, while it is cut off.
    ThisHost,
}

impl FleetChanges {
    /// The fleet whose settings and state directory these are.
    #[must_use]
    pub fn new(settings: &Path, state: &Path) -> Self {
        Self {
            settings: settings.to_owned(),
            state: state.to_owned(),
            reach: ChangeReach::AllHosts,
        }
    }

    /// The fleet for changes that count on this host alone: bypass codes, while it is cut off.
    #[must_use]
    pub fn on_this_host(settings: &Path, state: &Path) -> Self {
        Self {
            reach: ChangeReach::ThisHost,
            ..Self::new(settings, state)
        }
    }
}

impl SharedFactors for FleetChanges {
    fn commit(
        &self,
        user: &str,
        change: &SharedChange<'_>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault> {
        lock_heartbeat::with_heartbeat(heartbeat, LONGEST, || match self.reach {
            ChangeReach::AllHosts => self.make(user, change),
            ChangeReach::ThisHost => self.note(user, change),
        })
    }

    fn is_local(&self) -> bool {
        self.reach == ChangeReach::ThisHost
    }
}

impl FleetChanges {
    fn note(&self, user: &str, change: &SharedChange<'_>) -> Result<(), ShareFault> {
        let host = HostBypass {
            settings: &self.settings,
            state: &self.state,
        };
        host.note(user, change).map_err(|reason| unmade(&reason))
    }

    fn make(&self, user: &str, change: &SharedChange<'_>) -> Result<(), ShareFault> {
        let time = WorkDeadline::after(CHANGE_TIME);
        let host = FleetHost::open(&self.settings, &self.state);
        let host = host.map_err(|error| unmade(&error.to_string()))?;
        // The daemon writes no number of this host while it is compared. Half of the time is left for the store: a change that begins
        // when the heartbeat ends may count in the fleet, and not here.
        let lock = host.directory().lock_within(time.left() / 2);
        let lock = lock.map_err(|error| unlocked(&error))?;
        host.settle(&lock, &time)
            .map_err(|reason| unmade(&reason.to_string()))?;
        let revision = host.commit(user, change, &time);
        let revision = match (revision, change) {
            (Err(CommitFault::Conflict), SharedChange::RemoveUnusable) => {
                return Err(unmade(USABLE));
            }
            (revision, _) => revision?,
        };
        let (here, kind) = match *change {
            SharedChange::Put { old, record, .. } => (old, stored_kind(Some(record))),
            SharedChange::Remove { old } => (old, MarkKind::Removed),
            SharedChange::RemoveUnusable => (None, MarkKind::Removed),
            SharedChange::State(_) => return Ok(()),
        };
        // Where this is not noted the daemon notes it, when it looks at the store the next time.
        let marks = MirrorMarks::open(host.directory().path());
        let mark = (revision, kind);
        let _ = marks.and_then(|marks| {
            let marks = marks.waiting(time.left());
            marks.note_coming(user, mark, MarkKind::of(here))
        });
        Ok(())
    }
}

/// A change whose host could not lock the files of the fleet.
fn unlocked(error: &HostError) -> ShareFault {
    match error.cause {
        HostFault::Busy => unmade(&format!("{error}; try again")),
        _ => unmade(&error.to_string()),
    }
}

fn unmade(reason: &str) -> ShareFault {
    ShareFault::NotMade(format!("{reason}; nothing was changed"))
}

impl FleetHost {
    /// Makes a change of one user in the fleet. Returns the revision of the record.
    ///
    /// # Errors
    /// [`CommitFault`].
    pub fn commit(
        &self,
        user: &str,
        change: &SharedChange<'_>,
        time: &WorkDeadline,
    ) -> Result<u64, CommitFault> {
        match *change {
            SharedChange::Put { old, record, local } => {
                let is_old = |stored: Option<&str>| is_same(stored, old);
                self.commit_factor(
                    &FactorCommit {
                        user,
                        expected: ExpectedRecord::Held(&is_old, self.known_revision(user, old)),
                        record: RecordPart::Write(content(record)),
                        state: &|shared, _| shared_state_merge::of_change(record, local, shared),
                        count: None,
                    },
                    time,
                )
            }
            // Root removes whatever there is.
            SharedChange::Remove { .. } => {
                self.remove(user, ExpectedRecord::Any(self.newest_revision(user)), time)
            }
            SharedChange::RemoveUnusable => {
                let expected = ExpectedRecord::Unusable(self.newest_revision(user));
                self.remove(user, expected, time)
            }
            SharedChange::State(step) => self.commit_factor(
                &FactorCommit {
                    user,
                    // A state without a record is that of no user.
                    expected: ExpectedRecord::Matching(&|stored| stored.is_some()),
                    record: RecordPart::Keep,
                    state: &|shared, _| step(shared.unwrap_or(&UserState::new(0))),
                    count: None,
                },
                time,
            ),
        }
    }

    fn remove(
        &self,
        user: &str,
        expected: ExpectedRecord<'_>,
        time: &WorkDeadline,
    ) -> Result<u64, CommitFault> {
        let change = FactorCommit {
            user,
            expected,
            record: RecordPart::Write(RecordContent::Removed),
            state: &|_, _| UserState::new(0),
            count: None,
        };
        self.commit_factor(&change, time)
    }

    /// The revision of the record that this host has; 0 where it is not known.
    fn known_revision(&self, user: &str, here: Option<&UserRecord>) -> u64 {
        let marks = MirrorMarks::open(self.directory().path());
        let known = marks.and_then(|marks| marks.revision_of(user, here));
        known.unwrap_or(0)
    }

    /// The newest one that this host has had; 0 where it is not known.
    fn newest_revision(&self, user: &str) -> u64 {
        let marks = MirrorMarks::open(self.directory().path());
        let mark = marks.and_then(|marks| marks.of(user)).ok().flatten();
        mark.map_or(0, |(revision, _)| revision)
    }

    /// Stores the state that follows from the one of all hosts and from the record that the fleet has. Nothing is written where they
    /// are the same. The wrong codes of an outage are added once, however often they are pushed, as long as the state remembers them.
    ///
    /// # Errors
    /// [`CommitFault`]; [`CommitFault::Conflict`] where the fleet has no record of the user.
    pub fn merge_state(
        &self,
        push: &StatePush<'_>,
        time: &WorkDeadline,
    ) -> Result<(), CommitFault> {
        let read = |text: Option<&str>| text.and_then(|text| UserRecord::parse(text).ok());
        let StatePush { user, count, step } = *push;
        let stored = RefCell::new(None);
        let is_read = |text: Option<&str>| {
            let record = read(text);
            let is_read = record.is_some();
            stored.replace(record);
            is_read
        };
        let change = FactorCommit {
            user,
            expected: ExpectedRecord::Matching(&is_read),
            record: RecordPart::Keep,
            state: &|shared, known| {
                let none = UserState::new(0);
                let shared = shared.unwrap_or(&none);
                let merged = stored.borrow().as_ref().map(|it| step(shared, it, known));
                merged.unwrap_or_else(|| shared.clone())
            },
            count,
        };
        match self.commit_factor(&change, time) {
            Err(CommitFault::Outage(OutageReason::NoState)) => Err(CommitFault::Conflict),
            done => done.map(drop),
        }
    }

    /// Makes a change of one user in the fleet. Returns the revision of the record.
    ///
    /// # Errors
    /// [`CommitFault`].
    pub fn commit_factor(
        &self,
        change: &FactorCommit<'_>,
        time: &WorkDeadline,
    ) -> Result<u64, CommitFault> {
        let target = CommitTarget {
            gateway: self.gateway(),
            key: self.key(),
            host: self.host_key(),
            standing: self,
        };
        factor_commit::commit(&target, change, time)
    }
}

/// A record as the store has it: without what counts on this host alone.
pub(crate) fn shared(record: &UserRecord) -> Cow<'_, UserRecord> {
    let is_local = |code: &OneTimeCode| code.scope == CodeScope::ThisHost;
    if !record.bypass.as_ref().is_some_and(is_local) {
        return Cow::Borrowed(record);
    }
    let mut shared = record.clone();
    shared.bypass = None;
    Cow::Owned(shared)
}

/// The content of its value in the store.
pub(crate) fn content(record: &UserRecord) -> RecordContent {
    RecordContent::Text(shared(record).to_toml())
}

/// The mark of a record that the store has got, or of its removal.
pub(crate) fn stored_kind(record: Option<&UserRecord>) -> MarkKind {
    MarkKind::of(record.map(shared).as_deref())
}

/// True if the store has this record, but for what counts on this host alone; or none where it is `None`.
pub(crate) fn is_same(stored: Option<&str>, record: Option<&UserRecord>) -> bool {
    match (stored, record) {
        (None, None) => true,
        (Some(stored), Some(record)) => {
            canonical(stored).is_some_and(|it| *it == *shared(record).to_toml())
        }
        _ => false,
    }
}

/// The text of a record as this program writes it; `None` where it is none that can be read.
pub(crate) fn canonical(text: &str) -> Option<Zeroizing<String>> {
    Some(UserRecord::parse(text).ok()?.to_toml())
}

impl From<CommitFault> for ShareFault {
    fn from(fault: CommitFault) -> Self {
        match fault {
            CommitFault::Conflict => Self::Conflict,
            CommitFault::Outage(_) => Self::NotMade(fault.to_string()),
            CommitFault::UnknownEnd(_) => Self::Unknown(fault.to_string()),
        }
    }
}

impl From<CommitFault> for OutageReason {
    fn from(fault: CommitFault) -> Self {
        match fault {
            CommitFault::Outage(reason) | CommitFault::UnknownEnd(reason) => reason,
            CommitFault::Conflict => Self::Contradiction,
        }
    }
}
