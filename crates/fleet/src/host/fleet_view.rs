//! The fleet as this host sees it now.

use std::collections::BTreeMap;

use twofactor_core::record::UserRecord;
use twofactor_store::FactorStore;

use super::fleet_host::FleetHost;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::attempt_steps::shared_attempt::StandingSource as _;
use crate::etcd::etcd_gateway::TimeLeft;
use crate::sealed_values::fleet_entry::EntryError;
use crate::sealed_values::host_entry::{HostEntry, HostMembership};
use crate::sealed_values::shared_record::{RecordValueError, SharedRecord};
use crate::sealed_values::shared_state::SharedState;
use crate::sealed_values::store_key::{KeyKind, StoreKey};

/// The fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetView {
    /// Its hosts, by their ids.
    pub hosts: Vec<MemberView>,
    /// Users with a record.
    pub users: usize,
    /// Users with a record in the fleet whose files here do not have it yet.
    pub behind: Vec<String>,
    /// Users with something in the store that no host can use: it is damaged, half of it is missing, or it is not sealed with the key
    /// of the fleet.
    pub damaged: Vec<DamagedUser>,
}

/// A user with something in the store that no host can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedUser {
    /// The name.
    pub user: String,
    /// The damaged values.
    pub kind: DamageKind,
}

/// Damage of a user's values in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The record alone. The state names the revision of the newest one: a host with that writes it anew.
    Record(u64),
    /// The record alone, and by a state of an epoch before this one it is not known whose copy is the newest.
    RecordAfterRestoration,
    /// The state alone.
    State,
    /// Both.
    Both,
}

/// A host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub id: String,
    /// True for this host.
    pub is_this: bool,
    /// Its last report; `None` where it is damaged, or a later version said it, in a format that this program does not read.
    pub entry: Option<HostEntry>,
}

impl FleetHost {
    /// The hosts of the fleet, which have joined and not left. One of a later version is taken for a member, and one whose entry is damaged:
    /// they keep no other host from the store.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn members(&self, time: &dyn TimeLeft) -> Result<Vec<MemberView>, OutageReason> {
        let list = patient(time, || self.gateway().list(KeyKind::Host, 0, time))?;
        let mut members = Vec::with_capacity(list.entries.len());
        for (id, sealed) in list.entries {
            let is_this = id == self.host_id();
            let entry = match self.opened_entry(&id, &sealed) {
                Ok(entry) if entry.membership == HostMembership::Left => continue,
                Ok(entry) => Some(entry),
                Err(OutageReason::Entry(EntryError::Version(_))) => None,
                // Where this host cannot read its own, the store is not that of its fleet.
                Err(reason) if is_this => return Err(reason),
                Err(_) => None,
            };
            members.push(MemberView { id, is_this, entry });
        }
        Ok(members)
    }

    fn opened_entry(&self, id: &str, sealed: &[u8]) -> Result<HostEntry, OutageReason> {
        let plain = self.key().open(&StoreKey::host(id), sealed);
        HostEntry::decode(&plain.map_err(OutageReason::Seal)?).map_err(OutageReason::Entry)
    }

    /// The fleet now, beside the files of this host.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn view(
        &self,
        store: &FactorStore,
        time: &dyn TimeLeft,
    ) -> Result<FleetView, OutageReason> {
        let members = self.members(time)?;
        // First, so that each of them has a state in the list that is read after it.
        let records = patient(time, || self.gateway().list(KeyKind::Record, 0, time))?;
        let states = patient(time, || self.gateway().list(KeyKind::State, 0, time))?;
        let usable = self.usable_states(states.entries)?;
        let mut view = FleetView {
            hosts: members,
            users: 0,
            behind: Vec::new(),
            damaged: Vec::new(),
        };
        for (user, sealed) in records.entries {
            match self.opened_record(&user, &sealed) {
                Ok(record) => {
                    if !usable.contains_key(&user) {
                        let kind = DamageKind::State;
                        let user = user.clone();
                        view.damaged.push(DamagedUser { user, kind });
                    }
                    let text = record.content.text();
                    view.users += usize::from(text.is_some());
                    if !is_here(store, &user, text) {
                        view.behind.push(user);
                    }
                }
                // Of a later version; it is refused here until this host has that, too.
                Err(OutageReason::Record(RecordValueError::Version(_))) => {
                    view.users += 1;
                    view.behind.push(user);
                }
                Err(reason) if reason.is_of_value() => {
                    view.users += 1;
                    let kind = usable.get(&user).copied().unwrap_or(DamageKind::Both);
                    view.damaged.push(DamagedUser { user, kind });
                }
                Err(reason) => return Err(reason),
            }
        }
        Ok(view)
    }

    /// The users whose states can be used, by this version or a later one; with what they tell of a record that is damaged.
    fn usable_states(
        &self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<BTreeMap<String, DamageKind>, OutageReason> {
        let mut usable = BTreeMap::new();
        let epoch = self.standing().meta.epoch;
        for (user, sealed) in entries {
            let plain = self.key().open(&StoreKey::state(&user), &sealed);
            let state = plain.map_err(OutageReason::UserSeal);
            match state.and_then(|it| SharedState::decode(&it).map_err(OutageReason::Value)) {
                Err(reason) if reason.is_of_value() => {}
                Ok(state) if state.epoch == epoch => {
                    usable.insert(user, DamageKind::Record(state.record));
                }
                Ok(_) | Err(OutageReason::Value(_)) => {
                    usable.insert(user, DamageKind::RecordAfterRestoration);
                }
                Err(reason) => return Err(reason),
            }
        }
        Ok(usable)
    }

    fn opened_record(&self, user: &str, sealed: &[u8]) -> Result<SharedRecord, OutageReason> {
        let plain = self.key().open(&StoreKey::record(user), sealed);
        let plain = plain.map_err(OutageReason::UserSeal)?;
        SharedRecord::decode(&plain).map_err(OutageReason::Record)
    }
}

/// True if this host has what the fleet has.
fn is_here(store: &FactorStore, user: &str, text: Option<&str>) -> bool {
    let here = store.record_named(user);
    here.is_ok_and(|here| match (&here, text) {
        (None, None) => true,
        (Some(here), Some(text)) => {
            UserRecord::parse(text).is_ok_and(|it| *it.to_toml() == *here.to_toml())
        }
        _ => false,
    })
}
