//! Messages cut out of a stream of bytes.

use crate::MAX_MESSAGE;

/// More than [`MAX_MESSAGE`] bytes came without an end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OversizedMessage;

impl std::fmt::Display for OversizedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a message is longer than {MAX_MESSAGE} bytes")
    }
}

impl std::error::Error for OversizedMessage {}

/// The received bytes of which no message was made yet.
#[derive(Debug, Default)]
pub struct MessageBuffer {
    bytes: Vec<u8>,
}

impl MessageBuffer {
    /// Number of bytes that may be received next, at least 1 after [`MessageBuffer::message`] returned `Ok(None)`.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_MESSAGE.saturating_sub(self.bytes.len())
    }

    /// True if the beginning of a message is waiting for its end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds received bytes.
    pub fn push(&mut self, received: &[u8]) {
        // At once, so that growing copies nothing to a second place.
        self.bytes.reserve_exact(self.room().max(received.len()));
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
                Err(OversizedMessage)
            } else {
                Ok(None)
            };
        };
        let rest = self.bytes.split_off(end + 1);
        let mut message = std::mem::replace(&mut self.bytes, rest);
        message.truncate(end);
        if message.len() >= MAX_MESSAGE {
            return Err(OversizedMessage);
        }
        Ok(Some(message))
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
    fn a_message_has_at_most_4096_bytes() {
        let mut buffer = MessageBuffer::default();
        buffer.push(&[b'x'; MAX_MESSAGE - 1]);
        assert_eq!((buffer.message(), buffer.room()), (Ok(None), 1));
        buffer.push(b"\0");
        assert_eq!(buffer.message().unwrap().unwrap().len(), MAX_MESSAGE - 1);
        buffer.push(&[b'x'; MAX_MESSAGE]);
        assert_eq!(buffer.message(), Err(OversizedMessage));
        let mut buffer = MessageBuffer::default();
        buffer.push(&[b'x'; MAX_MESSAGE]);
        buffer.push(b"\0");
        assert_eq!(buffer.message(), Err(OversizedMessage));
    }
}
