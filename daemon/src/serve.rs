//! Connections come, each gets a thread, and without any the daemon ends.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::socket::peer_credentials;
use twofactor_store::sys::{accounts, wipe};

use crate::admission::{Admission, OpenConnections};
use crate::connection;
use crate::dispatch::{Caller, UserFactors};
use crate::listener::{ListeningSocket, SocketOrigin};
use crate::log;

/// Without a connection for so long the daemon ends, where systemd starts it again.
const IDLE: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// Stack of a thread: an attempt needs a tenth of it, a name service of the machine may need more.
const STACK: usize = 512 * 1024;

/// Open files that 512 connections need, each with the files of an attempt.
const OPEN_FILES: u64 = 8192;

/// How long the daemon waits where the kernel gives it no connection, for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The open connections, as all threads know them.
type Connections = Arc<Mutex<OpenConnections>>;

/// Raises the limit on open files as far as this process may.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        // What cannot be served for want of descriptors is refused; that is no reason not to serve the rest.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
}

/// Serves until there was no connection for 30 s; for ever on a socket that was made here.
///
/// # Errors
/// When the kernel does not let it wait.
pub fn until_idle<F>(listening: &ListeningSocket, factors: F) -> io::Result<()>
where
    F: UserFactors + Send + Sync + 'static,
{
    let factors = Arc::new(factors);
    let connections = Connections::default();
    let timeout = match listening.origin {
        SocketOrigin::Inherited => Some(&IDLE),
        SocketOrigin::Made => None,
    };
    loop {
        let mut waited = [PollFd::new(&listening.socket, PollFlags::IN)];
        match poll(&mut waited, timeout) {
            Ok(0) if locked(&connections).is_empty() => return Ok(()),
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match listening.socket.accept() {
            Ok((stream, _)) => begin(stream, &connections, &factors),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Serves a connection in a thread of its own, if it is admitted.
fn begin<F>(stream: UnixStream, connections: &Connections, factors: &Arc<F>)
where
    F: UserFactors + Send + Sync + 'static,
{
    let Ok(peer) = peer_credentials(&stream) else {
        return;
    };
    let caller = Caller {
        uid: peer.uid,
        pid: peer.pid,
    };
    let admission = locked(connections).admit(caller.uid);
    if admission == Admission::Busy {
        log::refused(caller.uid, LoginEvent::Busy);
        connection::refuse(&stream, ServiceError::Busy);
        return;
    }
    // Where no thread can be made the closure is dropped, and the place with it.
    let place = ConnectionPlace {
        connections: Arc::clone(connections),
        uid: caller.uid,
        is_stranger: admission == Admission::Stranger,
    };
    let factors = Arc::clone(factors);
    let serve = move || {
        let mut place = place;
        if place.is_stranger && !place.recognize() {
            connection::refuse(&stream, ServiceError::NotYours);
            return;
        }
        connection::serve(stream, caller, factors.as_ref());
        wipe::stack();
    };
    let thread = thread::Builder::new().stack_size(STACK);
    if thread.spawn(serve).is_err() {
        log::refused(caller.uid, LoginEvent::NoThread);
    }
}

/// The place of a connection among all; dropped with it, also in a panic.
struct ConnectionPlace {
    connections: Connections,
    uid: u32,
    is_stranger: bool,
}

impl ConnectionPlace {
    /// Looks up the account of the uid. False when there is none, or that cannot be told.
    fn recognize(&mut self) -> bool {
        if !matches!(accounts::by_uid(self.uid), Ok(Some(_))) {
            log::refused(self.uid, LoginEvent::NoAccount);
            return false;
        }
        locked(&self.connections).recognize(self.uid);
        self.is_stranger = false;
        true
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut open = locked(&self.connections);
        if self.is_stranger {
            open.reject(self.uid);
        } else {
            open.close(self.uid);
        }
    }
}

/// Counters are right also where a thread panicked while it held them: each change is one call.
fn locked(connections: &Connections) -> MutexGuard<'_, OpenConnections> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}
