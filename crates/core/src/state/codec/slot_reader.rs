//! The fields of a slot, of both formats, as they are read.

use std::net::Ipv6Addr;

use crate::device::CredentialId;

use super::super::graced_sessions::{AwaitedSession, GracedSession, MAX_SESSIONS, SessionGrace};
use super::super::{
    CAPACITY, DaemonFailures, DeviceState, GracePeriod, MAX_GRACE, MAX_REFUSED, RefusedAnswers,
    UserState,
};
use super::{COMMITTED, FIRST_GRACE, TIME_LEN};

/// Counters that both formats begin with.
fn counters(reader: &mut SlotReader<'_>) -> Option<UserState> {
    let mut state = UserState::new(reader.u32()?);
    state.failures = reader.u32()?;
    state.unreported = reader.u32()?;
    state.last_failure = reader.u64()?;
    state.recovery.set = CredentialId::from_number(reader.u64()?);
    state.recovery.bits = reader.u32()?;
    state.bypass = CredentialId::from_number(reader.u64()?);
    state.grace_policy = reader.u64()?;
    Some(state)
}

/// The fields of the format that is written.
pub(super) fn fields(reader: &mut SlotReader<'_>) -> Option<UserState> {
    let mut state = counters(reader)?;
    let key = reader.take()?;
    let mut hashes = Vec::new();
    for _ in 0..MAX_REFUSED {
        let hash = reader.take::<8>()?;
        if hash != [0; 8] {
            hashes.push(hash);
        }
    }
    state.refused = RefusedAnswers { key, hashes };
    for _ in 0..CAPACITY {
        let (id, next) = (reader.u64()?, reader.u64()?);
        let ([drift], last_used) = (reader.take::<1>()?, reader.time()?);
        let committed = reader.u8()? & COMMITTED != 0;
        if let Some(id) = CredentialId::from_number(id) {
            state.devices.push(DeviceState {
                id,
                next,
                drift: i8::from_le_bytes([drift]),
                last_used,
                committed,
            });
        }
    }
    for _ in 0..MAX_GRACE {
        let address = Ipv6Addr::from(reader.take::<16>()?);
        let (service, since) = (reader.u32()?, reader.time()?);
        state.grace.extend(grace(address, service, since));
    }
    state.daemon = daemon_failures(reader)?;
    state.session_grace = session_grace(reader)?;
    state.reserve = reader.take()?;
    Some(state)
}

fn session_grace(reader: &mut SlotReader<'_>) -> Option<SessionGrace> {
    let mut grace = SessionGrace {
        boot: reader.u64()?,
        ..SessionGrace::NONE
    };
    let login = AwaitedSession {
        process: reader.u64()?,
        parent: reader.u64()?,
        seen: reader.u32()?,
        since: reader.time()?,
    };
    grace.awaited = (login.since != 0).then_some(login);
    for _ in 0..MAX_SESSIONS {
        let (id, since) = (reader.u32()?, reader.time()?);
        let session = (since != 0).then_some(GracedSession { id, since });
        grace.sessions.extend(session);
    }
    Some(grace)
}

fn daemon_failures(reader: &mut SlotReader<'_>) -> Option<DaemonFailures> {
    let mut failures = DaemonFailures {
        in_a_row: reader.u32()?,
        last: reader.time()?,
        newest: reader.u32()?,
        ..DaemonFailures::NONE
    };
    for count in &mut failures.counts {
        *count = reader.u16()?;
    }
    Some(failures)
}

/// The fields of format 1 (`FIRST_FORMAT`). It knew no pending devices: each device in it has a record. Of its grace periods the
/// newest are kept.
pub(super) fn first_fields(reader: &mut SlotReader<'_>) -> Option<UserState> {
    let mut state = counters(reader)?;
    for _ in 0..CAPACITY {
        let (id, next) = (reader.u64()?, reader.u64()?);
        let ([drift], last_used) = (reader.take::<1>()?, reader.u64()?);
        if let Some(id) = CredentialId::from_number(id) {
            state.devices.push(DeviceState {
                id,
                next,
                drift: i8::from_le_bytes([drift]),
                last_used,
                committed: true,
            });
        }
    }
    for _ in 0..FIRST_GRACE {
        let address = Ipv6Addr::from(reader.take::<16>()?);
        let (service, since) = (reader.u32()?, reader.u64()?);
        state.grace.extend(grace(address, service, since));
    }
    let surplus = state.grace.len().saturating_sub(MAX_GRACE);
    state.grace.drain(..surplus);
    Some(state)
}

fn grace(address: Ipv6Addr, service: u32, since: u64) -> Option<GracePeriod> {
    (since != 0).then(|| GracePeriod {
        address: address.to_canonical(),
        service,
        since,
    })
}

/// The bytes of a slot that are still to be read.
pub(super) struct SlotReader<'a>(pub(super) &'a [u8]);

impl SlotReader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn time(&mut self) -> Option<u64> {
        let [a, b, c, d, e] = self.take::<TIME_LEN>()?;
        Some(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
