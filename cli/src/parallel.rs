//! Looks at very many users, or changes them: in several threads, and telling how far it has come.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::progress::ProgressLine;

/// With fewer names than that for each thread, another one is not worth its while.
const FEWEST: usize = 1_000;
/// The number of threads that make changes: one or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeThreads {
    /// They are made one after the other.
    One,
    /// They are.
    Several,
}

/// Most threads that write. They wait for the disk, which flushes what several of them wrote at once.
const WRITERS: usize = 16;
/// With fewer changes than that for each thread, another one is not worth its while.
const FEWEST_CHANGES: usize = 16;

/// Results of `look` for each name, in their order.
pub fn look_at<T: Send>(names: &[String], look: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = names.len().div_ceil(processors).max(FEWEST);
    in_shares("Looked at", names, share, |name| look(name))
}

/// Results of `change` for each of `all`, in their order. `what` heads the count. No change may depend on another one.
pub fn change_each<I: Sync, T: Send>(
    what: &'static str,
    threads: ChangeThreads,
    all: &[I],
    change: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let share = match threads {
        ChangeThreads::One => all.len().max(1),
        ChangeThreads::Several => all.len().div_ceil(WRITERS).max(FEWEST_CHANGES),
    };
    in_shares(what, all, share, change)
}

/// Each of `all`, so many in one thread.
fn in_shares<I: Sync, T: Send>(
    what: &'static str,
    all: &[I],
    share: usize,
    look: impl Fn(&I) -> T + Sync,
) -> Vec<T> {
    let progress = Mutex::new(ProgressLine::new(what, all.len()));
    let one = |item: &I| {
        let said = look(item);
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.add(1);
        said
    };
    let part = &|items: &[I]| items.iter().map(one).collect::<Vec<T>>();
    let (first, rest) = all.split_at(share.min(all.len()));
    thread::scope(|scope| {
        let start = |items| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || part(items));
            (items, thread)
        };
        let others: Vec<_> = rest.chunks(share).map(start).collect();
        let mut results = part(first);
        for (items, thread) in others {
            results.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // No more of them to be had: it takes longer.
                Err(_) => part(items),
            });
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_is_looked_at_once_and_in_order() {
        for count in [0, 1, FEWEST, FEWEST + 1, 5 * FEWEST + 7] {
            let names: Vec<String> = (0..count).map(|number| format!("user{number}")).collect();
            let seen = look_at(&names, str::to_owned);
            assert!(seen == names, "{count} names, {} answers", seen.len());
        }
    }

    #[test]
    fn each_is_changed_once_and_in_order() {
        let most = WRITERS * FEWEST_CHANGES;
        for count in [0, 1, FEWEST_CHANGES, FEWEST_CHANGES + 1, most, most + 7] {
            let all: Vec<AtomicUsize> = (0..count).map(AtomicUsize::new).collect();
            let change = |one: &AtomicUsize| one.fetch_add(1, Ordering::SeqCst);
            let changed = change_each("Changed", ChangeThreads::Several, &all, change);
            assert_eq!(changed, (0..count).collect::<Vec<_>>());
            let after: Vec<usize> = all.into_iter().map(AtomicUsize::into_inner).collect();
            assert_eq!(after, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_thread_changes_all() {
        let all = vec![(); 5 * FEWEST_CHANGES];
        let this = thread::current().id();
        let changed = change_each("Changed", ChangeThreads::One, &all, |()| {
            thread::current().id()
        });
        assert_eq!(changed, vec![this; all.len()]);
    }
}
