//! ptrace(2), as far as `fault` needs it: stops of the programs that this thread has started, and their registers.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Why a traced process stands still, or that it does not exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Before a system call or after it.
    Call,
    /// It runs another program now.
    Exec,
    /// It has started this process, which is traced as well.
    Child(i32),
    /// It is about to get this signal.
    Signal(i32),
    /// It has ended, with this status of wait(2).
    Ended(i32),
}

/// Where a process stands in a system call: its number and arguments are known before it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before it is done.
    Entry(u64, [u64; 6]),
    /// After it.
    Exit,
}

/// Makes this thread the tracer of the program.
pub fn trace(command: &mut Command) {
    // SAFETY: ptrace is async-signal-safe; PTRACE_TRACEME takes no pointers.
    unsafe {
        command.pre_exec(|| {
            let none = std::ptr::null_mut::<libc::c_void>();
            check(libc::ptrace(libc::PTRACE_TRACEME, 0, none, none))
        })
    };
}

/// Sets up a process that stands still for the first time: its children are traced, and all of them die with this thread.
pub fn prepare(pid: i32) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SETOPTIONS, pid, 0, options as usize)
}

/// Lets a process go on to its next system call, or to the end of the one it is in.
pub fn resume(pid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, pid, 0, signal as usize)
}

/// Lets a process go on without stopping at its system calls.
pub fn release(pid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT, pid, 0, signal as usize)
}

/// Lets a process go that stands still; it is not traced any more.
pub fn detach(pid: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, pid, 0, 0)
}

/// Kills a process.
pub fn kill(pid: i32) {
    signal(pid, libc::SIGKILL);
}

/// Sends a signal to a process that was traced.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: no pointers; the process is one of the test that was not waited for to its end.
    unsafe { libc::kill(pid, signal) };
}

/// Waits for the next child of this thread that stands still or ends.
pub fn wait() -> io::Result<(i32, Stop)> {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    check(pid.into())?;
    if !libc::WIFSTOPPED(status) {
        return Ok((pid, Stop::Ended(status)));
    }
    let stop = match (libc::WSTOPSIG(status), status >> 16) {
        (libc::SIGTRAP, libc::PTRACE_EVENT_EXEC) => Stop::Exec,
        (
            libc::SIGTRAP,
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE,
        ) => {
            let mut child: libc::c_ulong = 0;
            let place = (&raw mut child).addr();
            request(libc::PTRACE_GETEVENTMSG, pid, 0, place)?;
            Stop::Child(child as i32)
        }
        (signal, _) if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        (signal, _) => Stop::Signal(signal),
    };
    Ok((pid, stop))
}

/// Where a process that stopped at a system call stands.
pub fn side(pid: i32) -> io::Result<Side> {
    const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    // struct ptrace_syscall_info: a byte that tells the side, instruction and stack pointers, then number and arguments.
    let mut info = [0_u64; 11];
    let place = info.as_mut_ptr().addr();
    request(GET_SYSCALL_INFO, pid, size_of_val(&info), place)?;
    let [kind, _, _, number, a, b, c, d, e, f, _] = info;
    Ok(match kind & 0xff {
        1 => Side::Entry(number, [a, b, c, d, e, f]),
        _ => Side::Exit,
    })
}

/// Before a system call: there is none, and nothing is done.
pub fn skip(pid: i32) -> io::Result<()> {
    change(pid, |registers| registers.orig_rax = u64::MAX)
}

/// After a system call: it failed with this error.
pub fn fail(pid: i32, errno: i32) -> io::Result<()> {
    change(pid, |registers| {
        registers.rax = i64::from(-errno).cast_unsigned();
    })
}

/// The third argument, which is the length for read(2) and write(2) and their relatives.
pub fn set_third(pid: i32, value: u64) -> io::Result<()> {
    change(pid, |registers| registers.rdx = value)
}

#[cfg(target_arch = "x86_64")]
fn change(pid: i32, with: impl FnOnce(&mut libc::user_regs_struct)) -> io::Result<()> {
    // SAFETY: all-zero is a valid set of registers.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let place = (&raw mut registers).addr();
    request(libc::PTRACE_GETREGS, pid, 0, place)?;
    with(&mut registers);
    request(libc::PTRACE_SETREGS, pid, 0, place)
}

fn request(what: libc::c_uint, pid: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: each caller passes what ptrace(2) wants for its request; places are those of live local variables that
    // are as large as the kernel writes.
    check(unsafe { libc::ptrace(what, pid, address, data) })
}

fn check(result: libc::c_long) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
