//! A limit on the time of a traced program.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::ptrace;

/// Does some work, and kills the process `root` when that takes longer than `limit`: true then.
pub fn limited<T>(root: i32, limit: Duration, work: impl FnOnce() -> T) -> (T, bool) {
    std::thread::scope(|scope| {
        let (ended, ends) = channel::<()>();
        let overdue = scope.spawn(move || {
            let late = ends.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                ptrace::kill(root);
            }
            late
        });
        let done = work();
        drop(ended);
        (done, overdue.join().expect("the watch over the time"))
    })
}
