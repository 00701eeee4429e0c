//! The time for which a file that is waited for has not changed.

use std::time::Duration;

use crate::files::StoreError;
use crate::sys::clock::monotonic;

/// Longest wait for a lock while the state does not change.
pub(in crate::files) const PATIENCE: Duration = Duration::from_secs(1);
/// Interval at which a waiting process looks whether the state changes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Since when the file that is waited for has not changed.
pub(super) struct LockWatch {
    seen: Option<(u64, u64)>,
    since: Duration,
    looked: Duration,
    /// The error of the last claim of a first generation.
    pub(super) failure: Option<StoreError>,
}

impl LockWatch {
    pub(super) fn begin() -> Self {
        let now = monotonic();
        Self {
            seen: None,
            since: now,
            looked: now,
            failure: None,
        }
    }

    /// True if the last look was a while ago: a crowd of waiting processes must not read all the time.
    pub(super) fn is_due(&self) -> bool {
        monotonic().saturating_sub(self.looked) >= LOOK_EVERY
    }

    /// Notes the inode number of the file, and the sequence number of the state.
    pub(super) fn see(&mut self, inode: u64, sequence: u64) {
        self.looked = monotonic();
        if self.seen != Some((inode, sequence)) {
            self.seen = Some((inode, sequence));
            self.since = self.looked;
        }
    }

    pub(super) fn is_stale(&self) -> bool {
        monotonic().saturating_sub(self.since) >= PATIENCE
    }
}
