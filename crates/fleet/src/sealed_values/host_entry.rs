//! The entry of a host in the store: its number, and what administrators compare between hosts.

use super::fleet_entry::{EntryError, HostBeat};

/// Longest name of a version that is kept.
const MAX_VERSION: usize = 64;

/// Membership of a host in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostMembership {
    /// The host is in the fleet.
    Member,
    /// The host has left.
    Left,
}

/// A host's report on itself, beside its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostReport {
    /// Fingerprint of its policy.
    pub policy: u64,
    /// Its clock: seconds since 1970-01-01 UTC.
    pub time: u64,
}

/// The entry of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The number that it wrote last.
    pub beat: HostBeat,
    /// Its membership in the fleet.
    pub membership: HostMembership,
    /// Fingerprint of its policy.
    pub policy: u64,
    /// Its clock when it wrote: seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Version of its program.
    pub version: String,
}

impl HostEntry {
    /// The entry of this program's version.
    #[must_use]
    pub fn of(beat: HostBeat, membership: HostMembership, report: HostReport) -> Self {
        Self {
            beat,
            membership,
            policy: report.policy,
            time: report.time,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Its bytes. They begin with those of the beat.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.beat.encode();
        bytes.push(match self.membership {
            HostMembership::Member => 1,
            HostMembership::Left => 2,
        });
        bytes.extend_from_slice(&self.policy.to_le_bytes());
        bytes.extend_from_slice(&self.time.to_le_bytes());
        let version = self.version.chars().filter(char::is_ascii_graphic);
        bytes.extend(version.take(MAX_VERSION).map(|it| it as u8));
        bytes
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let (beat, rest) = HostBeat::decode_with_rest(bytes)?;
        let (membership, rest) = rest.split_first().ok_or(EntryError::Damaged)?;
        let membership = match membership {
            1 => HostMembership::Member,
            2 => HostMembership::Left,
            _ => return Err(EntryError::Damaged),
        };
        let (policy, rest) = rest.split_first_chunk().ok_or(EntryError::Damaged)?;
        let (time, version) = rest.split_first_chunk().ok_or(EntryError::Damaged)?;
        let is_plain = version.iter().all(u8::is_ascii_graphic);
        if !is_plain || version.len() > MAX_VERSION {
            return Err(EntryError::Damaged);
        }
        Ok(Self {
            beat,
            membership,
            policy: u64::from_le_bytes(*policy),
            time: u64::from_le_bytes(*time),
            version: String::from_utf8_lossy(version).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let entry = HostEntry {
            beat: HostBeat {
                count: 7,
                run: [3; 8],
            },
            membership: HostMembership::Left,
            policy: 11,
            time: 13,
            version: "0.2.0".to_owned(),
        };
        let bytes = entry.encode();
        assert_eq!(HostEntry::decode(&bytes), Ok(entry.clone()));
        assert_eq!(HostBeat::decode(&bytes), Ok(entry.beat));
        // A beat alone is of no host that this program wrote.
        let whole = bytes.len() - entry.version.len();
        for len in 0..whole {
            assert!(HostEntry::decode(&bytes[..len]).is_err(), "{len}");
        }
        let mut control = bytes;
        *control.last_mut().unwrap() = 7;
        assert_eq!(HostEntry::decode(&control), Err(EntryError::Damaged));
    }
}
