//! What logins change about one user, and the bytes it is kept in.
//!
//! The file is two slots of fixed size. Each holds one whole state with a sequence number and a checksum; the
//! valid slot with the higher number counts. Which slot to write, and when to flush, is the store's business.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::device::{Id, MAX_DEVICES};

/// Bytes of one slot as written.
pub const SLOT_LEN: usize = 504;
/// Distance between the slots: a disk sector, so that no write touches both.
pub const SLOT_STRIDE: u64 = 512;
/// Length of the file.
pub const FILE_LEN: usize = 1024;
/// Most devices one state can describe.
pub const CAPACITY: usize = MAX_DEVICES + 1;
/// Most addresses remembered for `grace`.
pub const MAX_GRACE: usize = 8;
/// `next` of a HOTP device whose counter was lost: no counter is accepted until `twofactor resync`.
pub const COUNTER_UNKNOWN: u64 = u64::MAX;

/// Steps that a learned drift may exceed the window by.
pub const DRIFT_BEYOND_WINDOW: u8 = 2;

/// How many steps ahead of now a code can be that is accepted, with the largest drift.
#[must_use]
pub fn furthest_ahead(window: u8) -> u64 {
    2 * u64::from(window) + u64::from(DRIFT_BEYOND_WINDOW)
}

const MAGIC: [u8; 4] = *b"2FST";
const FORMAT: u16 = 1;
const CHECKSUM_LEN: usize = 8;

/// The changing part of one user's enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Numeric user id, as in the record.
    pub uid: u32,
    /// Consecutive failures that throttling counts; attempts under way included.
    pub failures: u32,
    /// Wrong codes since the last success, to be told to the user.
    pub unreported: u32,
    /// When the last failure was charged, seconds since 1970-01-01 UTC; 0 when there is none.
    pub last_failure: u64,
    /// At most [`CAPACITY`].
    pub devices: Vec<DeviceState>,
    /// Which recovery codes are spent.
    pub recovery: Spent,
    /// The bypass code that was used, if any.
    pub bypass: Option<Id>,
    /// Addresses with a running grace period, at most [`MAX_GRACE`].
    pub grace: Vec<Grace>,
    /// Fingerprint of the policy under which `grace` was granted.
    pub grace_policy: u64,
}

/// What logins change about one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceState {
    /// The device in the record.
    pub id: Id,
    /// Smallest moving factor (step or counter) that is still accepted: one more than the last used.
    pub next: u64,
    /// Learned offset of the device's clock, in steps.
    pub drift: i8,
    /// When a code of it was last accepted, seconds since 1970-01-01 UTC; 0 for never.
    pub last_used: u64,
}

/// Spent marks of a set of recovery codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// The set they belong to; marks of another set mean nothing.
    pub set: Option<Id>,
    /// Bit n: code n is spent.
    pub bits: u32,
}

/// One address from which a user is not asked again for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// `PAM_RHOST` of the login that was accepted.
    pub address: IpAddr,
    /// Which service, as [`service_fingerprint`].
    pub service: u32,
    /// When the code was accepted, seconds since 1970-01-01 UTC.
    pub since: u64,
}

impl State {
    /// The state of somebody who never logged in.
    #[must_use]
    pub const fn new(uid: u32) -> Self {
        Self {
            uid,
            failures: 0,
            unreported: 0,
            last_failure: 0,
            devices: Vec::new(),
            recovery: Spent { set: None, bits: 0 },
            bypass: None,
            grace: Vec::new(),
            grace_policy: 0,
        }
    }

    /// The entry of a device.
    #[must_use]
    pub fn device(&self, id: Id) -> Option<&DeviceState> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// The entry of a device, to change it.
    pub fn device_mut(&mut self, id: Id) -> Option<&mut DeviceState> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// Whether code `position` of recovery set `set` is spent. Positions beyond the bits count as spent.
    #[must_use]
    pub fn is_spent(&self, set: Id, position: usize) -> bool {
        let bit = bit(position);
        bit == 0 || (self.recovery.set == Some(set) && self.recovery.bits & bit != 0)
    }

