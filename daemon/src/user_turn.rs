//! Turns: codes of one user are judged one after the other, so that a flood of them cannot hold the lock that logins need.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The uids that have a turn.
#[derive(Debug, Default)]
pub struct UserTurns {
    uids: Mutex<HashSet<u32>>,
    ended: Condvar,
}

/// The turn of one uid; it ends when this is dropped, also in a panic.
#[derive(Debug)]
pub struct UserTurn<'t> {
    turns: &'t UserTurns,
    uid: u32,
}

impl UserTurns {
    /// Waits until no other code of this uid is judged; `None` after the time limit.
    pub fn take(&self, uid: u32, patience: Duration) -> Option<UserTurn<'_>> {
        let is_taken = |uids: &mut HashSet<u32>| uids.contains(&uid);
        let waited = self
            .ended
            .wait_timeout_while(self.locked(), patience, is_taken);
        let (mut uids, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // Made only if the turn is free: dropping one ends it.
        uids.insert(uid).then(|| UserTurn { turns: self, uid })
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.uids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UserTurn<'_> {
    fn drop(&mut self) {
        self.turns.locked().remove(&self.uid);
        self.turns.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_user_has_one_turn_at_a_time() {
        let turns = UserTurns::default();
        let first = turns.take(1000, LONG).unwrap();
        assert!(turns.take(1000, Duration::ZERO).is_none());
        // Its own turn still holds, and others have theirs.
        assert!(turns.take(1000, Duration::ZERO).is_none());
        assert!(turns.take(1001, Duration::ZERO).is_some());
        drop(first);
        assert!(turns.take(1000, Duration::ZERO).is_some());
    }

    #[test]
    fn all_who_wait_have_their_turn() {
        let turns = UserTurns::default();
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let _turn = turns.take(1000, LONG).unwrap();
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
