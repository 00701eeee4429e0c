//! The answer to `--force`.

use twofactor_core::policy::Policy;
use twofactor_store::files::LockWait;

use crate::interrupt;

/// The decision on a change that locks people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DangerDecision {
    /// The change is refused.
    Refuse,
    /// The change is made.
    Accept,
    /// The change only switches two-factor login off, and is made without checks. Neither the state directory nor the user
    /// database is read, since they may not answer.
    Unchecked,
}

impl DangerDecision {
    /// Reads `--force`.
    pub const fn new(force: &bool) -> Self {
        if *force { Self::Accept } else { Self::Refuse }
    }

    /// The wait of a change to this policy for other commands. Dangers are judged by devices that no other command may remove meanwhile;
    /// what is made in spite of them, or switches off, must not depend on one that is stopped.
    pub const fn lock_wait(self, after: &Policy) -> LockWait {
        match self {
            Self::Refuse if after.enabled => LockWait::Required(interrupt::was_signalled),
            Self::Refuse | Self::Accept | Self::Unchecked => LockWait::Short,
        }
    }
}
