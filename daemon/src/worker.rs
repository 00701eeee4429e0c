//! Worker thread: serves one connection, which has sent bytes, until its end.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use twofactor_store::sys::peer_process::peer_origin;
use twofactor_store::sys::wipe;

use crate::calling_process::CallingProcess;
use crate::connection;
use crate::connection_memory::ConnectionMemory;
use crate::connection_table::ConnectionPlace;
use crate::dispatch::MessageService;
use crate::silent_connections::AcceptedConnection;

/// Stack of a thread. The kernel assigns only used pages; an attempt needs a fraction, but a name service may need
/// as much as usual threads have.
const STACK: usize = 2 * 1024 * 1024;

/// Does work in a thread of its own. False where none can be made.
pub fn begin(work: impl FnOnce() + Send + 'static) -> bool {
    let thread = thread::Builder::new().stack_size(STACK);
    thread.spawn(work).is_ok()
}

/// Serves one connection, and wipes the stack that it has used.
#[inline(never)]
pub fn serve(connection: AcceptedConnection, service: &dyn MessageService) {
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
