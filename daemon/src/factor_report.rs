//! Devices, lock-outs and the policy as callers see them.

use twofactor_core::device::{Device, OtpKind};
use twofactor_core::policy::Policy;
use twofactor_core::record::UserRecord;
use twofactor_core::record::recent_changes::{ChangeChannel, OriginName, RecentChange};
use twofactor_core::state::UserState;
use twofactor_core::verify::ThrottleStatus;
use twofactor_protocol::service::{AllowedChanges, ChangeEntry, DeviceEntry};

/// Changes that the policy allows a user.
pub fn allowed_changes(policy: &Policy, unset_last: bool) -> AllowedChanges {
    AllowedChanges {
        manage: policy.self_service.manage,
        first_device: policy.first_device().word().into(),
        unset_last,
    }
}

/// A device as callers see it.
pub fn entry(device: &Device, state: &UserState) -> DeviceEntry {
    let (kind, interval) = match device.kind {
        OtpKind::Totp { interval } => ("totp", Some(interval.seconds())),
        OtpKind::Hotp => ("hotp", None),
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

/// The changes that the user is told of at `now`, the newest last.
pub fn told(record: &UserRecord, now: u64) -> Vec<ChangeEntry> {
    let changes = record.changes.iter();
    changes
        .filter(|change| change.is_told(now))
        .map(change_entry)
        .collect()
}

fn change_entry(change: &RecentChange) -> ChangeEntry {
    let origin = &change.origin;
    let (through, service) = match &origin.channel {
        ChangeChannel::Daemon => ("daemon", None),
        ChangeChannel::Command => ("command", None),
        ChangeChannel::Login(service) => ("login", Some(service)),
    };
    let text = |name: Option<&OriginName>| name.map(ToString::to_string);
    ChangeEntry {
        time: change.time,
        change: change.kind.word().into(),
        device: change.device.as_ref().map(ToString::to_string),
        through: through.into(),
        by: origin.uid,
        service: text(service),
        terminal: text(origin.terminal.as_ref()),
        address: text(origin.address.as_ref()),
    }
}

/// Seconds of a lock-out that ends by itself.
pub const fn seconds(throttle: ThrottleStatus) -> Option<u64> {
    match throttle {
        ThrottleStatus::LockedFor(seconds) => Some(seconds),
        ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => None,
    }
}
