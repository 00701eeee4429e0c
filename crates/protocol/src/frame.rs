//! Messages cut out of a stream of bytes.

use crate::{MAX_CHANGE, MAX_MESSAGE, MAX_REPLY};

/// More bytes than a message may have came without an end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OversizedMessage {
    /// Bytes that a message may have, the NUL byte included.
    pub limit: usize,
}

impl std::fmt::Display for OversizedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a message is longer than {} bytes", self.limit)
    }
}

impl std::error::Error for OversizedMessage {}

/// The received bytes of which no message was made yet.
#[derive(Debug)]
pub struct MessageBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

/// For calls, and for the replies of a login.
impl Default for MessageBuffer {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            limit: MAX_MESSAGE,
        }
    }
}

impl MessageBuffer {
    /// A buffer for replies of [`MAX_REPLY`] bytes: those that show a new device.
    #[must_use]
    pub const fn of_long_replies() -> Self {
        Self {
            bytes: Vec::new(),
            limit: MAX_REPLY,
        }
    }

    /// A buffer for calls of [`MAX_CHANGE`] bytes: those that carry a record.
    #[must_use]
    pub const fn of_changes() -> Self {
        Self {
            bytes: Vec::new(),
            limit: MAX_CHANGE,
        }
    }

    /// Number of bytes that may be received next, at least 1 after [`MessageBuffer::message`] returned `Ok(None)`.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// True if no beginning of a message is waiting for its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds received bytes.
    pub fn push(&mut self, received: &[u8]) {
        self.bytes.extend_from_slice(received);
    }

    /// Takes the first message, without its NUL byte. `None` while its end has not come.
    ///
    /// # Errors
    /// [`OversizedMessage`].
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, OversizedMessage> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == 0) else {
            let is_full = self.room() == 0;
            return if is_full {
                Err(self.oversized())
            } else {
                Ok(None)
            };
        };
        let rest = self.bytes.split_off(end + 1);
        let mut message = std::mem::replace(&mut self.bytes, rest);
        message.truncate(end);
        if message.len() >= self.limit {
            return Err(self.oversized());
        }
        Ok(Some(message))
    }

    const fn oversized(&self) -> OversizedMessage {
        OversizedMessage { limit: self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut buffer = MessageBuffer::default();
        assert_eq!(buffer.message(), Ok(None));
        buffer.push(b"{\"a\"");
        assert_eq!(buffer.message(), Ok(None));
        buffer.push(b":1}\0\0{}\0{");
        assert_eq!(buffer.message(), Ok(Some(b"{\"a\":1}".to_vec())));
        assert_eq!(buffer.message(), Ok(Some(Vec::new())));
        assert_eq!(buffer.message(), Ok(Some(b"{}".to_vec())));
        assert_eq!(buffer.message(), Ok(None));
        assert!(!buffer.is_empty());
        assert_eq!(buffer.room(), MAX_MESSAGE - 1);
    }

    #[test]
    fn a_message_has_at_most_so_many_bytes() {
        for (buffer, limit) in [
            (MessageBuffer::default as fn() -> MessageBuffer, 4096),
            (MessageBuffer::of_changes, 32 * 1024),
            (MessageBuffer::of_long_replies, 64 * 1024),
        ] {
            let mut whole = buffer();
            whole.push(&vec![b'x'; limit - 1]);
            assert_eq!((whole.message(), whole.room()), (Ok(None), 1));
            whole.push(b"\0");
            assert_eq!(whole.message().unwrap().unwrap().len(), limit - 1);
            whole.push(&vec![b'x'; limit]);
            assert_eq!(whole.message(), Err(OversizedMessage { limit }));
            let mut ended = buffer();
            ended.push(&vec![b'x'; limit]);
            ended.push(b"\0");
            assert_eq!(ended.message(), Err(OversizedMessage { limit }));
        }
    }
}
