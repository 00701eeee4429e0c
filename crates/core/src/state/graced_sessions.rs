//! Grace within login sessions of this machine: what the state keeps of it.

use sha2::{Digest, Sha256};

use super::TIME_LEN;

/// Most sessions remembered.
pub const MAX_SESSIONS: usize = 3;
/// Bytes of all this in the state.
pub(super) const ENCODED_LEN: usize = 8 + (8 + 8 + 4 + TIME_LEN) + MAX_SESSIONS * (4 + TIME_LEN);

/// The sessions in which a user is not asked, and the login whose session is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionGrace {
    /// Fingerprint of the boot of which all this is; of another one nothing counts.
    pub boot: u64,
    /// The last login with a code whose session has not begun.
    pub awaited: Option<AwaitedSession>,
    /// Sessions that began with a code, the oldest first, at most [`MAX_SESSIONS`].
    pub sessions: Vec<GracedSession>,
}

/// A login with a code. Its session begins in the process that asked, or in the parent of that, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedSession {
    /// Fingerprint of the process that asked for the code.
    pub process: u64,
    /// Fingerprint of the parent process.
    pub parent: u64,
    /// Audit session of the process when it asked; the highest number for none.
    pub seen: u32,
    /// Time at which the code was accepted, in seconds since 1970-01-01 UTC.
    pub since: u64,
}

/// A session that began with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracedSession {
    /// Its audit session.
    pub id: u32,
    /// Time at which the code was accepted, in seconds since 1970-01-01 UTC.
    pub since: u64,
}

impl SessionGrace {
    /// No grace: the value of a user who never logged in.
    pub const NONE: Self = Self {
        boot: 0,
        awaited: None,
        sessions: Vec::new(),
    };

    /// Ends all of it.
    pub fn clear(&mut self) {
        *self = Self::NONE;
    }

    /// True if a code of it was accepted after `now`.
    pub(crate) fn is_ahead(&self, now: u64) -> bool {
        let awaited = self.awaited.iter().map(|login| login.since);
        let mut times = awaited.chain(self.sessions.iter().map(|session| session.since));
        times.any(|since| since > now)
    }
}

/// A hash of the boot id (random(4), `boot_id`); never 0.
#[must_use]
pub fn boot_fingerprint(id: &str) -> u64 {
    short_hash(id.as_bytes())
}

/// A hash of a process: its number, and when it started in ticks since the boot (proc_pid_stat(5), `starttime`); never 0.
#[must_use]
pub fn process_fingerprint(pid: u32, started: u64) -> u64 {
    short_hash(&[&pid.to_le_bytes()[..], &started.to_le_bytes()].concat())
}

fn short_hash(bytes: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_or_boot_has_another_fingerprint() {
        assert_ne!(process_fingerprint(1, 2), process_fingerprint(1, 3));
        assert_ne!(process_fingerprint(1, 2), process_fingerprint(2, 2));
        assert_ne!(boot_fingerprint("a"), boot_fingerprint("b"));
    }

    #[test]
    fn grace_is_ahead_of_a_clock_that_was_set_back() {
        let awaited = |since| AwaitedSession {
            process: 1,
            parent: 2,
            seen: 3,
            since,
        };
        for (login, session, is_ahead) in [
            (None, None, false),
            (Some(10), None, false),
            (Some(11), None, true),
            (None, Some(10), false),
            (None, Some(11), true),
            (Some(9), Some(11), true),
        ] {
            let mut grace = SessionGrace::NONE;
            grace.awaited = login.map(awaited);
            let session = session.map(|since| GracedSession { id: 4, since });
            grace.sessions.extend(session);
            assert_eq!(grace.is_ahead(10), is_ahead, "{login:?} {session:?}");
            grace.clear();
            assert_eq!(grace, SessionGrace::NONE);
        }
    }
}
