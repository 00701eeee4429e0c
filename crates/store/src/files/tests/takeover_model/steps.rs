//! The steps of a process: each is one system call, or some that no other process can tell apart.

use super::changes;
use super::world::{FileContent, ModelPlace, ProcessRole, SearchRules, Step, Without, World};

/// The world after one step of a process; `None` when it has ended.
pub fn after(world: &World, me: usize, rules: SearchRules) -> Option<World> {
    let process = &world.processes[me];
    if process.has_ended() {
        return None;
    }
    let mut next = world.clone();
    match process.step {
        Step::Find | Step::Open | Step::Missing => finding(world, &mut next, me),
        Step::TryBase | Step::ReadBase | Step::LookForDirectory | Step::Close => {
            base(world, &mut next, me, rules);
        }
        Step::List | Step::TryHighest | Step::Claim | Step::ListAgain => {
            generations(world, &mut next, me, rules);
        }
        Step::Copy | Step::Settle | Step::FlushCopy | Step::Remove => {
            filling(world, &mut next, me, rules);
        }
        Step::FindBase
        | Step::LookBeforeNote
        | Step::Note
        | Step::FlushNote
        | Step::FirstLook
        | Step::ReadRecord => {
            current(world, &mut next, me, rules);
        }
        Step::Change(step) => changes::change(world, &mut next, me, step, rules),
        _ => attempt(world, &mut next, me, rules),
    }
    Some(next)
}

/// The name of the record, and that of the state.
fn finding(world: &World, next: &mut World, me: usize) {
    let process = &world.processes[me];
    let set = &mut next.processes[me];
    match process.step {
        Step::Find => {
            let kept = match world.names.record {
                ModelPlace::Removed => return next.release(me, Step::Gone),
                ModelPlace::Old | ModelPlace::Moving => 0,
                ModelPlace::New => 1,
            };
            (set.kept, set.name, set.step) = (kept, kept, Step::Open);
        }
        Step::Open => match world.names.bases[process.name] {
            Some(base) => (set.file, set.number, set.step) = (Some(base), 0, Step::TryBase),
            None => set.step = Step::Missing,
        },
        _ => {
            let is_moving = world.names.record == ModelPlace::Moving;
            if process.name == 0 && is_moving && !world.is_in_use(0) {
                (set.name, set.step) = (1, Step::Open);
            } else {
                next.release(me, Step::Gone);
            }
        }
    }
}

fn base(world: &World, next: &mut World, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (file, name) = (process.file.unwrap_or(0), process.name);
    let directory = world.names.directories[name];
    match process.step {
        Step::TryBase => try_lock(next, me, file, Step::ReadBase),
        Step::ReadBase => {
            next.processes[me].used = world.inodes[file].now.moved;
            next.processes[me].step = Step::LookForDirectory;
        }
        // With the lock or without.
        Step::LookForDirectory => {
            next.processes[me].used = false;
            let is_locked = world.inodes[file].lock == Some(me);
            let is_still = world.names.bases[name] == Some(file);
            if directory.is_some() || is_locked && !is_still {
                next.drop_file(me, Step::List);
            } else if process.used && rules.without != Without::Moved {
                next.drop_file(me, Step::Missing);
            } else if !is_locked {
                next.drop_file(me, Step::Close);
            } else {
                next.processes[me].step = Step::ReadRecord;
            }
        }
        _ => {
            let at = directory.unwrap_or_else(|| {
                next.directories.push(Default::default());
                next.names.directories[name] = Some(next.directories.len() - 1);
                next.directories.len() - 1
            });
            let set = &mut next.processes[me];
            (set.directory, set.number, set.step) = (Some(at), 0, Step::Claim);
        }
    }
}

