//! Unix sockets: connections that neither wait for ever nor send a signal, and who is at the other end.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

use super::clock;
use super::lock_heartbeat::{INTERVAL, LockHeartbeat};

/// Less time than this is none.
const SHORTEST: Duration = Duration::from_millis(1);

/// The process at the other end of a connection when it connected; at the end that connected, the one that listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its effective uid.
    pub uid: u32,
    /// Its process id; 0 where that cannot be told in this namespace of processes.
    pub pid: i32,
}

/// The process at the other end (SO_PEERCRED in unix(7)).
///
/// # Errors
/// When the kernel does not tell.
pub fn peer_credentials(socket: impl AsFd) -> Result<PeerCredentials> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: the descriptor is open, and the pointers are valid for as many bytes as `len` says (getsockopt(2)).
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    };
    if result != 0 {
        return Err(Error::last_os_error());
    }
    Ok(PeerCredentials {
        uid: credentials.uid,
        pid: credentials.pid,
    })
}

/// A connection that is used until one moment of [`clock::monotonic`].
pub struct TimedConnection {
    socket: OwnedFd,
    end: Duration,
}

impl TimedConnection {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// The error of connect(2); [`Errno::AGAIN`] when too many others wait for all of the time.
    pub fn open(path: &Path, end: Duration) -> std::result::Result<Self, Errno> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let connection = Self { socket, end };
        let address = SocketAddrUnix::new(path)?;
        // connect(2) waits as long as send(2) may while the backlog is full, and for ever without a limit.
        connection.until_end(Timeout::Send, || connect(&connection.socket, &address))?;
        Ok(connection)
    }

    /// Goes on until another moment, for the next message.
    pub const fn prolong(&mut self, end: Duration) {
        self.end = end;
    }

    /// The process that listened for this connection.
    ///
    /// # Errors
    /// As for [`peer_credentials`].
    pub fn listener(&self) -> Result<PeerCredentials> {
        peer_credentials(&self.socket)
    }

    /// Sends all of `message`, without a signal where the other end is closed (MSG_NOSIGNAL): it would end the program that
    /// this library is loaded into.
    ///
    /// # Errors
    /// The error of send(2).
    pub fn send(&self, message: &[u8]) -> std::result::Result<(), Errno> {
        let mut left = message;
        while !left.is_empty() {
            let sent = self.until_end(Timeout::Send, || {
                send(&self.socket, left, SendFlags::NOSIGNAL)
            })?;
            left = left.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Receives bytes; how many there are, 0 when the other end is closed. Calls `heartbeat` from time to time while it waits.
    ///
    /// # Errors
    /// The error of recv(2); [`Errno::AGAIN`] when time is over.
    pub fn receive(
        &self,
        room: &mut [u8],
        heartbeat: LockHeartbeat<'_>,
    ) -> std::result::Result<usize, Errno> {
        loop {
            let received = self.tried(Timeout::Recv, INTERVAL, || {
                recv(&self.socket, &mut *room, RecvFlags::empty())
            });
            match received {
                Err(Errno::AGAIN) if !self.is_over() => heartbeat(),
                other => return other.map(|(_, received)| received),
            }
        }
    }

    /// Makes a call again that a signal has interrupted, each time with what is left of the time.
    fn until_end<T>(
        &self,
        what: Timeout,
        call: impl FnMut() -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        self.tried(what, Duration::MAX, call)
    }

    /// As [`Self::until_end`]; each call waits at most for `longest`.
    fn tried<T>(
        &self,
        what: Timeout,
        longest: Duration,
        mut call: impl FnMut() -> std::result::Result<T, Errno>,
    ) -> std::result::Result<T, Errno> {
        loop {
            self.limit(what, longest)?;
            match call() {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }

    fn limit(&self, what: Timeout, longest: Duration) -> std::result::Result<(), Errno> {
        let left = self.left();
        // A timeout of zero would be none.
        if left < SHORTEST {
            return Err(Errno::AGAIN);
        }
        set_socket_timeout(&self.socket, what, Some(left.min(longest)))
    }

    fn is_over(&self) -> bool {
        self.left() < SHORTEST
    }

    fn left(&self) -> Duration {
        self.end.saturating_sub(clock::monotonic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    fn soon() -> Duration {
        clock::monotonic() + Duration::from_secs(20)
    }

    fn listening() -> (
        crate::testing::ScratchStore,
        UnixListener,
        std::path::PathBuf,
    ) {
        let scratch = crate::testing::ScratchStore::new();
        let path = scratch.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        (scratch, listener, path)
    }

    #[test]
    fn both_ends_know_each_other() {
        let (_scratch, listener, path) = listening();
        let client = TimedConnection::open(&path, soon()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let own = PeerCredentials {
            uid: rustix::process::geteuid().as_raw(),
            pid: rustix::process::getpid().as_raw_nonzero().get(),
        };
        assert_eq!(client.listener().unwrap(), own);
        assert_eq!(peer_credentials(&server).unwrap(), own);
        client.send(b"question\0").unwrap();
        let mut room = [0; 9];
        server.read_exact(&mut room).unwrap();
        server.write_all(b"answer\0").unwrap();
        assert_eq!(client.receive(&mut room, &mut || ()), Ok(7));
        drop(server);
        assert_eq!(client.receive(&mut room, &mut || ()), Ok(0));
    }

    #[test]
    fn a_closed_end_is_an_error_and_no_signal() {
        let (_scratch, listener, path) = listening();
        let client = TimedConnection::open(&path, soon()).unwrap();
        drop(listener);
        assert_eq!(client.send(&[b'x'; 4096]), Err(Errno::PIPE));
        assert_eq!(
            TimedConnection::open(&path, soon()).err(),
            Some(Errno::CONNREFUSED)
        );
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        let (_scratch, _listener, path) = listening();
        let end = clock::monotonic() + Duration::from_millis(30);
        let mut client = TimedConnection::open(&path, end).unwrap();
        assert_eq!(client.receive(&mut [0; 9], &mut || ()), Err(Errno::AGAIN));
        assert_eq!(client.send(b"late"), Err(Errno::AGAIN));
        client.prolong(soon());
        assert_eq!(client.send(b"next"), Ok(()));
    }

    #[test]
    fn one_who_waits_shows_life() {
        let (_scratch, listener, path) = listening();
        let client = TimedConnection::open(&path, soon()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut signs = 0;
        let received = client.receive(&mut [0; 9], &mut || {
            signs += 1;
            if signs == 3 {
                server.write_all(b"late").unwrap();
            }
        });
        assert_eq!((received, signs), (Ok(4), 3));
    }

    #[test]
    fn signals_do_not_prolong_the_time() {
        let (_scratch, _listener, path) = listening();
        let end = clock::monotonic() + Duration::from_millis(30);
        let client = TimedConnection::open(&path, end).unwrap();
        let mut calls = 0;
        let interrupted = client.until_end(Timeout::Recv, || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(5));
            Err::<(), _>(Errno::INTR)
        });
        assert_eq!(interrupted, Err(Errno::AGAIN));
        assert!((1..=6).contains(&calls), "{calls}");
    }

    #[test]
    fn a_full_backlog_is_not_waited_for() {
        let (_scratch, listener, path) = listening();
        let end = || clock::monotonic() + Duration::from_millis(30);
        let mut waiting = Vec::new();
        let full = loop {
            match TimedConnection::open(&path, end()) {
                Ok(connection) => waiting.push(connection),
                Err(error) => break error,
            }
        };
        assert_eq!(full, Errno::AGAIN);
        drop(listener);
    }
}
