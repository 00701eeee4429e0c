//! The fleet's own entry in the store, and those of its hosts.

use std::cmp::Ordering;
use std::fmt;

const META_MAGIC: [u8; 4] = *b"2FSM";
const BEAT_MAGIC: [u8; 4] = *b"2FSH";
/// The format that is written and read.
const FORMAT: u16 = 1;

/// Id of a restoration, random.
pub type RestorationId = [u8; 8];

/// Phase of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochPhase {
    /// The epoch has begun.
    Settled,
    /// Hosts bring what a restored backup lacks. No host uses the store.
    Restoring,
}

/// The fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetMeta {
    /// Its id, random.
    pub fleet: [u8; 16],
    /// Its epoch, from 1: one more after each restored backup.
    pub epoch: u64,
    /// The restoration that the epoch begins with; zero for the first one. A backup may hold an epoch of the same number.
    pub restoration: RestorationId,
    /// Its phase.
    pub phase: EpochPhase,
}

/// The number that a host wrote last, from 1. Random bits beside it tell two hosts apart that have one id by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostBeat {
    /// One more each time.
    pub count: u64,
    /// Random, of this run of the daemon.
    pub run: [u8; 8],
}

/// The error that an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// The entry is damaged, or something else.
    Damaged,
    /// The entry has a newer format: its number.
    Version(u16),
}

impl FleetMeta {
    /// The entry of a new fleet, whose store was never restored.
    #[must_use]
    pub const fn first(fleet: [u8; 16]) -> Self {
        Self {
            fleet,
            epoch: 1,
            restoration: [0; 8],
            phase: EpochPhase::Settled,
        }
    }

    /// True for an epoch of a history that a host in the other one has not seen. It is a later one, or has the same number: then it was
    /// begun on a host that did not know of the other one.
    #[must_use]
    pub fn is_unseen_by(&self, known: &Self) -> bool {
        match self.epoch.cmp(&known.epoch) {
            Ordering::Greater => true,
            Ordering::Equal => self.restoration != known.restoration,
            Ordering::Less => false,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let phase = match self.phase {
            EpochPhase::Settled => 1,
            EpochPhase::Restoring => 2,
        };
        let epoch = self.epoch.to_le_bytes();
        written(
            META_MAGIC,
            &[&self.fleet, &epoch, &self.restoration, &[phase]],
        )
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let (fleet, rest) = fields::<16>(META_MAGIC, bytes)?;
        let (epoch, rest) = rest.split_first_chunk().ok_or(EntryError::Damaged)?;
        let (restoration, phase) = rest.split_first_chunk().ok_or(EntryError::Damaged)?;
        let phase = match phase {
            [1] => EpochPhase::Settled,
            [2] => EpochPhase::Restoring,
            _ => return Err(EntryError::Damaged),
        };
        Ok(Self {
            fleet,
            epoch: u64::from_le_bytes(*epoch),
            restoration: *restoration,
            phase,
        })
    }
}

impl HostBeat {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(BEAT_MAGIC, &[&self.count.to_le_bytes(), &self.run])
    }

    /// Reads its bytes, which begin the entry of a host.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        Ok(Self::decode_with_rest(bytes)?.0)
    }

    /// Reads its bytes, and tells what follows them.
    pub(crate) fn decode_with_rest(bytes: &[u8]) -> Result<(Self, &[u8]), EntryError> {
        let (count, rest) = fields::<8>(BEAT_MAGIC, bytes)?;
        let (run, rest) = rest.split_first_chunk().ok_or(EntryError::Damaged)?;
        let beat = Self {
            count: u64::from_le_bytes(count),
            run: *run,
        };
        Ok((beat, rest))
    }
}

fn written(magic: [u8; 4], fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    fields
        .iter()
        .for_each(|field| bytes.extend_from_slice(field));
    bytes
}

/// The first field, and the rest.
fn fields<const N: usize>(magic: [u8; 4], bytes: &[u8]) -> Result<([u8; N], &[u8]), EntryError> {
    let rest = bytes.strip_prefix(&magic).ok_or(EntryError::Damaged)?;
    let (format, rest) = rest.split_first_chunk::<2>().ok_or(EntryError::Damaged)?;
    match u16::from_le_bytes(*format) {
        FORMAT => {}
        newer if newer > FORMAT => return Err(EntryError::Version(newer)),
        _ => return Err(EntryError::Damaged),
    }
    let (field, rest) = rest.split_first_chunk::<N>().ok_or(EntryError::Damaged)?;
    Ok((*field, rest))
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("an entry of the fleet is damaged"),
            Self::Version(format) => write!(
                f,
                "the fleet has format {format}; this program reads format {FORMAT}"
            ),
        }
    }
}

impl std::error::Error for EntryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let meta = FleetMeta {
            fleet: [3; 16],
            epoch: 258,
            restoration: [5; 8],
            phase: EpochPhase::Restoring,
        };
        let beat = HostBeat {
            count: 77,
            run: [9; 8],
        };
        let (meta_bytes, beat_bytes) = (meta.encode(), beat.encode());
        assert_eq!(FleetMeta::decode(&meta_bytes), Ok(meta));
        assert_eq!(HostBeat::decode(&beat_bytes), Ok(beat));
        assert!(FleetMeta::decode(&beat_bytes).is_err());
        assert!(HostBeat::decode(&meta_bytes).is_err());
        for len in 0..meta_bytes.len() {
            assert_eq!(
                FleetMeta::decode(&meta_bytes[..len]),
                Err(EntryError::Damaged)
            );
        }
        let long = [meta_bytes.as_slice(), &[0]].concat();
        assert_eq!(FleetMeta::decode(&long), Err(EntryError::Damaged));
        let mut phase = meta_bytes.clone();
        *phase.last_mut().unwrap() = 3;
        assert_eq!(FleetMeta::decode(&phase), Err(EntryError::Damaged));
        let mut newer = meta_bytes;
        newer[4] = 2;
        assert_eq!(FleetMeta::decode(&newer), Err(EntryError::Version(2)));
    }
}
