//! The daemon as its clients see it: programs that run as a user, who can read no record and no state.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::gate_call::{self, GateAnswer};
use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_protocol::verify_call::{self, CodeLayout, VerifyAnswer};

use crate::sys::clock;
use crate::sys::lock_heartbeat::LockHeartbeat;
use crate::sys::socket::TimedConnection;

/// Time limit of one question in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// The wait before the question is put again to a daemon that serves as many as it may; each time twice as long, so that
/// the tries are spread over all of the time.
const PAUSE: Duration = Duration::from_millis(100);

/// The reason why the daemon gave no answer. Each of them denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonError {
    /// Path of the daemon's socket.
    pub socket: PathBuf,
    /// The fault.
    pub cause: DaemonFault,
}

/// A fault of the daemon, or on the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonFault {
    /// There is no such socket, or no process listens on it.
    Connect(Errno),
    /// The process that listens does not run as root, but with this uid.
    NotRoot(u32),
    /// The connection broke, or there was no answer in time.
    Lost(Errno),
    /// The connection was closed before the answer.
    Closed,
    /// The connection was closed before the call, which did not arrive.
    Ended,
    /// The reply is an error, or no answer to the call.
    Reply(ReplyError),
    /// The arguments of the module name other files than the daemon's.
    OtherFiles,
}

impl DaemonError {
    /// The step that an administrator can take.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.cause {
            // It is enabled, and does not keep up.
            DaemonFault::Connect(Errno::AGAIN) => "journalctl -u twofactord says why",
            DaemonFault::Connect(_) => "systemctl enable --now twofactord.socket",
            DaemonFault::NotRoot(_) => {
                "remove the socket, then: systemctl restart twofactord.socket"
            }
            DaemonFault::Reply(ReplyError::Service(ServiceError::Busy)) => {
                "the log of twofactord says which uid has the connections"
            }
            DaemonFault::OtherFiles => {
                "for programs that run as a user, leave policy= and state= out of the PAM file"
            }
            _ => "journalctl -u twofactord says why",
        }
    }
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.socket.display())?;
        match self.cause {
            DaemonFault::Connect(errno) => write!(f, "connect: {errno}"),
            DaemonFault::NotRoot(uid) => write!(f, "is served by uid {uid}, not by root"),
            DaemonFault::Lost(Errno::AGAIN) => f.write_str("no answer in time"),
            DaemonFault::Lost(errno) => errno.fmt(f),
            DaemonFault::Closed | DaemonFault::Ended => f.write_str("closed before the answer"),
            DaemonFault::Reply(error) => error.fmt(f),
            DaemonFault::OtherFiles => {
                f.write_str("serves other files than policy= and state= name")
            }
        }
    }
}

impl std::error::Error for DaemonError {}

/// A client of the daemon, for one user.
#[derive(Debug, Clone)]
pub struct DaemonClient {
    socket: PathBuf,
    user: String,
    patience: Duration,
    busy: BusyAnswer,
}

/// Meaning of the answer that the daemon is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BusyAnswer {
    /// The call is sent again.
    Again,
    /// The call fails.
    Final,
}

impl DaemonClient {
    /// Asks about `user`, who must be the one that this process runs as, at the daemon that listens at `socket`.
    #[must_use]
    pub fn new(socket: &Path, user: &str) -> Self {
        Self {
            socket: socket.to_owned(),
            user: user.to_owned(),
            patience: PATIENCE,
            busy: BusyAnswer::Again,
        }
    }

    /// A client that sends each call once and waits at most `patience`. A second call would get no answer in time, which would
    /// not be reported as busy.
    #[must_use]
    pub const fn asking_once(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.busy = BusyAnswer::Final;
        self
    }

