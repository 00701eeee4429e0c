//! The program of `notify` gets the changes that users make, one after the other, in a thread that ends when none waits.
//!
//! A change is reported while its user's lock is held, so nothing here waits: what does not fit into the queue is dropped, and logged.
//! So is what the program did not get when the daemon ends.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use twofactor_store::notification;
use twofactor_store::notify_message::NotifyMessage;

use crate::daemon_log;

/// Said of changes that the program has not got, or not accepted, in time.
const ENDED: &str = "twofactord ended before the program did";
/// Most changes that wait.
const MAX_WAITING: usize = 64;

static QUEUE: Mutex<NotifyQueue> = Mutex::new(NotifyQueue {
    waiting: VecDeque::new(),
    running: None,
    worker: NotifyWorker::None,
});

struct NotifyQueue {
    waiting: VecDeque<WaitingNotice>,
    /// The change that the program is run for.
    running: Option<WaitingNotice>,
    worker: NotifyWorker,
}

/// The thread that runs the program.
#[derive(PartialEq, Eq)]
enum NotifyWorker {
    None,
    Runs,
    /// The daemon ends, and runs it no more.
    Ended,
}

/// A change for the program.
#[derive(Clone)]
pub struct WaitingNotice {
    /// The path of the program.
    pub program: String,
    /// The change.
    pub message: NotifyMessage,
}

/// Has the program run, later.
pub fn queue(notice: WaitingNotice) {
    let mut queue = lock();
    if queue.worker == NotifyWorker::Ended {
        drop(queue);
        return undelivered(&notice, &ENDED);
    }
    if queue.waiting.len() >= MAX_WAITING {
        drop(queue);
        return undelivered(&notice, &"too many changes wait for the program");
    }
    queue.waiting.push_back(notice);
    if queue.worker == NotifyWorker::Runs {
        return;
    }
    match thread::Builder::new().spawn(work) {
        Ok(_) => queue.worker = NotifyWorker::Runs,
        Err(error) => {
            let left = std::mem::take(&mut queue.waiting);
            drop(queue);
            for notice in &left {
                undelivered(notice, &error);
            }
        }
    }
}

/// True if no change waits and the program does not run.
pub fn is_idle() -> bool {
    lock().worker != NotifyWorker::Runs
}

/// Logs the changes that the program has not got, or not yet accepted, since the daemon ends. It is run for no other one.
pub fn give_up() {
    let (running, waiting) = {
        let mut queue = lock();
        queue.worker = NotifyWorker::Ended;
        (queue.running.take(), std::mem::take(&mut queue.waiting))
    };
    for notice in running.iter().chain(&waiting) {
        undelivered(notice, &ENDED);
    }
}

fn work() {
    while let Some(notice) = next() {
        let program = Path::new(&notice.program);
        let done = notification::run(program, &notice.message.json());
        // Otherwise the thread that ends the daemon has written the line. Two lines are better than none, so it is forgotten
        // last.
        if let (Err(fault), true) = (done, is_open()) {
            undelivered(&notice, &fault);
        }
        lock().running = None;
    }
}

/// True if the daemon goes on.
fn is_open() -> bool {
    lock().worker != NotifyWorker::Ended
}

fn lock() -> MutexGuard<'static, NotifyQueue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next change; without one the worker is over, which is noted before another change can be queued.
fn next() -> Option<WaitingNotice> {
    let mut queue = lock();
    let next = queue.waiting.pop_front();
    queue.running.clone_from(&next);
    if next.is_none() && queue.worker == NotifyWorker::Runs {
        queue.worker = NotifyWorker::None;
    }
    next
}

fn undelivered(notice: &WaitingNotice, error: &dyn std::fmt::Display) {
    daemon_log::undelivered(&notice.message, error);
}