    /// Marks code `position` of recovery set `set` as spent and forgets the marks of other sets.
    pub const fn spend(&mut self, set: Id, position: usize) {
        let bits = match self.recovery.set {
            Some(current) if current.number() == set.number() => self.recovery.bits,
            _ => 0,
        };
        self.recovery = Spent {
            set: Some(set),
            bits: bits | bit(position),
        };
    }
}

const fn bit(position: usize) -> u32 {
    if position < 32 { 1 << position } else { 0 }
}

/// A short hash of a service name, enough to tell one user's services apart.
#[must_use]
pub fn service_fingerprint(service: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(service).into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// A hash of the policy's text.
#[must_use]
pub fn policy_fingerprint(text: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Which of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// At the beginning of the file.
    First,
    /// One stride behind.
    Second,
}

impl Slot {
    /// Where it begins in the file.
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
pub struct Stored {
    /// The state.
    pub state: State,
    /// Its sequence number.
    pub sequence: u64,
    /// Where it stands.
    pub slot: Slot,
}

/// Why the bytes are not a state.
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
                "has format {format}, written by twofactor {writer}; this program reads format {FORMAT}"
            ),
        }
    }
}

impl std::error::Error for StateError {}

/// Everything that [`encode`] writes before the checksum has to fit: header and counters, devices, grace.
const _: () =
    assert!(78 - CHECKSUM_LEN + CAPACITY * 25 + MAX_GRACE * 28 <= SLOT_LEN - CHECKSUM_LEN);

/// The bytes of one slot.
#[must_use]
pub fn encode(state: &State, sequence: u64) -> [u8; SLOT_LEN] {
    let mut body = Vec::with_capacity(SLOT_LEN);
    body.extend_from_slice(&MAGIC);
    body.extend_from_slice(&FORMAT.to_le_bytes());
    body.extend_from_slice(&writer());
    body.extend_from_slice(&sequence.to_le_bytes());
    body.extend_from_slice(&state.uid.to_le_bytes());
    body.extend_from_slice(&state.failures.to_le_bytes());
    body.extend_from_slice(&state.unreported.to_le_bytes());
    body.extend_from_slice(&state.last_failure.to_le_bytes());
    body.extend_from_slice(&number(state.recovery.set).to_le_bytes());
    body.extend_from_slice(&state.recovery.bits.to_le_bytes());
    body.extend_from_slice(&number(state.bypass).to_le_bytes());
    body.extend_from_slice(&state.grace_policy.to_le_bytes());
    for position in 0..CAPACITY {
        let device = state.devices.get(position);
        body.extend_from_slice(&number(device.map(|d| d.id)).to_le_bytes());
        body.extend_from_slice(&device.map_or(0, |d| d.next).to_le_bytes());
        body.extend_from_slice(&device.map_or(0, |d| d.drift).to_le_bytes());
        body.extend_from_slice(&device.map_or(0, |d| d.last_used).to_le_bytes());
    }
    for position in 0..MAX_GRACE {
        let grace = state.grace.get(position);
        let address = grace.map_or(Ipv6Addr::UNSPECIFIED, |g| match g.address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        });
        body.extend_from_slice(&address.octets());
        body.extend_from_slice(&grace.map_or(0, |g| g.service).to_le_bytes());
        body.extend_from_slice(&grace.map_or(0, |g| g.since).to_le_bytes());
    }
    body.resize(SLOT_LEN - CHECKSUM_LEN, 0);
    body.extend_from_slice(&checksum(&body));
    let mut slot = [0; SLOT_LEN];
    slot.iter_mut().zip(body).for_each(|(to, from)| *to = from);
    slot
}

/// A whole file that holds `state` in both slots, for creating it.
#[must_use]
pub fn encode_file(state: &State) -> Vec<u8> {
    let mut file = encode(state, 1).to_vec();
    file.resize(Slot::Second.offset() as usize, 0);
    file.extend_from_slice(&encode(state, 2));
    file.resize(FILE_LEN, 0);
    file
}

