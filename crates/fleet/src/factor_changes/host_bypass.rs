//! A bypass code that root makes on a host which is cut off from its fleet, or for a user whose state in the store is damaged. It
//! counts on this host alone, and until the host meets the store again. Then the record of the fleet replaces the one with the
//! code.

use std::path::Path;
use std::time::Duration;

use twofactor_core::recovery::CodeScope;
use twofactor_store::sys::clock;
use twofactor_store::sys::lock_heartbeat::LONGEST;
use twofactor_store::{SharedChange, UnmirroredUsers};

use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::TimeLeft as _;
use crate::host::fleet_host::{FleetHost, REQUEST_TIME, opened_meta};
use crate::host_files::host_error::HostError;
use crate::host_files::host_file::FleetDirectory;
use crate::host_files::host_settings::HostSettings;
use crate::host_files::key_file::KeyFile;
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mark::MarkKind;
use crate::sealed_values::store_key::StoreKey;

/// Longest time in which the store may show that it is there. The steps after it are done before the heartbeat of the user's lock ends.
const PROBE_TIME: Duration = Duration::from_secs(3);

/// This host, as one that changes a record for itself alone.
pub struct HostBypass<'a> {
    /// The settings of the host in its fleet.
    pub settings: &'a Path,
    /// The state directory.
    pub state: &'a Path,
}

impl HostBypass<'_> {
    /// Notes that the record of the fleet is not in place here. The service looks at the user again as soon as the store is there.
    ///
    /// # Errors
    /// The reason why the change cannot be made, without a full stop.
    pub fn note(&self, user: &str, change: &SharedChange<'_>) -> Result<(), String> {
        let uid = match change {
            SharedChange::Put { record, .. } if is_of_bypass(change) => record.uid,
            _ => return Err("no other change is made on one host of a fleet".to_owned()),
        };
        // If the clock cannot be read, no code has expired.
        if forgets_a_use(change, clock::now().unwrap_or(0)) {
            return Err(
                "a bypass code of all hosts that has not expired was used here, which this host has to bring to the store first"
                    .to_owned(),
            );
        }
        let (limit, probe) = (
            WorkDeadline::after(LONGEST),
            WorkDeadline::after(PROBE_TIME),
        );
        if self.is_met(user, &probe) {
            return Err("the store of the fleet can be used".to_owned());
        }
        if self.is_rotating(&probe) {
            return Err(
                "this host replaces the key of the fleet, and its store is there; to complete that: twofactor fleet rotate-key"
                    .to_owned(),
            );
        }
        let fleet = FleetDirectory::open(self.state);
        let fleet = fleet.map_err(|error| error.to_string())?;
        let noted =
            UnmirroredUsers::open(fleet.path()).and_then(|notes| notes.note_with_uid(user, uid));
        noted.map_err(|error| error.to_string())?;
        let marks = MirrorMarks::open(fleet.path()).map(|marks| marks.waiting(limit.left()));
        marks
            .and_then(|marks| keep_revision(&marks, user, change))
            .map_err(|error| error.to_string())
    }

    /// True if this host can use the store, and codes of the user are judged by the store. It waits for no lock: a service that
    /// is cut off holds the lock of the fleet's files most of the time.
    fn is_met(&self, user: &str, time: &WorkDeadline) -> bool {
        // An unusable file cuts the host off as well.
        let Ok(host) = FleetHost::open(self.settings, self.state) else {
            return false;
        };
        let place = || host.directory().place().ok();
        loop {
            let before = place();
            let settled = host.settle_beside_service(time);
            match settled.and_then(|()| host.has_usable_state(user, time)) {
                // The service wrote a number meanwhile.
                Err(reason) if reason.is_of_standing() && place() != before => {}
                met => return met.unwrap_or(false),
            }
        }
    }

    /// True if this host has begun to replace the key of its fleet, and the store is there for the rest: a code of this host alone would end
    /// with that.
    fn is_rotating(&self, time: &WorkDeadline) -> bool {
        let Ok(settings) = HostSettings::load(self.settings) else {
            return false;
        };
        let keys = KeyFile::load(&settings.key_file);
        let Ok((KeyFile { key, old, .. }, gateway)) =
            keys.and_then(|keys| Ok((keys, settings.gateway(REQUEST_TIME)?)))
        else {
            return false;
        };
        let Some(old) = old else {
            return false;
        };
        let values = patient(time, || gateway.values(&[StoreKey::meta()], time));
        let meta = values.ok().and_then(|values| values.into_iter().next());
        let meta = meta.and_then(|(_, value)| value);
        [key, old]
            .iter()
            .any(|key| opened_meta(key, meta.as_deref()).is_ok())
    }
}

