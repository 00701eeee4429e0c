//! Advisory locks that the kernel releases when their holder dies, with a bounded wait.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, Stat, flock};
use rustix::io::Errno;

use super::clock::monotonic;

/// Longest wait for a lock.
pub const WAIT: Duration = Duration::from_secs(5);
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(10));

/// Locks the open file behind `fd` (flock(2)) if that can be done at once; tells whether it was.
///
/// # Errors
/// Any error of flock(2) but that another process holds it.
pub fn try_exclusive(fd: impl AsFd) -> Result<bool, Errno> {
    loop {
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Locks the open file behind `fd` (flock(2)) until its last descriptor is closed; false where another process holds it for all of
/// `limit`.
///
/// The wait is a series of tries: a blocking flock(2) could only be ended by a signal, and this code runs in
/// programs whose signals are not ours.
///
/// # Errors
/// Any error of flock(2) but that another process holds it.
pub fn exclusive_within(fd: impl AsFd, limit: Duration) -> Result<bool, Errno> {
    exclusive_unless(fd, limit, || false)
}

/// As [`exclusive_within`], and false as soon as the wait is given up, as by a signal that the program has noted.
///
/// # Errors
/// Any error of flock(2) but that another process holds it.
pub fn exclusive_unless(
    fd: impl AsFd,
    limit: Duration,
    is_given_up: impl Fn() -> bool,
) -> Result<bool, Errno> {
    let mut pause = LockPause::begin();
    while !try_exclusive(&fd)? {
        if pause.waited() >= limit || is_given_up() {
            return Ok(false);
        }
        pause.rest();
    }
    Ok(true)
}

/// The process that holds the lock of a file, if it can be seen (proc_locks(5)).
#[must_use]
pub fn holder(file: &Stat) -> Option<u32> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let (major, minor) = (
        rustix::fs::major(file.st_dev),
        rustix::fs::minor(file.st_dev),
    );
    let wanted = format!("{major:02x}:{minor:02x}:{}", file.st_ino);
    let line = locks.lines().find(|line| {
        let mut fields = line.split_whitespace();
        fields.clone().nth(1) == Some("FLOCK") && fields.any(|field| field == wanted)
    })?;
    // Processes of other namespaces are shown as 0 or -1.
    let pid = line.split_whitespace().nth(4)?.parse().ok()?;
    (pid != 0).then_some(pid)
}

/// The pauses between the tries of one wait, each twice as long as the one before, up to a limit.
pub struct LockPause {
    since: Duration,
    next: Duration,
}

impl LockPause {
    /// A wait that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            since: monotonic(),
            next: PAUSE.0,
        }
    }

    /// Duration of the wait.
    #[must_use]
    pub fn waited(&self) -> Duration {
        monotonic().saturating_sub(self.since)
    }

    /// Sleeps until the next try.
    pub fn rest(&mut self) {
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags, open};

    #[test]
    fn a_second_holder_gets_the_lock_afterwards() {
        let path = std::env::temp_dir().join(format!("lock-test-{}", std::process::id()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let one = open(&path, flags, Mode::RUSR | Mode::WUSR).unwrap();
        let two = open(&path, flags, Mode::RUSR | Mode::WUSR).unwrap();
        // The open files are enough, and nothing is left of a test that fails.
        std::fs::remove_file(path).unwrap();
        assert_eq!(exclusive_within(&one, WAIT), Ok(true));
        assert_eq!(exclusive_within(&two, Duration::ZERO), Ok(false));
        let waiter = std::thread::spawn(move || exclusive_within(&two, WAIT));
        drop(one);
        assert_eq!(waiter.join().unwrap(), Ok(true));
    }
}