fn generations(world: &World, next: &mut World, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let number = process.number;
    if process.step == Step::List {
        let Some(directory) = world.names.directories[process.name] else {
            return next.drop_file(me, Step::Open);
        };
        let highest = world.highest(directory);
        let set = &mut next.processes[me];
        (set.directory, set.number) = (Some(directory), highest);
        set.file = world.generation(directory, highest);
        set.step = if highest > 0 {
            Step::TryHighest
        } else {
            Step::Claim
        };
        return;
    }
    let directory = process.directory.unwrap_or(0);
    let file = process.file.unwrap_or(0);
    match process.step {
        Step::TryHighest => try_lock(next, me, file, Step::ListAgain),
        Step::Claim => {
            if process.claims == rules.claims {
                return next.release(me, Step::Gone);
            }
            next.processes[me].claims += 1;
            let claim = number + 1;
            if world.generation(directory, claim).is_some() && rules.without != Without::Exclusion {
                return next.drop_file(me, Step::Open);
            }
            let content = FileContent {
                provisional: true,
                ..FileContent::default()
            };
            let inode = next.new_inode(content, Some(me));
            let entries = &mut next.directories[directory].now;
            entries.retain(|(other, _)| *other != claim);
            entries.push((claim, inode));
            let set = &mut next.processes[me];
            (set.file, set.number, set.step) = (Some(inode), claim, Step::ListAgain);
        }
        // The lock is held, or the highest one is held by another process for too long.
        _ => {
            let is_current = world.highest(directory) == number
                && world.generation(directory, number) == Some(file);
            if world.inodes[file].lock != Some(me) {
                next.processes[me].file = None;
                next.processes[me].step = Step::Claim;
            } else if !is_current {
                // The file keeps its name: a gap would hide the higher ones from the holder of a lower one.
                if world.inodes[file].now.provisional && rules.without == Without::Gaps {
                    let entries = &mut next.directories[directory].now;
                    entries.retain(|(other, _)| *other != number);
                }
                next.drop_file(me, Step::Open);
            } else if world.inodes[file].now.provisional {
                next.processes[me].step = Step::Copy;
            } else {
                next.processes[me].step = Step::FlushCopy;
            }
        }
    }
}

fn filling(world: &World, next: &mut World, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (directory, file) = (process.directory.unwrap_or(0), process.file.unwrap_or(0));
    let number = process.number;
    match process.step {
        Step::Copy => {
            let base = world.names.bases[process.name]
                .filter(|base| !world.inodes[*base].now.moved || rules.without == Without::Moved);
            let source = world.below(directory, number, rules.without).or(base);
            let Some(source) = source else {
                return next.drop_file(me, Step::Missing);
            };
            next.processes[me].copied = Some(world.inodes[source].now);
            if rules.without == Without::Order {
                let entries = &mut next.directories[directory].now;
                entries.retain(|(other, _)| *other >= number);
            }
            next.processes[me].step = Step::Settle;
        }
        Step::Settle => {
            let copied = process.copied.unwrap_or_default();
            let content = if rules.without == Without::Copy {
                FileContent::default()
            } else {
                copied
            };
            next.inodes[file].now = FileContent {
                provisional: false,
                moved: false,
                ..content
            };
            next.processes[me].copied = None;
            next.processes[me].step = Step::FlushCopy;
        }
        Step::FlushCopy => {
            flush_file(next, file, rules);
            next.directories[directory].disk = next.directories[directory].now.clone();
            flush_names(next);
            next.processes[me].step = Step::Remove;
        }
        _ => {
            let entries = &mut next.directories[directory].now;
            let lowest = entries.iter().map(|(other, _)| *other).min();
            match lowest {
                Some(lowest) if lowest < number => entries.retain(|(other, _)| *other != lowest),
                _ => {
                    next.directories[directory].disk = next.directories[directory].now.clone();
                    next.processes[me].step = Step::FindBase;
                }
            }
        }
    }
}

/// True if the file of a process is the current one.
pub fn is_current(world: &World, me: usize) -> bool {
    let process = &world.processes[me];
    let name = process.name;
    match process.directory {
        None => world.names.directories[name].is_none() && world.names.bases[name] == process.file,
        Some(at) => {
            world.generation(at, process.number + 1).is_none()
                && world.generation(at, process.number) == process.file
                && world.names.directories[name] == Some(at)
        }
    }
}

