//! An exhaustive model of `generations.rs`: three processes that each judge one attempt with the same code, each of which
//! may stop for ever, or be killed, between any two system calls.
//!
//! Held: one code succeeds once at most; an attempt whose outcome was told is counted in the base for good; each process
//! alone comes to an end, whatever the others were stopped in. And each part of the design is needed: without it the
//! model finds what breaks.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most generations that one process makes: it waits a second for each, and no more than five for all.
const CLAIMS: u8 = if cfg!(feature = "whole-sweeps") { 2 } else { 1 };
/// More steps than a process alone can need.
const ALONE: usize = 80;

/// A part of the design that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    /// A new generation begins empty and stays so.
    Copy,
    /// A generation that holds nothing yet is copied, too.
    Provisional,
    /// No look behind the flush.
    LastLook,
    /// Lower generations go before the new one holds what they held.
    Order,
    /// A generation replaces another of the same number.
    Exclusion,
    /// A process that finds a higher generation removes its own.
    Gaps,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Step {
    Open,
    TryBase,
    LookForDirectory,
    Close,
    List,
    TryHighest,
    Claim,
    ListAgain,
    Copy,
    Settle,
    Remove,
    FirstLook,
    Charge,
    Mark,
    LastLook,
    LastLookAtFile,
    Succeeded,
    Denied,
    /// Killed, or ended without a word about the code.
    Gone,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct ModelInode {
    provisional: bool,
    used: bool,
    charges: u8,
    lock: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Process {
    step: Step,
    file: Option<usize>,
    /// The generation of the file, 0 for the base.
    number: i8,
    /// The copy: whether the code is used, and the charges.
    copied: Option<(bool, u8)>,
    used: bool,
    /// Number of generations that it has made.
    claims: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    inodes: Vec<ModelInode>,
    base: usize,
    /// True once the directory of generations exists.
    closed: bool,
    generations: Vec<(i8, usize)>,
    processes: Vec<Process>,
}

impl World {
    fn new(processes: usize) -> Self {
        let process = Process {
            step: Step::Open,
            file: None,
            number: 0,
            copied: None,
            used: false,
            claims: 0,
        };
        Self {
            inodes: vec![ModelInode {
                provisional: false,
                used: false,
                charges: 0,
                lock: None,
            }],
            base: 0,
            closed: false,
            generations: Vec::new(),
            processes: vec![process; processes],
        }
    }

    fn generation(&self, number: i8) -> Option<usize> {
        if number == 0 {
            return Some(self.base);
        }
        let found = self.generations.iter().find(|(other, _)| *other == number);
        found.map(|(_, inode)| *inode)
    }

    /// 0 where there is none but the base.
    fn highest(&self) -> i8 {
        let numbers = self.generations.iter().map(|(number, _)| *number);
        numbers.max().unwrap_or(0)
    }

    /// The highest generation below this one that holds something.
    fn source(&self, number: i8, without: Without) -> usize {
        let below = self.generations.iter().filter(|(other, inode)| {
            *other < number && (!self.inodes[*inode].provisional || without == Without::Provisional)
        });
        let highest = below.max_by_key(|(other, _)| *other);
        highest.map_or(self.base, |(_, inode)| *inode)
    }

    /// The generation in which told attempts must be found: the highest generation that holds something.
    fn truth(&self) -> &ModelInode {
        &self.inodes[self.source(i8::MAX, Without::Nothing)]
    }

    /// Only inodes that can be reached, in the order in which they are found, and numbers without gaps.
    fn canonical(mut self) -> Self {
        self.generations.sort_unstable();
        let mut order = vec![self.base];
        let named = self.generations.iter().map(|(_, inode)| *inode);
        let open = self.processes.iter().filter_map(|process| process.file);
        for inode in named.chain(open) {
            if !order.contains(&inode) {
                order.push(inode);
            }
        }
        let place = |inode: usize| order.iter().position(|other| *other == inode).unwrap();
        for (_, inode) in &mut self.generations {
            *inode = place(*inode);
        }
        for process in &mut self.processes {
            process.file = process.file.map(place);
        }
        self.base = 0;
        self.inodes = order
            .iter()
            .map(|inode| self.inodes[*inode].clone())
            .collect();
        self.renumbered()
    }

    /// Numbers count by their order only, and by which is the next of which.
    fn renumbered(mut self) -> Self {
        let mut numbers: Vec<i8> = self.generations.iter().map(|(number, _)| *number).collect();
        numbers.extend(self.processes.iter().map(|process| process.number));
        numbers.push(0);
        numbers.sort_unstable();
        numbers.dedup();
        let mut new = vec![0];
        for pair in numbers.windows(2) {
            let distance = (pair[1] - pair[0]).min(2);
            new.push(new[new.len() - 1] + distance);
        }
        let renumber = |number: i8| new[numbers.iter().position(|other| *other == number).unwrap()];
        for (number, _) in &mut self.generations {
            *number = renumber(*number);
        }
        for process in &mut self.processes {
            process.number = renumber(process.number);
        }
        self
    }

    /// The world after one step of a process.
    fn after(&self, me: usize, without: Without) -> Option<Self> {
        let mut next = self.clone();
        let process = &self.processes[me];
        let file = process.file.unwrap_or(0);
        let number = process.number;
        match process.step {
            Step::Open => {
                next.open(me, self.base, 0, Step::TryBase);
            }
            Step::TryBase => next.try_lock(me, file, Step::LookForDirectory),
            // With the lock or without.
            Step::LookForDirectory => {
                let locked = self.inodes[file].lock == Some(me);
                if self.closed {
                    next.drop_file(me, Step::List);
                } else if locked {
                    next.processes[me].step = Step::Charge;
                } else {
                    next.drop_file(me, Step::Close);
                }
            }
            Step::Close => {
                next.closed = true;
                next.processes[me].step = Step::List;
            }
            Step::List => {
                let highest = self.highest();
                match self.generation(highest) {
                    Some(inode) if highest > 0 => next.open(me, inode, highest, Step::TryHighest),
                    _ => next.drop_file(me, Step::Claim),
                }
            }
            Step::TryHighest => next.try_lock(me, file, Step::ListAgain),
            Step::Claim => {
                let claim = number + 1;
                if process.claims == CLAIMS {
                    release(&mut next, me, Step::Gone);
                    return Some(next.canonical());
                }
                next.processes[me].claims += 1;
                if self.generation(claim).is_some() && without != Without::Exclusion {
                    next.drop_file(me, Step::List);
                } else {
                    next.generations.retain(|(other, _)| *other != claim);
                    next.inodes.push(ModelInode {
                        provisional: true,
                        used: false,
                        charges: 0,
                        lock: Some(me),
                    });
                    let inode = next.inodes.len() - 1;
                    next.generations.push((claim, inode));
                    next.open(me, inode, claim, Step::ListAgain);
                }
            }
            // The lock is held, or the highest one is held by another process for too long.
            Step::ListAgain => {
                let current = self.highest() == number && self.generation(number) == Some(file);
                if self.inodes[file].lock != Some(me) {
                    next.processes[me].file = None;
                    next.processes[me].step = Step::Claim;
                } else if !current {
                    // The file keeps its name: a gap would hide the higher ones from the holder of a lower one.
                    if self.inodes[file].provisional && without == Without::Gaps {
                        next.generations.retain(|(other, _)| *other != number);
                    }
                    next.drop_file(me, Step::List);
                } else if self.inodes[file].provisional {
                    next.processes[me].step = Step::Copy;
                } else {
                    next.processes[me].step = Step::Remove;
                }
            }
            Step::Copy => {
                let from = &self.inodes[self.source(number, without)];
                next.processes[me].copied = Some((from.used, from.charges));
                if without == Without::Order {
                    next.generations.retain(|(other, _)| *other >= number);
                }
                next.processes[me].step = Step::Settle;
            }
            Step::Settle => {
                let (used, charges) = process.copied.unwrap();
                let inode = &mut next.inodes[file];
                inode.provisional = false;
                if without != Without::Copy {
                    (inode.used, inode.charges) = (used, charges);
                }
                next.processes[me].copied = None;
                next.processes[me].step = Step::Remove;
            }
            Step::Remove => {
                let lowest = next.generations.iter().map(|(other, _)| *other).min();
                match lowest {
                    Some(lowest) if lowest < number => {
                        next.generations.retain(|(other, _)| *other != lowest);
                    }
                    _ => next.processes[me].step = Step::FirstLook,
                }
            }
            Step::FirstLook => {
                let above = self.generation(number + 1).is_some();
                if above || self.generation(number) != Some(file) {
                    next.drop_file(me, Step::List);
                } else {
                    next.processes[me].step = Step::Charge;
                }
            }
            Step::Charge => {
                next.inodes[file].charges |= 1 << me;
                let used = self.inodes[file].used;
                next.processes[me].used = used;
                next.processes[me].step = if used { Step::LastLook } else { Step::Mark };
            }
            Step::Mark => {
                next.inodes[file].used = true;
                next.processes[me].step = Step::LastLook;
            }
            Step::LastLook => {
                let superseded = if number == 0 {
                    self.closed
                } else {
                    self.generation(number + 1).is_some()
                };
                if superseded && without != Without::LastLook {
                    release(&mut next, me, Step::Gone);
                } else {
                    next.processes[me].step = Step::LastLookAtFile;
                }
            }
            Step::LastLookAtFile => {
                let same = self.generation(number) == Some(file) || without == Without::LastLook;
                let step = match (same, process.used) {
                    (false, _) => Step::Gone,
                    (true, true) => Step::Denied,
                    (true, false) => Step::Succeeded,
                };
                release(&mut next, me, step);
            }
            Step::Succeeded | Step::Denied | Step::Gone => return None,
        }
        Some(next.canonical())
    }

    fn open(&mut self, me: usize, inode: usize, number: i8, step: Step) {
        let process = &mut self.processes[me];
        (process.file, process.number, process.step) = (Some(inode), number, step);
    }

    /// Takes the lock if it is free; the next step looks whether it was.
    fn try_lock(&mut self, me: usize, file: usize, step: Step) {
        if self.inodes[file].lock.is_none() {
            self.inodes[file].lock = Some(me);
        }
        self.processes[me].step = step;
    }

    fn drop_file(&mut self, me: usize, step: Step) {
        for inode in &mut self.inodes {
            if inode.lock == Some(me) {
                inode.lock = None;
            }
        }
        let process = &mut self.processes[me];
        (process.file, process.number, process.copied) = (None, 0, None);
        process.step = step;
    }

    fn killed(&self, me: usize) -> Option<Self> {
        // Without a lock it is as if it was stopped for ever.
        if self.inodes.iter().all(|inode| inode.lock != Some(me)) {
            return None;
        }
        let mut next = self.clone();
        release(&mut next, me, Step::Gone);
        Some(next.canonical())
    }

    /// The fault of this world.
    fn fault(&self) -> Option<&'static str> {
        let truth = self.truth();
        let with = |step| {
            self.processes
                .iter()
                .filter(move |process| process.step == step)
        };
        if with(Step::Succeeded).count() > 1 {
            return Some("two successes");
        }
        if with(Step::Succeeded).count() == 1 && !truth.used {
            return Some("a used code is good again");
        }
        let told = |step| matches!(step, Step::Succeeded | Step::Denied);
        (0..self.processes.len())
            .any(|me| told(self.processes[me].step) && truth.charges & (1 << me) == 0)
            .then_some("an attempt that does not count")
    }
}

fn release(world: &mut World, me: usize, step: Step) {
    for inode in &mut world.inodes {
        if inode.lock == Some(me) {
            inode.lock = None;
        }
        if step == Step::Gone {
            // That it was counted matters for what is told only.
            inode.charges &= !(1 << me);
        }
    }
    let process = &mut world.processes[me];
    (process.file, process.number, process.copied, process.used) = (None, 0, None, false);
    process.claims = 0;
    process.step = step;
}

/// Stands for a world among all that were visited. That two of some millions share one is as likely as a bit that flips.
fn print(world: &World) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, world).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// True if a process ends when no other one moves; `ends` are the worlds from which that is known of it.
fn ends_alone(world: &World, me: usize, without: Without, ends: &mut HashSet<u128>) -> bool {
    let mut way = Vec::new();
    let mut world = world.clone();
    while way.len() < ALONE {
        let here = print(&world);
        if ends.contains(&here) {
            ends.extend(way);
            return true;
        }
        way.push(here);
        match world.after(me, without) {
            Some(next) => world = next,
            None => {
                ends.extend(way);
                return true;
            }
        }
    }
    false
}

