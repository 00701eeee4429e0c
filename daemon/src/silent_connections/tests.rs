//! Real sockets, without clients: what is handed out, and what is closed.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use super::*;
use crate::connection_table::ConnectionTable;

const SOON: Duration = Duration::from_secs(60);

/// The sockets that are waited for: a listening socket and the order to stop, each with its other end.
struct Waited {
    silent: SilentConnections,
    connections: ConnectionTable,
    called: UnixStream,
    stopped: UnixStream,
    _others: [UnixStream; 2],
}

fn waited() -> Waited {
    let (called, listening) = UnixStream::pair().unwrap();
    let (stopped, stop) = UnixStream::pair().unwrap();
    Waited {
        silent: SilentConnections::beside(&listening, &stop).unwrap(),
        connections: ConnectionTable::default(),
        called,
        stopped,
        _others: [listening, stop],
    }
}

impl Waited {
    /// A silent connection, and the client's end.
    fn connected(&mut self, end: Duration) -> UnixStream {
        let (client, stream) = UnixStream::pair().unwrap();
        let stream = Arc::new(stream);
        let connection = AcceptedConnection {
            peer: PeerCredentials { uid: 1000, pid: 7 },
            origin: None,
            place: self.connections.admit(1000, &stream).unwrap().place,
            stream,
        };
        assert_eq!(connection.news(), ConnectionNews::Silent);
        assert!(self.silent.add(connection, end).is_ok());
        client
    }

    fn wait(&mut self) -> SocketNews {
        self.wait_until(clock::monotonic() + SOON)
    }

    fn wait_until(&mut self, end: Duration) -> SocketNews {
        let called = self.silent.waiter().wait(Some(end)).unwrap();
        self.silent.news(&called).unwrap()
    }
}

#[test]
fn only_connections_that_speak_are_handed_out() {
    let mut waited = waited();
    let end = clock::monotonic() + SOON;
    let mut clients: Vec<UnixStream> = (0..3).map(|_| waited.connected(end)).collect();
    clients[1].write_all(b"{").unwrap();
    let news = waited.wait();
    assert!(!news.is_called && !news.is_stopped);
    assert_eq!(news.spoken.len(), 1);
    assert_eq!(news.spoken[0].place.number(), 1);
    assert_eq!(news.spoken[0].news(), ConnectionNews::Spoken);
    // It is no longer waited for, whatever it says.
    clients[1].write_all(b"}").unwrap();
    clients[2].write_all(b"{").unwrap();
    let numbers: Vec<u64> = waited
        .wait()
        .spoken
        .iter()
        .map(|it| it.place.number())
        .collect();
    assert_eq!(numbers, [2]);
}

#[test]
fn a_client_that_goes_gives_its_place_back() {
    let mut waited = waited();
    let client = waited.connected(clock::monotonic() + SOON);
    drop(client);
    assert!(waited.wait().spoken.is_empty());
    assert!(waited.connections.is_empty());
    // What it has said before is still answered.
    let mut client = waited.connected(clock::monotonic() + SOON);
    client.write_all(b"{}").unwrap();
    client.shutdown(Shutdown::Both).unwrap();
    assert_eq!(waited.wait().spoken.len(), 1);
}

#[test]
fn a_silent_connection_is_closed_in_its_time() {
    let mut waited = waited();
    let now = clock::monotonic();
    let early = waited.connected(now + SOON);
    let _late = waited.connected(now + 2 * SOON);
    assert_eq!(waited.silent.first_end(), Some(now + SOON));
    let before = now + SOON - Duration::from_nanos(1);
    assert!(waited.silent.close_late(before).is_empty());
    assert_eq!(waited.silent.first_end(), Some(now + SOON));
    assert!(waited.silent.close_late(now + SOON).is_empty());
    assert_eq!(waited.silent.first_end(), Some(now + 2 * SOON));
    assert_eq!(
        (&early).write_all(b"{").unwrap_err().kind(),
        io::ErrorKind::BrokenPipe
    );
    assert!(waited.silent.close_late(now + 2 * SOON).is_empty());
    assert!(waited.connections.is_empty());
}

#[test]
fn the_end_of_a_silent_connection_is_news() {
    let mut waited = waited();
    let now = clock::monotonic();
    let ends = [20, 40].map(|time| now + Duration::from_millis(time));
    let mut clients = ends.map(|end| waited.connected(end));
    for (end, client) in ends.iter().zip(&mut clients) {
        let limit = now + Duration::from_secs(20);
        while waited.silent.first_end() == Some(*end) {
            assert!(waited.wait_until(limit).spoken.is_empty());
            assert!(clock::monotonic() < limit, "it is not told");
        }
        assert!(clock::monotonic() >= *end);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    // After the last one it is quiet, and a later one has its end.
    let before = clock::monotonic();
    waited.wait_until(before + Duration::from_millis(20));
    assert!(clock::monotonic() >= before + Duration::from_millis(20));
    let mut later = waited.connected(clock::monotonic() + Duration::from_millis(10));
    assert!(waited.wait().spoken.is_empty());
    assert_eq!(later.read(&mut [0]).unwrap(), 0);
}

#[test]
fn one_that_lost_its_place_is_closed_at_once() {
    let mut waited = waited();
    let end = clock::monotonic() + SOON;
    let mut clients: Vec<UnixStream> = (0..2).map(|_| waited.connected(end)).collect();
    assert!(waited.silent.close(0));
    assert!(!waited.silent.close(0));
    assert_eq!(clients[0].read(&mut [0]).unwrap(), 0);
    // No event of it is left.
    clients[1].write_all(b"{").unwrap();
    let spoken = waited.wait().spoken;
    assert_eq!(spoken.len(), 1);
    assert_eq!(spoken[0].place.number(), 1);
    // The thread of one that has spoken ends it.
    assert!(!waited.silent.close(1));
}

#[test]
fn what_came_in_time_is_answered_after_a_pause() {
    let mut waited = waited();
    let end = clock::monotonic();
    let mut clients: Vec<UnixStream> = (0..3).map(|_| waited.connected(end)).collect();
    clients[1].write_all(b"{").unwrap();
    drop(clients.pop());
    let spoken = waited.silent.close_late(end);
    assert_eq!(spoken.len(), 1);
    assert_eq!(spoken[0].place.number(), 1);
    assert_eq!(waited.silent.first_end(), None);
    // The kernel still calls for it, and it is not handed out again.
    assert!(waited.wait().spoken.is_empty());
    drop(spoken);
    assert!(waited.connections.is_empty());
}

#[test]
fn calls_and_the_order_to_stop_are_told_apart() {
    let mut waited = waited();
    (&waited.called).write_all(b"x").unwrap();
    let news = waited.wait();
    assert!(news.is_called && !news.is_stopped);
    (&waited.stopped).write_all(b"x").unwrap();
    // One thread is told of a call, and then none until that asks for the next one.
    let news = waited.wait();
    assert!(!news.is_called && news.is_stopped);
    waited.silent.await_call(&waited._others[0]).unwrap();
    let news = waited.wait();
    assert!(news.is_called && news.is_stopped);
    let [listening, stop] = &waited._others;
    waited.silent.forget_others(listening, stop);
    let mut client = waited.connected(clock::monotonic() + SOON);
    client.write_all(b"{").unwrap();
    let news = waited.wait();
    assert!(!news.is_called && !news.is_stopped);
    assert_eq!(news.spoken.len(), 1);
}
