//! The time of one piece of work with the store.

use std::time::Duration;

use twofactor_store::sys::clock;

use super::etcd_gateway::TimeLeft;

/// A moment at which the work has to be over.
#[derive(Debug, Clone, Copy)]
pub struct WorkDeadline(Duration);

impl WorkDeadline {
    /// The deadline `time` from now (monotonic clock).
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(clock::monotonic().saturating_add(time))
    }
}

impl TimeLeft for WorkDeadline {
    fn left(&self) -> Duration {
        self.0.saturating_sub(clock::monotonic())
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time.min(self.left()));
    }
}
