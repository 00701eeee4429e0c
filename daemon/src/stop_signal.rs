//! The order to stop, SIGTERM, as something that poll(2) waits for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;

/// Readable once SIGTERM has come.
pub struct StopSignal(UnixStream);

impl StopSignal {
    /// Notes SIGTERM from now on; it no longer ends this process.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn arm() -> io::Result<Self> {
        let (noted, signalled) = UnixStream::pair()?;
        pipe::register(SIGTERM, signalled)?;
        Ok(Self(noted))
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
