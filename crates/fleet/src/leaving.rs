//! A host that leaves its fleet: its users stay enrolled on it.

use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, patient};
use crate::fleet_membership::{LocalHost, MembershipRun, STEP_TIME};
use crate::host_entry::{HostEntry, HostMembership};
use crate::host_settings::HostSettings;
use crate::membership_error::MembershipError;
use crate::mirror_marks::MirrorMarks;
use crate::outage::OutageReason;
use crate::shared_attempt::StandingSource as _;
use crate::store_key::StoreKey;
use crate::token::HostBeat;

/// Leaves the fleet. After an interruption the same call goes on.
///
/// # Errors
/// [`MembershipError`], also where this host lacks a record of the fleet: its user would pass here for one without a device.
pub fn leave(
    local: LocalHost<'_>,
    settings: &HostSettings,
    run: MembershipRun,
) -> Result<(), MembershipError> {
    let host = FleetHost::open(&settings.path, local.state)?;
    let lock = host.directory().lock()?;
    let time = WorkDeadline::after(STEP_TIME);
    let has_left = match host.settle(&lock, &time) {
        // An earlier call was interrupted after the store had it.
        Err(OutageReason::HasLeft) => true,
        other => other.map(|()| false)?,
    };
    if !has_left {
        let view = host.view(local.store, &time)?;
        if !view.behind.is_empty() {
            return Err(MembershipError::Refused(format!(
                "this host lacks what the fleet has of {} users, as of {}; twofactord brings it within a minute",
                view.behind.len(),
                view.behind.first().map_or("", String::as_str)
            )));
        }
    }
    if run == MembershipRun::DryRun {
        return Ok(());
    }
    if !has_left {
        let keys = [StoreKey::meta(), host.host_key().clone()];
        let base = patient(&time, || host.gateway().values(&keys, &time))?;
        let beat = host.standing().beat;
        let entry = HostEntry {
            beat: HostBeat {
                count: beat.count.saturating_add(1),
                ..beat
            },
            membership: HostMembership::Left,
            policy: local.report.policy,
            time: local.report.time,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        host.put_entry(base, &entry, &time)?;
    }
    MirrorMarks::open(host.directory().path())?.forget_all()?;
    host.directory().remove(&lock)?;
    Ok(())
}
