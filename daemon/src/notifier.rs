//! The program of `notify` gets the changes that users make, one after the other, in a thread that ends when none waits.
//!
//! A change is reported while its user's lock is held, so nothing here waits: what does not fit into the queue is dropped, and logged.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use twofactor_core::log::change_message::ChangeMessage;
use twofactor_store::notification;

use crate::log;

/// Most changes that wait.
const MAX_WAITING: usize = 64;

static QUEUE: Mutex<NotifyQueue> = Mutex::new(NotifyQueue {
    waiting: VecDeque::new(),
    worker: NotifyWorker::None,
});

struct NotifyQueue {
    waiting: VecDeque<WaitingNotice>,
    worker: NotifyWorker,
}

/// The thread that runs the program.
#[derive(PartialEq, Eq)]
enum NotifyWorker {
    None,
    Runs,
}

/// A change for the program.
pub struct WaitingNotice {
    /// The path of the program.
    pub program: String,
    /// The change.
    pub message: ChangeMessage,
    /// The uid that made it.
    pub uid: u32,
}

/// Has the program run, later.
pub fn queue(notice: WaitingNotice) {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
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
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner).worker == NotifyWorker::None
}

fn work() {
    while let Some(notice) = next() {
        let program = Path::new(&notice.program);
        if let Err(fault) = notification::run(program, &notice.message.json()) {
            undelivered(&notice, &fault);
        }
    }
}

/// The next change; without one the worker is over, which is noted before another change can be queued.
fn next() -> Option<WaitingNotice> {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let next = queue.waiting.pop_front();
    if next.is_none() {
        queue.worker = NotifyWorker::None;
    }
    next
}

fn undelivered(notice: &WaitingNotice, error: &dyn std::fmt::Display) {
    log::undelivered(notice.uid, &notice.message, error);
}