/// Reads a whole file: the valid slot with the higher sequence number.
///
/// # Errors
/// [`StateError`] when the length is wrong, no slot is valid, or the newest is of another format.
pub fn decode_file(file: &[u8]) -> Result<Stored, StateError> {
    // Another format may have another length and other checks; it must not pass for damage, which unlock mends.
    let (first, second) = file.split_at(file.len().min(Slot::Second.offset() as usize));
    check_format(first)?;
    check_format(second)?;
    if file.len() != FILE_LEN {
        return Err(StateError::Length);
    }
    match (decode(first, Slot::First), decode(second, Slot::Second)) {
        (Some(first), Some(second)) if first.sequence > second.sequence => Ok(first),
        (_, Some(second)) => Ok(second),
        (Some(first), None) => Ok(first),
        (None, None) => Err(StateError::Damaged),
    }
}

/// Refuses what says of itself that it is of another format.
fn check_format(bytes: &[u8]) -> Result<(), StateError> {
    match header(&mut Reader(bytes)) {
        Some((format, writer)) if format != FORMAT => {
            let writer = writer.escape_ascii().to_string();
            Err(StateError::Version(format, writer.replace("\\x00", "")))
        }
        _ => Ok(()),
    }
}

fn header(reader: &mut Reader<'_>) -> Option<(u16, [u8; 8])> {
    match reader.take::<4>()? {
        MAGIC => Some((reader.u16()?, reader.take()?)),
        _ => None,
    }
}

/// `None` unless the slot passes its checks.
fn decode(bytes: &[u8], slot: Slot) -> Option<Stored> {
    let (body, sum) = bytes
        .get(..SLOT_LEN)?
        .split_at_checked(SLOT_LEN - CHECKSUM_LEN)?;
    if checksum(body) != sum {
        return None;
    }
    let mut reader = Reader(body);
    header(&mut reader)?;
    let (state, sequence) = fields(&mut reader)?;
    Some(Stored {
        state,
        sequence,
        slot,
    })
}

