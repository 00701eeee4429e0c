//! The answer to `--force`.

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
}
