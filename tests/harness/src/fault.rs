//! Makes one system call of a program go wrong, in the way of strace's `inject`, and tells all the calls it made.
//!
//! A call that fails is not made at all, a short one is really made with a smaller length, and a process that is
//! killed is killed by SIGKILL: nothing is lied about.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::exec::{self, Program, Run};
use crate::freezer::Freezer;
use crate::ptrace::{self, Side, Stop};
use crate::time_limit::limited;

/// System calls by which a process waits for the disk.
pub const FLUSHES: [&str; 6] = [
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "msync",
];

/// Harm that is done to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// It is not made, and this error is returned.
    Error(i32),
    /// The process is killed instead.
    KillBefore,
    /// The process is killed when it is done, before it learns the result.
    KillAfter,
    /// It is asked for so many bytes only.
    Short(u64),
    /// The process is stopped when it is done, before it learns the result, until [`Program::halted`] lets it go on.
    Halt(Halt),
}

/// Way in which a process is kept from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    /// SIGSTOP, as its user can send it.
    Signal,
    /// The freezer of control groups of version 2, where one can be made: see [`crate::freezer::is_there`].
    Freezer,
}

/// Fault of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The position of the call among all that are told.
    pub position: usize,
    /// Harm that is done to it.
    pub harm: Harm,
}

/// The calls that are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Calls between the marks that pamdrive makes: in libpam and its modules, not in pamdrive itself.
    Marked,
    /// Calls of the program that was executed as the one of this number, and of those after it.
    Program(usize),
}

/// A system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Its number (unistd.h).
    pub number: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// A program that was traced to its end.
#[derive(Debug)]
pub struct Traced {
    /// Its ending, and what it wrote.
    pub run: Run,
    /// The calls of the window in order, those of child processes among them; after one that failed, no more are told.
    pub calls: Vec<Call>,
    /// The call that something was done to.
    pub struck: Option<Call>,
}

/// Descriptor and offset of an lseek(2) that fails and says "from here on", or "up to here".
const MARK: (i32, [i64; 2]) = (-2, [0x7061_6d01, 0x7061_6d00]);

impl Program {
    /// Runs it to its end under ptrace(2), and lets at most one of its calls go wrong.
    ///
    /// # Panics
    /// When it cannot be started or traced, or takes longer than its limit.
    pub fn traced(self, window: Window, fault: Option<Fault>) -> Traced {
        self.followed(window, fault, &mut || {})
    }

    /// Runs it to its end, but stops it after one call for as long as `meanwhile` takes. Then it is not traced any more.
    ///
    /// # Panics
    /// When it cannot be started, traced or stopped, or takes longer than its limit.
    pub fn halted(
        self,
        window: Window,
        (position, halt): (usize, Halt),
        meanwhile: &mut dyn FnMut(),
    ) -> Traced {
        let harm = Harm::Halt(halt);
        self.followed(window, Some(Fault { position, harm }), meanwhile)
    }

    fn followed(self, window: Window, fault: Option<Fault>, meanwhile: &mut dyn FnMut()) -> Traced {
        let (limit, shown) = (self.time(), format!("{self:?}"));
        let (mut command, output) = self.prepared();
        ptrace::trace(&mut command);
        // Waited for below, as a traced process.
        let root = exec::spawn(&mut command).id().cast_signed();
        let mut tracer = Tracer::new(root, window, fault, meanwhile);
        let (status, late) = limited(root, limit, || tracer.follow());
        assert!(!late, "{shown} did not end within {limit:?} ({fault:?})");
        Traced {
            run: output.ended(ExitStatus::from_raw(status)),
            calls: tracer.calls,
            struck: tracer.struck,
        }
    }
}

/// Everything that is known of a traced process.
#[derive(Debug, Clone, Copy, Default)]
struct Tracee {
    is_told: bool,
    /// The call it is in, if something is being done to it.
    in_hand: Option<Call>,
    began: bool,
    /// Its parent has told of it.
    is_announced: bool,
}

struct Tracer<'m> {
    root: i32,
    meanwhile: &'m mut dyn FnMut(),
    window: Window,
    fault: Option<Fault>,
    programs: usize,
    tracees: BTreeMap<i32, Tracee>,
    /// Processes that ended before their parents told of them.
    early: BTreeSet<i32>,
    calls: Vec<Call>,
    struck: Option<Call>,
    /// The call has failed: what comes now is let alone, which is faster.
    is_over: bool,
}

impl<'m> Tracer<'m> {
    fn new(
        root: i32,
        window: Window,
        fault: Option<Fault>,
        meanwhile: &'m mut dyn FnMut(),
    ) -> Self {
        Self {
            root,
            meanwhile,
            window,
            fault,
            programs: 0,
            tracees: BTreeMap::new(),
            early: BTreeSet::new(),
            calls: Vec::new(),
            struck: None,
            is_over: false,
        }
    }

