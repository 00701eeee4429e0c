//! The bytes a state is kept in.
//!
//! The file is two slots of fixed size. Each holds one whole state with a sequence number and a checksum; the
//! valid slot with the higher number counts. Which slot to write, and when to flush, is the store's business.

mod slot_reader;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::device::CredentialId;

use slot_reader::{SlotReader, fields, first_fields};

use super::daemon_failures::ENCODED_LEN;
use super::graced_sessions::{self, MAX_SESSIONS, SessionGrace};
use super::{CAPACITY, MAX_GRACE, MAX_REFUSED, RESERVE_LEN, TIME_LEN, UserState};

/// Bytes of one slot as written.
pub const SLOT_LEN: usize = 504;
/// Distance between the slots: a disk sector, so that no write touches both.
pub const SLOT_STRIDE: u64 = 512;
/// Length of the file.
pub const FILE_LEN: usize = 1024;

const MAGIC: [u8; 4] = *b"2FST";
/// The format that is written.
const FORMAT: u16 = 2;
/// The format of 0.1.0, which is read.
const FIRST_FORMAT: u16 = 1;
/// Grace periods in a slot of [`FIRST_FORMAT`].
const FIRST_GRACE: usize = 8;
const CHECKSUM_LEN: usize = 8;
/// Mark of a file whose place was taken by another, written after the second slot.
pub const MOVED: [u8; 8] = *b"MOVED\0\0\0";
/// See [`MOVED`].
pub const MOVED_OFFSET: u64 = 1016;
/// Flag of a file that does not count yet.
const PROVISIONAL: u8 = 1;
/// Flag of a device with a record.
const COMMITTED: u8 = 1;

/// One of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateSlot {
    /// At the beginning of the file.
    First,
    /// One stride after it.
    Second,
}

impl StateSlot {
    /// Offset in the file at which it begins.
    #[must_use]
    pub const fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_STRIDE,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// A state with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// The state.
    pub state: UserState,
    /// Its sequence number.
    pub sequence: u64,
    /// The slot that holds it.
    pub slot: StateSlot,
    /// Standing of the file.
    pub standing: SlotStanding,
    /// True if another file has taken the place of this one.
    pub moved: bool,
}

/// Standing of a file among those of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlotStanding {
    /// The slot holds what was known when it was made, and all that came since.
    #[default]
    Settled,
    /// The slot was made to take the place of another file, and does not hold yet what that one holds.
    Provisional,
}

/// Reason why the bytes are not a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// Not [`FILE_LEN`] bytes.
    Length,
    /// Neither slot passes its checks.
    Damaged,
    /// Another version of the format: its number and the program that wrote it.
    Version(u16, String),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("has the wrong length"),
            Self::Damaged => f.write_str("is damaged"),
            Self::Version(format, writer) => write!(
                f,
                "has format {format}, written by twofactor {writer}; this program reads formats {FIRST_FORMAT} and {FORMAT}"
            ),
        }
    }
}

impl std::error::Error for StateError {}

/// Everything that [`encode`] writes before the checksum has to fit: header and counters, refused answers, devices,
/// grace, reserve.
const _: () = assert!(
    71 + 8
        + MAX_REFUSED * 8
        + CAPACITY * (18 + TIME_LEN)
        + MAX_GRACE * (20 + TIME_LEN)
        + ENCODED_LEN
        + graced_sessions::ENCODED_LEN
        + RESERVE_LEN
        == SLOT_LEN - CHECKSUM_LEN
);

/// The bytes of one slot.
#[must_use]
pub fn encode(state: &UserState, sequence: u64) -> [u8; SLOT_LEN] {
    encode_with(state, sequence, SlotStanding::Settled)
}

