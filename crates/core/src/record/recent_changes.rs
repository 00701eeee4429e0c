//! The last changes of a user's factor, which the user is told at logins: a change that was not the user's is seen.

use std::{fmt, mem};

use crate::device::DeviceName;
use crate::worded_enum::worded_enum;

/// Most changes that a record keeps.
pub const MAX_CHANGES: usize = 8;

/// Seconds for which a change is told: 30 days.
pub const TOLD_FOR: u64 = 30 * 24 * 3600;

/// Longest [`OriginName`] in characters.
const MAX_ORIGIN_NAME: usize = 64;

/// One change, as it is told. It holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentChange {
    /// Time of the change, in seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Kind of the change.
    pub kind: ChangeWord,
    /// The device, where the change is about one.
    pub device: Option<DeviceName>,
    /// The place that it was made from.
    pub origin: ChangeOrigin,
}

impl RecentChange {
    /// True if the user is still told at `now`. A change of the future was made before the clock was set back, and is told.
    #[must_use]
    pub const fn is_told(&self, now: u64) -> bool {
        now < self.time.saturating_add(TOLD_FOR)
    }
}

/// The place that a change was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrigin {
    /// The way by which it was made.
    pub channel: ChangeChannel,
    /// The uid that made it.
    pub uid: u32,
    /// The terminal, where there was one: `tty2`, `pts/0`.
    pub terminal: Option<OriginName>,
    /// The remote host, where there was one.
    pub address: Option<OriginName>,
}

/// Way by which a change was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeChannel {
    /// By the user, through twofactord.
    Daemon,
    /// By root, with the command.
    Command,
    /// By the user, in the dialogue of a login at this service.
    Login(OriginName),
}

worded_enum! {
    /// Kind of a change that is told. The word is that of the record, and of JSON.
    ChangeWord {
        /// A device was added.
        DeviceAdded = "device-added",
        /// A device got a new key.
        DeviceRenewed = "device-renewed",
        /// One of several devices was removed.
        DeviceRemoved = "device-removed",
        /// Devices and codes were restored from a backup.
        Restored = "restored",
        /// A new set of recovery codes was issued.
        RecoveryCodes = "recovery-codes",
        /// A bypass code was issued.
        BypassIssued = "bypass-issued",
        /// A bypass code was withdrawn.
        BypassWithdrawn = "bypass-withdrawn",
        /// An invitation was issued.
        Invited = "invited",
    }
}

