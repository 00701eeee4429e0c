//! Attempts on a store whose answers come in any order, late, twice or never.

use super::*;

/// A small generator of numbers: each seed is one order of events.
struct EventOrder(u64);

impl EventOrder {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// An attempt in one order of events.
enum Course {
    Reads,
    Waits(StateWrite),
    Ends(Option<CodeEnd>),
}

/// Runs attempts at once: each write may be done at once, later, twice, or never, and its answer may be lost.
fn run(seed: u64, right: usize, wrong: usize) -> Vec<CodeEnd> {
    let (key, standing) = (key(), standing(1, 1));
    let mut order = EventOrder(seed);
    let mut view = fresh_store(&standing);
    let mut late: Vec<StateWrite> = Vec::new();
    let kinds = (0..right + wrong).map(|number| number < right);
    let mut attempts: Vec<_> = kinds
        .map(|is_right| (attempt(&key, &standing, is_right), Course::Reads))
        .collect();
    for _ in 0..10_000 {
        if !late.is_empty() && order.below(3) == 0 {
            let write = late.swap_remove(order.below(late.len()));
            apply(&mut view, &write);
        }
        let chosen = order.below(attempts.len());
        let (one, course) = &mut attempts[chosen];
        let step = match course {
            Course::Ends(_) => continue,
            Course::Reads => one.after_read(view.clone()),
            Course::Waits(write) => match order.below(5) {
                0 => one.after_write(WriteEnd::NotSent),
                1 => {
                    late.push(write.clone());
                    one.after_write(WriteEnd::Unknown)
                }
                2 => {
                    apply(&mut view, write);
                    one.after_write(WriteEnd::Unknown)
                }
                _ => {
                    let answer = apply(&mut view, write);
                    one.after_write(WriteEnd::Answered(answer))
                }
            },
        };
        *course = match step {
            AttemptStep::Read => Course::Reads,
            AttemptStep::Write(write) => Course::Waits(write),
            AttemptStep::Ended(end) => Course::Ends(Some(end)),
            AttemptStep::Outage(OutageReason::Forgotten) => Course::Ends(None),
            AttemptStep::Outage(reason) => panic!("{reason}"),
            AttemptStep::ReadRecord => panic!("all states are of this epoch"),
        };
    }
    let ends = attempts.into_iter().filter_map(|(_, course)| match course {
        Course::Ends(end) => end,
        Course::Reads | Course::Waits(_) => panic!("an attempt has no end"),
    });
    ends.collect()
}

#[test]
fn in_no_order_of_events_is_a_code_accepted_twice() {
    let mut accepted = 0;
    for seed in 1..=100 {
        let ends = run(seed, 4, 0);
        let successes = ends.iter().filter(|end| **end == CodeEnd::Accepted).count();
        assert!(successes <= 1, "seed {seed}: {ends:?}");
        // Without a success none of them may be told that the code is used.
        assert!(successes == 1 || ends.is_empty(), "seed {seed}: {ends:?}");
        accepted += successes;
    }
    assert!(accepted > 70);
}

#[test]
fn in_no_order_of_events_is_a_guess_uncounted() {
    for seed in 1..=100 {
        let ends = run(seed, 0, 9);
        let told = ends.iter().filter(|end| **end == CodeEnd::Wrong).count();
        assert!(told <= LIMIT as usize, "seed {seed}: {ends:?}");
    }
}
