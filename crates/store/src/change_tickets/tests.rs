//! Tickets in a directory of their own.

use std::os::unix::net::UnixListener;

use super::*;
use crate::testing::ScratchStore;

#[test]
fn a_ticket_holds_once_and_in_its_session() {
    let directory = ScratchStore::new();
    let tickets = TicketStore::at(&directory.path().join("tickets"));
    assert!(!tickets.holds(1000, 7).unwrap());
    assert!(!tickets.take(1000, 7, 0).unwrap());
    tickets.issue(1000, 7).unwrap();
    tickets.issue(1000, 8).unwrap();
    for (uid, session) in [(1000, 7), (1001, 8)] {
        assert!(!tickets.holds(uid, session).unwrap(), "{uid} {session}");
        assert!(!tickets.take(uid, session, 600).unwrap(), "{uid} {session}");
    }
    assert!(tickets.holds(1000, 8).unwrap());
    assert!(tickets.take(1000, 8, 0).unwrap());
    assert!(!tickets.holds(1000, 8).unwrap());
    assert!(!tickets.take(1000, 8, 0).unwrap());
}

#[test]
fn a_ticket_holds_for_ten_minutes() {
    let ticket = TicketContent {
        session: 3,
        issued: 1000,
    };
    assert_eq!(TicketContent::parse(&ticket.text()), Some(ticket));
    for (now, holds) in [(999, false), (1000, true), (1599, true), (1600, false)] {
        assert_eq!(ticket.holds(3, now), holds, "{now}");
    }
    for text in ["", "3", "3 1000", "3 1000 1\n", "-1 1000\n", "3 x\n"] {
        assert_eq!(TicketContent::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_ticket_that_is_not_roots_is_an_error() {
    let directory = ScratchStore::new();
    let path = directory.path().join("tickets");
    let tickets = TicketStore::at(&path);
    tickets.issue(1000, 7).unwrap();
    let file = path.join("1000");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&file, open).unwrap();
    assert!(tickets.holds(1000, 7).is_err());
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/null", &file).unwrap();
    assert!(tickets.take(1000, 7, 0).is_err());
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(tickets.holds(1000, 7).is_err());
    assert!(tickets.issue(1000, 7).is_err());
}

#[test]
fn without_the_daemons_directory_there_is_no_ticket() {
    let directory = ScratchStore::new();
    let tickets = TicketStore::at(&directory.path().join("gone/tickets"));
    assert_eq!(tickets.issue(1000, 7), Ok(TicketIssue::NoDaemon));
    assert_eq!(tickets.holds(1000, 7), Ok(false));
    assert_eq!(tickets.take(1000, 7, 0), Ok(false));
}

#[test]
fn a_daemon_that_takes_tickets_has_its_socket() {
    let at_default = Path::new(DIRECTORY).with_file_name(SOCKET_NAME);
    assert_eq!(at_default, Path::new(twofactor_protocol::SOCKET));
    let directory = ScratchStore::new();
    let run = directory.path().join("run");
    let tickets = TicketStore::at(&run.join("tickets"));
    assert!(!tickets.has_daemon());
    std::fs::create_dir(&run).unwrap();
    assert!(!tickets.has_daemon());
    let _fleets = UnixListener::bind(run.join("fleet")).unwrap();
    assert!(!tickets.has_daemon());
    let _users = UnixListener::bind(run.join(SOCKET_NAME)).unwrap();
    assert!(tickets.has_daemon());
}

#[test]
fn what_a_killed_login_left_is_removed() {
    let directory = ScratchStore::new();
    let path = directory.path().join("tickets");
    let tickets = TicketStore::at(&path);
    assert_eq!(tickets.issue(1000, 7), Ok(TicketIssue::Written));
    // No process has the first number; the second is that of a login that is still at it, the third of another user's.
    let none = i32::MAX;
    let busy = format!(".1000.{}.new", std::os::unix::process::parent_id());
    let others = format!(".1001.{none}.new");
    for name in [&format!(".1000.{none}.new"), &busy, &others] {
        std::fs::write(path.join(name), "").unwrap();
    }
    tickets.issue(1000, 8).unwrap();
    let names = std::fs::read_dir(&path).unwrap();
    let mut names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [busy.as_str(), others.as_str(), "1000"]);
    assert_eq!(tickets.holds(1000, 8), Ok(true));
}
