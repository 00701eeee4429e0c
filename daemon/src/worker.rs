//! The threads of connections that have spoken, each of which has one until it ends.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::peer_process::peer_origin;
use twofactor_store::sys::wipe;

use crate::connection;
use crate::connection_memory::ConnectionMemory;
use crate::connection_place::{self, ConnectionPlace};
use crate::dispatch::MessageService;
use crate::log;
use crate::silent_connections::AcceptedConnection;
use crate::user_factors::CallingProcess;

/// Stack of a thread. The kernel assigns only used pages; an attempt needs a fraction, but a name service may need
/// as much as usual threads have.
const STACK: usize = 2 * 1024 * 1024;

/// Limit on threads that wait for a next connection: one serves programs that ask one after the other, and each keeps its stack.
const FREE_THREADS: usize = 1;

/// Time for which a thread waits for a next connection.
const FREE_TIME: Duration = Duration::from_secs(5);

/// The threads of a service. One that is free takes the next connection, which saves the making of a thread.
pub struct ConnectionThreads(Arc<SharedWork>);

struct SharedWork {
    service: Arc<dyn MessageService>,
    waiting: Mutex<WaitingWork>,
    called: Condvar,
}

/// No more connections than free threads.
#[derive(Default)]
struct WaitingWork {
    connections: VecDeque<AcceptedConnection>,
    free_threads: usize,
}

impl ConnectionThreads {
    /// None yet.
    pub fn of(service: Arc<dyn MessageService>) -> Self {
        Self(Arc::new(SharedWork {
            service,
            waiting: Mutex::default(),
            called: Condvar::new(),
        }))
    }

    /// Serves a connection in a free thread, or in one of its own.
    pub fn begin(&self, connection: AcceptedConnection) {
        let Some(connection) = self.0.handed_over(connection) else {
            return;
        };
        let stream = Arc::clone(&connection.stream);
        let uid = connection.peer.uid;
        let work = Arc::clone(&self.0);
        // Where no thread can be made the closure is dropped, and the place with it.
        let begun = thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || work.serve_all(connection));
        if begun.is_err() {
            log::refused(uid, LoginEvent::NoThread);
            connection_place::refuse(&stream, ServiceError::Busy);
        }
    }
}

impl SharedWork {
    /// Leaves a connection to a free thread. Returned where there is none.
    fn handed_over(&self, connection: AcceptedConnection) -> Option<AcceptedConnection> {
        let mut waiting = self.locked();
        if waiting.free_threads <= waiting.connections.len() {
            return Some(connection);
        }
        waiting.connections.push_back(connection);
        drop(waiting);
        self.called.notify_one();
        None
    }

    /// Serves a connection, and those that come while this thread is free. A panic ends the thread with its connection.
    fn serve_all(&self, first: AcceptedConnection) {
        let mut next = Some(first);
        while let Some(connection) = next {
            serve(connection, self.service.as_ref());
            next = self.next();
        }
    }

    /// Waits for a connection; `None` after a while, or where enough threads are free.
    fn next(&self) -> Option<AcceptedConnection> {
        let mut waiting = self.locked();
        if waiting.free_threads >= FREE_THREADS {
            return None;
        }
        waiting.free_threads += 1;
        let is_idle = |waiting: &mut WaitingWork| waiting.connections.is_empty();
        let waited = self.called.wait_timeout_while(waiting, FREE_TIME, is_idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.free_threads -= 1;
        waiting.connections.pop_front()
    }

    /// A poisoned lock is used: no step between its changes can panic.
    fn locked(&self) -> MutexGuard<'_, WaitingWork> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one connection, and wipes the stack that it has used.
#[inline(never)]
fn serve(connection: AcceptedConnection, service: &dyn MessageService) {
    let _wiped = StackWipe;
    let peer = connection.peer;
    let origin = connection.origin.unwrap_or_default();
    let caller = CallingProcess {
        uid: peer.uid,
        pid: peer.pid,
        session: origin.session,
        terminal: origin.terminal,
    };
    let stream = Arc::clone(&connection.stream);
    let memory = match connection.origin {
        Some(_) => ConnectionMemory::default(),
        None => ConnectionMemory::with_origin(move || peer_origin(&stream, peer)),
    };
    converse(
        &connection.stream,
        (caller, memory),
        service,
        &connection.place,
    );
}

/// The work of a connection, below the stack frame that wipes its stack.
#[inline(never)]
fn converse(
    stream: &UnixStream,
    client: (CallingProcess, ConnectionMemory),
    service: &dyn MessageService,
    place: &ConnectionPlace,
) {
    connection::serve(stream, client, service, place);
}

/// Wipes the stack below when it is dropped, also in a panic.
struct StackWipe;

impl Drop for StackWipe {
    fn drop(&mut self) {
        wipe::stack();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::thread::ThreadId;

    use super::*;
    use crate::connection_place::SharedConnections;
    use crate::dispatch::CallResponse;
    use twofactor_store::sys::socket::PeerCredentials;

    /// Notes which thread each message is answered in. One message makes it panic.
    #[derive(Default)]
    struct NotedThreads(Mutex<Vec<ThreadId>>);

    impl MessageService for NotedThreads {
        fn response(
            &self,
            message: &[u8],
            _: CallingProcess,
            _: &mut ConnectionMemory,
        ) -> CallResponse {
            assert_ne!(message, b"panic");
            self.0.lock().unwrap().push(thread::current().id());
            CallResponse::Reply(b"{}\0".to_vec())
        }
    }

    struct Served {
        threads: ConnectionThreads,
        connections: SharedConnections,
        noted: Arc<NotedThreads>,
    }

    impl Served {
        fn new() -> Self {
            let noted = Arc::new(NotedThreads::default());
            Self {
                threads: ConnectionThreads::of(Arc::clone(&noted) as Arc<dyn MessageService>),
                connections: SharedConnections::of_root(),
                noted,
            }
        }

        /// A connection that has sent a message; its client's end once that is answered, or ended.
        fn asked(&self, message: &[u8]) -> (UnixStream, Vec<u8>) {
            let (mut client, stream) = UnixStream::pair().unwrap();
            let stream = Arc::new(stream);
            client.write_all(message).unwrap();
            self.threads.begin(AcceptedConnection {
                place: self.connections.admit(0, &stream).unwrap().place,
                peer: PeerCredentials { uid: 0, pid: 7 },
                origin: None,
                stream,
            });
            let mut reply = [0; 3];
            let count = client.read(&mut reply).unwrap();
            (client, reply[..count].to_vec())
        }

        fn wait_for_free_thread(&self) {
            while self.threads.0.locked().free_threads == 0 {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_free_thread_takes_the_next_connection() {
        let served = Served::new();
        let (first, reply) = served.asked(b"{}\0");
        assert_eq!(reply, b"{}\0");
        // The first one is still talked with.
        let (_second, _) = served.asked(b"{}\0");
        drop(first);
        served.wait_for_free_thread();
        let (_third, reply) = served.asked(b"{}\0");
        assert_eq!(reply, b"{}\0");
        let [first, second, third] = served.noted.0.lock().unwrap()[..] else {
            panic!("three messages");
        };
        assert_ne!(first, second);
        assert_eq!(first, third);
    }

    #[test]
    fn a_panic_ends_its_own_connection_alone() {
        let served = Served::new();
        drop(served.asked(b"{}\0"));
        served.wait_for_free_thread();
        let (_first, reply) = served.asked(b"panic\0");
        assert_eq!(reply, b"");
        for _ in 0..2 {
            let (_next, reply) = served.asked(b"{}\0");
            assert_eq!(reply, b"{}\0");
        }
    }
}