    /// Until the program and everything it started has ended; returns how it ended itself.
    fn follow(&mut self) -> i32 {
        let root = self.root;
        self.tracees.insert(root, Tracee::default());
        let mut ended = 0;
        while !self.tracees.is_empty() {
            let (pid, stop) = ptrace::wait().expect("waiting for a traced process");
            if let Stop::Ended(status) = stop {
                let known = self.tracees.remove(&pid);
                let known = known.expect("no other process of the test ends");
                if !known.is_announced && pid != root {
                    self.early.insert(pid);
                }
                if pid == root {
                    ended = status;
                }
                continue;
            }
            // A process that was killed while it stood still cannot be asked or told anything any more.
            let _ = self.stopped(pid, stop);
        }
        ended
    }

    fn stopped(&mut self, pid: i32, stop: Stop) -> std::io::Result<()> {
        let mut signal = 0;
        // A child may stand still before its parent tells of it.
        let tracee = self.tracees.entry(pid).or_default();
        if !tracee.began {
            tracee.began = true;
            ptrace::prepare(pid)?;
            if matches!(stop, Stop::Signal(libc::SIGTRAP | libc::SIGSTOP)) {
                self.count_program(pid, stop);
                return ptrace::resume(pid, 0);
            }
        }
        match stop {
            Stop::Signal(caught) => signal = caught,
            Stop::Exec => self.count_program(pid, Stop::Signal(libc::SIGTRAP)),
            Stop::Child(child) => {
                let is_told = self.tracees.get(&pid).is_some_and(|tracee| tracee.is_told);
                if !self.early.remove(&child) {
                    let tracee = self.tracees.entry(child).or_default();
                    (tracee.is_told, tracee.is_announced) = (is_told, true);
                }
            }
            Stop::Call => match ptrace::side(pid)? {
                Side::Entry(number, arguments) => self.entered(pid, Call { number, arguments })?,
                Side::Exit => self.left(pid)?,
            },
            Stop::Ended(_) => {}
        }
        if self.is_over {
            ptrace::release(pid, signal)
        } else {
            ptrace::resume(pid, signal)
        }
    }

    fn count_program(&mut self, pid: i32, stop: Stop) {
        if stop == Stop::Signal(libc::SIGTRAP) {
            self.programs += 1;
        }
        let reached = matches!(self.window, Window::Program(number) if number <= self.programs);
        if let Some(tracee) = self.tracees.get_mut(&pid).filter(|_| reached) {
            tracee.is_told = true;
        }
    }

    fn entered(&mut self, pid: i32, call: Call) -> std::io::Result<()> {
        let Some(tracee) = self.tracees.get_mut(&pid) else {
            return Ok(());
        };
        if self.window == Window::Marked
            && let Some(side) = mark(&call)
        {
            tracee.is_told = side;
            return Ok(());
        }
        if !tracee.is_told || call.is_unreal() {
            return Ok(());
        }
        let position = self.calls.len();
        self.calls.push(call);
        let Some(fault) = self.fault.filter(|fault| fault.position == position) else {
            return Ok(());
        };
        tracee.in_hand = Some(call);
        self.struck = Some(call);
        match fault.harm {
            Harm::Error(_) => ptrace::skip(pid),
            Harm::KillBefore => {
                ptrace::kill(pid);
                Ok(())
            }
            Harm::KillAfter | Harm::Halt(_) => Ok(()),
            Harm::Short(length) => ptrace::set_third(pid, length),
        }
    }

    fn left(&mut self, pid: i32) -> std::io::Result<()> {
        let in_hand = self.tracees.get_mut(&pid);
        let in_hand = in_hand.and_then(|tracee| tracee.in_hand.take());
        match (in_hand, self.fault.map(|fault| fault.harm)) {
            (Some(_), Some(Harm::Error(errno))) => {
                self.is_over = true;
                ptrace::fail(pid, errno)
            }
            (Some(_), Some(Harm::KillAfter)) => {
                ptrace::kill(pid);
                Ok(())
            }
            (Some(_), Some(Harm::Halt(halt))) => self.halt(pid, halt),
            // The kernel leaves the registers of arguments as they were, and programs count on it.
            (Some(call), Some(Harm::Short(_))) => ptrace::set_third(pid, call.arguments[2]),
            _ => Ok(()),
        }
    }

