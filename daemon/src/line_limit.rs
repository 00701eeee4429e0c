//! Limit on the log lines of a user: one of each result in a second. Lines that are left out are counted.

use std::collections::BTreeMap;

use twofactor_core::log::event::LoginEvent;

/// Limit on the lines of all users in a second. A user with many uids could fill the log otherwise.
const LINES: usize = 256;

/// Lines that were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOutLines {
    /// Their uid; `None` for several.
    pub uid: Option<u32>,
    /// Their result.
    pub event: LoginEvent,
    /// Their number.
    pub count: u64,
}

/// The lines of a second.
#[derive(Debug, Default)]
pub struct LineLimit {
    second: u64,
    lines: BTreeMap<(Option<u32>, &'static str), LeftOutLines>,
}

impl LineLimit {
    /// Takes the counts of the seconds before this one.
    pub fn ended(&mut self, second: u64) -> Vec<LeftOutLines> {
        if second == self.second {
            return Vec::new();
        }
        self.second = second;
        self.take()
    }

    /// Takes all counts.
    pub fn take(&mut self) -> Vec<LeftOutLines> {
        let lines = std::mem::take(&mut self.lines).into_values();
        lines.filter(|line| line.count > 0).collect()
    }

    /// True if the line may be written; counts it otherwise.
    pub fn admit(&mut self, uid: u32, event: LoginEvent) -> bool {
        let is_full = self.lines.len() >= LINES;
        let key = |uid| (uid, event.word());
        let left_out = |uid, count| LeftOutLines { uid, event, count };
        if let Some(line) = self.lines.get_mut(&key(Some(uid))) {
            line.count += 1;
            return false;
        }
        if is_full {
            let others = self.lines.entry(key(None)).or_insert(left_out(None, 0));
            others.count += 1;
            return false;
        }
        self.lines.insert(key(Some(uid)), left_out(Some(uid), 0));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LoginEvent::{Busy, NotYours};

    #[test]
    fn a_user_has_one_line_of_a_result_in_a_second() {
        let mut limit = LineLimit::default();
        assert!(limit.ended(7).is_empty());
        assert!(limit.admit(1000, Busy) && limit.admit(1001, Busy) && limit.admit(1000, NotYours));
        for _ in 0..50 {
            assert!(!limit.admit(1000, Busy));
        }
        assert!(limit.ended(7).is_empty());
        let left_out = LeftOutLines {
            uid: Some(1000),
            event: Busy,
            count: 50,
        };
        assert_eq!(limit.ended(8), [left_out]);
        assert!(limit.admit(1000, Busy));
        assert!(limit.take().is_empty());
    }

    #[test]
    fn many_uids_have_no_more_lines_than_the_log_bears() {
        let mut limit = LineLimit::default();
        let admitted = (0..60_000).filter(|uid| limit.admit(*uid, NotYours));
        assert_eq!(admitted.count(), LINES);
        let others = LeftOutLines {
            uid: None,
            event: NotYours,
            count: 60_000 - LINES as u64,
        };
        assert_eq!(limit.take(), [others]);
    }
}