/// Visits every world; what is wrong with the first that is, or how many there are.
fn explore(processes: usize, without: Without) -> Result<usize, &'static str> {
    let start = World::new(processes);
    let mut seen = HashSet::from([print(&start)]);
    let mut ends = vec![HashSet::new(); processes];
    let mut waiting = VecDeque::from([start]);
    while let Some(world) = waiting.pop_front() {
        if let Some(fault) = world.fault() {
            return Err(fault);
        }
        for (me, ends) in ends.iter_mut().enumerate() {
            if !ends_alone(&world, me, without, ends) {
                return Err("a process that does not end");
            }
            for next in [world.after(me, without), world.killed(me)] {
                if let Some(next) = next.filter(|next| seen.insert(print(next))) {
                    waiting.push_back(next);
                }
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn no_order_of_steps_stops_and_kills_breaks_it() {
    let worlds = explore(3, Without::Nothing);
    assert!(worlds.is_ok_and(|worlds| worlds > 10_000), "{worlds:?}");
}

#[test]
fn each_part_of_the_design_is_needed() {
    for without in [
        Without::Copy,
        Without::Provisional,
        Without::LastLook,
        Without::Order,
        Without::Exclusion,
        Without::Gaps,
    ] {
        assert!(explore(3, without).is_err(), "{without:?}");
    }
}
