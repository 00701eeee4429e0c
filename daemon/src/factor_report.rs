//! Devices, lock-outs and the policy as callers see them.

use twofactor_core::device::{Device, Kind};
use twofactor_core::policy::Policy;
use twofactor_core::state::State;
use twofactor_core::verify::ThrottleStatus;
use twofactor_protocol::service::{AllowedChanges, DeviceEntry};

/// Changes that the policy allows a user.
pub fn allowed_changes(policy: &Policy, unset_last: bool) -> AllowedChanges {
    AllowedChanges {
        manage: policy.self_service.manage,
        first_device: policy.first_device().word().into(),
        unset_last,
    }
}

/// A device as callers see it.
pub fn entry(device: &Device, state: &State) -> DeviceEntry {
    let (kind, interval) = match device.kind {
        Kind::Totp { interval } => ("totp", Some(interval.seconds())),
        Kind::Hotp => ("hotp", None),
    };
    let used = state.device(device.id).map(|entry| entry.last_used);
    DeviceEntry {
        name: device.name.to_string(),
        kind: kind.into(),
        algorithm: device.algorithm.name().into(),
        digits: device.digits.value(),
        interval,
        enrolled: device.created,
        last_used: used.filter(|used| *used > 0),
    }
}

/// Seconds of a lock-out that ends by itself.
pub const fn seconds(gate: ThrottleStatus) -> Option<u64> {
    match gate {
        ThrottleStatus::LockedFor(seconds) => Some(seconds),
        ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => None,
    }
}
