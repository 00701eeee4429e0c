//! The process that asks.

use twofactor_store::sys::peer_process::PeerOrigin;
use twofactor_store::sys::process::TerminalNumber;

/// The process at the other end, as the kernel reports it (SO_PEERCRED in unix(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallingProcess {
    /// Its effective uid when it connected.
    pub uid: u32,
    /// Its process id: for the log alone, since another process may have it by now.
    pub pid: i32,
    /// The audit session of the process, if that is one of this uid. It is looked up once, for the first change on the connection
    /// (`ConnectionMemory::origin`), and proven to be that of the process that connected: another one may have the number by then.
    pub session: Option<u32>,
    /// Its terminal, looked up at the same time.
    pub terminal: Option<TerminalNumber>,
}

impl CallingProcess {
    /// This process with its audit session and terminal.
    pub const fn located(self, origin: PeerOrigin) -> Self {
        Self {
            session: origin.session,
            terminal: origin.terminal,
            ..self
        }
    }
}
