//! A server on a real socket, with a service that needs no files.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread::ThreadId;

use twofactor_store::testing::ScratchStore;

use super::*;
use crate::calling_process::CallingProcess;
use crate::connection_memory::ConnectionMemory;
use crate::dispatch::CallResponse;

/// Longest time for what happens at once.
const SOON: Duration = Duration::from_secs(20);

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
    server: Arc<SocketServer>,
    noted: Arc<NotedThreads>,
    end: Receiver<io::Result<ServingEnd>>,
    path: PathBuf,
    _scratch: ScratchStore,
}

impl Served {
    fn new() -> Self {
        let served = Self::without_threads();
        assert!(served.server.begin_waiting());
        served
    }

    fn without_threads() -> Self {
        let scratch = ScratchStore::new();
        let path = scratch.path().join("socket");
        let listening = ListeningSocket {
            socket: UnixListener::bind(&path).unwrap(),
            origin: SocketOrigin::Made,
        };
        let stop = StopSignal::arm().unwrap();
        let connections = ConnectionTable::of_root();
        let noted = Arc::new(NotedThreads::default());
        let intake = ConnectionIntake::new(listening, stop, connections).unwrap();
        let (ended, end) = mpsc::channel();
        let server = Arc::new(SocketServer::new(
            intake,
            None,
            Arc::clone(&noted) as Arc<dyn MessageService>,
            ended,
        ));
        Self {
            server,
            noted,
            end,
            path,
            _scratch: scratch,
        }
    }

    fn connected(&self) -> UnixStream {
        let client = UnixStream::connect(&self.path).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }

    /// A connection that has sent a message; its client's end once that is answered, or ended.
    fn asked(&self, message: &[u8]) -> (UnixStream, Vec<u8>) {
        let mut client = self.connected();
        client.write_all(message).unwrap();
        let reply = reply(&mut client);
        (client, reply)
    }

    fn wait_for_waiting(&self, count: usize) {
        let end = clock::monotonic() + SOON;
        while self.server.locked().waiting != count {
            assert!(clock::monotonic() < end, "{count} threads do not wait");
            thread::yield_now();
        }
    }

    fn threads(&self) -> Vec<ThreadId> {
        self.noted.0.lock().unwrap().clone()
    }
}

fn reply(client: &mut UnixStream) -> Vec<u8> {
    let mut reply = [0; 3];
    let count = client.read(&mut reply).unwrap();
    reply[..count].to_vec()
}

#[test]
fn successive_connections_share_two_threads() {
    let served = Served::new();
    for _ in 0..20 {
        let (client, reply) = served.asked(b"{}\0");
        assert_eq!(reply, b"{}\0");
        drop(client);
        served.wait_for_waiting(2);
    }
    let threads = served.threads();
    assert_eq!(threads.len(), 20);
    assert!(HashSet::<ThreadId>::from_iter(threads).len() <= 2);
}

#[test]
fn a_connection_that_is_served_keeps_no_other_waiting() {
    let served = Served::new();
    let held: Vec<_> = (0..8).map(|_| served.asked(b"{}\0")).collect();
    assert!(held.iter().all(|(_, reply)| reply == b"{}\0"));
    assert_eq!(HashSet::<ThreadId>::from_iter(served.threads()).len(), 8);
    // Of the threads that are not needed any more no more than two wait.
    drop(held);
    served.wait_for_waiting(2);
    let end = clock::monotonic() + Duration::from_millis(500);
    while clock::monotonic() < end {
        assert!(served.server.locked().waiting <= 2);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn each_of_many_at_once_is_accepted_once() {
    let served = Served::new();
    let mut clients: Vec<UnixStream> = (0..200).map(|_| served.connected()).collect();
    for client in &mut clients {
        client.write_all(b"{}\0").unwrap();
    }
    for client in &mut clients {
        assert_eq!(reply(client), b"{}\0");
    }
    assert_eq!(served.threads().len(), 200);
}

#[test]
fn a_panic_ends_its_own_connection_alone() {
    let served = Served::new();
    for _ in 0..4 {
        let (_first, reply) = served.asked(b"panic\0");
        assert_eq!(reply, b"");
        let (_next, reply) = served.asked(b"{}\0");
        assert_eq!(reply, b"{}\0");
    }
    assert!(served.end.try_recv().is_err());
}

#[test]
fn nothing_is_accepted_after_the_end() {
    let served = Served::new();
    served.wait_for_waiting(1);
    let mut before = served.connected();
    let (_asked, _) = served.asked(b"{}\0");
    served
        .server
        .close(&mut served.server.locked(), Ok(ServingEnd::Stopped));
    assert!(matches!(served.end.recv(), Ok(Ok(ServingEnd::Stopped))));
    let mut after = served.connected();
    after.write_all(b"{}\0").unwrap();
    // What was accepted before is still served.
    before.write_all(b"{}\0").unwrap();
    assert_eq!(reply(&mut before), b"{}\0");
    after
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let unanswered = after.read(&mut [0; 3]).unwrap_err();
    assert_eq!(unanswered.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_panic_while_waiting_ends_the_daemon() {
    let (ended, end) = mpsc::channel();
    let panicked = thread::spawn(move || {
        let _end = EndOfPanic(&ended);
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panicked.join().is_err());
    assert!(matches!(end.recv(), Ok(Err(_))));
}

#[test]
fn a_woken_thread_accepts_no_call_after_the_end() {
    let served = Served::without_threads();
    let mut client = served.connected();
    client.write_all(b"{}\0").unwrap();
    let called = served.server.waiter.wait(None).unwrap();
    assert!(!called.is_empty());
    let mut state = served.server.locked();
    served.server.close(&mut state, Ok(ServingEnd::Idle));
    assert!(
        served
            .server
            .accepted(&mut state, &called)
            .unwrap()
            .0
            .is_empty()
    );
    assert!(state.intake.is_empty());
}
