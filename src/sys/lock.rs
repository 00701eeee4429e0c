//! Advisory locks that the kernel releases when their holder dies, with a bounded wait.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::clock::monotonic;

/// Longest wait for a lock.
pub const WAIT: Duration = Duration::from_secs(5);
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(10));

/// Locks the open file behind `fd` (flock(2)) until its last descriptor is closed.
///
/// The wait is a series of tries: a blocking flock(2) could only be ended by a signal, and this code runs in
/// programs whose signals are not ours.
///
/// # Errors
/// [`Errno::WOULDBLOCK`] when somebody else held it for all of [`WAIT`]; any other error of flock(2).
pub fn exclusive(fd: impl AsFd) -> Result<(), Errno> {
    let deadline = monotonic() + WAIT;
    let mut pause = PAUSE.0;
    loop {
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if monotonic() < deadline => std::thread::sleep(pause),
            Err(Errno::INTR) => {}
            other => return other,
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags, open};

    #[test]
    fn a_second_holder_waits_in_vain_and_gets_it_afterwards() {
        let path = std::env::temp_dir().join(format!("lock-test-{}", std::process::id()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let one = open(&path, flags, Mode::RUSR | Mode::WUSR).unwrap();
        let two = open(&path, flags, Mode::RUSR | Mode::WUSR).unwrap();
        exclusive(&one).unwrap();
        assert_eq!(
            flock(&two, FlockOperation::NonBlockingLockExclusive),
            Err(Errno::WOULDBLOCK)
        );
        let waiter = std::thread::spawn(move || exclusive(&two));
        drop(one);
        assert_eq!(waiter.join().unwrap(), Ok(()));
        std::fs::remove_file(path).unwrap();
    }
}
