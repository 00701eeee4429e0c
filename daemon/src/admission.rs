//! The limits on connections: no user can keep others from being served.
//!
//! A connection that waits for its client gives way to a new one, so that silent connections keep no client waiting. The
//! number of uids that a user has (subuid(5), or a service that assigns them) makes no difference.

use std::collections::{BTreeMap, HashSet};

/// Limit on the connections of one uid.
const PER_UID: usize = 16;
/// Limit on all connections.
const TOTAL: usize = 512;
/// Limit on connections of uids whose account is not looked up yet. However long that takes, the other places are those of
/// users.
const STRANGERS: usize = 256;
/// Limit on remembered uids with an account.
const REMEMBERED: usize = 4096;

/// A connection that has a place.
#[derive(Debug, PartialEq, Eq)]
pub struct AdmittedConnection<H> {
    /// Its number; later ones have higher numbers.
    pub number: u64,
    /// The connection that lost its place for it.
    pub evicted: Option<H>,
}

/// The refusal of a connection: all places, or those of this uid, are taken by connections that are being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

/// The place of an admitted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceOwner {
    /// The uid is known to have an account.
    Known,
    /// Its account must be looked up first.
    Stranger,
}

/// The open connections, each with a handle by which it can be ended.
#[derive(Debug)]
pub struct OpenConnections<H> {
    /// Limit on the connections of one uid.
    per_uid: usize,
    open: BTreeMap<u64, OpenConnection<H>>,
    next: u64,
    known: HashSet<u32>,
}

#[derive(Debug)]
struct OpenConnection<H> {
    uid: u32,
    is_stranger: bool,
    /// It waits for a whole message of its client.
    is_waiting: bool,
    handle: H,
}

impl<H> Default for OpenConnections<H> {
    fn default() -> Self {
        Self {
            per_uid: PER_UID,
            open: BTreeMap::new(),
            next: 0,
            known: HashSet::new(),
        }
    }
}

impl<H> OpenConnections<H> {
    /// Those of a socket that root alone may open. That root has an account is not looked up.
    pub fn of_root() -> Self {
        Self {
            per_uid: TOTAL,
            known: HashSet::from([0]),
            ..Self::default()
        }
    }

    /// Admits one more connection of a uid.
    ///
    /// # Errors
    /// [`NoPlace`]: it is not served.
    pub fn admit(&mut self, uid: u32, handle: H) -> Result<AdmittedConnection<H>, NoPlace> {
        let own = self.open.values().filter(|other| other.uid == uid).count();
        if own >= self.per_uid {
            return Err(NoPlace);
        }
        let is_stranger = !self.known.contains(&uid);
        let strangers = self.open.values().filter(|other| other.is_stranger).count();
        let evicted = if is_stranger && strangers >= STRANGERS {
            Some(self.evict(|other| other.is_stranger).ok_or(NoPlace)?)
        } else if self.open.len() >= TOTAL {
            Some(self.evict(|_| true).ok_or(NoPlace)?)
        } else {
            None
        };
        let number = self.next;
        self.next += 1;
        let connection = OpenConnection {
            uid,
            is_stranger,
            is_waiting: true,
            handle,
        };
        self.open.insert(number, connection);
        Ok(AdmittedConnection { number, evicted })
    }

    /// Ends the oldest connection that waits for its client; uids without a known account come first.
    fn evict(&mut self, may: impl Fn(&OpenConnection<H>) -> bool) -> Option<H> {
        let waiting = self.open.iter().filter(|(_, it)| it.is_waiting && may(it));
        let (number, _) = waiting.min_by_key(|(number, it)| (!it.is_stranger, **number))?;
        let number = *number;
        self.open.remove(&number).map(|it| it.handle)
    }

    /// Notes a whole message. The connection keeps its place from now on; `None` if it has lost it.
    pub fn begin_answer(&mut self, number: u64) -> Option<PlaceOwner> {
        let connection = self.open.get_mut(&number)?;
        connection.is_waiting = false;
        Some(if connection.is_stranger {
            PlaceOwner::Stranger
        } else {
            PlaceOwner::Known
        })
    }

    /// Notes that the answer is sent.
    pub fn end_answer(&mut self, number: u64) {
        if let Some(connection) = self.open.get_mut(&number) {
            connection.is_waiting = true;
        }
    }