/// Keeps the revision for the record with the code. So it wins over an older record after a restoration of the store, which gets
/// it without the code.
fn keep_revision(
    marks: &MirrorMarks,
    user: &str,
    change: &SharedChange<'_>,
) -> Result<(), HostError> {
    let SharedChange::Put { old, record, .. } = *change else {
        return Ok(());
    };
    let revision = marks.revision_of(user, old)?;
    match marks.of(user)? {
        // After a kill at this point the host has the old record, of the same revision.
        Some((newest, _)) if newest == revision => {
            let coming = MarkKind::of(Some(record));
            marks.note_coming(user, (revision, coming), MarkKind::of(old))
        }
        _ => Ok(()),
    }
}

/// True if the record stays the same, apart from its bypass code and the entry about that.
fn is_of_bypass(change: &SharedChange<'_>) -> bool {
    let SharedChange::Put {
        old: Some(old),
        record,
        ..
    } = *change
    else {
        return false;
    };
    let mut before = old.clone();
    before.bypass.clone_from(&record.bypass);
    before.changes.clone_from(&record.changes);
    before.to_toml() == record.to_toml()
}

/// True if the change would lose the use of a bypass code of all hosts on this one. A state stores one used code only; with
/// another code in it the fleet would take the first for unused. A code that has expired at `now` (seconds since 1970-01-01 UTC)
/// is used up in any case.
fn forgets_a_use(change: &SharedChange<'_>, now: u64) -> bool {
    let SharedChange::Put {
        old: Some(old),
        local,
        ..
    } = *change
    else {
        return false;
    };
    let mut shared = old.bypass.iter();
    shared.any(|code| {
        code.scope != CodeScope::ThisHost && local.bypass == Some(code.id) && code.is_running(now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::recovery::OneTimeCode;
    use twofactor_core::state::UserState;
    use twofactor_store::testing::{alice, phone, record_of, token};

    /// A state stores the last used code only.
    #[test]
    fn a_used_code_of_all_hosts_is_not_forgotten() {
        let code = || OneTimeCode::generate(7).unwrap().0;
        let mut old = record_of(&alice(), &[phone()]);
        let mut local = UserState::new(old.uid);
        let forgets_at = |old: &_, local: &_, now| {
            let change = SharedChange::Put {
                old: Some(old),
                record: old,
                local,
            };
            forgets_a_use(&change, now)
        };
        let forgets = |old: &_, local: &_| forgets_at(old, local, 6);
        assert!(!forgets(&old, &local));
        old.bypass = Some(code());
        local.bypass = Some(code().id);
        assert!(!forgets(&old, &local));
        local.bypass = old.bypass.as_ref().map(|it| it.id);
        assert!(forgets(&old, &local));
        assert!(!forgets_at(&old, &local, 7), "it has expired");
        old.bypass = old.bypass.map(|it| it.with_scope(CodeScope::ThisHost));
        assert!(!forgets(&old, &local));
    }

    #[test]
    fn the_record_with_the_code_is_as_new_as_before() {
        let scratch = twofactor_store::testing::ScratchStore::new();
        let old = record_of(&alice(), &[phone()]);
        let mut record = old.clone();
        record.bypass = Some(OneTimeCode::generate(7).unwrap().0);
        let local = UserState::new(old.uid);
        let change = SharedChange::Put {
            old: Some(&old),
            record: &record,
            local: &local,
        };
        let marks = MirrorMarks::open(scratch.path()).unwrap();
        let revision_of = |record| marks.revision_of("alice", Some(record)).unwrap();
        // A record that this host did not have in this form gets no mark.
        keep_revision(&marks, "alice", &change).unwrap();
        assert_eq!(marks.of("alice").unwrap(), None);
        marks.note("alice", 5, MarkKind::of(Some(&old))).unwrap();
        keep_revision(&marks, "alice", &change).unwrap();
        assert_eq!((revision_of(&old), revision_of(&record)), (5, 5));
        // Once more, after a kill before the record was in place.
        keep_revision(&marks, "alice", &change).unwrap();
        assert_eq!((revision_of(&old), revision_of(&record)), (5, 5));
        marks.note("alice", 6, MarkKind::Removed).unwrap();
        keep_revision(&marks, "alice", &change).unwrap();
        assert_eq!(marks.of("alice").unwrap(), Some((6, MarkKind::Removed)));
    }

    #[test]
    fn nothing_but_a_bypass_code_is_changed_on_one_host() {
        let old = record_of(&alice(), &[phone()]);
        let local = UserState::new(old.uid);
        let is_made = |old, record| {
            is_of_bypass(&SharedChange::Put {
                old,
                record,
                local: &local,
            })
        };
        let mut bypass = old.clone();
        bypass.bypass = Some(OneTimeCode::generate(7).unwrap().0);
        assert!(is_made(Some(&old), &bypass) && is_made(Some(&bypass), &old));
        let mut other = bypass.clone();
        other.devices.push(token());
        assert!(!is_made(Some(&old), &other));
        assert!(!is_made(None, &bypass));
        assert!(!is_of_bypass(&SharedChange::Remove { old: Some(&old) }));
    }
}
