//! The limits on connections: no user can keep others from being served.

use std::collections::{HashMap, HashSet};

/// Connections of one uid.
const PER_UID: usize = 16;
/// Connections in all.
const TOTAL: usize = 512;
/// Connections of uids of which it is not known yet that they have an account. A user may have tens of thousands of
/// subordinate uids (subuid(5)), which have none.
const STRANGERS: usize = 64;
/// Known uids that are remembered.
const REMEMBERED: usize = 4096;

/// How a connection is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The uid has an account.
    Known,
    /// The account is to be looked up first.
    Stranger,
    /// Too many are open.
    Busy,
}

/// The open connections.
#[derive(Debug, Default)]
pub struct OpenConnections {
    by_uid: HashMap<u32, usize>,
    total: usize,
    strangers: usize,
    known: HashSet<u32>,
}

impl OpenConnections {
    /// Counts one more connection of a uid, unless there are too many.
    pub fn admit(&mut self, uid: u32) -> Admission {
        let own = self.by_uid.get(&uid).copied().unwrap_or(0);
        if own >= PER_UID || self.total >= TOTAL {
            return Admission::Busy;
        }
        let is_known = self.known.contains(&uid);
        if !is_known && self.strangers >= STRANGERS {
            return Admission::Busy;
        }
        self.by_uid.insert(uid, own + 1);
        self.total += 1;
        if is_known {
            Admission::Known
        } else {
            self.strangers += 1;
            Admission::Stranger
        }
    }

    /// Notes that the uid of a [`Admission::Stranger`] has an account.
    pub fn recognize(&mut self, uid: u32) {
        self.strangers = self.strangers.saturating_sub(1);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(uid);
    }

    /// Takes back what [`OpenConnections::recognize`] was not called for: the uid has no account.
    pub fn reject(&mut self, uid: u32) {
        self.strangers = self.strangers.saturating_sub(1);
        self.close(uid);
    }

    /// Counts one connection of a uid less.
    pub fn close(&mut self, uid: u32) {
        self.total = self.total.saturating_sub(1);
        if let Some(own) = self.by_uid.get_mut(&uid) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_uid.remove(&uid);
            }
        }
    }

    /// True if no connection is open.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_sixteen_connections() {
        let mut open = OpenConnections::default();
        assert_eq!(open.admit(1000), Admission::Stranger);
        open.recognize(1000);
        for _ in 1..PER_UID {
            assert_eq!(open.admit(1000), Admission::Known);
        }
        assert_eq!(open.admit(1000), Admission::Busy);
        assert_eq!(open.admit(1001), Admission::Stranger);
        open.close(1000);
        assert_eq!(open.admit(1000), Admission::Known);
    }

    #[test]
    fn all_users_have_512_connections() {
        let mut open = OpenConnections::default();
        for uid in 0..32 {
            for _ in 0..PER_UID {
                if open.admit(uid) == Admission::Stranger {
                    open.recognize(uid);
                }
            }
        }
        assert_eq!(open.total, TOTAL);
        assert_eq!(open.admit(32), Admission::Busy);
        for uid in 0..32 {
            for _ in 0..PER_UID {
                open.close(uid);
            }
        }
        assert!(open.is_empty() && open.by_uid.is_empty());
        assert_eq!(open.admit(32), Admission::Stranger);
    }

    #[test]
    fn uids_without_an_account_take_no_place_of_users() {
        let mut open = OpenConnections::default();
        open.admit(1000);
        open.recognize(1000);
        for subuid in 0..1000 {
            open.admit(100_000 + subuid);
        }
        assert_eq!(open.strangers, STRANGERS);
        assert_eq!(open.admit(1000), Admission::Known);
        for subuid in 0..STRANGERS as u32 {
            open.reject(100_000 + subuid);
        }
        assert_eq!((open.strangers, open.total), (0, 2));
        assert_eq!(open.admit(1001), Admission::Stranger);
    }
}
