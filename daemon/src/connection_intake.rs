//! Accepts connections, and keeps those that are silent.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::clock;
use twofactor_store::sys::peer_process::origin_at_once;
use twofactor_store::sys::socket::peer_credentials;

use crate::admission::EvictedConnection;
use crate::connection::PATIENCE;
use crate::connection_table::{self, ConnectionTable, SharedAdmission};
use crate::daemon_log;
use crate::listener::ListeningSocket;
use crate::silent_connections::{
    AcceptedConnection, ConnectionNews, SilentConnections, SocketNews, SocketWaiter,
};
use crate::stop_signal::StopSignal;

/// Result of accepting a connection.
pub enum AcceptEnd {
    /// The connection has sent bytes.
    Spoken(AcceptedConnection),
    /// The connection is kept until it sends something, or was refused.
    Silent,
    /// The kernel gave none, for want of memory or descriptors. No thread is told of the next one before [`ConnectionIntake::resume`].
    Shortage,
}

/// A listening socket with the connections that have not spoken yet.
pub struct ConnectionIntake {
    listening: ListeningSocket,
    stop: StopSignal,
    connections: ConnectionTable,
    silent: SilentConnections,
}

impl ConnectionIntake {
    /// None yet.
    ///
    /// # Errors
    /// When the kernel has no room.
    pub fn new(
        listening: ListeningSocket,
        stop: StopSignal,
        connections: ConnectionTable,
    ) -> io::Result<Self> {
        let silent = SilentConnections::beside(&listening.socket, &stop)?;
        Ok(Self {
            listening,
            stop,
            connections,
            silent,
        })
    }

    /// Handle with which threads wait for events of the sockets.
    pub fn waiter(&self) -> SocketWaiter {
        self.silent.waiter()
    }

    /// True if no connection is open.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// News of the sockets with these numbers.
    ///
    /// # Errors
    /// When the kernel cannot tell of later ones.
    pub fn news(&mut self, called: &[u64]) -> io::Result<SocketNews> {
        self.silent.news(called)
    }

    /// Waits for connections alone from now on, and accepts none.
    pub fn close(&self) {
        self.silent
            .forget_others(&self.listening.socket, &self.stop);
    }

    /// Accepts one connection, after news that there is one.
    ///
    /// # Errors
    /// When the kernel cannot tell of the next one.
    pub fn accept(&mut self) -> io::Result<AcceptEnd> {
        let Ok((stream, _)) = self.listening.socket.accept() else {
            return Ok(AcceptEnd::Shortage);
        };
        let spoken = self.admit(stream);
        self.resume()?;
        Ok(spoken.map_or(AcceptEnd::Silent, AcceptEnd::Spoken))
    }

    /// Has a thread told of the next connection.
    ///
    /// # Errors
    /// When the kernel cannot tell of it.
    pub fn resume(&self) -> io::Result<()> {
        self.silent.await_call(&self.listening.socket)
    }

    /// Admits a connection. Returned if it has spoken.
    fn admit(&mut self, stream: UnixStream) -> Option<AcceptedConnection> {
        let peer = peer_credentials(&stream).ok()?;
        let stream = Arc::new(stream);
        let Ok(SharedAdmission { place, evicted }) = self.connections.admit(peer.uid, &stream)
        else {
            daemon_log::refused(peer.uid, LoginEvent::Busy);
            connection_table::refuse(&stream, ServiceError::Busy);
            return None;
        };
        if let Some(evicted) = evicted {
            self.end(&evicted);
        }
        let connection = AcceptedConnection {
            origin: origin_at_once(&stream, peer),
            stream,
            peer,
            place,
        };
        // Most have: a program asks as soon as it is connected.
        if connection.news() == ConnectionNews::Spoken {
            return Some(connection);
        }
        let end = clock::monotonic() + PATIENCE;
        // A thread waits for one that the kernel has no room for.
        self.silent.add(connection, end).err()
    }

    /// Ends a connection that has lost its place. A silent one is closed at once, so that it is not looked at again; the thread of any
    /// other finds its end where it waits for a message.
    fn end(&mut self, evicted: &EvictedConnection<Arc<UnixStream>>) {
        if !self.silent.close(evicted.number) {
            let _ = evicted.handle.shutdown(Shutdown::Both);
        }
    }
}