    /// Notes that the uid of a connection has an account.
    pub fn recognize(&mut self, number: u64) {
        let Some(connection) = self.open.get_mut(&number) else {
            return;
        };
        connection.is_stranger = false;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(connection.uid);
    }

    /// Gives a place back, if the connection still has it.
    pub fn close(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// The handles of all open connections.
    pub fn handles(&self) -> impl Iterator<Item = &H> {
        self.open.values().map(|it| &it.handle)
    }

    /// True if no connection is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Connections = OpenConnections<u32>;

    /// Opens a connection of a uid that waits for its client.
    fn silent(open: &mut Connections, uid: u32) -> u64 {
        open.admit(uid, uid).unwrap().number
    }

    /// Opens one that is being answered.
    fn answered(open: &mut Connections, uid: u32) -> u64 {
        let number = silent(open, uid);
        assert!(open.begin_answer(number).is_some());
        number
    }

    fn known(open: &mut Connections, uid: u32) -> u64 {
        let number = silent(open, uid);
        open.recognize(number);
        number
    }

    #[test]
    fn a_user_has_sixteen_connections() {
        let mut open = Connections::default();
        let numbers: Vec<u64> = (0..16).map(|_| silent(&mut open, 1000)).collect();
        assert_eq!(open.admit(1000, 0), Err(NoPlace));
        silent(&mut open, 1001);
        open.close(numbers[3]);
        silent(&mut open, 1000);
        assert_eq!(open.admit(1000, 0), Err(NoPlace));
    }

    #[test]
    fn the_oldest_silent_connection_gives_way() {
        let mut open = Connections::default();
        // 32 uids, all with accounts as the name service says.
        for uid in 100_000..100_032 {
            for _ in 0..PER_UID {
                known(&mut open, uid);
            }
        }
        assert_eq!(open.open.len(), TOTAL);
        for user in 1000..1016 {
            let admitted = open.admit(user, user).unwrap();
            assert_eq!(admitted.evicted, Some(100_000));
            assert!(open.begin_answer(admitted.number).is_some());
            assert_eq!(open.open.len(), TOTAL);
        }
        assert_eq!(open.begin_answer(0), None, "it has lost its place");
        open.close(0);
        assert_eq!(open.open.len(), TOTAL);
        let admitted = open.admit(1016, 1016).unwrap();
        assert_eq!(admitted.evicted, Some(100_001));
    }

    #[test]
    fn a_connection_that_is_answered_keeps_its_place() {
        let mut open = Connections::default();
        for uid in 0..32 {
            for _ in 0..PER_UID {
                let number = known(&mut open, uid);
                open.begin_answer(number);
            }
        }
        assert_eq!(open.admit(1000, 1000), Err(NoPlace));
        open.end_answer(40);
        assert_eq!(open.admit(1000, 1000).unwrap().evicted, Some(2));
        for number in 0..=512 {
            open.close(number);
        }
        assert!(open.is_empty());
    }

    #[test]
    fn uids_without_an_account_take_no_place_of_users() {
        let mut open = Connections::default();
        known(&mut open, 1000);
        for subuid in 0..10_000 {
            silent(&mut open, 100_000 + subuid);
        }
        assert_eq!(open.open.len(), 1 + STRANGERS);
        // A user whose account is not known yet gets a place as well.
        assert!(open.admit(1001, 1001).unwrap().evicted.unwrap() >= 100_000);
        // However slow the name service is, users with a known account are served.
        let mut open = Connections::default();
        known(&mut open, 1000);
        for subuid in 0..STRANGERS as u32 {
            answered(&mut open, 100_000 + subuid);
        }
        assert_eq!(open.admit(1001, 1001), Err(NoPlace));
        assert_eq!(open.admit(1000, 1000).unwrap().evicted, None);
    }

    #[test]
    fn strangers_give_way_before_users() {
        let mut open = Connections::default();
        for uid in 0..31 {
            for _ in 0..PER_UID {
                known(&mut open, uid);
            }
        }
        for subuid in 0..PER_UID as u32 {
            silent(&mut open, 100_000 + subuid);
        }
        assert_eq!(open.admit(1000, 1000).unwrap().evicted, Some(100_000));
    }
}
