//! The limits on connections: no user can keep others from being served.
//!
//! A connection that waits for its client gives way to a new one, so that silent connections keep no client waiting. The
//! number of uids that a user has (subuid(5), or a service that assigns them) makes no difference.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
    pub evicted: Option<EvictedConnection<H>>,
}

/// A connection that has lost its place.
#[derive(Debug, PartialEq, Eq)]
pub struct EvictedConnection<H> {
    /// Its number.
    pub number: u64,
    /// Its handle.
    pub handle: H,
}

/// The refusal of a connection: all places, or those of this uid, are taken by connections that are being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

/// The owner of an admitted connection. Strangers come first where one has to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlaceOwner {
    /// Its account must be looked up first.
    Stranger,
    /// The uid is known to have an account.
    Known,
}

/// The open connections, each with a handle by which it can be ended. No step takes longer the more there are.
#[derive(Debug)]
pub struct OpenConnections<H> {
    /// Limit on the connections of one uid.
    per_uid: usize,
    open: BTreeMap<u64, OpenConnection<H>>,
    next: u64,
    known: HashSet<u32>,
    /// Numbers of connections, of the uids that have some.
    of_uid: HashMap<u32, usize>,
    /// Number of connections of strangers.
    strangers: usize,
    /// The connections that wait for a whole message of their clients, in the order in which they give way.
    waiting: BTreeSet<EvictionOrder>,
}

#[derive(Debug)]
struct OpenConnection<H> {
    uid: u32,
    owner: PlaceOwner,
    handle: H,
}

/// Uids without a known account come first, and of each kind the oldest connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EvictionOrder {
    owner: PlaceOwner,
    number: u64,
}

impl<H> Default for OpenConnections<H> {
    fn default() -> Self {
        Self {
            per_uid: PER_UID,
            open: BTreeMap::new(),
            next: 0,
            known: HashSet::new(),
            of_uid: HashMap::new(),
            strangers: 0,
            waiting: BTreeSet::new(),
        }
    }
}

impl<H> OpenConnections<H> {
    /// The connections of a socket that root alone may open. Root's account is not looked up.
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
        if self
            .of_uid
            .get(&uid)
            .is_some_and(|own| *own >= self.per_uid)
        {
            return Err(NoPlace);
        }
        let owner = if self.known.contains(&uid) {
            PlaceOwner::Known
        } else {
            PlaceOwner::Stranger
        };
        let evicted = if owner == PlaceOwner::Stranger && self.strangers >= STRANGERS {
            let first = self.waiting.first().copied();
            let first = first.filter(|first| first.owner == PlaceOwner::Stranger);
            Some(self.evict(first)?)
        } else if self.open.len() >= TOTAL {
            Some(self.evict(self.waiting.first().copied())?)
        } else {
            None
        };
        let number = self.next;
        self.next += 1;
        *self.of_uid.entry(uid).or_default() += 1;
        self.strangers += usize::from(owner == PlaceOwner::Stranger);
        self.waiting.insert(EvictionOrder { owner, number });
        self.open
            .insert(number, OpenConnection { uid, owner, handle });
        Ok(AdmittedConnection { number, evicted })
    }

    /// Ends a connection that waits for its client, if there is one.
    fn evict(&mut self, first: Option<EvictionOrder>) -> Result<EvictedConnection<H>, NoPlace> {
        let EvictionOrder { number, .. } = first.ok_or(NoPlace)?;
        let handle = self.take(number).ok_or(NoPlace)?;
        Ok(EvictedConnection { number, handle })
    }

    fn take(&mut self, number: u64) -> Option<H> {
        let OpenConnection { uid, owner, handle } = self.open.remove(&number)?;
        self.waiting.remove(&EvictionOrder { owner, number });
        self.strangers -= usize::from(owner == PlaceOwner::Stranger);
        if let Some(own) = self.of_uid.get_mut(&uid) {
            *own -= 1;
            if *own == 0 {
                self.of_uid.remove(&uid);
            }
        }
        Some(handle)
    }

    /// Notes a whole message. The connection keeps its place from now on; `None` if it has lost it.
    pub fn begin_answer(&mut self, number: u64) -> Option<PlaceOwner> {
        let owner = self.open.get(&number)?.owner;
        self.waiting.remove(&EvictionOrder { owner, number });
        Some(owner)
    }

    /// Notes that the answer is sent.
    pub fn end_answer(&mut self, number: u64) {
        if let Some(connection) = self.open.get(&number) {
            let owner = connection.owner;
            self.waiting.insert(EvictionOrder { owner, number });
        }
    }

    /// Notes that the uid of a connection has an account.
    pub fn recognize(&mut self, number: u64) {
        let Some(connection) = self.open.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut connection.owner, PlaceOwner::Known);
        let order = |owner| EvictionOrder { owner, number };
        if self.waiting.remove(&order(before)) {
            self.waiting.insert(order(PlaceOwner::Known));
        }
        self.strangers -= usize::from(before == PlaceOwner::Stranger);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(connection.uid);
    }

    /// Gives a place back, if the connection still has it.
    pub fn close(&mut self, number: u64) {
        self.take(number);
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
mod tests;
