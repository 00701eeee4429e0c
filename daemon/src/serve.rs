//! Serves connections in threads, and ends when there are none, or when told to.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::clock;

use crate::connection_intake::{AcceptEnd, ConnectionIntake};
use crate::connection_table::{self, ConnectionTable};
use crate::daemon_log;
use crate::dispatch::MessageService;
use crate::listener::{ListeningSocket, SocketOrigin};
use crate::notifier;
use crate::silent_connections::{AcceptedConnection, SocketNews, SocketWaiter};
use crate::stop_signal::StopSignal;
use crate::worker;

/// Limit on open files that 512 connections need, each with the files of an attempt.
const OPEN_FILES: u64 = 8192;

/// Limit on threads that wait for connections: one serves programs that ask one after the other, another one is there for those that
/// come meanwhile, and each keeps its stack.
const WAITING_THREADS: usize = 2;

/// Pause after the kernel gave no connection for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Time for which a thread waits for connections where another one does.
const FREE_TIME: Duration = Duration::from_secs(5);

/// Time in which connections that are open at the order to stop may still send: a program connects first, and asks then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Longest time from the order to stop to the end.
const FAREWELL: Duration = Duration::from_secs(8);

/// Pause between two looks whether all connections have ended, or the program of `notify`.
const LOOK: Duration = Duration::from_millis(5);

/// Raises the limit on open files as far as this process may.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        // With fewer descriptors fewer connections are served; that is no reason to serve none.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
}

/// Serves until there was no connection for the time `idle`, or, on a socket that was made here, until it is told to stop. At that order
/// it takes no more connections, and answers those that it has.
///
/// # Errors
/// When epoll(7) fails, or no thread can be made.
pub fn until_idle(
    listening: ListeningSocket,
    idle: Duration,
    stop: StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let idle = match listening.origin {
        SocketOrigin::Inherited => Some(idle),
        SocketOrigin::Made => None,
    };
    let connections = ConnectionTable::default();
    serve((listening, stop), idle, service, connections)
}

/// Serves root's programs until it is told to stop. Each of them is answered, as far as there is room for connections.
///
/// # Errors
/// When epoll(7) fails, or no thread can be made.
pub fn until_stopped(
    listening: ListeningSocket,
    stop: StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let connections = ConnectionTable::of_root();
    serve((listening, stop), None, service, connections)
}

/// Serves in threads, while this one waits for the end.
fn serve(
    (listening, stop): (ListeningSocket, StopSignal),
    idle: Option<Duration>,
    service: Arc<dyn MessageService>,
    connections: ConnectionTable,
) -> io::Result<()> {
    let (ended, end) = mpsc::channel();
    let intake = ConnectionIntake::new(listening, stop, connections.clone())?;
    let server = Arc::new(SocketServer::new(intake, idle, service, ended));
    if !server.begin_waiting() {
        return Err(io::Error::other("no thread can be made"));
    }
    // The threads alone keep it, so that the end of all of them is seen.
    drop(server);
    match end.recv() {
        Ok(Ok(ServingEnd::Idle)) => Ok(()),
        Ok(Ok(ServingEnd::Stopped)) => {
            finish(&connections);
            Ok(())
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("all threads have ended")),
    }
}

