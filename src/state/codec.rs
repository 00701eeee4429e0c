//! The bytes a state is kept in.
//!
//! The file is two slots of fixed size. Each holds one whole state with a sequence number and a checksum; the
//! valid slot with the higher number counts. Which slot to write, and when to flush, is the store's business.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::device::Id;

use super::{CAPACITY, DeviceState, Grace, MAX_GRACE, State};

/// Bytes of one slot as written.
pub const SLOT_LEN: usize = 504;
/// Distance between the slots: a disk sector, so that no write touches both.
pub const SLOT_STRIDE: u64 = 512;
/// Length of the file.
pub const FILE_LEN: usize = 1024;

const MAGIC: [u8; 4] = *b"2FST";
const FORMAT: u16 = 1;
const CHECKSUM_LEN: usize = 8;

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
    use crate::state::{policy_fingerprint, service_fingerprint};

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

    /// The same one each time: what is written next goes to the other.
    #[test]
    fn of_two_slots_with_the_same_number_the_second_counts() {
        let mut file = encode_file(&State::new(1));
        file[..SLOT_LEN].copy_from_slice(&encode(&sample(), 2));
        let found = decode_file(&file).unwrap();
        assert_eq!((found.slot, found.state), (Slot::Second, State::new(1)));
    }

    #[test]
    fn a_state_names_the_version_that_wrote_it() {
        let mut expected = [0; 8];
        expected[..crate::VERSION.len()].copy_from_slice(crate::VERSION.as_bytes());
        assert_eq!(encode(&State::new(1), 1)[6..14], expected);
    }

    #[test]
    fn errors_say_what_is_wrong_with_the_file() {
        for (error, text) in [
            (StateError::Length, "has the wrong length"),
            (StateError::Damaged, "is damaged"),
            (
                StateError::Version(9, "8.7.6".into()),
                "has format 9, written by twofactor 8.7.6; this program reads format 1",
            ),
        ] {
            assert_eq!(error.to_string(), text);
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
}
