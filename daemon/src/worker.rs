//! The threads of connections that have spoken, each of which has one until it ends.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use twofactor_core::log::event::LoginEvent;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::peer_process::peer_origin;
use twofactor_store::sys::wipe;

use crate::connection;
use crate::connection_place::{self, ConnectionPlace};
use crate::dispatch::MessageService;
use crate::log;
use crate::silent_connections::AcceptedConnection;
use crate::user_factors::CallingProcess;

/// Stack of a thread. The kernel assigns only used pages; an attempt needs a fraction, but a name service may need
/// as much as usual threads have.
const STACK: usize = 2 * 1024 * 1024;

/// Serves a connection in a thread of its own.
pub fn begin(connection: AcceptedConnection, service: &Arc<dyn MessageService>) {
    let service = Arc::clone(service);
    let stream = Arc::clone(&connection.stream);
    let uid = connection.peer.uid;
    // Where no thread can be made the closure is dropped, and the place with it.
    let serve = move || {
        let _wiped = StackWipe;
        let caller = caller(&connection);
        converse(
            &connection.stream,
            caller,
            service.as_ref(),
            &connection.place,
        );
    };
    if thread::Builder::new()
        .stack_size(STACK)
        .spawn(serve)
        .is_err()
    {
        log::refused(uid, LoginEvent::NoThread);
        connection_place::refuse(&stream, ServiceError::Busy);
    }
}

fn caller(connection: &AcceptedConnection) -> CallingProcess {
    let peer = connection.peer;
    let origin = connection.origin;
    let origin = origin.unwrap_or_else(|| peer_origin(&connection.stream, peer));
    CallingProcess {
        uid: peer.uid,
        pid: peer.pid,
        session: origin.session,
        terminal: origin.terminal,
    }
}

/// The work of a connection, below the stack frame that wipes its stack.
#[inline(never)]
fn converse(
    stream: &UnixStream,
    caller: CallingProcess,
    service: &dyn MessageService,
    place: &ConnectionPlace,
) {
    connection::serve(stream, caller, service, place);
}

/// Wipes the stack below when it is dropped, also in a panic.
struct StackWipe;

impl Drop for StackWipe {
    fn drop(&mut self) {
        wipe::stack();
    }
}
