//! Accepts connections, each in a thread of its own, and ends when there are none, or when told to.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::peer_process::{PeerOrigin, peer_origin};
use twofactor_store::sys::socket::peer_credentials;
use twofactor_store::sys::{clock, wipe};

use crate::connection;
use crate::dispatch::MessageService;
use crate::listener::{ListeningSocket, SocketOrigin};
use crate::log;
use crate::notifier;
use crate::place::{self, ConnectionPlace, SharedConnections};
use crate::stop_signal::StopSignal;
use crate::user_factors::CallingProcess;

/// Stack of a thread. The kernel assigns only used pages; an attempt needs a fraction, but a name service may need
/// as much as usual threads have.
const STACK: usize = 2 * 1024 * 1024;

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
/// When poll(2) fails.
pub fn until_idle(
    listening: &ListeningSocket,
    idle: Duration,
    stop: &StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let idle = Timespec {
        tv_sec: i64::try_from(idle.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    let timeout = match listening.origin {
        SocketOrigin::Inherited => Some(&idle),
        SocketOrigin::Made => None,
    };
    serve(
        listening,
        stop,
        &service,
        &SharedConnections::default(),
        timeout,
    )
}

/// Serves root's programs until it is told to stop. Each of them is answered, as far as there is room for connections.
///
/// # Errors
/// When poll(2) fails.
pub fn until_stopped(
    listening: &ListeningSocket,
    stop: &StopSignal,
    service: Arc<dyn MessageService>,
) -> io::Result<()> {
    let connections = SharedConnections::of_root();
    serve(listening, stop, &service, &connections, None)
}

fn serve(
    listening: &ListeningSocket,
    stop: &StopSignal,
    service: &Arc<dyn MessageService>,
    connections: &SharedConnections,
    timeout: Option<&Timespec>,
) -> io::Result<()> {
    loop {
        let mut waited = [
            PollFd::new(&listening.socket, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut waited, timeout) {
            Ok(0) if connections.is_empty() && notifier::is_idle() => return Ok(()),
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [_, stopped] = &waited;
        if !stopped.revents().is_empty() {
            // Those that wait for accept(2) stay in a socket of systemd, for the next daemon.
            finish(connections);
            return Ok(());
        }
        match listening.socket.accept() {
            Ok((stream, _)) => begin(stream, connections, service),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Waits until what was asked is answered and the program of `notify` has got the changes, and ends the connections that ask
/// nothing.
fn finish(connections: &SharedConnections) {
    let begin = clock::monotonic();
    let gone = || connections.is_empty();
    if !comes_true(&gone, begin + LAST_WORDS) {
        connections.end_reading();
        comes_true(&gone, begin + FAREWELL);
    }
    comes_true(&notifier::is_idle, begin + FAREWELL);
    notifier::give_up();
}

/// True as soon as something is true, false if it is not at a time of the monotonic clock.
fn comes_true(is_true: &dyn Fn() -> bool, end: Duration) -> bool {
    while !is_true() {
        if clock::monotonic() >= end {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// Serves a connection in a thread of its own, if it is admitted.
fn begin(stream: UnixStream, connections: &SharedConnections, service: &Arc<dyn MessageService>) {
    let Ok(peer) = peer_credentials(&stream) else {
        return;
    };
    let PeerOrigin { session, terminal } = peer_origin(&stream, peer);
    let caller = CallingProcess {
        uid: peer.uid,
        pid: peer.pid,
        session,
        terminal,
    };
    let stream = Arc::new(stream);
    let Ok(place) = connections.admit(caller.uid, &stream) else {
        log::refused(caller.uid, LoginEvent::Busy);
        place::refuse(&stream, ServiceError::Busy);
        return;
    };
    let service = Arc::clone(service);
    let served = Arc::clone(&stream);
    // Where no thread can be made the closure is dropped, and the place with it.
    let serve = move || {
        let _wiped = StackWipe;
        converse(&served, caller, service.as_ref(), place);
    };
    let thread = thread::Builder::new().stack_size(STACK);
    if thread.spawn(serve).is_err() {
        log::refused(caller.uid, LoginEvent::NoThread);
        place::refuse(&stream, ServiceError::Busy);
    }
}

/// The work of a connection, below the stack frame that wipes its stack.
#[inline(never)]
fn converse(
    stream: &UnixStream,
    caller: CallingProcess,
    service: &dyn MessageService,
    place: ConnectionPlace,
) {
    connection::serve(stream, caller, service, &place);
}

/// Wipes the stack below when it is dropped, also in a panic.
struct StackWipe;

impl Drop for StackWipe {
    fn drop(&mut self) {
        wipe::stack();
    }
}
