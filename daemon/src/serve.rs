//! Accepts connections, gives those that have spoken to threads of their own, and ends when there are none, or when told to.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::clock;
use twofactor_store::sys::peer_process::origin_at_once;
use twofactor_store::sys::socket::peer_credentials;

use crate::admission::EvictedConnection;
use crate::connection::PATIENCE;
use crate::connection_place::{self, SharedAdmission, SharedConnections};
use crate::dispatch::MessageService;
use crate::listener::{ListeningSocket, SocketOrigin};
use crate::log;
use crate::notifier;
use crate::silent_connections::{AcceptedConnection, ConnectionNews, SilentConnections};
use crate::stop_signal::StopSignal;
use crate::worker::ConnectionThreads;

/// Limit on open files that 512 connections need, each with the files of an attempt.
const OPEN_FILES: u64 = 8192;

/// Pause after the kernel gave no connection for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(50);

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
/// When epoll(7) fails.
pub fn until_idle(
    listening: &ListeningSocket,
    idle: Duration,
    stop: &StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let idle = match listening.origin {
        SocketOrigin::Inherited => Some(idle),
        SocketOrigin::Made => None,
    };
    let connections = SharedConnections::default();
    SocketServer::new(listening, stop, service, connections)?.serve(idle)
}

/// Serves root's programs until it is told to stop. Each of them is answered, as far as there is room for connections.
///
/// # Errors
/// When epoll(7) fails.
pub fn until_stopped(
    listening: &ListeningSocket,
    stop: &StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let connections = SharedConnections::of_root();
    SocketServer::new(listening, stop, service, connections)?.serve(None)
}

/// A listening socket with the connections that came through it.
struct SocketServer<'a> {
    listening: &'a ListeningSocket,
    stop: &'a StopSignal,
    threads: ConnectionThreads,
    connections: SharedConnections,
    silent: SilentConnections,
}

impl<'a> SocketServer<'a> {
    fn new(
        listening: &'a ListeningSocket,
        stop: &'a StopSignal,
        service: Arc<dyn MessageService>,
        connections: SharedConnections,
    ) -> io::Result<Self> {
        let silent = SilentConnections::beside(&listening.socket, stop)?;
        Ok(Self {
            listening,
            stop,
            threads: ConnectionThreads::of(service),
            connections,
            silent,
        })
    }

    fn serve(mut self, idle: Option<Duration>) -> io::Result<()> {
        let mut last = clock::monotonic();
        loop {
            let idle_end = idle.map(|idle| last + idle);
            if idle_end.is_some_and(|end| clock::monotonic() >= end) {
                if self.connections.is_empty() && notifier::is_idle() {
                    return Ok(());
                }
                last = clock::monotonic();
                continue;
            }
            let (is_called, is_stopped) = self.wait(idle_end)?;
            if is_stopped {
                // Those that wait for accept(2) stay in a socket of systemd, for the next daemon.
                return self.finish();
            }
            if is_called {
                self.accept();
                last = clock::monotonic();
            }
        }
    }

    /// Waits until something happens, at most until `end`: true if there are connections to accept, and if the order to stop has come.
    /// Connections that have spoken get their threads.
    fn wait(&mut self, end: Option<Duration>) -> io::Result<(bool, bool)> {
        for connection in self.silent.close_late(clock::monotonic()) {
            self.threads.begin(connection);
        }
        let end = self.silent.first_end().into_iter().chain(end).min();
        let news = self.silent.wait(end)?;
        for connection in news.spoken {
            self.threads.begin(connection);
        }
        Ok((news.is_called, news.is_stopped))
    }

    /// Accepts one connection: others may have spoken meanwhile, and come first.
    fn accept(&mut self) {
        match self.listening.socket.accept() {
            Ok((stream, _)) => self.begin(stream),
            Err(_) => thread::sleep(PAUSE),
        }
    }

    /// Serves a connection if it is admitted.
    fn begin(&mut self, stream: UnixStream) {
        let Ok(peer) = peer_credentials(&stream) else {
            return;
        };
        let stream = Arc::new(stream);
        let Ok(SharedAdmission { place, evicted }) = self.connections.admit(peer.uid, &stream)
        else {
            log::refused(peer.uid, LoginEvent::Busy);
            connection_place::refuse(&stream, ServiceError::Busy);
            return;
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
            return self.threads.begin(connection);
        }
        let end = clock::monotonic() + PATIENCE;
        if let Err(connection) = self.silent.add(connection, end) {
            self.threads.begin(connection);
        }
    }

    /// Ends a connection that has lost its place. A silent one is closed at once, so that it is not looked at again; the thread of any
    /// other finds its end where it waits for a message.
    fn end(&mut self, evicted: &EvictedConnection<Arc<UnixStream>>) {
        if !self.silent.close(evicted.number) {
            let _ = evicted.handle.shutdown(Shutdown::Both);
        }
    }

    /// Waits until what was asked is answered and the program of `notify` has got the changes, and ends the connections that ask
    /// nothing.
    fn finish(mut self) -> io::Result<()> {
        let begin = clock::monotonic();
        self.silent.forget_others(&self.listening.socket, self.stop);
        if !self.answers_all(begin + LAST_WORDS)? {
            self.connections.end_reading();
            self.answers_all(begin + FAREWELL)?;
        }
        while !notifier::is_idle() && clock::monotonic() < begin + FAREWELL {
            thread::sleep(LOOK);
        }
        notifier::give_up();
        Ok(())
    }

    /// Serves the connections that are open. True as soon as there is none, false if there are some at a time of the monotonic clock.
    fn answers_all(&mut self, end: Duration) -> io::Result<bool> {
        while !self.connections.is_empty() {
            let now = clock::monotonic();
            if now >= end {
                return Ok(false);
            }
            self.wait(Some(end.min(now + LOOK)))?;
        }
        Ok(true)
    }
}
