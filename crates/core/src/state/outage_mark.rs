//! The mark of a state whose host judged codes by itself while it was cut off from its fleet. The next join with the fleet's state ends it.
//!
//! It is kept in the bytes of the reserve, which every program since 0.2.0 keeps as they are.

use sha2::{Digest, Sha256};

use super::{RESERVE_LEN, UserState};

/// First byte of the reserve of a state that is marked.
const MARKED: u8 = 1;

/// Name of one outage of one host, random and never zero: by it the store of the fleet knows what was counted in it already.
pub type OutageName = [u8; 5];

/// An outage up to a code that was accepted in it, which ends the wrong codes before it: its name, and a digest of what is used up.
pub type OutageId = [u8; 12];

impl UserState {
    /// The wrong codes that all hosts knew of when this host began to judge by itself; `None` where it did not.
    #[must_use]
    pub fn outage_mark(&self) -> Option<u32> {
        let [MARKED, a, b, c, d, ..] = self.reserve else {
            return None;
        };
        Some(u32::from_le_bytes([a, b, c, d]))
    }

    /// Wrong codes that this host counted by itself; 0 without a mark.
    #[must_use]
    pub fn counted_alone(&self) -> u32 {
        let known = self.outage_mark();
        known.map_or(0, |known| self.failures.saturating_sub(known))
    }

    /// The name of the outage; `None` where it has none yet.
    #[must_use]
    pub fn outage_name(&self) -> Option<OutageName> {
        let [MARKED, _, _, _, _, f, g, h, i, j, ..] = self.reserve else {
            return None;
        };
        let name = [f, g, h, i, j];
        (name != OutageName::default()).then_some(name)
    }

    /// The id of the outage, as it is now; `None` where it has no name yet.
    #[must_use]
    pub fn outage_id(&self) -> Option<OutageId> {
        let mut id = OutageId::default();
        let name = self.outage_name()?;
        let bytes = name.into_iter().chain(self.used_digest());
        id.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Some(id)
    }

