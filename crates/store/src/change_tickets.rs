//! Tickets: a user who has just logged in may make a change through the daemon.
//!
//! The module writes one as root, after a login with the password or a code; the daemon takes it. A ticket holds for one change, in
//! the audit session in which it was written, so that another session of the same user has no use for it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Dir, access, unlinkat};
use rustix::io::Errno;

use crate::StoreError;
use crate::sys::clock;
use crate::sys::file::{self, FileAccess, FileError, FileOpening};

/// Directory of the tickets.
pub const DIRECTORY: &str = "/run/twofactor/tickets";

/// Name of the daemon's socket, beside that directory.
const SOCKET_NAME: &str = "socket";

/// Seconds for which a ticket holds, those in which the machine sleeps included.
const VALID: u64 = 600;

/// The tickets of all users.
#[derive(Debug, Clone)]
pub struct TicketStore {
    directory: PathBuf,
}

/// Result of giving a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketIssue {
    /// There is a new one.
    Written,
    /// No daemon was set up, which could take one.
    NoDaemon,
}

/// The content of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TicketContent {
    session: u32,
    /// Time at which it was written ([`clock::since_boot`]).
    issued: u64,
}

impl Default for TicketStore {
    fn default() -> Self {
        Self::at(Path::new(DIRECTORY))
    }
}

impl TicketStore {
    /// The tickets in a directory.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Gives a ticket to a user whose login in this audit session has just succeeded. The parent of the directory has to exist:
    /// where no daemon was set up there are no tickets.
    ///
    /// # Errors
    /// [`StoreError`]; there is no new ticket then.
    pub fn issue(&self, uid: u32, session: u32) -> Result<TicketIssue, StoreError> {
        let failed = StoreError::file(&self.directory);
        let directory = match self.open() {
            Ok(Some(directory)) => Ok(directory),
            Ok(None) => file::ensure_directory(CWD, &self.directory),
            Err(error) => Err(error),
        };
        match directory {
            Err(FileError::System("mkdir", Errno::NOENT)) => Ok(TicketIssue::NoDaemon),
            directory => {
                let directory = directory.map_err(&failed)?;
                write(&directory, uid, session).map_err(&failed)?;
                Ok(TicketIssue::Written)
            }
        }
    }

    /// True if there is the socket beside the directory at which a daemon takes tickets. The directory itself can be there for the daemon of a
    /// fleet, or be left of one that was stopped. False where it cannot be seen.
    #[must_use]
    pub fn has_daemon(&self) -> bool {
        // Rules of SELinux for login programs know files of tickets alone: to see that the socket exists takes no right to it.
        access(self.directory.with_file_name(SOCKET_NAME), Access::EXISTS).is_ok()
    }

    /// True if the user has a ticket for this audit session that still holds.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be concluded about the ticket.
    pub fn holds(&self, uid: u32, session: u32) -> Result<bool, StoreError> {
        self.held(uid, |ticket| ticket.holds(session, clock::since_boot()))
            .map(|held| held.is_some())
            .map_err(StoreError::file(&self.directory))
    }

    /// Takes that ticket: true if it held, and is gone. It may have been looked at up to `patience` seconds before.
    ///
    /// # Errors
    /// [`StoreError`]: the ticket may be gone.
    pub fn take(&self, uid: u32, session: u32, patience: u64) -> Result<bool, StoreError> {
        let now = clock::since_boot();
        let holds = |ticket: TicketContent| {
            ticket.holds(session, now) || ticket.holds(session, now.saturating_sub(patience))
        };
        let failed = StoreError::file(&self.directory);
        let Some(directory) = self.held(uid, holds).map_err(&failed)? else {
            return Ok(false);
        };
        match unlinkat(&directory, uid.to_string(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(failed(FileError::System("unlink", errno))),
        }
    }

    /// The directory, if the user has a ticket in it of which this is true.
    fn held(
        &self,
        uid: u32,
        holds: impl FnOnce(TicketContent) -> bool,
    ) -> Result<Option<OwnedFd>, FileError> {
        let Some(directory) = self.open()? else {
            return Ok(None);
        };
        let ticket = read(&directory, uid)?;
        Ok(ticket.is_some_and(holds).then_some(directory))
    }

    /// The directory; `None` where no ticket was ever written.
    fn open(&self) -> Result<Option<OwnedFd>, FileError> {
        match file::open_directory(CWD, &self.directory, FileAccess::Private) {
            Err(error) if error.is_missing() => Ok(None),
            opened => opened.map(Some),
        }
    }
}

impl TicketContent {
    fn text(self) -> String {
        format!("{} {}\n", self.session, self.issued)
    }

    fn parse(text: &str) -> Option<Self> {
        let (session, issued) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            session: session.parse().ok()?,
            issued: issued.parse().ok()?,
        })
    }

    /// True if the ticket is valid for the session at `now` ([`clock::since_boot`]). A ticket from the future was written before
    /// the last boot.
    const fn holds(self, session: u32, now: u64) -> bool {
        self.session == session && self.issued <= now && now - self.issued < VALID
    }
}

/// Writes a ticket. It need not outlive a crash of the machine, so that nothing waits for the disk.
fn write(directory: &OwnedFd, uid: u32, session: u32) -> Result<(), FileError> {
    remove_leftovers(directory, uid);
    let issued = clock::since_boot();
    let text = TicketContent { session, issued }.text();
    // Two logins at once write two files, each with the number of its process in its name.
    let own = format!("{uid}.{}", std::process::id());
    file::stage(directory, &own, text.as_bytes(), FileAccess::Private)?;
    file::publish_renamed(directory, &own, &uid.to_string())
}

/// Removes what logins of a user left that were killed while they wrote a ticket. Where that fails no harm is done.
fn remove_leftovers(directory: &OwnedFd, uid: u32) {
    let Ok(entries) = Dir::read_from(directory) else {
        return;
    };
    let begin = format!(".{uid}.");
    for entry in entries.flatten() {
        let name = String::from_utf8_lossy(entry.file_name().to_bytes());
        let own = name.strip_prefix(&begin);
        let writer = own.and_then(|rest| rest.strip_suffix(".new"));
        if writer.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = file::remove(directory, &name);
        }
    }
}

fn read(directory: impl AsFd, uid: u32) -> Result<Option<TicketContent>, FileError> {
    let name = uid.to_string();
    let opened = file::open_file(
        directory,
        Path::new(&name),
        FileOpening::Read,
        FileAccess::Private,
    );
    let (fd, stat) = match opened {
        Err(error) if error.is_missing() => return Ok(None),
        opened => opened?,
    };
    let bytes = file::read_all(fd, &stat)?;
    let text = std::str::from_utf8(&bytes).ok();
    Ok(text.and_then(TicketContent::parse))
}

#[cfg(test)]
mod tests;
