//! The process that holds a lock, for people: its number and its program.

use std::fmt;

use crate::formatting::plain;

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    pid: u32,
    /// The name that the kernel has for its program.
    program: String,
}

impl LockHolder {
    /// The process of this number. `None` where it cannot be seen, as where it has ended and a process that it started holds the lock.
    pub fn of(pid: Option<u32>) -> Option<Self> {
        let pid = pid?;
        let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
        let name = String::from_utf8_lossy(&name);
        let program = name.strip_suffix('\n').unwrap_or(&name).to_owned();
        Some(Self { pid, program })
    }

    /// The step that looks at it.
    pub fn look(&self) -> String {
        format!("To see that process: ps -fp {}", self.pid)
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, plain(&self.program))
    }
}
