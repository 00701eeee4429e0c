//! The rules of a fleet, by the names that the code has for them. Each can be broken, to see that the search finds what comes of it.

/// The rules of attempts. All of them hold in the product.
#[derive(Debug, Clone, Copy)]
pub struct FleetRules {
    /// A write is done only while the values hold that it was decided on.
    pub compared_base: bool,
    /// A write carries the id of its attempt, by which its end is read back.
    pub attempt_id: bool,
    /// A write without an answer has no end: the attempt reads back.
    pub read_back: bool,
    /// Nothing is told before the write is known to be done.
    pub no_early_release: bool,
    /// A success is in the host's own file before it is told.
    pub write_through: bool,
    /// A success needs the host's own file to agree.
    pub own_file_agrees: bool,
    /// Of one host, one attempt of a user at a time.
    pub file_lock: bool,
    /// A state with codes that a host judged by itself is joined with the store's at the next attempt.
    pub join: bool,
    /// A host compares the number that it wrote last: a store that went back is an outage.
    pub host_beat: bool,
    /// Reads are answered from the newest revision.
    pub newest_revision: bool,
}

/// All of them.
pub const ALL: FleetRules = FleetRules {
    compared_base: true,
    attempt_id: true,
    read_back: true,
    no_early_release: true,
    write_through: true,
    own_file_agrees: true,
    file_lock: true,
    join: true,
    host_beat: true,
    newest_revision: true,
};

/// Events of a search, and how often each may happen.
#[derive(Debug, Clone, Copy)]
pub struct FleetScene {
    /// Hosts, at most [`crate::world::HOSTS`]. Session `n` is on host `n % hosts`.
    pub hosts: usize,
    /// Attempts, at most [`crate::world::SESSIONS`].
    pub sessions: usize,
    /// Bit n: session n has the right code. All others have wrong ones.
    pub right: u8,
    /// Tries of an attempt after its first.
    pub tries: u8,
    /// Attempts whose process ends in the middle.
    pub crashes: u8,
    /// Times that a host is cut off from the store, or comes back.
    pub cuts: u8,
    /// True if hosts that are cut off judge by themselves; else they deny.
    pub local: bool,
    /// The backup of the store that is restored.
    pub restore: RestoreScene,
    /// Numbers that hosts write.
    pub beats: u8,
    /// True if all were told to be wrong only where one was let in: no right code is lost.
    pub no_code_is_lost: bool,
}

/// A backup that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreScene {
    /// None is.
    Never,
    /// One is, after each host wrote a number since it was made.
    AfterAllBeats,
    /// As `AfterAllBeats`, and then an administrator begins a new epoch.
    ThenNewEpoch,
    /// One is, at any time.
    AtAnyTime,
    /// One is, and writes of before it are done on it.
    WithOldWrites,
}

/// Three attempts with one right code on two hosts; one of them may end in the middle.
pub const SCENE: FleetScene = FleetScene {
    hosts: 2,
    sessions: 3,
    right: 0b1111,
    tries: 2,
    crashes: 1,
    cuts: 0,
    local: false,
    restore: RestoreScene::Never,
    beats: 0,
    no_code_is_lost: false,
};