    /// True if a code would be asked for and looked at.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub fn gate(&self) -> Result<GateAnswer, DaemonError> {
        self.ask(&gate_call::request(&self.user), GateAnswer::read)
    }

    /// Has a code judged.
    ///
    /// # Errors
    /// [`DaemonError`]: nothing may be concluded about the code. It may be used up.
    pub fn verify(&self, code: &str, layout: CodeLayout) -> Result<VerifyAnswer, DaemonError> {
        let request = verify_call::request(&self.user, code, layout);
        self.ask(&request, VerifyAnswer::read)
    }

    /// The error of a reply that is no answer.
    #[must_use]
    pub fn error(&self, error: ReplyError) -> DaemonError {
        self.fault(DaemonFault::Reply(error))
    }

    /// The error of something that went wrong.
    #[must_use]
    pub fn fault(&self, cause: DaemonFault) -> DaemonError {
        DaemonError {
            socket: self.socket.clone(),
            cause,
        }
    }

    /// Puts a call whose reply has at most as many bytes as that of a login. One that the daemon is too busy for is put again.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub fn ask<T>(
        &self,
        request: &[u8],
        read: impl Fn(&[u8]) -> Result<T, ReplyError>,
    ) -> Result<T, DaemonError> {
        self.ask_with_heartbeat(request, read, &mut || ())
    }

    /// [`DaemonClient::ask`] for a process that holds a user's lock: calls `heartbeat` while it waits.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub fn ask_with_heartbeat<T>(
        &self,
        request: &[u8],
        read: impl Fn(&[u8]) -> Result<T, ReplyError>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<T, DaemonError> {
        let (_, answer) = self.put(request, MessageBuffer::default, read, heartbeat)?;
        Ok(answer)
    }

    /// Puts a call that changes something, as [`DaemonClient::ask`] does. The connection stays: a device that waits for a code lives
    /// in it alone, and ends with it.
    ///
    /// # Errors
    /// [`DaemonError`]. Where the call had a proof the change may have been made.
    pub fn converse<T>(
        &self,
        request: &[u8],
        read: impl Fn(&[u8]) -> Result<T, ReplyError>,
    ) -> Result<(HeldConnection, T), DaemonError> {
        let (connection, answer) =
            self.put(request, MessageBuffer::of_long_replies, read, &mut || ())?;
        let client = self.clone();
        Ok((HeldConnection { client, connection }, answer))
    }

    fn put<T>(
        &self,
        request: &[u8],
        buffer: fn() -> MessageBuffer,
        read: impl Fn(&[u8]) -> Result<T, ReplyError>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<(TimedConnection, T), DaemonError> {
        let end = clock::monotonic() + self.patience;
        let mut pause = PAUSE;
        loop {
            let connection = self.connect(end);
            let answer = connection.and_then(|connection| {
                let reply = exchange(&connection, request, buffer(), heartbeat)?;
                let answer = read(&reply).map_err(DaemonFault::Reply)?;
                Ok((connection, answer))
            });
            let next = clock::monotonic() + pause;
            match answer {
                // A daemon that is busy has looked at nothing.
                Err(DaemonFault::Reply(ReplyError::Service(ServiceError::Busy)))
                    if next < end && self.busy == BusyAnswer::Again =>
                {
                    clock::sleep_until(next);
                    pause *= 2;
                }
                other => {
                    return other.map_err(|cause| self.fault(cause));
                }
            }
        }
    }

    /// A connection to the daemon, which root runs.
    fn connect(&self, end: Duration) -> Result<TimedConnection, DaemonFault> {
        let connection = TimedConnection::open(&self.socket, end).map_err(DaemonFault::Connect)?;
        let server = connection.listener().map_err(|_| DaemonFault::Closed)?;
        if server.uid != 0 {
            return Err(DaemonFault::NotRoot(server.uid));
        }
        Ok(connection)
    }
}

/// A connection to the daemon, held from one call to the next.
pub struct HeldConnection {
    client: DaemonClient,
    connection: TimedConnection,
}

impl HeldConnection {
    /// Puts the next call, once: what the daemon keeps of this connection ends with it.
    ///
    /// # Errors
    /// [`DaemonError`], after which it is unknown what came of the call.
    pub fn ask<T>(
        &mut self,
        request: &[u8],
        read: impl Fn(&[u8]) -> Result<T, ReplyError>,
    ) -> Result<T, DaemonError> {
        self.connection.prolong(clock::monotonic() + PATIENCE);
        let reply = exchange(
            &self.connection,
            request,
            MessageBuffer::of_long_replies(),
            &mut || (),
        );
        let answer = reply.and_then(|reply| read(&reply).map_err(DaemonFault::Reply));
        answer.map_err(|cause| self.client.fault(cause))
    }
}

/// One request and its reply.
fn exchange(
    connection: &TimedConnection,
    request: &[u8],
    buffer: MessageBuffer,
    heartbeat: LockHeartbeat<'_>,
) -> Result<Vec<u8>, DaemonFault> {
    match connection.send(request) {
        Ok(()) => receive(connection, buffer, heartbeat),
        // One that is busy says so and closes, without reading.
        Err(Errno::PIPE) => receive(connection, buffer, heartbeat).map_err(|fault| match fault {
            DaemonFault::Closed => DaemonFault::Ended,
            other => other,
        }),
        Err(errno) => Err(DaemonFault::Lost(errno)),
    }
}

fn receive(
    connection: &TimedConnection,
    mut buffer: MessageBuffer,
    heartbeat: LockHeartbeat<'_>,
) -> Result<Vec<u8>, DaemonFault> {
    let mut room = [0; 1024];
    loop {
        if let Some(message) = buffer
            .message()
            .map_err(|_| DaemonFault::Reply(ReplyError::Malformed))?
        {
            return Ok(message);
        }
        let wanted = buffer.room().min(room.len());
        let part = room.get_mut(..wanted).unwrap_or_default();
        let count = connection.receive(part, heartbeat);
        let count = count.map_err(DaemonFault::Lost)?;
        if count == 0 {
            return Err(DaemonFault::Closed);
        }
        buffer.push(part.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_is_no_reason_to_enable_the_socket() {
        let client = DaemonClient::new(Path::new("/run/x"), "alice");
        let hint = |errno| client.fault(DaemonFault::Connect(errno)).hint();
        assert!(hint(Errno::CONNREFUSED).starts_with("systemctl enable"));
        assert!(hint(Errno::NOENT).starts_with("systemctl enable"));
        assert!(hint(Errno::AGAIN).starts_with("journalctl"));
    }
}
