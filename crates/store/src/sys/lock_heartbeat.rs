//! The heartbeat of a process that holds a user's lock while it waits for the store of a fleet.
//!
//! A process that waits for the lock takes the state over once nothing was written for a second. So the holder writes the state again, as
//! it is, from time to time. One that is stopped writes nothing, and is taken over as ever; so is one whose work can be done another time,
//! and has no heartbeat.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::clock::monotonic;

/// Time between two beats: some come within the second after which a state is taken over.
pub const INTERVAL: Duration = Duration::from_millis(250);

/// Longest time with a heartbeat. With the second after which a state is taken over it is that for which logins wait: none is refused,
/// since one process holds the lock for longer.
pub const LONGEST: Duration = Duration::from_secs(4);

/// Shows that the holder of a lock moves.
pub type LockHeartbeat<'a> = &'a mut (dyn FnMut() + Send);

/// Does work with a heartbeat, for no longer than `limit`: what hangs holds up no other process for ever.
pub fn with_heartbeat<T>(
    heartbeat: LockHeartbeat<'_>,
    limit: Duration,
    work: impl FnOnce() -> T,
) -> T {
    let (done, ended) = sync_channel::<()>(0);
    let beats = move || {
        let end = monotonic().saturating_add(limit);
        while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) && monotonic() < end {
            heartbeat();
        }
    };
    thread::scope(|scope| {
        // Without a thread it is a process that does not move.
        let _beats = thread::Builder::new().spawn_scoped(scope, beats);
        let result = work();
        drop(done);
        result
    })
}
