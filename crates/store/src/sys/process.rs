//! The rights of this process.
#![allow(unsafe_code)]

/// The number that stands for "none" among audit sessions (linux/audit.h).
const NO_SESSION: u32 = u32::MAX;

/// The audit session of a process and of all that it starts, set by pam_loginuid(8), if it belongs to a user with this uid.
/// `None` if there is none, or if it cannot be read.
#[must_use]
pub fn audit_session(pid: i32, uid: u32) -> Option<u32> {
    session_in(&format!("/proc/{pid}"), uid)
}

/// The audit session of this process, as [`audit_session`].
#[must_use]
pub fn own_audit_session(uid: u32) -> Option<u32> {
    session_in("/proc/self", uid)
}

fn session_in(process: &str, uid: u32) -> Option<u32> {
    let session = number(&format!("{process}/sessionid"))?;
    let is_of_user = number(&format!("{process}/loginuid"))? == uid;
    (is_of_user && session != NO_SESSION && session != 0).then_some(session)
}

/// A terminal by the number of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalNumber(u32);

impl TerminalNumber {
    /// Its name below `/dev`; `None` for one that is no console, serial line or pseudo-terminal (proc_pid_stat(5), "tty_nr", and
    /// Documentation/admin-guide/devices.txt of Linux).
    #[must_use]
    pub fn name(self) -> Option<String> {
        let major = (self.0 >> 8) & 0xfff;
        let minor = (self.0 & 0xff) | ((self.0 >> 12) & 0xf_ff00);
        match (major, minor) {
            (4, 1..64) => Some(format!("tty{minor}")),
            (4, 64..256) => Some(format!("ttyS{}", minor - 64)),
            (136..=143, _) => Some(format!("pts/{}", (major - 136) * 256 + minor)),
            _ => None,
        }
    }
}

/// The terminal that controls a process, if there is one.
#[must_use]
pub fn terminal(pid: i32) -> Option<TerminalNumber> {
    terminal_in(&format!("/proc/{pid}"))
}

/// The terminal that controls this process, if there is one.
#[must_use]
pub fn own_terminal() -> Option<TerminalNumber> {
    terminal_in("/proc/self")
}

fn terminal_in(process: &str) -> Option<TerminalNumber> {
    process_stat(process)?.terminal
}

/// The number of this process's audit session, whatever uid it is of; the highest number for none. `None` where it cannot be read.
#[must_use]
pub fn audit_session_number() -> Option<u32> {
    number("/proc/self/sessionid")
}

/// A process that cannot be taken for another one that gets its number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// Time of its start, in ticks since the boot (proc_pid_stat(5)).
    pub started: u64,
}

/// This process, and its parent; twice itself where the parent is in another PID namespace (pid_namespaces(7)). `None` where it cannot be
/// told.
#[must_use]
pub fn self_and_parent() -> Option<(ProcessId, ProcessId)> {
    let own = process_stat("self")?;
    let parent = process_stat(&own.parent.to_string()).map_or(own.id, |parent| parent.id);
    Some((own.id, parent))
}

/// This process alone.
#[must_use]
pub fn this_process() -> Option<ProcessId> {
    process_stat("self").map(|own| own.id)
}

/// The fields of `/proc/PID/stat` that are looked at (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessStat {
    id: ProcessId,
    parent: u32,
    terminal: Option<TerminalNumber>,
}

fn process_stat(process: &str) -> Option<ProcessStat> {
    let bytes = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&bytes))
}

/// The second field, a name in parentheses, may hold anything.
fn parse_stat(text: &str) -> Option<ProcessStat> {
    let pid = text.split(' ').next()?.parse().ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let terminal: i32 = fields.nth(2)?.parse().ok()?;
    let started = fields.nth(14)?.parse().ok()?;
    Some(ProcessStat {
        id: ProcessId { pid, started },
        parent,
        terminal: (terminal != 0).then_some(TerminalNumber(terminal.cast_unsigned())),
    })
}

/// The id of this boot (random(4)). `None` where it cannot be read.
#[must_use]
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

fn number(path: &str) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The real uid: that of the user who started a set-uid program, until the program changes it.
#[must_use]
pub fn real_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The effective uid, unless it is root's.
#[must_use]
pub fn ordinary_uid() -> Option<u32> {
    let uid = rustix::process::geteuid();
    (!uid.is_root()).then(|| uid.as_raw())
}

/// The effective uid if the program was not started as root. `None` if it was, without a system call. A process that has given up
/// root's uid since can open root's files only with CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH (capabilities(7)), with which it may
/// read them anyway. All others find them closed, and ask [`ordinary_uid`] then.
#[must_use]
pub fn ordinary_uid_at_start() -> Option<u32> {
    // SAFETY: getauxval(3) takes any number, and reads what the kernel gave this program when it started.
    let at_start = unsafe { libc::getauxval(libc::AT_EUID) };
    if at_start == 0 { None } else { ordinary_uid() }
}

/// Has every descriptor but the standard ones closed when another program is executed. Those of this program are closed anyway; what it
/// got from the program that started it need not be.
///
/// # Errors
/// When `/proc/self/fd` cannot be read.
pub fn close_all_at_exec() -> std::io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number: Option<i32> = name.to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number| *number > 2) {
            // SAFETY: fcntl(2) with F_SETFD takes any number; one that was closed meanwhile is an error without effect.
            let _ = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_known_by_its_number() {
        let name = |stat: &str| parse_stat(stat)?.terminal?.name();
        let rest = "7 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1";
        for (number, terminal) in [
            (1026, Some("tty2")),
            (1088, Some("ttyS0")),
            (34816, Some("pts/0")),
            (1_083_395, Some("pts/259")),
            (35075, Some("pts/259")),
            (0, None),
            (1281, None),
        ] {
            let stat = format!("7 (a) 4 (b c)) S 1 7 7 {number} {rest}");
            assert_eq!(name(&stat).as_deref(), terminal, "{number}");
        }
        for malformed in ["", "7 (a", "7 (a) S 1 7 7", "7 (a) S 1 7 7 x 7"] {
            assert_eq!(name(malformed), None, "{malformed}");
        }
        assert_eq!(name(&format!("7 (a) S 1 7 7 x {rest}")), None);
    }

    #[test]
    fn a_name_cannot_forge_parent_and_start() {
        let rest = "S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1\n";
        let expected = ProcessId {
            pid: 12,
            started: 4711,
        };
        for name in [
            "sh",
            "a b",
            "x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19",
        ] {
            let text = format!("12 ({name}) {rest}");
            let stat = parse_stat(&text).unwrap();
            assert_eq!((stat.id, stat.parent), (expected, 7), "{name}");
        }
        for text in ["", "12", "12 (sh)", "12 (sh) S 7", "x (sh) S 7 1"] {
            assert_eq!(parse_stat(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let (own, parent) = self_and_parent().unwrap();
        assert_eq!((own.pid, Some(own)), (std::process::id(), this_process()));
        assert_eq!(parent.pid, std::os::unix::process::parent_id());
        assert!(parent.started <= own.started && boot_id().is_some());
    }
}
