//! The search through all worlds that can be reached.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::power;
use super::steps::after;
use super::world::{
    ModelDirectory, ModelInode, ModelPlace, ModelWorld, ProcessRole, ProcessStep, SearchRules,
};

/// More steps than a process alone can need.
const ALONE: usize = 120;

/// Visits every world; what is wrong with the first that is, or how many there are.
pub fn explore(roles: &[ProcessRole], rules: SearchRules) -> Result<usize, &'static str> {
    let start = ModelWorld::new(roles);
    let mut seen = HashSet::from([print(&start)]);
    let mut ends = vec![HashSet::new(); roles.len()];
    let mut waiting = VecDeque::from([start]);
    while let Some(world) = waiting.pop_front() {
        if let Some(fault) = world.fault() {
            return Err(fault);
        }
        let mut found = Vec::new();
        for (me, ends) in ends.iter_mut().enumerate() {
            ends_alone(&world, me, rules, ends)?;
            found.extend(step(&world, me, rules));
            found.extend(killed(&world, me, rules));
        }
        if rules.power_cuts {
            found.extend(power::cuts(&world).into_iter().map(canonical));
        }
        for next in found {
            if seen.insert(print(&next)) {
                waiting.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

/// The world after one step, in its plain form.
fn step(world: &ModelWorld, me: usize, rules: SearchRules) -> Option<ModelWorld> {
    let mut next = after(world, me, rules)?;
    if !rules.power_cuts {
        power::flush_all(&mut next);
    }
    Some(canonical(next))
}

/// Without a lock it is as if it was stopped for ever.
fn killed(world: &ModelWorld, me: usize, rules: SearchRules) -> Option<ModelWorld> {
    if world.inodes.iter().all(|inode| inode.lock != Some(me)) {
        return None;
    }
    let mut next = world.clone();
    next.release(me, ProcessStep::Gone);
    if !rules.power_cuts {
        power::flush_all(&mut next);
    }
    Some(canonical(next))
}

/// A process ends when no other one moves; one that has just begun a login learns about its code. `ends` are the worlds
/// from which that is known of it.
fn ends_alone(
    world: &ModelWorld,
    me: usize,
    rules: SearchRules,
    ends: &mut HashSet<u128>,
) -> Result<(), &'static str> {
    // What it claims under a name that it leaves costs it no patience.
    let rules = SearchRules {
        claims: rules.claims + 1,
        ..rules
    };
    let mut way = Vec::new();
    let mut current = world.clone();
    while way.len() < ALONE {
        let here = print(&current);
        if ends.contains(&here) {
            ends.extend(way);
            return Ok(());
        }
        way.push(here);
        if let Some(next) = step(&current, me, rules) {
            current = next;
            continue;
        }
        let is_new = world.processes[me].step == ProcessStep::Find
            && world.processes[me].role == ProcessRole::Login
            && world.names.record != ModelPlace::Removed
            && !world.is_broken;
        if is_new && !current.processes[me].was_told() {
            return Err("a login that is not asked");
        }
        if world.processes[me].role == ProcessRole::Remover
            && !world.processes[me].has_ended()
            && current.is_contradictory()
        {
            return Err("a removal that leaves a contradiction");
        }
        ends.extend(way);
        return Ok(());
    }
    Err("a process that does not end")
}

/// Stands for a world among all that were visited. That two of some millions share one is as likely as a bit that flips.
fn print(world: &ModelWorld) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, world).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Only files and directories that can be reached, in the order in which they are found, and numbers without gaps.
fn canonical(world: ModelWorld) -> ModelWorld {
    renumbered(reachable(world))
}

fn note(order: &mut Vec<usize>, found: impl IntoIterator<Item = usize>) {
    for one in found {
        if !order.contains(&one) {
            order.push(one);
        }
    }
}

fn reachable(mut world: ModelWorld) -> ModelWorld {
    let mut directories = Vec::new();
    for names in [&world.names, &world.names_disk] {
        note(
            &mut directories,
            names.directories.iter().flatten().copied(),
        );
    }
    let open = world.processes.iter();
    note(
        &mut directories,
        open.filter_map(|process| process.directory),
    );
    let mut inodes = Vec::new();
    for names in [&world.names, &world.names_disk] {
        note(&mut inodes, names.bases.iter().flatten().copied());
    }
    for at in &directories {
        let directory = &mut world.directories[*at];
        directory.now.sort_unstable();
        directory.disk.sort_unstable();
        let entries = directory.now.iter().chain(&directory.disk);
        note(&mut inodes, entries.map(|(_, inode)| *inode));
    }
    for process in &world.processes {
        note(
            &mut inodes,
            [process.file, process.base].into_iter().flatten(),
        );
    }
    let place = |order: &[usize], old: usize| order.iter().position(|other| *other == old).unwrap();
    let inode = |old: &mut usize| *old = place(&inodes, *old);
    let directory = |old: &mut usize| *old = place(&directories, *old);
    for names in [&mut world.names, &mut world.names_disk] {
        names.bases.iter_mut().flatten().for_each(inode);
        names.directories.iter_mut().flatten().for_each(directory);
    }
    for process in &mut world.processes {
        process.file.iter_mut().for_each(inode);
        process.base.iter_mut().for_each(inode);
        process.directory.iter_mut().for_each(directory);
    }
    let kept: Vec<ModelInode> = inodes.iter().map(|at| world.inodes[*at].clone()).collect();
    let listed: Vec<ModelDirectory> = directories
        .iter()
        .map(|at| {
            let mut listed = world.directories[*at].clone();
            let entries = listed.now.iter_mut().chain(&mut listed.disk);
            entries.for_each(|(_, old)| *old = place(&inodes, *old));
            listed
        })
        .collect();
    (world.inodes, world.directories) = (kept, listed);
    world
}

/// Numbers count by their order only, and by which is the next of which.
fn renumbered(mut world: ModelWorld) -> ModelWorld {
    let mut numbers: Vec<i8> = vec![0];
    for directory in &world.directories {
        let entries = directory.now.iter().chain(&directory.disk);
        numbers.extend(entries.map(|(number, _)| *number));
    }
    numbers.extend(world.processes.iter().map(|process| process.number));
    numbers.sort_unstable();
    numbers.dedup();
    let mut new = vec![0];
    for pair in numbers.windows(2) {
        let distance = (pair[1] - pair[0]).min(2);
        new.push(new[new.len() - 1] + distance);
    }
    let renumber = |number: i8| new[numbers.iter().position(|other| *other == number).unwrap()];
    for directory in &mut world.directories {
        let entries = directory.now.iter_mut().chain(&mut directory.disk);
        entries.for_each(|(number, _)| *number = renumber(*number));
    }
    for process in &mut world.processes {
        process.number = renumber(process.number);
    }
    world
}