fn encode_with(state: &UserState, sequence: u64, standing: SlotStanding) -> [u8; SLOT_LEN] {
    let mut body = Vec::with_capacity(SLOT_LEN);
    body.extend_from_slice(&MAGIC);
    body.extend_from_slice(&FORMAT.to_le_bytes());
    body.extend_from_slice(&writer());
    body.extend_from_slice(&sequence.to_le_bytes());
    body.push(match standing {
        SlotStanding::Settled => 0,
        SlotStanding::Provisional => PROVISIONAL,
    });
    body.extend_from_slice(&state.uid.to_le_bytes());
    body.extend_from_slice(&state.failures.to_le_bytes());
    body.extend_from_slice(&state.unreported.to_le_bytes());
    body.extend_from_slice(&state.last_failure.to_le_bytes());
    body.extend_from_slice(&number(state.recovery.set).to_le_bytes());
    body.extend_from_slice(&state.recovery.bits.to_le_bytes());
    body.extend_from_slice(&number(state.bypass).to_le_bytes());
    body.extend_from_slice(&state.grace_policy.to_le_bytes());
    body.extend_from_slice(&state.refused.key);
    for position in 0..MAX_REFUSED {
        let hash = state.refused.hashes.get(position);
        body.extend_from_slice(hash.unwrap_or(&[0; 8]));
    }
    for position in 0..CAPACITY {
        let device = state.devices.get(position);
        body.extend_from_slice(&number(device.map(|d| d.id)).to_le_bytes());
        body.extend_from_slice(&device.map_or(0, |d| d.next).to_le_bytes());
        body.extend_from_slice(&device.map_or(0, |d| d.drift).to_le_bytes());
        body.extend_from_slice(&time(device.map_or(0, |d| d.last_used)));
        body.push(device.map_or(0, |d| if d.committed { COMMITTED } else { 0 }));
    }
    for position in 0..MAX_GRACE {
        let grace = state.grace.get(position);
        let address = grace.map_or(Ipv6Addr::UNSPECIFIED, |g| match g.address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        });
        body.extend_from_slice(&address.octets());
        body.extend_from_slice(&grace.map_or(0, |g| g.service).to_le_bytes());
        body.extend_from_slice(&time(grace.map_or(0, |g| g.since)));
    }
    body.extend_from_slice(&state.daemon.in_a_row.to_le_bytes());
    body.extend_from_slice(&time(state.daemon.last));
    body.extend_from_slice(&state.daemon.newest.to_le_bytes());
    for count in state.daemon.counts {
        body.extend_from_slice(&count.to_le_bytes());
    }
    session_grace_to(&mut body, &state.session_grace);
    body.extend_from_slice(&state.reserve);
    body.extend_from_slice(&checksum(&body));
    let mut slot = [0; SLOT_LEN];
    slot.iter_mut().zip(body).for_each(|(to, from)| *to = from);
    slot
}

fn session_grace_to(body: &mut Vec<u8>, grace: &SessionGrace) {
    body.extend_from_slice(&grace.boot.to_le_bytes());
    let login = grace.awaited.as_ref();
    body.extend_from_slice(&login.map_or(0, |it| it.process).to_le_bytes());
    body.extend_from_slice(&login.map_or(0, |it| it.parent).to_le_bytes());
    body.extend_from_slice(&login.map_or(0, |it| it.seen).to_le_bytes());
    body.extend_from_slice(&time(login.map_or(0, |it| it.since)));
    for position in 0..MAX_SESSIONS {
        let session = grace.sessions.get(position);
        body.extend_from_slice(&session.map_or(0, |it| it.id).to_le_bytes());
        body.extend_from_slice(&time(session.map_or(0, |it| it.since)));
    }
}

/// A whole file that holds `state` in both slots, for creating it.
#[must_use]
pub fn encode_file(state: &UserState) -> Vec<u8> {
    whole_file(state, 1, SlotStanding::Settled)
}

/// [`encode_file`] for a file that is [`SlotStanding::Provisional`].
#[must_use]
pub fn encode_provisional(state: &UserState) -> Vec<u8> {
    whole_file(state, 1, SlotStanding::Provisional)
}

/// [`encode_file`] for the file that counts in its place. Each of its slots is newer than what it replaces.
#[must_use]
pub fn encode_settled(state: &UserState) -> Vec<u8> {
    whole_file(state, 3, SlotStanding::Settled)
}

/// [`encode_file`] for a base whose place others have taken, see [`MOVED`]: it holds nothing that counts.
#[must_use]
pub fn encode_moved(state: &UserState) -> Vec<u8> {
    let mut file = encode_file(state);
    file.truncate(MOVED_OFFSET as usize);
    file.extend_from_slice(&MOVED);
    file
}