impl ChangeWord {
    /// True if it changes which devices can log in: such a change is told before others.
    #[must_use]
    pub const fn changes_devices(self) -> bool {
        match self {
            Self::DeviceAdded | Self::DeviceRenewed | Self::DeviceRemoved | Self::Restored => true,
            Self::RecoveryCodes | Self::BypassIssued | Self::BypassWithdrawn | Self::Invited => {
                false
            }
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// A name from outside: a service, a terminal, a host. 1 to 64 characters that need no escaping anywhere it is shown; other
/// ones are replaced by `_`, and what is longer is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginName(String);

impl OriginName {
    /// The name in these bytes; `None` where there are none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| match char::from(*byte) {
            plain if plain.is_ascii_alphanumeric() || "._:/%@+-".contains(plain) => plain,
            _ => '_',
        };
        let name: String = bytes.iter().take(MAX_ORIGIN_NAME).map(plain).collect();
        (!name.is_empty()).then_some(Self(name))
    }

    /// Stands for a name that is not known.
    #[must_use]
    pub fn unknown() -> Self {
        Self("unknown".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl super::UserRecord {
    /// Adds the changes of the record whose place this one takes, in the order of time: both have the earlier ones.
    pub fn take_changes_of(&mut self, replaced: Option<&Self>) {
        for change in mem::take(&mut self.changes) {
            self.insert_by_time(change);
        }
        let more = replaced.map_or(&[][..], |replaced| &replaced.changes);
        for change in more {
            if !self.changes.contains(change) {
                self.insert_by_time(change.clone());
            }
        }
        self.forget_surplus();
    }

    /// Puts a change after all that are not later.
    fn insert_by_time(&mut self, change: RecentChange) {
        let is_before = |known: &RecentChange| known.time <= change.time;
        let place = self.changes.partition_point(is_before);
        self.changes.insert(place, change);
    }

    /// Notes a change for its user, and forgets those that are told no more, and of those beyond [`MAX_CHANGES`] the oldest of
    /// the commonest kind.
    pub fn note(&mut self, change: RecentChange) {
        let now = change.time;
        self.changes.retain(|earlier| earlier.is_told(now));
        self.changes.push(change);
        self.forget_surplus();
    }

    /// Forgets the oldest of the kind that there is most of, the last change apart: many of one kind hide none of another.
    fn forget_surplus(&mut self) {
        while self.changes.len() > MAX_CHANGES {
            let earlier = self.changes.iter().rev().skip(1).rev();
            let kinds = earlier.map(|change| change.kind);
            let count = |kind| kinds.clone().filter(|other| *other == kind).count();
            // Of equally many, the kind that comes last in the list of kinds goes first: devices are told the longest.
            let kind = ChangeWord::ALL
                .iter()
                .copied()
                .max_by_key(|kind| count(*kind));
            let surplus = kinds.clone().position(|other| Some(other) == kind);
            self.changes.remove(surplus.unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::UserRecord;

    fn change(time: u64) -> RecentChange {
        RecentChange {
            time,
            kind: ChangeWord::RecoveryCodes,
            device: None,
            origin: ChangeOrigin {
                channel: ChangeChannel::Command,
                uid: 0,
                terminal: None,
                address: None,
            },
        }
    }

    fn times(record: &UserRecord) -> Vec<u64> {
        record.changes.iter().map(|change| change.time).collect()
    }

    #[test]
    fn changes_of_devices_are_told_from_those_of_codes() {
        let all = ChangeWord::ALL.iter();
        let of_devices: Vec<&str> = all
            .filter(|kind| kind.changes_devices())
            .map(|kind| kind.word())
            .collect();
        let expected = [
            "device-added",
            "device-renewed",
            "device-removed",
            "restored",
        ];
        assert_eq!(of_devices, expected);
    }

    #[test]
    fn a_change_is_told_for_thirty_days() {
        let day = 24 * 3600;
        let change = change(100 * day);
        for (now, told) in [(100, true), (130, false), (99, true), (129, true)] {
            assert_eq!(change.is_told(now * day), told, "{now}");
        }
        assert!(change.is_told(130 * day - 1));
    }

    #[test]
    fn the_last_changes_are_kept() {
        let mut record = UserRecord::new("alice".into(), 1);
        for time in 1..=20 {
            record.note(change(time));
        }
        assert_eq!(times(&record), (13..=20).collect::<Vec<_>>());
        record.note(change(19 + TOLD_FOR));
        assert_eq!(times(&record), [20, 19 + TOLD_FOR]);
    }

    #[test]
    fn many_changes_of_one_kind_hide_no_other() {
        let mut record = UserRecord::new("alice".into(), 1);
        let of = |time, kind| RecentChange {
            kind,
            ..change(time)
        };
        record.note(of(1, ChangeWord::DeviceAdded));
        record.note(of(2, ChangeWord::DeviceRemoved));
        for time in 3..=90 {
            record.note(change(time));
        }
        assert_eq!(times(&record), [1, 2, 85, 86, 87, 88, 89, 90]);
        for time in 91..=190 {
            record.note(of(time, ChangeWord::BypassIssued));
            record.note(of(time, ChangeWord::BypassWithdrawn));
        }
        assert_eq!(times(&record)[..2], [1, 2]);
        assert_eq!(record.changes.len(), MAX_CHANGES);
        assert_eq!(times(&record)[7], 190, "the last change is kept");
    }

    #[test]
    fn changes_of_a_replaced_record_are_added() {
        let with = |times: &[u64]| {
            let mut record = UserRecord::new("alice".into(), 1);
            times.iter().for_each(|time| record.note(change(*time)));
            record
        };
        let taken = |own: &[u64], replaced: &[u64]| {
            let mut record = with(own);
            record.take_changes_of(Some(&with(replaced)));
            times(&record)
        };
        assert_eq!(taken(&[1, 2], &[2, 3]), [1, 2, 3]);
        assert_eq!(taken(&[9], &[3]), [3, 9]);
        let all: Vec<u64> = (1..=8).collect();
        assert_eq!(taken(&all, &[9, 10]), [3, 4, 5, 6, 7, 8, 9, 10]);
        let mut alone = with(&[1]);
        alone.take_changes_of(None);
        assert_eq!(times(&alone), [1]);
    }

    #[test]
    fn a_name_from_outside_is_plain() {
        let name = |bytes: &[u8]| OriginName::of(bytes).map(|name| name.to_string());
        assert_eq!(name(b"fe80::1%eth0").as_deref(), Some("fe80::1%eth0"));
        assert_eq!(
            name(b"a b\"\n\x1b[2J\xff,;|").as_deref(),
            Some("a_b____2J____")
        );
        assert_eq!(name(&[b'x'; 300]).map(|name| name.len()), Some(64));
        assert_eq!(name(b""), None);
    }

    #[test]
    fn each_kind_has_its_word() {
        for kind in ChangeWord::ALL {
            assert_eq!(ChangeWord::of_word(kind.word()), Some(*kind));
        }
        assert_eq!(ChangeWord::of_word("other"), None);
    }
}
