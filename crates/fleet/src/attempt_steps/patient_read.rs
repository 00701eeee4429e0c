//! Reads of the store, tried again until there is an answer or no time is left.

use std::time::Duration;

use super::outage_reason::OutageReason;
use crate::etcd::etcd_gateway::TimeLeft;
use crate::etcd::gateway_fault::GatewayFault;

/// Pause before the next try.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads again while the end is unknown and there is time: reading does no harm.
pub(crate) fn patient<T>(
    time: &dyn TimeLeft,
    read: impl Fn() -> Result<T, GatewayFault>,
) -> Result<T, OutageReason> {
    loop {
        match read() {
            Err(GatewayFault::Unknown(_)) if !time.left().is_zero() => time.pause(PAUSE),
            other => return other.map_err(OutageReason::Unreachable),
        }
    }
}
