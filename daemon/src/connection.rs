//! One connection: messages in, replies out, each in its time.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use twofactor_protocol::frame::MessageBuffer;
use twofactor_store::sys::{clock, wipe};

use crate::calling_process::CallingProcess;
use crate::connection_memory::ConnectionMemory;
use crate::connection_table::{ConnectionPlace, refuse};
use crate::dispatch::{CallResponse, MessageService};

/// Time limit for sending one message, and for taking one reply.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Answers all messages of a client, one after the other, until it has no more or is too slow.
pub fn serve(
    stream: &UnixStream,
    (caller, mut memory): (CallingProcess, ConnectionMemory),
    service: &dyn MessageService,
    place: &ConnectionPlace,
) {
    let mut buffer = service.buffer();
    let mut has_spoken = true;
    while let Some(message) = receive(stream, &mut buffer, (&memory, has_spoken)) {
        has_spoken = false;
        if let Err(why) = place.begin_answer() {
            if let Some(error) = why {
                refuse(stream, error);
            }
            return;
        }
        if service.is_dropped(&message, caller, &|| has_left(stream)) {
            return;
        }
        let answered = answer(&message, caller, service, &mut memory);
        // Between two messages of a client nothing of the first is left there.
        wipe::stack();
        let CallResponse::Reply(reply) = answered else {
            return;
        };
        if send(stream, &reply, place).is_err() {
            return;
        }
    }
}

/// True if the other end is closed, so that no answer is waited for. One that sends no more, and reads, has not left.
fn has_left(stream: &UnixStream) -> bool {
    let mut ends = [PollFd::new(stream, PollFlags::empty())];
    let now = Timespec::default();
    // What cannot be told is answered.
    poll(&mut ends, Some(&now)).is_ok()
        && ends.iter().any(|it| it.revents().contains(PollFlags::HUP))
}

/// The answer to a message, below the stack frame that wipes its stack.
#[inline(never)]
fn answer(
    message: &[u8],
    caller: CallingProcess,
    service: &dyn MessageService,
    memory: &mut ConnectionMemory,
) -> CallResponse {
    service.response(message, caller, memory)
}

/// Sends a reply. While the connection keeps its place it never blocks: a client that reads nothing keeps no
/// other waiting.
fn send(mut stream: &UnixStream, reply: &[u8], place: &ConnectionPlace) -> std::io::Result<()> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = match rustix::net::send(stream, reply, flags) {
        Ok(sent) => sent,
        Err(Errno::AGAIN) => 0,
        // With its place it is closed, and gets no word that nothing was done, such as `Busy`, in place of this reply.
        Err(error) => return Err(error.into()),
    };
    place.end_answer();
    let rest = reply.get(sent..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(());
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(rest)
}

/// The next message; `None` when there is none in time. Where a device waits for a code of it, its owner has to find the phone
/// first; a message that has begun is as quick as any. A connection that has spoken already is read before a time limit is set.
fn receive(
    stream: &UnixStream,
    buffer: &mut MessageBuffer,
    (memory, has_spoken): (&ConnectionMemory, bool),
) -> Option<Vec<u8>> {
    let begin = clock::monotonic();
    let mut end = begin + PATIENCE;
    if buffer.is_empty() {
        end = begin + memory.patience(PATIENCE, clock::since_boot());
    }
    let mut room = [0; 1024];
    let mut is_there = has_spoken;
    loop {
        if let Some(message) = buffer.message().ok()? {
            return Some(message);
        }
        let left = end.checked_sub(clock::monotonic())?;
        let wanted = buffer.room().min(room.len());
        let flags = if is_there {
            RecvFlags::DONTWAIT
        } else {
            // A timeout of zero would be none.
            let left = left.max(Duration::from_millis(1));
            stream.set_read_timeout(Some(left)).ok()?;
            RecvFlags::empty()
        };
        match rustix::net::recv(stream, room.get_mut(..wanted)?, flags) {
            Ok((_, 0)) => return None,
            Ok((_, count)) => {
                if buffer.is_empty() {
                    end = clock::monotonic() + PATIENCE;
                }
                buffer.push(room.get(..count)?);
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if is_there => {}
            Err(_) => return None,
        }
        is_there = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::connection_table::ConnectionTable;

    #[test]
    fn one_who_sends_no_more_has_not_left() {
        let (served, client) = UnixStream::pair().unwrap();
        (&client).write_all(b"{}\0").unwrap();
        assert!(!has_left(&served));
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!has_left(&served));
        drop(client);
        assert!(has_left(&served));
    }

    #[test]
    fn a_reply_that_is_not_sent_gives_no_place_up() {
        let connections = ConnectionTable::of_root();
        let (served, client) = UnixStream::pair().unwrap();
        let served = Arc::new(served);
        let mut places = Vec::new();
        while let Ok(admitted) = connections.admit(0, &served) {
            assert_eq!(admitted.place.begin_answer(), Ok(()));
            places.push(admitted.place);
        }
        let place = places.pop().unwrap();
        drop(client);
        assert!(send(&served, b"{}\0", &place).is_err());
        // One of another user id gets the place of any that has no answer to wait for.
        assert!(connections.admit(1000, &served).is_err());
        place.end_answer();
        assert!(connections.admit(1000, &served).is_ok());
    }
}
