//! A mutex for each user: codes of one user are judged one after the other, so that a flood of them cannot hold the lock that logins need.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The mutexes of all users; those that are locked.
#[derive(Debug, Default)]
pub struct UserMutexes {
    uids: Mutex<HashSet<u32>>,
    ended: Condvar,
}

/// The locked mutex of one uid. It is free when this is dropped, also in a panic.
#[derive(Debug)]
pub struct UserMutexGuard<'m> {
    mutexes: &'m UserMutexes,
    uid: u32,
}

impl UserMutexes {
    /// Waits until no other code of this uid is judged; `None` after the time limit.
    pub fn take(&self, uid: u32, patience: Duration) -> Option<UserMutexGuard<'_>> {
        let is_taken = |uids: &mut HashSet<u32>| uids.contains(&uid);
        let waited = self
            .ended
            .wait_timeout_while(self.locked(), patience, is_taken);
        let (mut uids, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // Made only if the mutex is free: dropping one ends it.
        uids.insert(uid)
            .then(|| UserMutexGuard { mutexes: self, uid })
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.uids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UserMutexGuard<'_> {
    fn drop(&mut self) {
        self.mutexes.locked().remove(&self.uid);
        self.mutexes.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_user_has_one_code_at_a_time() {
        let mutexes = UserMutexes::default();
        let first = mutexes.take(1000, LONG).unwrap();
        assert!(mutexes.take(1000, Duration::ZERO).is_none());
        // It is locked still, and those of others are free.
        assert!(mutexes.take(1000, Duration::ZERO).is_none());
        assert!(mutexes.take(1001, Duration::ZERO).is_some());
        drop(first);
        assert!(mutexes.take(1000, Duration::ZERO).is_some());
    }

    #[test]
    fn all_who_wait_have_their_turn() {
        let mutexes = UserMutexes::default();
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let _guard = mutexes.take(1000, LONG).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(done.into_inner(), 16);
    }
}
