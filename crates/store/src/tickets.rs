//! Tickets: a user who has just logged in may make a change through the daemon.
//!
//! The module writes one as root, after a login with the password or a code; the daemon takes it. A ticket holds for one change, in
//! the audit session in which it was written, so that another session of the same user has no use for it.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, unlinkat};

use crate::sys::clock;
use crate::sys::file::{self, FileAccess, FileError, FileOpening};

/// Directory of the tickets.
pub const DIRECTORY: &str = "/run/twofactor/tickets";

/// Seconds for which a ticket holds, those in which the machine sleeps included.
const VALID: u64 = 600;

/// The tickets of all users.
#[derive(Debug, Clone)]
pub struct TicketStore {
    directory: PathBuf,
}

/// The content of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    session: u32,
    /// When it was written ([`clock::since_boot`]).
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
    /// [`FileError`]; there is no new ticket then.
    pub fn issue(&self, uid: u32, session: u32) -> Result<(), FileError> {
        let opened = file::open_directory(CWD, &self.directory, FileAccess::Private);
        let directory = match opened {
            Err(error) if error.is_missing() => file::ensure_directory(CWD, &self.directory)?,
            other => other?,
        };
        let issued = clock::since_boot();
        let text = Ticket { session, issued }.text();
        // Two logins at once write two files, each with the number of its process in its name.
        let own = format!("{uid}.{}", std::process::id());
        file::stage(&directory, &own, text.as_bytes(), FileAccess::Private)?;
        file::publish_as(&directory, &own, &uid.to_string())
    }

    /// True if the user has a ticket for this audit session that still holds.
    #[must_use]
    pub fn holds(&self, uid: u32, session: u32) -> bool {
        self.open().is_some_and(|directory| {
            let ticket = read(&directory, uid);
            ticket.is_some_and(|ticket| ticket.holds(session, clock::since_boot()))
        })
    }

    /// Takes that ticket: true if it held, and is gone. It may have been looked at up to `patience` seconds before.
    #[must_use]
    pub fn take(&self, uid: u32, session: u32, patience: u64) -> bool {
        let Some(directory) = self.open() else {
            return false;
        };
        let now = clock::since_boot();
        let held = read(&directory, uid).is_some_and(|ticket| {
            ticket.holds(session, now) || ticket.holds(session, now.saturating_sub(patience))
        });
        held && unlinkat(&directory, uid.to_string(), AtFlags::empty()).is_ok()
    }

    fn open(&self) -> Option<OwnedFd> {
        file::open_directory(CWD, &self.directory, FileAccess::Private).ok()
    }
}

impl Ticket {
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

    /// One from the future was written before the machine was started anew.
    const fn holds(self, session: u32, now: u64) -> bool {
        self.session == session && self.issued <= now && now - self.issued < VALID
    }
}

fn read(directory: impl AsFd, uid: u32) -> Option<Ticket> {
    let name = uid.to_string();
    let (fd, stat) = file::open_file(
        directory,
        Path::new(&name),
        FileOpening::Read,
        FileAccess::Private,
    )
    .ok()?;
    let bytes = file::read_all(fd, &stat).ok()?;
    Ticket::parse(std::str::from_utf8(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScratchStore;

    #[test]
    fn a_ticket_holds_once_and_in_its_session() {
        let directory = ScratchStore::new();
        let tickets = TicketStore::at(&directory.path().join("tickets"));
        assert!(!tickets.holds(1000, 7));
        assert!(!tickets.take(1000, 7, 0));
        tickets.issue(1000, 7).unwrap();
        tickets.issue(1000, 8).unwrap();
        for (uid, session) in [(1000, 7), (1001, 8)] {
            assert!(!tickets.holds(uid, session), "{uid} {session}");
            assert!(!tickets.take(uid, session, 600), "{uid} {session}");
        }
        assert!(tickets.holds(1000, 8));
        assert!(tickets.take(1000, 8, 0));
        assert!(!tickets.holds(1000, 8));
        assert!(!tickets.take(1000, 8, 0));
    }

    #[test]
    fn a_ticket_holds_for_ten_minutes() {
        let ticket = Ticket {
            session: 3,
            issued: 1000,
        };
        assert_eq!(Ticket::parse(&ticket.text()), Some(ticket));
        for (now, holds) in [(999, false), (1000, true), (1599, true), (1600, false)] {
            assert_eq!(ticket.holds(3, now), holds, "{now}");
        }
        for text in ["", "3", "3 1000", "3 1000 1\n", "-1 1000\n", "3 x\n"] {
            assert_eq!(Ticket::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_ticket_that_is_not_roots_is_none() {
        let directory = ScratchStore::new();
        let path = directory.path().join("tickets");
        let tickets = TicketStore::at(&path);
        tickets.issue(1000, 7).unwrap();
        let file = path.join("1000");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&file, open).unwrap();
        assert!(!tickets.holds(1000, 7));
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        assert!(!tickets.take(1000, 7, 0));
    }

    #[test]
    fn without_the_daemons_directory_there_is_no_ticket() {
        let directory = ScratchStore::new();
        let tickets = TicketStore::at(&directory.path().join("gone/tickets"));
        assert!(tickets.issue(1000, 7).is_err());
        assert!(!tickets.holds(1000, 7));
    }
}
