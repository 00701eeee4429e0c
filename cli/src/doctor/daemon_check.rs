//! The check that the daemon answers, which programs that run as a user ask.

use std::path::Path;
use std::time::Duration;

use twofactor_protocol::SOCKET;
use twofactor_store::sys::clock;
use twofactor_store::sys::socket::TimedConnection;

/// Longest time that the socket may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// The daemon, as the module finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonPresence {
    /// Root listens at its socket.
    Listening,
    /// No process of root's does.
    Missing,
}

impl DaemonPresence {
    /// Looks where the module looks.
    pub fn look() -> Self {
        Self::look_at(Path::new(SOCKET))
    }

    /// Looks at one socket.
    pub fn look_at(socket: &Path) -> Self {
        let connection = TimedConnection::open(socket, clock::monotonic() + PATIENCE);
        let listener = connection.ok().and_then(|open| open.listener().ok());
        if listener.is_some_and(|listener| listener.uid == 0) {
            Self::Listening
        } else {
            Self::Missing
        }
    }
}
