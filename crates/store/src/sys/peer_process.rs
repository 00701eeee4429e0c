//! Facts from `/proc` about the process at the other end of a socket, proven to be about that process.
#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::process::{self, TerminalNumber};
use super::socket::PeerCredentials;

/// Audit session and terminal that a process works from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerOrigin {
    /// Its audit session, if that is one of its uid.
    pub session: Option<u32>,
    /// The terminal that controls it.
    pub terminal: Option<TerminalNumber>,
}

/// The process that connected.
#[derive(Debug)]
enum PeerProcess {
    /// A descriptor of it (pidfd_open(2)), whatever process has its number by now.
    Held(OwnedFd),
    /// The process has ended.
    Gone,
    /// The kernel gives no such descriptor (before Linux 6.5).
    Unheld,
}

/// The origin of the process at the other end. Nothing is said of one that has ended: its number may be that of another process, in a
/// session that it never was in. A kernel before 6.5 leaves that open, and there what the number says is believed.
#[must_use]
pub fn peer_origin(socket: impl AsFd, peer: PeerCredentials) -> PeerOrigin {
    origin(&held(socket), || read_origin(peer))
}

/// The peer's origin at the time of the connection, for a kernel before 6.5. That kernel says which process has the number now,
/// and cannot prove later that it is the one that connected. `None` with a newer kernel, which proves it at any time.
pub fn origin_at_once(socket: impl AsFd, peer: PeerCredentials) -> Option<PeerOrigin> {
    static IS_HELD: OnceLock<bool> = OnceLock::new();
    let is_held = IS_HELD.get_or_init(|| !matches!(held(socket), PeerProcess::Unheld));
    (!is_held).then(|| read_origin(peer))
}

fn read_origin(peer: PeerCredentials) -> PeerOrigin {
    PeerOrigin {
        session: process::audit_session(peer.pid, peer.uid),
        terminal: process::terminal(peer.pid),
    }
}

/// A process that lives after something was read about its number had that number meanwhile.
fn origin(process: &PeerProcess, read: impl FnOnce() -> PeerOrigin) -> PeerOrigin {
    match process {
        PeerProcess::Gone => PeerOrigin::default(),
        PeerProcess::Unheld => read(),
        PeerProcess::Held(process) => {
            let origin = read();
            if lives(process) {
                origin
            } else {
                PeerOrigin::default()
            }
        }
    }
}

/// True if a process has not ended. Its descriptor is readable once it has; what cannot be asked counts as an end.
fn lives(process: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(process, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())) == Ok(0)
}

/// The process at the other end (SO_PEERPIDFD, Linux 6.5).
fn held(socket: impl AsFd) -> PeerProcess {
    let mut descriptor: libc::c_int = -1;
    let mut len = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the descriptor is open, and the pointers are valid for as many bytes as `len` says (getsockopt(2)).
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut descriptor).cast(),
            &raw mut len,
        )
    };
    if result == 0 && descriptor >= 0 {
        // SAFETY: the kernel has just made this descriptor for this process, and nothing else has it.
        return PeerProcess::Held(unsafe { OwnedFd::from_raw_fd(descriptor) });
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ENOPROTOOPT) => PeerProcess::Unheld,
        _ => PeerProcess::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    const FOUND: PeerOrigin = PeerOrigin {
        session: Some(3),
        terminal: None,
    };

    #[test]
    fn the_process_that_connected_is_held() {
        let (one, other) = UnixStream::pair().unwrap();
        match held(&one) {
            PeerProcess::Held(own) => assert!(lives(&own)),
            PeerProcess::Unheld => assert!(kernel() < (6, 5)),
            PeerProcess::Gone => panic!("this process has not ended"),
        }
        let peer = super::super::socket::peer_credentials(&one).unwrap();
        let own = PeerOrigin {
            session: process::own_audit_session(peer.uid),
            terminal: process::own_terminal(),
        };
        assert_eq!(peer_origin(&one, peer), own);
        // Read at once only where it could not be proven later.
        let early = (kernel() < (6, 5)).then_some(own);
        assert_eq!(origin_at_once(&one, peer), early);
        drop(other);
    }

    /// The version of the kernel, its first two numbers.
    fn kernel() -> (u32, u32) {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(|byte: char| !byte.is_ascii_digit());
        let mut next = || numbers.next().unwrap().parse().unwrap();
        (next(), next())
    }

    #[test]
    fn nothing_is_said_of_a_process_that_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let number = Pid::from_child(&child);
        let process = PeerProcess::Held(pidfd_open(number, PidfdFlags::empty()).unwrap());
        assert_eq!(origin(&process, || FOUND), FOUND);
        // It ends while its number is looked up, and another process gets that number.
        let meanwhile = || {
            child.kill().unwrap();
            child.wait().unwrap();
            FOUND
        };
        assert_eq!(origin(&process, meanwhile), PeerOrigin::default());
        let unread = || panic!("it has ended");
        assert_eq!(origin(&PeerProcess::Gone, unread), PeerOrigin::default());
        assert_eq!(origin(&PeerProcess::Unheld, || FOUND), FOUND);
    }
}
