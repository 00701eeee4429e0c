//! The answer to `--force`.

/// The decision on a change that locks people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DangerDecision {
    /// It is refused.
    Refuse,
    /// It is made.
    Accept,
    /// It only switches off, and is not looked at: it is made whatever the state directory and its files are, and none of
    /// them is read. Nor is the user database, which may not answer.
    Unchecked,
}

impl DangerDecision {
    /// Reads `--force`.
    pub const fn new(force: &bool) -> Self {
        if *force { Self::Accept } else { Self::Refuse }
    }
}
