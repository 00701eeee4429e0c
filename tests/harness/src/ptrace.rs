//! ptrace(2), as far as `fault` and `steps` need it: stops of the programs that this thread has started, and their registers.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Reason why a traced process stands still, or that it does not exist any more.
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

/// Side of a system call on which a process stands: its number and arguments are known before it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before it is done.
    Entry(u64, [u64; 6]),
    /// After it.
    Exit,
}

/// The processors on which this thread, and what it starts, may run.
pub struct Processors(libc::cpu_set_t);

impl Processors {
    /// The processors of the calling thread.
    pub fn of_thread() -> io::Result<Self> {
        // SAFETY: all-zero is a valid set, and as large as is said.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        let size = size_of_val(&set);
        // SAFETY: as above; 0 is the calling thread.
        check(unsafe { libc::sched_getaffinity(0, size, &raw mut set) }.into())?;
        Ok(Self(set))
    }

    /// The one on which this thread runs.
    pub fn current() -> Self {
        // SAFETY: all-zero is a valid set, and the number of a processor is in its range.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
            Self(set)
        }
    }

    /// Lets this thread run on these only.
    pub fn choose(&self) -> io::Result<()> {
        let size = size_of_val(&self.0);
        // SAFETY: the set is as large as is said; 0 is the calling thread.
        check(unsafe { libc::sched_setaffinity(0, size, &raw const self.0) }.into())
    }
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

/// Gives the program the same addresses in each run.
pub fn without_random_addresses(command: &mut Command) {
    // SAFETY: personality is async-signal-safe and takes no pointers.
    unsafe {
        command.pre_exec(|| {
            let same = libc::ADDR_NO_RANDOMIZE.cast_unsigned().into();
            check(libc::personality(same).into())
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

/// Lets a process do one instruction.
pub fn step(pid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SINGLESTEP, pid, 0, signal as usize)
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

/// Side of a system call on which a process stopped.
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

/// Place of a process between two instructions.
pub struct Here {
    /// The address of the next instruction.
    pub address: u64,
    /// The number and the arguments of a system call, if the next instruction makes one.
    pub registers: (u64, [u64; 6]),
}

/// Place of a process that stopped after an instruction.
#[cfg(target_arch = "x86_64")]
pub fn here(pid: i32) -> io::Result<Here> {
    let registers = registers(pid)?;
    let [a, b, c] = [registers.rdi, registers.rsi, registers.rdx];
    let [d, e, f] = [registers.r10, registers.r8, registers.r9];
    Ok(Here {
        address: registers.rip,
        registers: (registers.rax, [a, b, c, d, e, f]),
    })
}

/// True if the instruction at an address makes a system call.
#[cfg(target_arch = "x86_64")]
pub fn makes_call(pid: i32, address: u64) -> bool {
    const SYSCALL: libc::c_long = 0x050f;
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the C library returns the word and uses a place of its own; where nothing can be read, it returns -1.
    let word = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, pid, address as usize, none) };
    word & 0xffff == SYSCALL
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
    let mut registers = registers(pid)?;
    with(&mut registers);
    request(libc::PTRACE_SETREGS, pid, 0, (&raw mut registers).addr())
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: i32) -> io::Result<libc::user_regs_struct> {
    // SAFETY: all-zero is a valid set of registers.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let place = (&raw mut registers).addr();
    request(libc::PTRACE_GETREGS, pid, 0, place)?;
    Ok(registers)
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
