//! The fleet as this host sees it now.

use twofactor_core::record::Record;
use twofactor_store::Store;

use crate::fleet_host::{FleetHost, patient};
use crate::gateway::TimeLeft;
use crate::host_entry::{HostEntry, HostMembership};
use crate::outage::OutageReason;
use crate::shared_record::SharedRecord;
use crate::store_key::{KeyKind, StoreKey};

/// The fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetView {
    /// Its hosts, by their ids.
    pub hosts: Vec<MemberView>,
    /// Users with a record.
    pub users: usize,
    /// Users with a record in the fleet whose files here do not have it yet.
    pub behind: Vec<String>,
}

/// A host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub id: String,
    /// True for this host.
    pub is_this: bool,
    /// What it said last.
    pub entry: HostEntry,
}

impl FleetHost {
    /// The hosts of the fleet, which have joined and not left.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn members(&self, time: &dyn TimeLeft) -> Result<Vec<MemberView>, OutageReason> {
        let list = patient(time, || self.gateway().list(KeyKind::Host, 0, time))?;
        let mut members = Vec::with_capacity(list.entries.len());
        for (id, sealed) in list.entries {
            let plain = self.key().open(&StoreKey::host(&id), &sealed);
            let entry = HostEntry::decode(&plain.map_err(OutageReason::Seal)?);
            let entry = entry.map_err(OutageReason::Token)?;
            if entry.membership == HostMembership::Member {
                let is_this = id == self.host_id();
                members.push(MemberView { id, is_this, entry });
            }
        }
        Ok(members)
    }

    /// The fleet now, beside the files of this host.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn view(&self, store: &Store, time: &dyn TimeLeft) -> Result<FleetView, OutageReason> {
        let members = self.members(time)?;
        let list = patient(time, || self.gateway().list(KeyKind::Record, 0, time))?;
        let mut view = FleetView {
            hosts: members,
            users: 0,
            behind: Vec::new(),
        };
        for (user, sealed) in list.entries {
            let plain = self.key().open(&StoreKey::record(&user), &sealed);
            let record = SharedRecord::decode(&plain.map_err(OutageReason::Seal)?);
            let record = record.map_err(OutageReason::Record)?;
            let text = record.content.text();
            view.users += usize::from(text.is_some());
            let here = store.record_named(&user);
            let is_here = here.is_ok_and(|here| match (&here, text) {
                (None, None) => true,
                (Some(here), Some(text)) => {
                    Record::parse(text).is_ok_and(|it| *it.to_toml() == *here.to_toml())
                }
                _ => false,
            });
            if !is_here {
                view.behind.push(user);
            }
        }
        Ok(view)
    }
}
