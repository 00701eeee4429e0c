//! Keeping SIGXFSZ from killing a login whose caller set `ulimit -f`.

use std::marker::PhantomData;

/// While it lives, a write beyond the file size limit fails with EFBIG and nothing else happens (setrlimit(2)).
///
/// The signal mask belongs to the thread, so the guard stays on its thread.
pub struct FileSizeSignalBlocked {
    previous: libc::sigset_t,
    was_pending: bool,
    _not_send: PhantomData<*const ()>,
}

impl FileSizeSignalBlocked {
    /// Blocks the signal for this thread. `None` when the system refuses.
    #[must_use]
    pub fn new() -> Option<Self> {
        let was_pending = is_pending()?;
        let mut previous = empty();
        let only = only_xfsz();
        // SAFETY: both sets are valid, initialized and outlive the call (pthread_sigmask(3)).
        let result =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const only, &raw mut previous) };
        (result == 0).then_some(Self {
            previous,
            was_pending,
            _not_send: PhantomData,
        })
    }
}

impl Drop for FileSizeSignalBlocked {
    fn drop(&mut self) {
        if !self.was_pending && is_pending() == Some(true) {
            let only = only_xfsz();
            let at_once = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: the set and the time are valid; a null `info` is allowed (sigtimedwait(2)).
            unsafe {
                libc::sigtimedwait(&raw const only, std::ptr::null_mut(), &raw const at_once)
            };
        }
        // SAFETY: `previous` was filled by pthread_sigmask(3); a null old set is allowed.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.previous,
                std::ptr::null_mut(),
            )
        };
    }
}

fn is_pending() -> Option<bool> {
    let mut pending = empty();
    // SAFETY: the set is valid for writes (sigpending(2)).
    let result = unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: the set was initialized by sigemptyset(3) and filled by sigpending(2).
    (result == 0).then(|| unsafe { libc::sigismember(&raw const pending, libc::SIGXFSZ) } == 1)
}

fn only_xfsz() -> libc::sigset_t {
    let mut set = empty();
    // SAFETY: the set is initialized and the signal number valid (sigaddset(3)).
    unsafe { libc::sigaddset(&raw mut set, libc::SIGXFSZ) };
    set
}

fn empty() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initializes the set it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_raised_under_the_guard_is_swallowed() {
        {
            let _guard = FileSizeSignalBlocked::new().unwrap();
            // SAFETY: raising a blocked signal on the own thread.
            unsafe { libc::raise(libc::SIGXFSZ) };
            assert_eq!(is_pending(), Some(true));
        }
        assert_eq!(is_pending(), Some(false));
    }
}
