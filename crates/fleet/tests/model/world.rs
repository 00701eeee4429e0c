//! A state of the whole fleet: the store, the hosts with their files, the attempts, and writes that are on their way.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::rules::{FleetRules, FleetScene, RestoreScene};

/// Most attempts.
pub const SESSIONS: usize = 4;
/// Most hosts.
pub const HOSTS: usize = 3;
/// Failures after which nothing is compared.
pub const LIMIT: u8 = 2;
/// Most writes that are on their way at once.
const WRITES: usize = 6;
/// The holder of a lock that has none.
pub const FREE: u8 = u8::MAX;

/// The user's state in the store. The version stands for its bytes, no two of which are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StoreState {
    pub version: u8,
    pub is_used: bool,
    pub failures: u8,
    /// Bit n: it remembers attempt n, and whether it was accepted.
    pub attempts: u8,
    pub accepted: u8,
    pub beats: [u8; HOSTS],
}

/// The user's state in the file of a host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct HostState {
    pub is_used: bool,
    pub failures: u8,
    /// True if the host judged by itself since it last reached the store.
    pub is_apart: bool,
    pub beat: u8,
    pub is_cut_off: bool,
    /// The attempt that holds the lock, or [`FREE`].
    pub lock: u8,
    /// Successes that were told there.
    pub told: u8,
    /// The part of them that the host judged by itself.
    pub told_by_itself: u8,
}

/// A write on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LateWrite {
    pub base: u8,
    pub beat: u8,
    pub state: StoreState,
    pub session: u8,
    pub is_success: bool,
}

/// The point that an attempt has reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum SessionStage {
    #[default]
    Begins,
    HasRead,
    WaitsForWrite,
    Written,
    Outage,
    ChargedByItself,
    Ended,
    Crashed,
}

/// The result of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SessionEnd {
    #[default]
    None,
    Accepted,
    Rejected,
    LockedOut,
    Error,
}

/// An attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ModelSession {
    pub stage: SessionStage,
    pub base: StoreState,
    pub tries: u8,
    pub end: SessionEnd,
    /// The version that its write would make.
    pub version: u8,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FleetWorld {
    pub store: StoreState,
    pub next_version: u8,
    pub backup: Option<StoreState>,
    pub is_restored: bool,
    pub is_new_epoch: bool,
    pub hosts: [HostState; HOSTS],
    pub sessions: [ModelSession; SESSIONS],
    writes: [LateWrite; WRITES],
    write_count: u8,
    pub crashes: u8,
    pub cuts: u8,
    pub beats: u8,
    /// Successes that were told, and which the store knows.
    pub told_by_store: u8,
    /// Wrong codes that were told.
    pub told_wrong: u8,
    /// Bit n: a write of attempt n was done.
    pub done: u8,
    /// True if a result was told whose attempt the store does not know.
    pub is_uncounted: bool,
}

impl FleetWorld {
    /// The world before anything happened.
    pub fn new(scene: &FleetScene) -> Self {
        let host = HostState {
            lock: FREE,
            ..HostState::default()
        };
        Self {
            store: StoreState {
                version: 1,
                ..StoreState::default()
            },
            next_version: 2,
            backup: None,
            is_restored: false,
            is_new_epoch: false,
            hosts: [host; HOSTS],
            sessions: [ModelSession::default(); SESSIONS],
            writes: [LateWrite::default(); WRITES],
            write_count: 0,
            crashes: scene.crashes,
            cuts: scene.cuts,
            beats: scene.beats,
            told_by_store: 0,
            told_wrong: 0,
            done: 0,
            is_uncounted: false,
        }
    }

    /// The writes that are on their way.
    pub fn writes(&self) -> &[LateWrite] {
        &self.writes[..usize::from(self.write_count)]
    }

    /// Sends a write; false where too many are on their way.
    pub fn send(&mut self, write: LateWrite) -> bool {
        let at = usize::from(self.write_count);
        let Some(place) = self.writes.get_mut(at) else {
            return false;
        };
        *place = write;
        self.write_count += 1;
        true
    }

    /// Takes a write off its way.
    pub fn take_write(&mut self, at: usize) -> LateWrite {
        self.write_count -= 1;
        let last = usize::from(self.write_count);
        let taken = self.writes[at];
        self.writes[at] = self.writes[last];
        self.writes[last] = LateWrite::default();
        taken
    }

    /// Takes all writes off their way.
    pub fn drop_writes(&mut self) {
        self.writes = [LateWrite::default(); WRITES];
        self.write_count = 0;
    }

    /// A version that no state has.
    pub const fn new_version(&mut self) -> u8 {
        let version = self.next_version;
        self.next_version += 1;
        version
    }

    /// True if the attempt waits for the answer to this write.
    pub fn is_waited_for(&self, write: &LateWrite) -> bool {
        let session = &self.sessions[usize::from(write.session)];
        session.stage == SessionStage::WaitsForWrite && session.version == write.state.version
    }

    /// Forgets what cannot matter any more, and names the versions by their order, so that equal worlds look equal.
    pub fn settle(&mut self, scene: &FleetScene, rules: &FleetRules) {
        for session in &mut self.sessions {
            if session.stage != SessionStage::HasRead {
                session.base = StoreState::default();
            }
            if session.stage != SessionStage::WaitsForWrite {
                session.version = 0;
            }
            if session.stage <= SessionStage::HasRead {
                session.end = SessionEnd::None;
            }
        }
        if self.is_restored && scene.restore != RestoreScene::Never && rules.newest_revision {
            self.backup = None;
        }
        // A write on a version that is neither the store's nor in a backup is never done.
        let stored = [Some(self.store.version), self.backup.map(|it| it.version)];
        let mut at = 0;
        while at < usize::from(self.write_count) {
            let write = self.writes[at];
            let may_be_done = !rules.compared_base || stored.contains(&Some(write.base));
            if may_be_done || self.is_waited_for(&write) {
                at += 1;
            } else {
                self.take_write(at);
            }
        }
        let count = usize::from(self.write_count);
        self.writes[..count].sort_by_key(|it| (it.session, it.state.version, it.base));
        self.rename_versions();
    }

    fn rename_versions(&mut self) {
        let mut names = [0; 256];
        let mut count = 0;
        let mut rename = |version: &mut u8| {
            if *version != 0 {
                let name = &mut names[usize::from(*version)];
                if *name == 0 {
                    count += 1;
                    *name = count;
                }
                *version = *name;
            }
        };
        rename(&mut self.store.version);
        if let Some(backup) = &mut self.backup {
            rename(&mut backup.version);
        }
        for session in &mut self.sessions {
            rename(&mut session.base.version);
            rename(&mut session.version);
        }
        for write in &mut self.writes[..usize::from(self.write_count)] {
            rename(&mut write.base);
            rename(&mut write.state.version);
        }
        self.next_version = count + 1;
    }

    /// A number that stands for this world.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