fn current(world: &World, next: &mut World, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    match process.step {
        Step::FindBase => match world.names.bases[process.name] {
            None => next.release(me, Step::Gone),
            Some(base) => {
                next.processes[me].base = Some(base);
                next.processes[me].step = Step::LookBeforeNote;
            }
        },
        Step::LookBeforeNote => {
            if world.names.directories[process.name] == process.directory
                || rules.without == Without::Note
            {
                next.processes[me].step = Step::Note;
            } else {
                next.release(me, Step::Gone);
            }
        }
        Step::Note => {
            next.inodes[process.base.unwrap_or(0)].now.moved = true;
            next.processes[me].step = Step::FlushNote;
        }
        Step::FlushNote => {
            flush_file(next, process.base.unwrap_or(0), rules);
            next.processes[me].base = None;
            next.processes[me].step = Step::FirstLook;
        }
        Step::FirstLook if is_current(world, me) => {
            next.processes[me].step = Step::ReadRecord;
        }
        Step::FirstLook => next.drop_file(me, Step::Open),
        _ => {
            let is_there = match world.names.record {
                ModelPlace::Removed => false,
                ModelPlace::Old | ModelPlace::Moving => process.kept == 0,
                ModelPlace::New => process.kept == 1,
            };
            if !is_there && !process.is_anew {
                return next.release(me, Step::Gone);
            }
            next.processes[me].step = match process.role {
                ProcessRole::Login => Step::Charge,
                _ => Step::Change(0),
            };
        }
    }
}

fn attempt(world: &World, next: &mut World, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (file, name, number) = (process.file.unwrap_or(0), process.name, process.number);
    let looks = rules.without != Without::LastLook;
    match process.step {
        Step::Charge => {
            next.inodes[file].now.charges |= 1 << me;
            next.inodes[file].now.uncommitted = false;
            let used = world.inodes[file].now.used;
            next.processes[me].used = used;
            next.processes[me].step = if used { Step::Flush } else { Step::Mark };
        }
        Step::Mark => {
            next.inodes[file].now.used = true;
            next.processes[me].step = Step::Flush;
        }
        Step::Flush => {
            flush_file(next, file, rules);
            next.processes[me].step = Step::LastLook;
        }
        Step::LastLook => {
            next.processes[me].late = world.is_removed;
            let superseded = match process.directory {
                None => world.names.directories[name].is_some(),
                Some(at) => world.generation(at, number + 1).is_some(),
            };
            if superseded && looks {
                next.release(me, Step::Gone);
            } else {
                next.processes[me].step = Step::LastLookAtFile;
            }
        }
        Step::LastLookAtFile => {
            let is_still = match process.directory {
                None => world.names.bases[name] == Some(file),
                Some(at) => world.generation(at, number) == Some(file),
            };
            if is_still || !looks {
                next.processes[me].step = Step::LastLookAtDirectory;
            } else {
                next.release(me, Step::Gone);
            }
        }
        _ => {
            let is_still = process
                .directory
                .is_none_or(|at| world.names.directories[name] == Some(at));
            let step = match (is_still || !looks, process.used) {
                (false, _) => Step::Gone,
                (true, true) => Step::Denied,
                (true, false) => Step::Succeeded,
            };
            if step != Step::Gone && process.late {
                next.fault = Some("a code is judged after its device was removed");
            }
            next.release(me, step);
        }
    }
}

pub fn flush_file(world: &mut World, inode: usize, rules: SearchRules) {
    if rules.without != Without::Flush {
        world.inodes[inode].disk = world.inodes[inode].now;
    }
}

pub fn flush_names(world: &mut World) {
    world.names_disk = world.names;
}

/// Takes the lock if it is free; the next step looks whether it was.
fn try_lock(world: &mut World, me: usize, file: usize, step: Step) {
    if world.inodes[file].lock.is_none() {
        world.inodes[file].lock = Some(me);
    }
    world.processes[me].step = step;
}