fn fields(reader: &mut Reader<'_>) -> Option<(State, u64)> {
    let sequence = reader.u64()?;
    let mut state = State::new(reader.u32()?);
    state.failures = reader.u32()?;
    state.unreported = reader.u32()?;
    state.last_failure = reader.u64()?;
    state.recovery.set = Id::from_number(reader.u64()?);
    state.recovery.bits = reader.u32()?;
    state.bypass = Id::from_number(reader.u64()?);
    state.grace_policy = reader.u64()?;
    for _ in 0..CAPACITY {
        let (id, next) = (reader.u64()?, reader.u64()?);
        let ([drift], last_used) = (reader.take::<1>()?, reader.u64()?);
        if let Some(id) = Id::from_number(id) {
            state.devices.push(DeviceState {
                id,
                next,
                drift: i8::from_le_bytes([drift]),
                last_used,
            });
        }
    }
    for _ in 0..MAX_GRACE {
        let address = Ipv6Addr::from(reader.take::<16>()?);
        let (service, since) = (reader.u32()?, reader.u64()?);
        if since != 0 {
            state.grace.push(Grace {
                address: address.to_canonical(),
                service,
                since,
            });
        }
    }
    Some((state, sequence))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

fn number(id: Option<Id>) -> u64 {
    id.map_or(0, Id::number)
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
mod tests {
    use super::*;

    fn sample() -> State {
        let mut state = State::new(1000);
        state.failures = 3;
        state.unreported = 4;
        state.last_failure = 1_767_225_600;
        for n in 1..=CAPACITY as u64 {
            state.devices.push(DeviceState {
                id: Id::from_number(n << 33).unwrap(),
                next: u64::MAX - n,
                drift: -(n as i8),
                last_used: n << 34,
            });
        }
        state.spend(Id::from_number(99).unwrap(), 9);
        state.bypass = Id::from_number(77);
        for n in 1..=MAX_GRACE as u64 {
            let address = match n % 2 {
                0 => IpAddr::from([192, 0, 2, n as u8]),
                _ => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n as u16]),
            };
            state.grace.push(Grace {
                address,
                service: service_fingerprint("sshd"),
                since: n << 32,
            });
        }
        state.grace_policy = policy_fingerprint("enabled = true");
        state
    }

    #[test]
    fn a_full_state_round_trips_in_either_slot() {
        let state = sample();
        let stored = decode_file(&encode_file(&state)).unwrap();
        assert_eq!(
            (stored.state, stored.sequence, stored.slot),
            (state.clone(), 2, Slot::Second)
        );
        let mut file = encode_file(&State::new(5));
        file[..SLOT_LEN].copy_from_slice(&encode(&state, 3));
        let stored = decode_file(&file).unwrap();
        assert_eq!(
            (stored.state, stored.sequence, stored.slot),
            (state, 3, Slot::First)
        );
    }

    #[test]
    fn a_torn_newest_slot_leaves_the_older() {
        let (old, new) = (State::new(1), sample());
        let mut file = encode_file(&old);
        let before = decode_file(&file).unwrap();
        let slot = encode(&new, 3);
        for torn in 1..SLOT_LEN {
            file[..torn].copy_from_slice(&slot[..torn]);
            let found = decode_file(&file).unwrap();
            let whole = file[..SLOT_LEN] == slot;
            assert_eq!(found.state == new, whole);
            assert!(whole || found == before);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut file = encode_file(&State::new(1));
        let second = Slot::Second.offset() as usize;
        file[..SLOT_LEN].fill(0);
        for position in second..second + SLOT_LEN {
            file[position] ^= 1;
            let format = (second + 4..second + 6).contains(&position);
            match decode_file(&file).unwrap_err() {
                StateError::Version(..) => assert!(format),
                error => assert!(!format && error == StateError::Damaged),
            }
            file[position] ^= 1;
        }
        assert!(decode_file(&file).is_ok());
    }

    #[test]
    fn wrong_lengths_and_empty_files_are_errors() {
        let file = encode_file(&State::new(1));
        assert_eq!(decode_file(&[]), Err(StateError::Length));
        assert_eq!(decode_file(&file[1..]), Err(StateError::Length));
        assert_eq!(
            decode_file(&[file.clone(), vec![0]].concat()),
            Err(StateError::Length)
        );
        assert_eq!(decode_file(&[0; FILE_LEN]), Err(StateError::Damaged));
    }

    #[test]
    fn another_format_is_refused_with_its_writer() {
        let mut slot = encode(&State::new(1), 9);
        slot[4] = 2;
        slot[6..14].copy_from_slice(b"9.1.0\0\0\0");
        let other = Err(StateError::Version(2, "9.1.0".into()));
        let mut file = encode_file(&State::new(1));
        file[..SLOT_LEN].copy_from_slice(&slot);
        assert_eq!(decode_file(&file), other);
        file[600] ^= 1;
        assert_eq!(decode_file(&file), other, "beside a damaged slot");
        assert_eq!(decode_file(&file[..100]), other, "of another length");
        assert_eq!(decode_file(&[file, vec![0; 3000]].concat()), other);
    }

    #[test]
    fn spent_marks_belong_to_one_set() {
        let (one, two) = (Id::from_number(1).unwrap(), Id::from_number(2).unwrap());
        let mut state = State::new(1);
        state.spend(one, 3);
        assert!(state.is_spent(one, 3) && !state.is_spent(one, 2) && !state.is_spent(two, 3));
        state.spend(one, 31);
        assert!(state.is_spent(one, 3) && state.is_spent(one, 31));
        state.spend(two, 0);
        assert!(state.is_spent(two, 0) && !state.is_spent(two, 3));
        assert!(
            state.is_spent(two, 32),
            "what cannot be marked is never accepted"
        );
    }
}
