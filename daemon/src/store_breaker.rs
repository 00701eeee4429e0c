//! The breaker before the store of the fleet: while it is open no attempt waits for a store that does not answer. It closes when this
//! host has written its number there again, which shows that the store is the fleet's and did not go back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use twofactor_fleet::attempt_steps::outage_reason::OutageReason;

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// The breaker.
#[derive(Debug)]
pub struct StoreBreaker {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Default for StoreBreaker {
    /// An open one: nothing is known of the store yet.
    fn default() -> Self {
        Self {
            is_open: Mutex::new(true),
            opened: Condvar::new(),
        }
    }
}

impl StoreBreaker {
    /// True while no attempt is to wait for the store.
    pub fn is_open(&self) -> bool {
        *self.locked()
    }

    /// Opens it for an outage that concerns all users.
    pub fn note(&self, reason: &OutageReason) {
        if concerns_all(reason) {
            *self.locked() = true;
            self.opened.notify_all();
        }
    }

    /// Tries to meet the store whenever the breaker is open, and closes it where that works. Runs `closed` each time that it is
    /// closed then. Does not return.
    pub fn watch(&self, meet: impl Fn() -> bool, closed: impl Fn()) -> ! {
        loop {
            if !self.is_open() {
                closed();
            }
            let is_closed = |is_open: &mut bool| !*is_open;
            let open = self.opened.wait_while(self.locked(), is_closed);
            drop(open.unwrap_or_else(PoisonError::into_inner));
            self.try_to_close(&meet);
            if self.is_open() {
                thread::sleep(PAUSE);
            }
        }
    }

    /// One try. Attempts that fail while it runs open the breaker again.
    pub fn try_to_close(&self, meet: impl Fn() -> bool) {
        if meet() {
            *self.locked() = false;
        }
    }

    fn locked(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False for what the store says of one user alone, and for what says nothing of the store.
pub const fn concerns_all(reason: &OutageReason) -> bool {
    !matches!(
        reason,
        OutageReason::HostBusy(_)
            | OutageReason::NoState
            | OutageReason::OlderRecord
            | OutageReason::NewerRecord
            | OutageReason::NotMirrored(_)
            | OutageReason::UserSeal(_)
            | OutageReason::Value(_)
            | OutageReason::Record(_)
            | OutageReason::Forgotten
            | OutageReason::Contradiction
            | OutageReason::Sealing(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_fleet::etcd::gateway_fault::GatewayFault;
    use twofactor_fleet::sealed_values::fleet_key::BrokenSeal;

    #[test]
    fn it_closes_when_the_store_was_met() {
        let breaker = StoreBreaker::default();
        assert!(breaker.is_open());
        breaker.try_to_close(|| false);
        assert!(breaker.is_open());
        breaker.try_to_close(|| true);
        assert!(!breaker.is_open());
    }

    #[test]
    fn one_users_trouble_opens_it_for_no_other() {
        let breaker = StoreBreaker::default();
        breaker.try_to_close(|| true);
        // Nor does a command of root that holds the lock of the fleet's files.
        let busy = OutageReason::HostBusy("is locked by another process".to_owned());
        let seal = OutageReason::UserSeal(BrokenSeal);
        for reason in [
            OutageReason::NoState,
            OutageReason::Contradiction,
            seal,
            busy,
        ] {
            breaker.note(&reason);
            assert!(!breaker.is_open(), "{reason}");
        }
        let gone = GatewayFault::NotSent(String::new());
        let seal = OutageReason::Seal(BrokenSeal);
        for reason in [OutageReason::Unreachable(gone), OutageReason::NoFleet, seal] {
            breaker.try_to_close(|| true);
            breaker.note(&reason);
            assert!(breaker.is_open(), "{reason}");
        }
    }
}
