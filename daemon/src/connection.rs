//! One connection: messages in, replies out, each in its time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::SendFlags;
use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::reply::ServiceError;
use twofactor_store::sys::clock;

use crate::dispatch::{Caller, Response, UserFactors, response};

/// How long a client may take to send one message, and to take one reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers all messages of a client, one after the other, until it has no more or is too slow.
pub fn serve(mut stream: UnixStream, caller: Caller, factors: &dyn UserFactors) {
    let mut buffer = MessageBuffer::default();
    while let Some(message) = receive(&mut stream, &mut buffer) {
        let Response::Reply(reply) = response(&message, caller, factors) else {
            return;
        };
        let is_sent = stream
            .set_write_timeout(Some(PATIENCE))
            .and_then(|()| stream.write_all(&reply))
            .is_ok();
        if !is_sent {
            return;
        }
    }
}

/// Says why a client is not served, if that can be said at once.
pub fn refuse(stream: &UnixStream, error: ServiceError) {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let _ = rustix::net::send(stream, &error.message(), flags);
}

/// The next message; `None` when there is none in time.
fn receive(stream: &mut UnixStream, buffer: &mut MessageBuffer) -> Option<Vec<u8>> {
    let end = clock::monotonic() + PATIENCE;
    let mut room = [0; 1024];
    loop {
        if let Some(message) = buffer.message().ok()? {
            return Some(message);
        }
        let left = end.checked_sub(clock::monotonic())?;
        // A timeout of zero would be none.
        stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .ok()?;
        let wanted = buffer.room().min(room.len());
        match stream.read(room.get_mut(..wanted)?) {
            Ok(0) => return None,
            Ok(count) => buffer.push(room.get(..count)?),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
