//! Looks at very many users: with all processors, and telling how far it has come.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::progress::ProgressLine;

/// With fewer names than that for each thread, another one is not worth its while.
const FEWEST: usize = 1_000;

/// Results of `look` for each name, in their order.
pub fn look_at<T: Send>(names: &[String], look: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let progress = Mutex::new(ProgressLine::new("Looked at", names.len()));
    let one = |name: &String| {
        let said = look(name);
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.add(1);
        said
    };
    let part = &|names: &[String]| names.iter().map(one).collect::<Vec<T>>();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let share = names.len().div_ceil(processors).max(FEWEST);
    let (first, rest) = names.split_at(share.min(names.len()));
    thread::scope(|scope| {
        let start = |names| {
            let thread = thread::Builder::new().spawn_scoped(scope, move || part(names));
            (names, thread)
        };
        let others: Vec<_> = rest.chunks(share).map(start).collect();
        let mut all = part(first);
        for (names, thread) in others {
            all.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // No more of them to be had: it takes longer.
                Err(_) => part(names),
            });
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_looked_at_once_and_in_order() {
        for count in [0, 1, FEWEST, FEWEST + 1, 5 * FEWEST + 7] {
            let names: Vec<String> = (0..count).map(|number| format!("user{number}")).collect();
            let seen = look_at(&names, str::to_owned);
            assert!(seen == names, "{count} names, {} answers", seen.len());
        }
    }
}
