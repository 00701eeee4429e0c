//! The only place where clocks are read.
#![allow(unsafe_code)]

use std::time::Duration;

/// The wall clock shows a time before 1970, so no step can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeEpoch;

impl std::fmt::Display for BeforeEpoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system clock shows a time before 1970")
    }
}

impl std::error::Error for BeforeEpoch {}

/// Seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`BeforeEpoch`].
pub fn now() -> Result<u64, BeforeEpoch> {
    #[cfg(feature = "fuzzing")]
    if let Some(stopped) = stopped::time() {
        return Ok(stopped);
    }
    u64::try_from(read(libc::CLOCK_REALTIME).tv_sec).map_err(|_| BeforeEpoch)
}

/// Time since some fixed point, never set back: for waiting.
#[must_use]
pub fn monotonic() -> Duration {
    let time = read(libc::CLOCK_MONOTONIC);
    // The kernel's monotonic clock begins at boot: both parts are positive, the nanoseconds below 10^9.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Seconds since the machine was started, those in which it slept included. Never set back.
#[must_use]
pub fn since_boot() -> u64 {
    #[cfg(feature = "fuzzing")]
    if let Some(stopped) = stopped::time() {
        return stopped;
    }
    u64::try_from(read(libc::CLOCK_BOOTTIME).tv_sec).unwrap_or(0)
}

/// Clocks that stand still until they are put forward, so that a fuzz target decides what time passes.
#[cfg(feature = "fuzzing")]
pub mod stopped {
    use std::sync::atomic::{AtomicU64, Ordering};

    /// 0 while the clocks run.
    static TIME: AtomicU64 = AtomicU64::new(0);

    /// Stops the wall clock, and that of the time since the boot, at a time above 0 in seconds.
    pub fn at(seconds: u64) {
        TIME.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn time() -> Option<u64> {
        Some(TIME.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }
}

/// Waits until [`monotonic`] has reached `end`, whatever signals come meanwhile.
pub fn sleep_until(end: Duration) {
    std::thread::sleep(end.saturating_sub(monotonic()));
}

/// The kernel's view of the wall clock (adjtimex(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStatus {
    /// A time service keeps it right.
    Synchronized,
    /// No time service keeps it right, or none any more.
    Unsynchronized,
    /// The kernel does not tell.
    Unknown,
}

impl ClockStatus {
    /// `synchronized`, `unsynchronized` or `unknown`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Synchronized => "synchronized",
            Self::Unsynchronized => "unsynchronized",
            Self::Unknown => "unknown",
        }
    }
}

/// The kernel's answer whether the wall clock is kept right (`STA_UNSYNC` of adjtimex(2)).
#[must_use]
pub fn synchronization() -> ClockStatus {
    // SAFETY: `timex` is plain data for which all zero bytes are a valid value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for writes; `modes` is 0, so nothing is changed (adjtimex(2)).
    let result = unsafe { libc::adjtimex(&raw mut timex) };
    match result {
        -1 => ClockStatus::Unknown,
        _ if timex.status & libc::STA_UNSYNC != 0 => ClockStatus::Unsynchronized,
        _ => ClockStatus::Synchronized,
    }
}

/// Through the C library: rustix parses the vDSO itself, at an address that the kernel tells, which is not mapped under
/// valgrind.
fn read(clock: libc::clockid_t) -> libc::timespec {
    // A call that fails must not look like 1970.
    let mut time = libc::timespec {
        tv_sec: -1,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for writes; both clocks exist on every Linux (clock_gettime(2)).
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward() {
        let (wall, steady) = (now().unwrap(), monotonic());
        assert!(wall > 1_700_000_000);
        assert!(now().unwrap() >= wall && monotonic() >= steady);
    }

    #[test]
    fn a_wait_is_not_cut_short() {
        let end = monotonic() + Duration::from_millis(3);
        sleep_until(end);
        assert!(monotonic() >= end);
        sleep_until(Duration::ZERO);
    }
}
