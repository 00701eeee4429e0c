//! The system calls that need `unsafe`: namespaces, the init process of a machine, sessions and terminals of children.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Gives the calling thread, and it alone, its own mounts, network and host name.
pub fn unshare() -> io::Result<()> {
    // SAFETY: no pointers; CLONE_FS detaches the working directory of this thread from the others'.
    check(unsafe {
        libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWUTS)
    })
}

/// Moves the calling thread (for a process namespace: its future children) into a namespace.
pub fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed; 0 means whatever kind of namespace it is.
    check(unsafe { libc::setns(namespace.as_raw_fd(), 0) })
}

/// Opens one of the namespaces of the calling thread.
pub fn namespace(kind: &str) -> io::Result<OwnedFd> {
    Ok(File::open(format!("/proc/thread-self/ns/{kind}"))?.into())
}

/// Process 1 of a machine: when it ends, for whatever reason, the kernel kills every other process of the machine.
pub struct Init {
    pid: libc::pid_t,
    /// /proc with the numbers that processes have outside.
    proc: File,
    own: OwnedFd,
    machine: OwnedFd,
}

impl Init {
    /// Starts it and lets it mount /proc for the processes of the machine. It dies with the calling thread.
    pub fn start() -> io::Result<Self> {
        let own = namespace("pid")?;
        // Kept open because these are gone once the machine's own /proc is mounted.
        let proc = File::open("/proc")?;
        let thread = File::open("/proc/thread-self/ns")?;
        let (mut ready, told) = io::pipe()?;
        // SAFETY: no pointers; concerns only children started from now on.
        check(unsafe { libc::unshare(libc::CLONE_NEWPID) })?;
        // SAFETY: the child calls only async-signal-safe functions and never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            init(told.as_raw_fd());
        }
        let forked = check(pid);
        let machine = forked.and_then(|()| open_at(&thread, c"pid_for_children"));
        // From here on other children, and threads, are the test's own again.
        enter(&own)?;
        drop(told);
        let init = Self {
            pid,
            proc,
            own,
            machine: machine?,
        };
        let mut error = [0; 4];
        ready.read_exact(&mut error)?;
        match i32::from_ne_bytes(error) {
            0 => Ok(init),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Mappings of a process that this crate has started, as proc_pid_maps(5).
    pub fn maps(&self, pid: i32) -> io::Result<String> {
        let path = CString::new(format!("{pid}/maps"))?;
        let mut text = String::new();
        File::from(open_at(&self.proc, &path)?).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Runs `start` so that the processes it starts belong to the machine.
    pub fn inside<T>(&self, start: impl FnOnce() -> T) -> T {
        enter(&self.machine).expect("entering the processes of the machine");
        let result = start();
        enter(&self.own).expect("leaving the processes of the machine");
        result
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // SAFETY: the pid is that of our own child, which was not waited for yet.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let deadline = Instant::now() + Duration::from_secs(20);
        // SAFETY: as above; a null status is allowed.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), libc::WNOHANG) } == 0 {
            // It ends only after every process of the machine was waited for.
            if Instant::now() > deadline {
                eprintln!("harness: a process of the machine was never waited for");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Makes the child start without a controlling terminal, so that it cannot reach the terminal of the developer.
pub fn own_session(command: &mut Command) {
    // SAFETY: setsid is async-signal-safe, and so is default_signals.
    unsafe { command.pre_exec(|| default_signals().and_then(|()| check(libc::setsid()))) };
}

/// Makes the child's standard input its controlling terminal.
pub fn own_terminal(command: &mut Command) {
    // SAFETY: setsid, ioctl and default_signals are async-signal-safe; TIOCSCTTY takes an integer.
    unsafe {
        command.pre_exec(|| {
            default_signals()?;
            check(libc::setsid())?;
            check(libc::ioctl(0, libc::TIOCSCTTY, 0))
        })
    };
}

/// Lets no signal be ignored: tests that run in the background or under nohup(1) have inherited that from there, and
/// Ctrl-C would do nothing on the terminals of their programs.
fn default_signals() -> io::Result<()> {
    for signal in 1..32 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: async-signal-safe; the default needs no handler.
            if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Switches the loopback interface of the calling thread's network on.
pub fn loopback_up() -> io::Result<()> {
    let mut request = interface(c"lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    configure(libc::AF_INET, libc::SIOCSIFFLAGS, &request)
}

/// Gives the loopback interface one more address.
pub fn add_address(address: IpAddr, label: &CStr) -> io::Result<()> {
    match address {
        IpAddr::V4(address) => {
            let mut request = interface(label);
            let socket_address = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 0,
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: both are plain 16-byte socket addresses; the kernel reads one by its family.
            request.ifr_ifru.ifru_addr =
                unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(socket_address) };
            configure(libc::AF_INET, libc::SIOCSIFADDR, &request)
        }
        IpAddr::V6(address) => {
            // SAFETY: if_nametoindex reads the string, which ends in NUL.
            let index = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
            let request = libc::in6_ifreq {
                ifr6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                ifr6_prefixlen: 128,
                ifr6_ifindex: index.try_into().expect("an interface number"),
            };
            configure(libc::AF_INET6, libc::SIOCSIFADDR, &request)
        }
    }
}

fn interface(name: &CStr) -> libc::ifreq {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes_with_nul()) {
        *to = *from as libc::c_char;
    }
    request
}

fn configure<T>(family: libc::c_int, operation: libc::c_ulong, request: &T) -> io::Result<()> {
    // SAFETY: creates a descriptor that has no other owner.
    let socket = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(socket)?;
    // SAFETY: as above.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: `request` is the structure that the caller's operation reads.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), operation, std::ptr::from_ref(request)) })
}

fn open_at(directory: &File, name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name ends in NUL, the descriptor is open.
    let opened = unsafe {
        libc::openat(
            directory.as_raw_fd(),
            name.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    check(opened)?;
    // SAFETY: a fresh descriptor that has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// The life of process 1: mounts /proc, says so on `told`, lets the kernel collect orphans, sleeps until killed.
fn init(told: libc::c_int) -> ! {
    // SAFETY: async-signal-safe calls with constant strings only; the process shares no memory with its parent.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setsid();
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let mounted = libc::mount(
            c"proc".as_ptr(),
            c"/proc".as_ptr(),
            c"proc".as_ptr(),
            flags,
            std::ptr::null(),
        );
        let error = if mounted == 0 {
            0
        } else {
            *libc::__errno_location()
        };
        if libc::write(told, std::ptr::from_ref(&error).cast(), 4) != 4 {
            libc::_exit(1);
        }
        libc::chdir(c"/".as_ptr());
        libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0);
        loop {
            libc::pause();
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
