//! The fleet as this host sees it now.

use twofactor_core::record::Record;
use twofactor_store::Store;

use crate::fleet_host::{FleetHost, patient};
use crate::gateway::TimeLeft;
use crate::host_entry::{HostEntry, HostMembership};
use crate::outage::OutageReason;
use crate::shared_record::{RecordValueError, SharedRecord};
use crate::store_key::{KeyKind, StoreKey};
use crate::token::TokenError;

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
    /// Its last report; `None` where a later version said it, in a format that this program does not read.
    pub entry: Option<HostEntry>,
}

impl FleetHost {
    /// The hosts of the fleet, which have joined and not left. One of a later version is taken for a member: it keeps no other host from
    /// the store.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn members(&self, time: &dyn TimeLeft) -> Result<Vec<MemberView>, OutageReason> {
        let list = patient(time, || self.gateway().list(KeyKind::Host, 0, time))?;
        let mut members = Vec::with_capacity(list.entries.len());
        for (id, sealed) in list.entries {
            let plain = self.key().open(&StoreKey::host(&id), &sealed);
            let entry = match HostEntry::decode(&plain.map_err(OutageReason::Seal)?) {
                Ok(entry) if entry.membership == HostMembership::Left => continue,
                Ok(entry) => Some(entry),
                Err(TokenError::Version(_)) => None,
                Err(error) => return Err(OutageReason::Token(error)),
            };
            let is_this = id == self.host_id();
            members.push(MemberView { id, is_this, entry });
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
            let record = match SharedRecord::decode(&plain.map_err(OutageReason::Seal)?) {
                Ok(record) => record,
                // Of a later version; it is refused here until this host has that, too.
                Err(RecordValueError::Version(_)) => {
                    view.users += 1;
                    view.behind.push(user);
                    continue;
                }
                Err(error) => return Err(OutageReason::Record(error)),
            };
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
