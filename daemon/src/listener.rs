//! The listening socket: standard input, or one that is made.

use std::fmt;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt;
use twofactor_store::sys::clock;
use twofactor_store::sys::socket::TimedConnection;

/// Time limit for another process to show that it listens at a path.
const PROBE: Duration = Duration::from_secs(1);

/// A listening socket.
pub struct ListeningSocket {
    /// The socket.
    pub socket: UnixListener,
    /// Its origin, which decides who accepts connections after the daemon.
    pub origin: SocketOrigin,
}

/// Origin of a listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketOrigin {
    /// systemd, which starts the daemon again for the next connection.
    Inherited,
    /// This process: the socket ends with the daemon.
    Made,
}

/// The reason why there is no socket to listen on.
#[derive(Debug)]
pub enum SocketError {
    /// Standard input is no listening socket.
    NotInherited,
    /// Another process listens there.
    InUse(PathBuf),
    /// There is something else at that path.
    NotASocket(PathBuf),
    /// A system call failed.
    System(PathBuf, std::io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInherited => f.write_str(
                "standard input is not a listening socket; systemctl start twofactord.socket, or see twofactord --help",
            ),
            Self::InUse(path) => write!(f, "{}: another process listens there", path.display()),
            Self::NotASocket(path) => write!(f, "{}: is there and is no socket", path.display()),
            Self::System(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for SocketError {}

/// Programs that may connect to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketClients {
    /// Clients of all users.
    All,
    /// Clients of root alone.
    Root,
}

/// The socket at `path`, made anew, or without a path the one on standard input.
///
/// # Errors
/// [`SocketError`].
pub fn open(path: Option<&Path>, clients: SocketClients) -> Result<ListeningSocket, SocketError> {
    match path {
        Some(path) => Ok(ListeningSocket {
            socket: make(path, clients)?,
            origin: SocketOrigin::Made,
        }),
        None => inherited().ok_or(SocketError::NotInherited),
    }
}

fn inherited() -> Option<ListeningSocket> {
    let stdin = rustix::stdio::stdin();
    let is_listening = sockopt::socket_domain(stdin) == Ok(rustix::net::AddressFamily::UNIX)
        && sockopt::socket_acceptconn(stdin) == Ok(true);
    if !is_listening {
        return None;
    }
    let socket = stdin.as_fd().try_clone_to_owned().ok()?;
    Some(ListeningSocket {
        socket: UnixListener::from(socket),
        origin: SocketOrigin::Inherited,
    })
}

fn make(path: &Path, clients: SocketClients) -> Result<UnixListener, SocketError> {
    let failed = |error| SocketError::System(path.to_owned(), error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => match TimedConnection::open(path, clock::monotonic() + PROBE) {
            // A full queue means that it listens.
            Ok(_) | Err(Errno::AGAIN) => return Err(SocketError::InUse(path.to_owned())),
            // Left by a killed daemon.
            Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed)?,
            Err(error) => return Err(failed(error.into())),
        },
    }
    // Made for root alone, so that no other program connects before the mode is set.
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let socket = bound.map_err(failed)?;
    let mode = match clients {
        SocketClients::All => 0o666,
        SocketClients::Root => 0o600,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
    use twofactor_store::testing::ScratchStore;

    #[test]
    fn a_socket_with_a_full_queue_is_in_use() {
        let scratch = ScratchStore::new();
        let path = scratch.path().join("socket");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let _waits = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(matches!(
            make(&path, SocketClients::All),
            Err(SocketError::InUse(_))
        ));
        drop(socket);
        // The socket of a killed daemon is replaced.
        assert!(make(&path, SocketClients::All).is_ok());
    }
}