/// Waits until what was asked is answered and the program of `notify` has got the changes, and ends the connections that ask nothing.
/// Threads serve meanwhile.
fn finish(connections: &ConnectionTable) {
    let begin = clock::monotonic();
    let ends_by = |end: Duration, is_ended: &dyn Fn() -> bool| {
        while !is_ended() {
            if clock::monotonic() >= end {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    };
    let is_empty = || connections.is_empty();
    if !ends_by(begin + LAST_WORDS, &is_empty) {
        connections.end_reading();
        ends_by(begin + FAREWELL, &is_empty);
    }
    ends_by(begin + FAREWELL, &notifier::is_idle);
    notifier::give_up();
}

/// The reason why no more connections are accepted.
enum ServingEnd {
    /// There was none for long.
    Idle,
    /// The order to stop.
    Stopped,
}

/// A listening socket with the connections that came through it, for all threads. Each of them waits for the next connection that
/// speaks, and serves it: so a call wakes one thread, and waits for no second one. Before it serves, another one waits.
struct SocketServer {
    waiter: SocketWaiter,
    service: Arc<dyn MessageService>,
    state: Mutex<ServerState>,
    ended: Sender<io::Result<ServingEnd>>,
}

struct ServerState {
    intake: ConnectionIntake,
    /// Number of threads that wait for connections.
    waiting: usize,
    /// True once no more connections are accepted.
    is_closed: bool,
    /// Time without a connection after which there is an end.
    idle: Option<Duration>,
    /// Time of the last connection ([`clock::monotonic`]), or of the last look whether the end has come.
    last: Duration,
}

type StateLock<'a> = MutexGuard<'a, ServerState>;
type SpokenConnections = io::Result<Vec<AcceptedConnection>>;

/// A connection for the thread that found it.
struct FoundConnection {
    connection: AcceptedConnection,
    /// True if no other thread waits for the next one.
    is_alone: bool,
}

impl SocketServer {
    /// A server that no thread works for yet.
    fn new(
        intake: ConnectionIntake,
        idle: Option<Duration>,
        service: Arc<dyn MessageService>,
        ended: Sender<io::Result<ServingEnd>>,
    ) -> Self {
        Self {
            waiter: intake.waiter(),
            service,
            state: Mutex::new(ServerState {
                intake,
                waiting: 0,
                is_closed: false,
                idle,
                last: clock::monotonic(),
            }),
            ended,
        }
    }

    /// Has one more thread wait for connections. False where none can be made.
    fn begin_waiting(self: &Arc<Self>) -> bool {
        let server = Arc::clone(self);
        worker::begin(move || server.work(None))
    }

    /// Serves a connection in a thread of its own.
    fn begin(self: &Arc<Self>, connection: AcceptedConnection) {
        let (stream, uid) = (Arc::clone(&connection.stream), connection.peer.uid);
        let server = Arc::clone(self);
        // Where no thread can be made the closure is dropped, and the place with it.
        if !worker::begin(move || server.work(Some(connection))) {
            refuse(uid, &stream);
        }
    }

    /// Serves one connection after the other, until enough others wait for the next one. A panic ends the thread with its connection.
    fn work(self: &Arc<Self>, first: Option<AcceptedConnection>) {
        let mut next = first.or_else(|| self.next());
        while let Some(connection) = next {
            worker::serve(connection, self.service.as_ref());
            next = self.next();
        }
    }

    /// The next connection for this thread; `None` where it is not needed. Another one waits before it is returned: however long
    /// serving takes, it keeps no other client waiting.
    fn next(self: &Arc<Self>) -> Option<AcceptedConnection> {
        let _ended = EndOfPanic(&self.ended);
        loop {
            let FoundConnection {
                connection,
                is_alone,
            } = self.found()?;
            if !is_alone || self.begin_waiting() {
                return Some(connection);
            }
            refuse(connection.peer.uid, &connection.stream);
        }
    }

    /// Waits for a connection that has spoken; `None` where this thread is not needed.
    fn found(self: &Arc<Self>) -> Option<FoundConnection> {
        let mut state = self.locked();
        if state.waiting >= WAITING_THREADS {
            return None;
        }
        state.waiting += 1;
        let free_end = clock::monotonic() + FREE_TIME;
        loop {
            let now = clock::monotonic();
            if state.waiting > 1 && now >= free_end {
                state.waiting -= 1;
                return None;
            }
            if state.is_idle(now) {
                self.close(&mut state, Ok(ServingEnd::Idle));
            }
            let end = state.wait_end(free_end);
            drop(state);
            let called = self.waiter.wait(end);
            let (now_locked, spoken) = self.spoken(called);
            state = now_locked;
            let spoken = match spoken {
                Ok(spoken) => spoken,
                Err(error) => {
                    self.close(&mut state, Err(error));
                    return None;
                }
            };
            let mut spoken = spoken.into_iter();
            if let Some(connection) = spoken.next() {
                state.waiting -= 1;
                let is_alone = state.waiting == 0;
                drop(state);
                spoken.for_each(|other| self.begin(other));
                return Some(FoundConnection {
                    connection,
                    is_alone,
                });
            }
        }
    }

    /// The connections that have spoken, of the sockets with these numbers, and the lock. The pause of a shortage is made without it:
    /// others serve meanwhile.
    fn spoken(&self, called: io::Result<Vec<u64>>) -> (StateLock<'_>, SpokenConnections) {
        let mut state = self.locked();
        let (spoken, is_short) = match called.and_then(|it| self.accepted(&mut state, &it)) {
            Ok(found) => found,
            Err(error) => return (state, Err(error)),
        };
        if !is_short {
            return (state, Ok(spoken));
        }
        drop(state);
        thread::sleep(PAUSE);
        let state = self.locked();
        let resumed = if state.is_closed {
            Ok(())
        } else {
            state.intake.resume()
        };
        (state, resumed.map(|()| spoken))
    }

    /// The connections that have spoken, and true if the kernel had none to give. One connection is accepted: others may have spoken
    /// meanwhile, and come first.
    fn accepted(
        &self,
        state: &mut ServerState,
        called: &[u64],
    ) -> io::Result<(Vec<AcceptedConnection>, bool)> {
        let SocketNews {
            is_called,
            is_stopped,
            mut spoken,
        } = state.intake.news(called)?;
        if state.is_closed {
            return Ok((spoken, false));
        }
        let mut is_short = false;
        if is_stopped {
            self.close(state, Ok(ServingEnd::Stopped));
        } else if is_called {
            match state.intake.accept()? {
                AcceptEnd::Spoken(connection) => spoken.push(connection),
                AcceptEnd::Silent => {}
                AcceptEnd::Shortage => is_short = true,
            }
            state.last = clock::monotonic();
        }
        Ok((spoken, is_short))
    }

    /// Accepts no more connections. Those that wait for accept(2) stay in a socket of systemd, for the next daemon.
    fn close(&self, state: &mut ServerState, end: io::Result<ServingEnd>) {
        state.is_closed = true;
        state.intake.close();
        let _ = self.ended.send(end);
    }

    /// A poisoned lock is used: after a panic under it the daemon ends.
    fn locked(&self) -> StateLock<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerState {
    /// True if there was no connection for long. Otherwise the next look is as much later.
    fn is_idle(&mut self, now: Duration) -> bool {
        let is_late = self.idle.is_some_and(|idle| now >= self.last + idle);
        if !is_late || self.is_closed {
            return false;
        }
        self.last = now;
        self.intake.is_empty() && notifier::is_idle()
    }

    /// The time until which a thread waits that has to go at `free_end` if others wait.
    fn wait_end(&self, free_end: Duration) -> Option<Duration> {
        let idle = self.idle.filter(|_| !self.is_closed);
        let idle_end = idle.map(|idle| self.last + idle);
        let free_end = (self.waiting > 1).then_some(free_end);
        idle_end.into_iter().chain(free_end).min()
    }
}

/// Ends the daemon where a thread panics that is counted as waiting.
struct EndOfPanic<'a>(&'a Sender<io::Result<ServingEnd>>);

impl Drop for EndOfPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self
                .0
                .send(Err(io::Error::other("a thread that accepts has ended")));
        }
    }
}

/// Tells a client that there is no thread for it.
fn refuse(uid: u32, stream: &UnixStream) {
    daemon_log::refused(uid, LoginEvent::NoThread);
    connection_table::refuse(stream, ServiceError::Busy);
}

#[cfg(test)]
mod tests;
