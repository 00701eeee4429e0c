//! Connections that have said nothing yet: one thread waits for all of them, so that each costs an entry, and no thread.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use twofactor_store::sys::clock;
use twofactor_store::sys::peer_process::PeerOrigin;
use twofactor_store::sys::socket::PeerCredentials;

use crate::connection_place::ConnectionPlace;

/// Limit on the events that are taken at once. Those that are left come first the next time (epoll_wait(2)).
const EVENTS: usize = 64;

/// Numbers of what is no connection; connections have small ones.
const LISTENING: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// An admitted connection.
pub struct AcceptedConnection {
    /// The socket.
    pub stream: Arc<UnixStream>,
    /// The process that connected.
    pub peer: PeerCredentials,
    /// Its origin, where the kernel could not prove later that it is that of this process.
    pub origin: Option<PeerOrigin>,
    /// Its place.
    pub place: ConnectionPlace,
}

/// Result of one look at a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionNews {
    /// Bytes have arrived.
    Spoken,
    /// Nothing has arrived.
    Silent,
    /// It is closed, and no byte came before that.
    Ended,
}

impl AcceptedConnection {
    /// Looks at the connection, without taking anything from it.
    pub fn news(&self) -> ConnectionNews {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(&self.stream, &mut [0_u8; 1], flags) {
            Ok((_, 0)) => ConnectionNews::Ended,
            Ok(_) => ConnectionNews::Spoken,
            Err(Errno::AGAIN | Errno::INTR) => ConnectionNews::Silent,
            Err(_) => ConnectionNews::Ended,
        }
    }
}

/// News of the sockets that are waited for.
#[derive(Default)]
pub struct SocketNews {
    /// There are connections to accept.
    pub is_called: bool,
    /// The order to stop has come.
    pub is_stopped: bool,
    /// The connections that have spoken.
    pub spoken: Vec<AcceptedConnection>,
}

/// The silent connections, and the sockets beside them that are waited for.
pub struct SilentConnections {
    epoll: OwnedFd,
    /// By number, so in the order in which they were accepted.
    waiting: BTreeMap<u64, (AcceptedConnection, Duration)>,
    events: Vec<Event>,
}

impl SilentConnections {
    /// None yet, beside a listening socket and the order to stop.
    ///
    /// # Errors
    /// When the kernel has no room.
    pub fn beside(listening: impl AsFd, stop: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let watch = |socket, number| {
            let data = EventData::new_u64(number);
            epoll::add(&epoll, socket, data, EventFlags::IN)
        };
        watch(listening.as_fd(), LISTENING)?;
        watch(stop.as_fd(), STOP)?;
        Ok(Self {
            epoll,
            waiting: BTreeMap::new(),
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Waits for connections alone from now on.
    pub fn forget_others(&self, listening: impl AsFd, stop: impl AsFd) {
        let _ = epoll::delete(&self.epoll, listening);
        let _ = epoll::delete(&self.epoll, stop);
    }

    /// Adds a connection, which is closed at `end` ([`clock::monotonic`]) if it is silent until then. Later ones have later ends.
    ///
    /// # Errors
    /// The connection, where the kernel has no room for it.
    pub fn add(
        &mut self,
        connection: AcceptedConnection,
        end: Duration,
    ) -> Result<(), AcceptedConnection> {
        let number = connection.place.number();
        let data = EventData::new_u64(number);
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        if epoll::add(&self.epoll, &connection.stream, data, flags).is_err() {
            return Err(connection);
        }
        self.waiting.insert(number, (connection, end));
        Ok(())
    }

    /// Closes the connections whose end has come. Those that have spoken in time are returned: where this process did not run for
    /// a while, their messages and their end are seen at once.
    pub fn close_late(&mut self, now: Duration) -> Vec<AcceptedConnection> {
        let mut spoken = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && first.get().1 <= now
        {
            let (connection, _) = first.remove();
            if connection.news() == ConnectionNews::Spoken {
                spoken.push(connection);
            }
        }
        spoken
    }

    /// Closes a connection that has lost its place. False if it is not among these: it has spoken before.
    pub fn close(&mut self, number: u64) -> bool {
        self.waiting.remove(&number).is_some()
    }

    /// The end of the connection that has the first one.
    pub fn first_end(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|(_, (_, end))| *end)
    }

    /// Waits until something happens, or until `end` ([`clock::monotonic`]). Connections that have ended are closed.
    ///
    /// # Errors
    /// When the kernel cannot wait.
    pub fn wait(&mut self, end: Option<Duration>) -> io::Result<SocketNews> {
        let left = end.map(|end| timespec(end.saturating_sub(clock::monotonic())));
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut news = SocketNews::default();
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match event.data.u64() {
                LISTENING => news.is_called = true,
                STOP => news.is_stopped = true,
                number => news.spoken.extend(self.taken(number)),
            }
        }
        self.events = events;
        Ok(news)
    }

    /// Takes a connection out, if it has spoken; closes one that has ended.
    fn taken(&mut self, number: u64) -> Option<AcceptedConnection> {
        let (connection, _) = self.waiting.remove(&number)?;
        // A thread of its own waits for one that the kernel has called by mistake.
        (connection.news() != ConnectionNews::Ended).then_some(connection)
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests;
