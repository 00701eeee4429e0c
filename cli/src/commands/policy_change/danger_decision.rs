//! The answer to `--force`.

/// Treatment of a change that locks people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockoutGuard {
    /// It is refused.
    Refuse,
    /// It is made.
    Accept,
    /// There is none, since it only switches off: it is made whatever the state directory and its files are, and none of
    /// them is read. Nor is the user database, which may not answer.
    Off,
}

impl LockoutGuard {
    /// Reads `--force`.
    pub const fn new(force: &bool) -> Self {
        if *force { Self::Accept } else { Self::Refuse }
    }
}
