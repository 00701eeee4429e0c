//! What the benchmark asks of the operating system: children, clocks, libraries, marks in a trace.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::path::Path;

/// Nanoseconds on a clock that is never set back.
pub fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of processor time that this process has used, in its own code and in the kernel.
pub fn cpu() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for writes, and both clocks exist on every Linux (clock_gettime(2)).
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A child that has been started and not been waited for.
pub struct Child {
    process: libc::pid_t,
    results: File,
}

/// Starts a copy of this process, which must have one thread only, and lets it work. `work` returns numbers.
pub fn fork(work: impl FnOnce() -> Vec<u64>) -> Child {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both ends (pipe2(2)).
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0, "no pipe");
    // SAFETY: both were just opened and belong to nobody else.
    let [reading, mut writing] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    // SAFETY: this process has one thread, so the copy finds no lock of another one held (fork(2)).
    match unsafe { libc::fork() } {
        -1 => panic!("no child: {}", std::io::Error::last_os_error()),
        0 => {
            let bytes: Vec<u8> = work().into_iter().flat_map(u64::to_ne_bytes).collect();
            let status = i32::from(writing.write_all(&bytes).is_err());
            // SAFETY: ends this copy without running what belongs to the original (_exit(2)).
            unsafe { libc::_exit(status) }
        }
        process => Child {
            process,
            results: reading,
        },
    }
}

impl Child {
    /// Waits for the end; returns the numbers.
    pub fn wait(mut self) -> Vec<u64> {
        let mut bytes = Vec::new();
        self.results.read_to_end(&mut bytes).unwrap();
        let mut status = 0;
        // SAFETY: the pointer is valid for writes; the process is a child that was not waited for (waitpid(2)).
        unsafe { libc::waitpid(self.process, &raw mut status, 0) };
        assert_eq!(status, 0, "a child failed");
        let words = bytes.chunks_exact(8);
        words
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect()
    }
}

/// Loads a module as libpam does, and keeps it.
pub fn load(module: &Path) {
    let path = CString::new(module.to_str().unwrap()).unwrap();
    // SAFETY: the path ends in NUL; the constructors are those of modules that libpam would run (dlopen(3)).
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "{} cannot be loaded", module.display());
}

/// Leaves a mark of at most 15 bytes in what strace writes.
pub fn mark(text: &str) {
    let text = CString::new(text).unwrap();
    // SAFETY: the name ends in NUL and is copied (PR_SET_NAME of prctl(2)).
    unsafe { libc::prctl(libc::PR_SET_NAME, text.as_ptr()) };
}
