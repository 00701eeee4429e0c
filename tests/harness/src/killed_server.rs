//! A server that is killed before one of the system calls that it makes for a client.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exec::{self, Program};
use crate::ptrace::{self, Side, Stop};
use crate::time_limit::limited;

/// Starts the count of calls.
#[derive(Debug, Default)]
pub struct KillSwitch(AtomicBool);

impl KillSwitch {
    /// From now on the calls of all threads of the server are counted.
    pub fn arm(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Ends the server with the client, also in a panic.
struct ServerEnd(i32);

impl Drop for ServerEnd {
    fn drop(&mut self) {
        ptrace::kill(self.0);
    }
}

impl Program {
    /// Runs a server under ptrace(2), and a client of it in a thread of its own, with which it ends. SIGKILL comes instead of the
    /// call of this number, from 0, after the client has armed the switch. Returns the client's result, and the number of the calls
    /// that were made after that.
    ///
    /// # Panics
    /// When the server cannot be started or traced, or the client takes longer than the server's limit.
    pub fn killed_at<T: Send>(
        self,
        number: usize,
        client: impl FnOnce(&KillSwitch) -> T + Send,
    ) -> (T, usize) {
        let (limit, shown) = (self.time(), format!("{self:?}"));
        let (mut command, _output) = self.prepared();
        ptrace::trace(&mut command);
        // Waited for below, as a traced process.
        let root = exec::spawn(&mut command).id().cast_signed();
        let switch = KillSwitch::default();
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let _end = ServerEnd(root);
                client(&switch)
            });
            let (calls, late) = limited(root, limit, || follow(root, number, &switch));
            assert!(!late, "{shown} served for longer than {limit:?}");
            (client.join().expect("the client"), calls)
        })
    }
}

/// Until the server has ended; the calls that were counted.
fn follow(root: i32, number: usize, switch: &KillSwitch) -> usize {
    let mut begun = std::collections::BTreeSet::new();
    let mut calls = 0;
    loop {
        let (pid, stop) = ptrace::wait().expect("waiting for a traced process");
        // The kernel reports the end of the first thread last.
        if matches!(stop, Stop::Ended(_)) {
            if pid == root {
                return calls;
            }
            continue;
        }
        // A thread that was killed while it stood still cannot be asked or told anything any more.
        let _ = (|| -> std::io::Result<()> {
            let mut signal = 0;
            if begun.insert(pid) {
                ptrace::prepare(pid)?;
            } else if let Stop::Signal(caught) = stop {
                signal = caught;
            }
            if stop == Stop::Call
                && switch.0.load(Ordering::SeqCst)
                && let Side::Entry(..) = ptrace::side(pid)?
            {
                if calls == number {
                    ptrace::kill(root);
                }
                calls += 1;
            }
            ptrace::resume(pid, signal)
        })();
    }
}
