//! The states of all users go into the epoch that a restoration begins.

use std::time::Duration;

use twofactor_core::device::OtpKind;
use twofactor_core::policy::MAX_WINDOW;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{COUNTER_UNKNOWN, UserState, furthest_ahead};

use super::factor_swap::{FactorSwap, LACKING_EPOCH, SwapFault, parsed};
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::host::fleet_host::FleetHost;
use crate::host_membership::fleet_membership::{UserProgress, UserReasons};
use crate::host_membership::membership_error::MembershipError;
use crate::sealed_values::fleet_entry::FleetMeta;
use crate::sealed_values::store_key::KeyKind;

/// Longest time for the names of all users.
const LIST_TIME: Duration = Duration::from_secs(300);

/// Marks of codes in a state that no host may have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LostMarks {
    /// All hosts have brought theirs.
    None,
    /// Some may be lost.
    Possible,
}

impl FleetHost {
    /// Puts all states into the new epoch: how many, and the users who are left as they are. A code that no host may have brought as used
    /// does not work in it.
    pub(crate) fn restore_states(
        &self,
        next: FleetMeta,
        (lost, window, now): (LostMarks, u8, u64),
        progress: UserProgress<'_>,
    ) -> Result<(usize, UserReasons), MembershipError> {
        let time = WorkDeadline::after(LIST_TIME);
        let list = patient(&time, || self.gateway().names(KeyKind::Record, 0, &time))?;
        let total = list.names.len();
        let mut left = Vec::new();
        for (number, user) in list.names.into_iter().enumerate() {
            let swapped = self.swap(&user, next, &|there, shared| {
                let (Some(there), Some(shared)) = (there, shared) else {
                    return Err(OutageReason::NoState);
                };
                if shared.epoch == next.epoch {
                    return Ok(None);
                }
                let lost = match shared.epoch {
                    LACKING_EPOCH => LostMarks::Possible,
                    _ => lost,
                };
                let state = match there.content.text() {
                    None => shared.state.clone(),
                    Some(text) => {
                        restored_state(&parsed(text)?, &shared.state, (lost, window, now))
                    }
                };
                Ok(Some(FactorSwap {
                    content: there.content.clone(),
                    revision: there.revision,
                    state,
                    epoch: next.epoch,
                }))
            });
            match swapped {
                Ok(_) => {}
                // The state stays in an epoch before this one: no host takes a code for unused by it.
                Err(SwapFault::Value(reason)) => left.push((user, reason.to_string())),
                Err(SwapFault::Ended(error)) => return Err(error),
                Err(SwapFault::User(reason)) => return Err(reason.into()),
            }
            progress(number + 1, total);
        }
        Ok((total - left.len(), left))
    }
}

/// The state of the new epoch.
fn restored_state(
    record: &UserRecord,
    shared: &UserState,
    (lost, window, now): (LostMarks, u8, u64),
) -> UserState {
    let mut state = shared.clone();
    let window = match lost {
        LostMarks::None => window,
        // A host that is left out may have had a wider one.
        LostMarks::Possible => MAX_WINDOW,
    };
    for device in &record.devices {
        let Some(entry) = state.device_mut(device.id) else {
            continue;
        };
        match device.kind {
            // No host can have accepted a code of a later step.
            OtpKind::Totp { interval } => {
                let first = interval.step(now) + furthest_ahead(window) + 1;
                entry.next = entry.next.max(first);
            }
            OtpKind::Hotp if lost == LostMarks::Possible => entry.next = COUNTER_UNKNOWN,
            OtpKind::Hotp => {}
        }
    }
    if lost == LostMarks::Possible {
        if let Some(set) = &record.recovery {
            (0..set.hashes.len()).for_each(|position| state.spend(set.id, position));
        }
        state.bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    }
    state
}
