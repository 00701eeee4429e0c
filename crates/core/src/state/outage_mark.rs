//! The mark of a state whose host judged codes by itself while it was cut off from its fleet. The next join with the fleet's state ends it.
//!
//! It is kept in bytes of the reserve, which every program since 0.2.0 keeps as they are.

use super::State;

/// First byte of the reserve of a state that is marked.
const MARKED: u8 = 1;

impl State {
    /// The wrong codes that all hosts knew of when this host began to judge by itself; `None` where it did not.
    #[must_use]
    pub fn outage_mark(&self) -> Option<u32> {
        let [MARKED, a, b, c, d, ..] = self.reserve else {
            return None;
        };
        Some(u32::from_le_bytes([a, b, c, d]))
    }

    /// Marks a state before the host judges by itself. A mark that is there stays.
    pub fn begin_outage(&mut self) {
        if self.outage_mark().is_none() {
            self.set_outage_mark(self.failures);
        }
    }

    /// Lowers the mark after a success, which ends the wrong codes before it.
    pub fn keep_outage(&mut self) {
        if let Some(known) = self.outage_mark() {
            self.set_outage_mark(known.min(self.failures));
        }
    }

    /// Removes the mark.
    pub const fn end_outage(&mut self) {
        let [_, _, _, _, _, f, g, h, i, j, k, l, m, n] = self.reserve;
        self.reserve = [0, 0, 0, 0, 0, f, g, h, i, j, k, l, m, n];
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

    #[test]
    fn a_mark_keeps_the_failures_that_all_know_of() {
        let mut state = State::new(7);
        state.reserve = [9; 14];
        assert_eq!(state.outage_mark(), None);
        state.failures = 3;
        state.begin_outage();
        state.failures = 4;
        state.begin_outage();
        state.keep_outage();
        assert_eq!(state.outage_mark(), Some(3));
        state.failures = 0;
        state.keep_outage();
        assert_eq!(state.outage_mark(), Some(0));
        state.end_outage();
        assert_eq!(state.outage_mark(), None);
        assert_eq!(state.reserve[5..], [9; 9], "the rest of the reserve stays");
    }
}
