//! Connections that have sent nothing yet. They are waited for together, so that each costs an entry, and no thread.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use twofactor_store::sys::clock;
use twofactor_store::sys::peer_process::PeerOrigin;
use twofactor_store::sys::socket::PeerCredentials;

use crate::connection_table::ConnectionPlace;

/// Limit on the events that are taken at once. Those that are left come first the next time (epoll_wait(2)).
const EVENTS: usize = 64;

/// Each event wakes one thread.
const ONE_THREAD: EventFlags = EventFlags::IN.union(EventFlags::ONESHOT);

/// Numbers of what is no connection; connections have small ones.
const LISTENING: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
const TIMER: u64 = u64::MAX - 2;

/// An admitted connection.
pub struct AcceptedConnection {
    /// The socket.
    pub stream: Arc<UnixStream>,
    /// The process that connected.
    pub peer: PeerCredentials,
    /// Its origin, if the kernel could not prove later that it is that of this process.
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
    /// The connection is closed, and no byte came before that.
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

/// Handle with which threads wait for all sockets (epoll(7)). An event of a connection or of the listening socket wakes one thread.
#[derive(Clone)]
pub struct SocketWaiter(Arc<OwnedFd>);

impl SocketWaiter {
    /// Waits until something happens, or until `end` ([`clock::monotonic`]). The numbers of the sockets with news, for
    /// [`SilentConnections::news`].
    ///
    /// # Errors
    /// When the kernel cannot wait.
    pub fn wait(&self, end: Option<Duration>) -> io::Result<Vec<u64>> {
        let left = end.map(|end| timespec(end.saturating_sub(clock::monotonic())));
        let mut room = [MaybeUninit::<Event>::uninit(); EVENTS];
        match epoll::wait(&self.0, &mut room, left.as_ref()) {
            Ok((events, _)) => Ok(events.iter().map(|event| event.data.u64()).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The silent connections, and the sockets beside them that are waited for.
pub struct SilentConnections {
    epoll: SocketWaiter,
    /// The timer (timerfd_create(2)), which expires when the oldest silent connection has to be closed, or before.
    timer: OwnedFd,
    is_timer_set: bool,
    /// By number, so in the order in which they were accepted.
    waiting: BTreeMap<u64, (AcceptedConnection, Duration)>,
}

impl SilentConnections {
    /// None yet, beside a listening socket and the order to stop.
    ///
    /// # Errors
    /// When the kernel has no room.
    pub fn beside(listening: impl AsFd, stop: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let watch = |socket, number, flags| {
            let data = EventData::new_u64(number);
            epoll::add(&epoll, socket, data, flags)
        };
        watch(listening.as_fd(), LISTENING, ONE_THREAD)?;
        watch(stop.as_fd(), STOP, EventFlags::IN)?;
        watch(timer.as_fd(), TIMER, EventFlags::IN)?;
        Ok(Self {
            epoll: SocketWaiter(Arc::new(epoll)),
            timer,
            is_timer_set: false,
            waiting: BTreeMap::new(),
        })
    }

    /// Handle with which threads wait.
    pub fn waiter(&self) -> SocketWaiter {
        self.epoll.clone()
    }

    /// Has the next connection on the listening socket wake one thread. After that event no thread is woken until the next call,
    /// so that no two threads accept the same connection.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn await_call(&self, listening: impl AsFd) -> io::Result<()> {
        let data = EventData::new_u64(LISTENING);
        Ok(epoll::modify(&self.epoll.0, listening, data, ONE_THREAD)?)
    }

    /// Waits for connections alone from now on.
    pub fn forget_others(&self, listening: impl AsFd, stop: impl AsFd) {
        let _ = epoll::delete(&self.epoll.0, listening);
        let _ = epoll::delete(&self.epoll.0, stop);
    }

    /// Adds a connection, which is closed at `end` ([`clock::monotonic`]) if it is silent until then. Connections that are added
    /// later must have later ends.
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
        // Later connections have later ends: a timer that is set expires early enough.
        let is_timed = self.is_timer_set || self.set_timer(end).is_ok();
        if !is_timed || epoll::add(&self.epoll.0, &connection.stream, data, ONE_THREAD).is_err() {
            return Err(connection);
        }
        self.waiting.insert(number, (connection, end));
        Ok(())
    }

    /// Sets the timer to a time ([`clock::monotonic`]), in place of the time before.
    fn set_timer(&mut self, end: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: timespec(end),
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        self.is_timer_set = true;
        Ok(())
    }

    /// Closes the connections whose end has come by `now`, and sets the timer for the next one. Those that have spoken are returned.
    fn rung(&mut self, now: Duration) -> io::Result<Vec<AcceptedConnection>> {
        let spoken = self.close_late(now);
        // A time of zero stops it.
        self.set_timer(self.first_end().unwrap_or_default())?;
        self.is_timer_set = !self.waiting.is_empty();
        Ok(spoken)
    }

    /// Closes the connections whose end has come. Returns those that have sent something in time: if this process did not run for
    /// a while, it sees their messages and their end at once.
    fn close_late(&mut self, now: Duration) -> Vec<AcceptedConnection> {
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
    fn first_end(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|(_, (_, end))| *end)
    }

    /// News of the sockets with these numbers. Connections that have ended are closed, and those whose end has come.
    ///
    /// # Errors
    /// When the timer cannot be set.
    pub fn news(&mut self, called: &[u64]) -> io::Result<SocketNews> {
        let mut news = SocketNews::default();
        for number in called {
            match *number {
                LISTENING => news.is_called = true,
                STOP => news.is_stopped = true,
                TIMER => news.spoken.extend(self.rung(clock::monotonic())?),
                number => news.spoken.extend(self.taken(number)),
            }
        }
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
