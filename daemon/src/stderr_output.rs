//! Writing lines to standard error: with a level where that is the journal, and never blocking.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Stat, fstat};
use rustix::net::{SendFlags, send};

/// Largest line in bytes: a pipe takes so many at once.
const LONGEST: usize = 4000;

/// Held while a line is written: two at once could exceed the room that was found in a pipe.
static WRITING: Mutex<()> = Mutex::new(());

/// Longest wait for room for a line that says what was changed.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Writes one line to standard error, or drops it if that would block.
pub fn write(level: u8, text: &str) {
    if let Some((stat, line)) = prepared(level, text) {
        write_now(rustix::stdio::stderr(), &stat, &line);
    }
}

/// Writes one line that must not be lost: waits up to a second until there is room for it. Other lines are written meanwhile.
pub fn write_patiently(level: u8, text: &str) {
    if let Some((stat, line)) = prepared(level, text) {
        write_soon(rustix::stdio::stderr(), &stat, &line);
    }
}

/// The kind of standard error, and a line for it: with a level of syslog(3) where that is the journal (sd-daemon(3)).
#[allow(
    clippy::disallowed_methods,
    reason = "systemd names the stream in the environment; without it a line has no level"
)]
fn prepared(level: u8, text: &str) -> Option<(Stat, String)> {
    // libFuzzer's report goes there.
    if cfg!(feature = "fuzzing") {
        return None;
    }
    let stat = fstat(rustix::stdio::stderr()).ok()?;
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let line = if is_journal(&stat, &stream) {
        format!("<{level}>{text}")
    } else {
        text.to_owned()
    };
    Some((stat, line))
}

/// Writes a line when there is room for it, or after the patience is over.
fn write_soon(to: BorrowedFd<'_>, stat: &Stat, text: &str) {
    has_room(to, &PATIENCE);
    write_now(to, stat, text);
}

/// True if something can be written within a time.
fn has_room(to: BorrowedFd<'_>, time: &Timespec) -> bool {
    let mut waited = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
    let is_ready = poll(&mut waited, Some(time)) == Ok(1);
    let [ready] = waited;
    is_ready && ready.revents().contains(PollFlags::OUT)
}

/// True if a file is the stream that JOURNAL_STREAM (systemd.exec(5)) names by device and inode.
fn is_journal(stat: &Stat, stream: &str) -> bool {
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// Writes a line if that does not block: the answer to a user does not wait for the log.
fn write_now(to: BorrowedFd<'_>, stat: &Stat, text: &str) {
    let mut line = text.as_bytes().to_vec();
    line.truncate(LONGEST);
    line.push(b'\n');
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Socket {
        let _ = send(to, &line, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        return;
    }
    if has_room(to, &Timespec::default()) {
        let _ = rustix::io::write(to, &line);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Writes more lines than the other end accepts.
    fn overfill(to: BorrowedFd<'_>) {
        let stat = fstat(to).unwrap();
        for _ in 0..10_000 {
            write_now(to, &stat, &"x".repeat(5000));
        }
    }

    #[test]
    fn a_log_that_is_not_read_is_not_waited_for() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        overfill(writer.as_fd());
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert!(text.lines().count() > 0);
        assert!(text.lines().all(|line| line.len() == LONGEST));
        let (mut reader, writer) = UnixStream::pair().unwrap();
        overfill(writer.as_fd());
        drop(writer);
        text.clear();
        reader.read_to_string(&mut text).unwrap();
        assert!(text.lines().count() > 0);
        assert!(text.lines().all(|line| line.len() == LONGEST));
    }

    #[test]
    fn a_line_that_has_to_be_there_waits_for_room() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        overfill(writer.as_fd());
        let stat = fstat(&writer).unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        write_soon(writer.as_fd(), &stat, "changed");
        drop(writer);
        assert!(reading.join().unwrap().ends_with("\nchanged\n"));
    }

    #[test]
    fn only_the_stream_that_systemd_names_is_the_journal() {
        let (journal, other) = UnixStream::pair().unwrap();
        let stat = fstat(&journal).unwrap();
        let named = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is_journal(&stat, &named));
        assert!(!is_journal(&fstat(&other).unwrap(), &named));
        assert!(!is_journal(&stat, "") && !is_journal(&stat, &stat.st_ino.to_string()));
    }
}