    /// Digest of what an accepted code changes.
    fn used_digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for entry in &self.devices {
            digest.update(entry.id.to_string());
            digest.update(entry.next.to_le_bytes());
            digest.update(entry.last_used.to_le_bytes());
        }
        digest.update(self.recovery.bits.to_le_bytes());
        for id in self.recovery.set.iter().chain(&self.bypass) {
            digest.update(id.to_string());
        }
        digest.finalize().into()
    }

    /// Time at which this host first judged a code by itself, in seconds since 1970-01-01 UTC; `None` if it is not known.
    #[must_use]
    pub fn outage_since(&self) -> Option<u64> {
        let [MARKED, _, _, _, _, _, _, _, _, _, k, l, m, n] = self.reserve else {
            return None;
        };
        let since = u32::from_le_bytes([k, l, m, n]);
        (since != 0).then_some(since.into())
    }

    /// Names the outage of a state that is marked.
    pub const fn name_outage(&mut self, name: OutageName) {
        let [a, b, c, d, e, _, _, _, _, _, k, l, m, n] = self.reserve;
        let [f, g, h, i, j] = name;
        self.reserve = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
    }

    /// All hosts know of so many of the wrong codes that this host counted by itself.
    pub fn know_counted(&mut self, count: u32) {
        if let Some(known) = self.outage_mark() {
            self.set_outage_mark(known.saturating_add(count).min(self.failures));
        }
    }

    /// Marks a state before the host judges by itself. A mark that is there stays, and so does its time. `now` is in seconds since
    /// 1970-01-01 UTC; 0 for a time that is not known.
    pub fn begin_outage(&mut self, now: u64) {
        if self.outage_mark().is_none() {
            self.end_outage();
            self.set_outage_mark(self.failures);
        }
        if self.outage_since().is_none() {
            self.set_outage_since(now);
        }
    }

    /// Moves a begin of the outage after `now` (seconds since 1970-01-01 UTC) back to `now`: the clock was set back.
    pub fn rebase_outage(&mut self, now: u64) {
        if self.outage_since().is_some_and(|since| since > now) {
            self.set_outage_since(now);
        }
    }

    /// Lowers the mark after a success, which ends the wrong codes before it.
    pub fn keep_outage(&mut self) {
        if let Some(known) = self.outage_mark() {
            self.set_outage_mark(known.min(self.failures));
        }
    }

    /// Removes the mark, the name and the time.
    pub const fn end_outage(&mut self) {
        self.reserve = [0; RESERVE_LEN];
    }

    fn set_outage_since(&mut self, now: u64) {
        let [a, b, c, d, e, f, g, h, i, j, _, _, _, _] = self.reserve;
        let [k, l, m, n] = u32::try_from(now).unwrap_or(u32::MAX).to_le_bytes();
        self.reserve = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
    }

    fn set_outage_mark(&mut self, known: u32) {
        let [_, _, _, _, _, f, g, h, i, j, k, l, m, n] = self.reserve;
        let [a, b, c, d] = known.to_le_bytes();
        self.reserve = [MARKED, a, b, c, d, f, g, h, i, j, k, l, m, n];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    /// One that an earlier version began has none, and what that left in its place counts for no other outage.
    #[test]
    fn an_outage_has_the_time_of_its_first_code() {
        let mut state = UserState::new(7);
        assert_eq!(state.outage_since(), None);
        state.reserve[10..].copy_from_slice(&[9; 4]);
        assert_eq!(state.outage_since(), None);
        state.begin_outage(NOW);
        state.name_outage([1, 2, 3, 4, 5]);
        state.begin_outage(NOW + 9);
        state.know_counted(1);
        assert_eq!(state.outage_since(), Some(NOW));
        assert_eq!(state.outage_name(), Some([1, 2, 3, 4, 5]));
        state.rebase_outage(NOW);
        assert_eq!(state.outage_since(), Some(NOW));
        state.rebase_outage(NOW - 1);
        assert_eq!(state.outage_since(), Some(NOW - 1));
        state.end_outage();
        assert_eq!((state.outage_since(), state.outage_mark()), (None, None));
        state.rebase_outage(NOW);
        state.begin_outage(0);
        assert_eq!((state.outage_since(), state.outage_mark()), (None, Some(0)));
        state.begin_outage(u64::MAX);
        assert_eq!(state.outage_since(), Some(u32::MAX.into()));
    }

    #[test]
    fn a_mark_keeps_the_failures_that_all_know_of() {
        let mut state = UserState::new(7);
        state.reserve = [9; 14];
        assert_eq!(state.outage_mark(), None);
        state.failures = 3;
        state.begin_outage(NOW);
        state.failures = 4;
        state.begin_outage(NOW);
        state.keep_outage();
        assert_eq!(state.outage_mark(), Some(3));
        state.failures = 0;
        state.keep_outage();
        assert_eq!(state.outage_mark(), Some(0));
        state.end_outage();
        assert_eq!(state.outage_mark(), None);
        assert_eq!(state.reserve, [0; RESERVE_LEN]);
    }

    #[test]
    fn an_outage_has_one_name_until_it_ends() {
        let mut state = UserState::new(7);
        assert_eq!((state.outage_name(), state.counted_alone()), (None, 0));
        state.failures = 3;
        state.begin_outage(NOW);
        assert_eq!((state.outage_name(), state.counted_alone()), (None, 0));
        state.name_outage([1, 2, 3, 4, 5]);
        state.failures = 7;
        state.begin_outage(NOW);
        state.keep_outage();
        assert_eq!(state.outage_name(), Some([1, 2, 3, 4, 5]));
        assert_eq!((state.outage_mark(), state.counted_alone()), (Some(3), 4));
        state.end_outage();
        state.begin_outage(NOW);
        assert_eq!(state.outage_name(), None, "the next one is another");
    }

    #[test]
    fn what_all_hosts_know_of_is_counted_no_more() {
        let mut state = UserState::new(7);
        state.know_counted(2);
        assert_eq!(state.outage_mark(), None);
        state.begin_outage(NOW);
        state.failures = 5;
        state.know_counted(3);
        assert_eq!(state.counted_alone(), 2);
        state.know_counted(u32::MAX);
        assert_eq!((state.counted_alone(), state.outage_mark()), (0, Some(5)));
    }

    #[test]
    fn an_outage_has_an_id_up_to_an_accepted_code() {
        let mut state = UserState::new(7);
        state.begin_outage(NOW);
        assert_eq!(state.outage_id(), None, "without a name");
        state.name_outage([1, 2, 3, 4, 5]);
        let id = state.outage_id().unwrap();
        assert_eq!(id[..5], [1, 2, 3, 4, 5]);
        (state.failures, state.last_failure) = (4, NOW);
        assert_eq!(state.outage_id(), Some(id));
        let mut accepted = state.clone();
        accepted.recovery.bits |= 1;
        assert_ne!(accepted.outage_id(), Some(id));
        // SHA-256 of the four bytes of no recovery code: the store may know of an id that another version made.
        assert_eq!(id[5..], [0xdf, 0x3f, 0x61, 0x98, 0x04, 0xa9, 0x2f]);
    }
}
