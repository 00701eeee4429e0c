//! The system calls of pamdrive that have no safe form: identity, processes, and looking at itself.
#![allow(unsafe_code)]

use std::ffi::c_int;

/// Opens the connection to syslog now, so that a module that logs does not seem to leak a descriptor.
pub fn open_log() {
    // SAFETY: a constant string, which syslog keeps.
    unsafe {
        libc::openlog(
            c"pamdrive".as_ptr(),
            libc::LOG_NDELAY | libc::LOG_PID,
            libc::LOG_AUTHPRIV,
        )
    };
}

/// Sets the real and the effective uid; -1 keeps one.
pub fn set_uids(real: c_int, effective: c_int) -> std::io::Result<()> {
    // SAFETY: no pointers. The saved uid follows the effective one, as in a set-uid program.
    match unsafe {
        libc::setresuid(
            real.cast_unsigned(),
            effective.cast_unsigned(),
            effective.cast_unsigned(),
        )
    } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Removes every variable from the environment.
pub fn clear_environment() {
    // SAFETY: called before any thread exists.
    unsafe { libc::clearenv() };
}

/// Kills this process as a power cut would.
pub fn die() -> Vec<u8> {
    // SAFETY: no pointers.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    Vec::new()
}

/// Forks: `Some(pid)` in the parent, `None` in the child.
pub fn fork() -> std::io::Result<Option<c_int>> {
    // SAFETY: only called while this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Ends a forked child without running anything of its parent's.
pub fn leave() -> ! {
    // SAFETY: no pointers, does not return.
    unsafe { libc::_exit(0) }
}

/// Waits for a forked child.
pub fn wait(pid: c_int) {
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

/// Bytes that malloc has handed out and not got back.
pub fn heap_in_use() -> usize {
    // SAFETY: no arguments.
    unsafe { libc::mallinfo2() }.uordblks
}

/// Number of thread-specific keys that can still be made.
pub fn free_thread_keys() -> usize {
    let mut keys: Vec<libc::pthread_key_t> = Vec::with_capacity(4096);
    let mut key = 0;
    // SAFETY: each key made here is deleted here.
    unsafe {
        while libc::pthread_key_create(&raw mut key, None) == 0 {
            keys.push(key);
        }
        keys.iter().for_each(|key| {
            libc::pthread_key_delete(*key);
        });
    }
    keys.len()
}

/// The file mode mask of this process.
pub fn umask() -> libc::mode_t {
    // SAFETY: no pointers; put back at once, and there is one thread.
    unsafe {
        let mask = libc::umask(0o077);
        libc::umask(mask);
        mask
    }
}

/// Handler, flags and mask of every signal, and which signals are blocked, as comparable bytes.
pub fn signals() -> Vec<(usize, c_int, Vec<c_int>)> {
    let members = |set: &libc::sigset_t| -> Vec<c_int> {
        // SAFETY: the set was filled by the kernel.
        (1..65)
            .filter(|signal| unsafe { libc::sigismember(set, *signal) } == 1)
            .collect()
    };
    // SAFETY: all-zero is valid for both structures; a null new action or mask only reads.
    unsafe {
        let mut blocked: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut blocked);
        let mut all = vec![(0, 0, members(&blocked))];
        for signal in 1..65 {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            all.push((
                action.sa_sigaction,
                action.sa_flags,
                members(&action.sa_mask),
            ));
        }
        all
    }
}