    /// It is let go by ptrace(2) only when it cannot run on, and runs on untraced afterwards.
    fn halt(&mut self, pid: i32, halt: Halt) -> std::io::Result<()> {
        self.is_over = true;
        // Of a process that this thread has not started, nothing more will be told.
        if pid != self.root {
            self.tracees.remove(&pid);
        }
        match halt {
            Halt::Signal => {
                // It is handled before the process comes back from the call.
                ptrace::signal(pid, libc::SIGSTOP);
                ptrace::detach(pid)?;
                (self.meanwhile)();
                ptrace::signal(pid, libc::SIGCONT);
            }
            Halt::Freezer => {
                let freezer = Freezer::around(pid).expect("freezing a process");
                ptrace::detach(pid)?;
                freezer.wait().expect("a frozen process");
                (self.meanwhile)();
                freezer.thaw().expect("letting a process go on");
            }
        }
        Ok(())
    }
}

/// The side of a mark, if a call is one.
pub(crate) fn mark(call: &Call) -> Option<bool> {
    let (descriptor, offsets) = MARK;
    let is_mark =
        call.number == libc::SYS_lseek.cast_unsigned() && call.arguments[0] as i32 == descriptor;
    let offset = call.arguments[1].cast_signed();
    is_mark.then(|| offset == offsets[0])
}

impl Call {
    /// True if the kernel never returns from it to where it was called.
    fn is_unreal(&self) -> bool {
        let number = self.number.cast_signed();
        [libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn].contains(&number)
    }

    /// Its name, or its number.
    pub fn name(&self) -> String {
        let mut known = NAMES.iter();
        let found = known.find(|(number, _)| number.cast_unsigned() == self.number);
        found.map_or_else(|| self.number.to_string(), |(_, name)| (*name).to_owned())
    }

    /// True if it reads or changes a file or a directory, or is about descriptors, locks, memory or limits.
    pub fn is_about_files_or_memory(&self) -> bool {
        let mut known = NAMES.iter();
        known.any(|(number, _)| number.cast_unsigned() == self.number)
    }

    /// The number of bytes it reads or writes at most, if it is such a call.
    pub fn length(&self) -> Option<u64> {
        let lengths = [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_pread64,
            libc::SYS_pwrite64,
        ];
        let has_length = lengths.contains(&self.number.cast_signed());
        has_length.then_some(self.arguments[2])
    }
}

macro_rules! names {
    ($($number:ident $name:literal),* $(,)?) => {
        /// Calls about files, descriptors, locks, memory and limits.
        const NAMES: &[(i64, &str)] = &[$((libc::$number, $name)),*];
    };
}

names! {
    SYS_open "open", SYS_openat "openat", SYS_openat2 "openat2", SYS_creat "creat", SYS_close "close",
    SYS_read "read", SYS_pread64 "pread64", SYS_readv "readv", SYS_preadv "preadv",
    SYS_write "write", SYS_pwrite64 "pwrite64", SYS_writev "writev", SYS_pwritev "pwritev", SYS_lseek "lseek",
    SYS_stat "stat", SYS_fstat "fstat", SYS_lstat "lstat", SYS_newfstatat "newfstatat", SYS_statx "statx",
    SYS_fstatfs "fstatfs", SYS_statfs "statfs", SYS_access "access", SYS_faccessat "faccessat",
    SYS_faccessat2 "faccessat2", SYS_getdents64 "getdents64", SYS_readlink "readlink", SYS_readlinkat "readlinkat",
    SYS_fcntl "fcntl", SYS_ioctl "ioctl", SYS_dup "dup", SYS_dup2 "dup2", SYS_flock "flock",
    SYS_fsync "fsync", SYS_fdatasync "fdatasync", SYS_syncfs "syncfs", SYS_sync "sync",
    SYS_ftruncate "ftruncate", SYS_truncate "truncate", SYS_fallocate "fallocate",
    SYS_rename "rename", SYS_renameat "renameat", SYS_renameat2 "renameat2", SYS_link "link", SYS_linkat "linkat",
    SYS_symlink "symlink", SYS_symlinkat "symlinkat", SYS_unlink "unlink", SYS_unlinkat "unlinkat", SYS_mkdir "mkdir", SYS_mkdirat "mkdirat", SYS_rmdir "rmdir",
    SYS_chmod "chmod", SYS_fchmod "fchmod", SYS_fchmodat "fchmodat",
    SYS_chown "chown", SYS_fchown "fchown", SYS_fchownat "fchownat",
    SYS_socket "socket", SYS_connect "connect", SYS_sendto "sendto",
    SYS_brk "brk", SYS_mmap "mmap", SYS_munmap "munmap", SYS_mremap "mremap", SYS_mprotect "mprotect",
    SYS_madvise "madvise", SYS_getrandom "getrandom", SYS_prlimit64 "prlimit64",
}