fn whole_file(state: &UserState, sequence: u64, standing: SlotStanding) -> Vec<u8> {
    let mut file = encode_with(state, sequence, standing).to_vec();
    file.resize(StateSlot::Second.offset() as usize, 0);
    file.extend_from_slice(&encode_with(state, sequence + 1, standing));
    file.resize(FILE_LEN, 0);
    file
}

/// Reads a whole file: the valid slot with the higher sequence number.
///
/// # Errors
/// [`StateError`] when the length is wrong, no slot is valid, or the newest is of another format.
pub fn decode_file(file: &[u8]) -> Result<StoredState, StateError> {
    // Another format may have another length and other checks; it must not pass for damage, which unlock fixes.
    let (first, second) = file.split_at(file.len().min(StateSlot::Second.offset() as usize));
    check_format(first)?;
    check_format(second)?;
    if file.len() != FILE_LEN {
        return Err(StateError::Length);
    }
    // A slot that says to be the older one is not looked at unless the other one fails its checks.
    let (newer, older) = if claimed_sequence(first) > claimed_sequence(second) {
        ((first, StateSlot::First), (second, StateSlot::Second))
    } else {
        ((second, StateSlot::Second), (first, StateSlot::First))
    };
    let decoded = decode(newer).or_else(|| decode(older));
    let stored = decoded.ok_or(StateError::Damaged)?;
    let moved = file.get(MOVED_OFFSET as usize..).unwrap_or_default();
    Ok(StoredState {
        moved: moved.iter().any(|byte| *byte != 0),
        ..stored
    })
}

/// Refuses what says of itself that it is of another format.
fn check_format(bytes: &[u8]) -> Result<(), StateError> {
    match header(&mut SlotReader(bytes)) {
        Some((format, writer)) if ![FIRST_FORMAT, FORMAT].contains(&format) => {
            let writer = writer.escape_ascii().to_string();
            Err(StateError::Version(format, writer.replace("\\x00", "")))
        }
        _ => Ok(()),
    }
}

fn header(reader: &mut SlotReader<'_>) -> Option<(u16, [u8; 8])> {
    match reader.take::<4>()? {
        MAGIC => Some((reader.u16()?, reader.take()?)),
        _ => None,
    }
}

/// The number that a slot has if it passes its checks; `None` where it cannot pass them.
fn claimed_sequence(bytes: &[u8]) -> Option<u64> {
    let mut reader = SlotReader(bytes);
    header(&mut reader)?;
    reader.u64()
}

/// `None` unless the slot passes its checks.
fn decode((bytes, slot): (&[u8], StateSlot)) -> Option<StoredState> {
    let (body, sum) = bytes
        .get(..SLOT_LEN)?
        .split_at_checked(SLOT_LEN - CHECKSUM_LEN)?;
    if checksum(body) != sum {
        return None;
    }
    let mut reader = SlotReader(body);
    let (format, _) = header(&mut reader)?;
    let sequence = reader.u64()?;
    let (state, standing) = match format {
        FIRST_FORMAT => (first_fields(&mut reader)?, SlotStanding::Settled),
        _ => {
            let standing = if reader.u8()? & PROVISIONAL == 0 {
                SlotStanding::Settled
            } else {
                SlotStanding::Provisional
            };
            (fields(&mut reader)?, standing)
        }
    };
    Some(StoredState {
        state,
        sequence,
        slot,
        standing,
        moved: false,
    })
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

/// Seconds since 1970-01-01 UTC, at most 2^40 - 1: the year 36812.
fn time(seconds: u64) -> [u8; TIME_LEN] {
    let [a, b, c, d, e, ..] = seconds.min((1 << (8 * TIME_LEN)) - 1).to_le_bytes();
    [a, b, c, d, e]
}

fn number(id: Option<CredentialId>) -> u64 {
    id.map_or(0, CredentialId::number)
}

/// The program's version, cut or padded to its field.
fn writer() -> [u8; 8] {
    let mut field = [0; 8];
    let version = crate::VERSION.bytes();
    field
        .iter_mut()
        .zip(version)
        .for_each(|(to, from)| *to = from);
    field
}

#[cfg(test)]
mod tests;
