//! The steps of a process: each is one system call, or some that no other process can tell apart.

use super::changes;
use super::world::{
    FileContent, ModelPlace, ModelWorld, OmittedPart, ProcessRole, ProcessStep, SearchRules,
};

/// The world after one step of a process; `None` when it has ended.
pub fn after(world: &ModelWorld, me: usize, rules: SearchRules) -> Option<ModelWorld> {
    let process = &world.processes[me];
    if process.has_ended() {
        return None;
    }
    let mut next = world.clone();
    match process.step {
        ProcessStep::Find | ProcessStep::Open | ProcessStep::Missing => {
            finding(world, &mut next, me)
        }
        ProcessStep::TryBase
        | ProcessStep::ReadBase
        | ProcessStep::LookForDirectory
        | ProcessStep::Close => {
            base(world, &mut next, me, rules);
        }
        ProcessStep::List
        | ProcessStep::TryHighest
        | ProcessStep::Claim
        | ProcessStep::ListAgain => {
            generations(world, &mut next, me, rules);
        }
        ProcessStep::Copy | ProcessStep::Settle | ProcessStep::FlushCopy | ProcessStep::Remove => {
            filling(world, &mut next, me, rules);
        }
        ProcessStep::FindBase
        | ProcessStep::LookBeforeNote
        | ProcessStep::Note
        | ProcessStep::FlushNote
        | ProcessStep::FirstLook
        | ProcessStep::ReadRecord => {
            current(world, &mut next, me, rules);
        }
        ProcessStep::Change(step) => changes::change(world, &mut next, me, step, rules),
        _ => attempt(world, &mut next, me, rules),
    }
    Some(next)
}

/// The name of the record, and that of the state.
fn finding(world: &ModelWorld, next: &mut ModelWorld, me: usize) {
    let process = &world.processes[me];
    let set = &mut next.processes[me];
    match process.step {
        ProcessStep::Find => {
            let kept = match world.names.record {
                ModelPlace::Removed => return next.release(me, ProcessStep::Gone),
                ModelPlace::Old | ModelPlace::Moving => 0,
                ModelPlace::New => 1,
            };
            (set.kept, set.name, set.step) = (kept, kept, ProcessStep::Open);
        }
        ProcessStep::Open => match world.names.bases[process.name] {
            Some(base) => (set.file, set.number, set.step) = (Some(base), 0, ProcessStep::TryBase),
            None => set.step = ProcessStep::Missing,
        },
        _ => {
            let is_moving = world.names.record == ModelPlace::Moving;
            if process.name == 0 && is_moving && !world.is_in_use(0) {
                (set.name, set.step) = (1, ProcessStep::Open);
            } else {
                next.release(me, ProcessStep::Gone);
            }
        }
    }
}

fn base(world: &ModelWorld, next: &mut ModelWorld, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (file, name) = (process.file.unwrap_or(0), process.name);
    let directory = world.names.directories[name];
    match process.step {
        ProcessStep::TryBase => try_lock(next, me, file, ProcessStep::ReadBase),
        ProcessStep::ReadBase => {
            next.processes[me].used = world.inodes[file].now.moved;
            next.processes[me].step = ProcessStep::LookForDirectory;
        }
        // With the lock or without.
        ProcessStep::LookForDirectory => {
            next.processes[me].used = false;
            let is_locked = world.inodes[file].lock == Some(me);
            let is_still = world.names.bases[name] == Some(file);
            if directory.is_some() || is_locked && !is_still {
                next.drop_file(me, ProcessStep::List);
            } else if process.used && rules.without != OmittedPart::Moved {
                next.drop_file(me, ProcessStep::Missing);
            } else if !is_locked {
                next.drop_file(me, ProcessStep::Close);
            } else {
                next.processes[me].step = ProcessStep::ReadRecord;
            }
        }
        _ => {
            let at = directory.unwrap_or_else(|| {
                next.directories.push(Default::default());
                next.names.directories[name] = Some(next.directories.len() - 1);
                next.directories.len() - 1
            });
            let set = &mut next.processes[me];
            (set.directory, set.number, set.step) = (Some(at), 0, ProcessStep::Claim);
        }
    }
}

fn generations(world: &ModelWorld, next: &mut ModelWorld, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let number = process.number;
    if process.step == ProcessStep::List {
        let Some(directory) = world.names.directories[process.name] else {
            return next.drop_file(me, ProcessStep::Open);
        };
        let highest = world.highest(directory);
        let set = &mut next.processes[me];
        (set.directory, set.number) = (Some(directory), highest);
        set.file = world.generation(directory, highest);
        set.step = if highest > 0 {
            ProcessStep::TryHighest
        } else {
            ProcessStep::Claim
        };
        return;
    }
    let directory = process.directory.unwrap_or(0);
    let file = process.file.unwrap_or(0);
    match process.step {
        ProcessStep::TryHighest => try_lock(next, me, file, ProcessStep::ListAgain),
        ProcessStep::Claim => {
            if process.claims == rules.claims {
                return next.release(me, ProcessStep::Gone);
            }
            next.processes[me].claims += 1;
            let claim = number + 1;
            if world.generation(directory, claim).is_some()
                && rules.without != OmittedPart::Exclusion
            {
                return next.drop_file(me, ProcessStep::Open);
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
            (set.file, set.number, set.step) = (Some(inode), claim, ProcessStep::ListAgain);
        }
        // The lock is held, or the highest one is held by another process for too long.
        _ => {
            let is_current = world.highest(directory) == number
                && world.generation(directory, number) == Some(file);
            if world.inodes[file].lock != Some(me) {
                next.processes[me].file = None;
                next.processes[me].step = ProcessStep::Claim;
            } else if !is_current {
                // The file keeps its name: a gap would hide the higher ones from the holder of a lower one.
                if world.inodes[file].now.provisional && rules.without == OmittedPart::Gaps {
                    let entries = &mut next.directories[directory].now;
                    entries.retain(|(other, _)| *other != number);
                }
                next.drop_file(me, ProcessStep::Open);
            } else if world.inodes[file].now.provisional {
                next.processes[me].step = ProcessStep::Copy;
            } else {
                next.processes[me].step = ProcessStep::FlushCopy;
            }
        }
    }
}

fn filling(world: &ModelWorld, next: &mut ModelWorld, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (directory, file) = (process.directory.unwrap_or(0), process.file.unwrap_or(0));
    let number = process.number;
    match process.step {
        ProcessStep::Copy => {
            let base = world.names.bases[process.name].filter(|base| {
                !world.inodes[*base].now.moved || rules.without == OmittedPart::Moved
            });
            let source = world.below(directory, number, rules.without).or(base);
            let Some(source) = source else {
                return next.drop_file(me, ProcessStep::Missing);
            };
            next.processes[me].copied = Some(world.inodes[source].now);
            if rules.without == OmittedPart::Order {
                let entries = &mut next.directories[directory].now;
                entries.retain(|(other, _)| *other >= number);
            }
            next.processes[me].step = ProcessStep::Settle;
        }
        ProcessStep::Settle => {
            let copied = process.copied.unwrap_or_default();
            let content = if rules.without == OmittedPart::Copy {
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
            next.processes[me].step = ProcessStep::FlushCopy;
        }
        ProcessStep::FlushCopy => {
            flush_file(next, file, rules);
            next.directories[directory].disk = next.directories[directory].now.clone();
            flush_names(next);
            next.processes[me].step = ProcessStep::Remove;
        }
        _ => {
            let entries = &mut next.directories[directory].now;
            let lowest = entries.iter().map(|(other, _)| *other).min();
            match lowest {
                Some(lowest) if lowest < number => entries.retain(|(other, _)| *other != lowest),
                _ => {
                    next.directories[directory].disk = next.directories[directory].now.clone();
                    next.processes[me].step = ProcessStep::FindBase;
                }
            }
        }
    }
}

/// True if the file of a process is the current one.
pub fn is_current(world: &ModelWorld, me: usize) -> bool {
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

fn current(world: &ModelWorld, next: &mut ModelWorld, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    match process.step {
        ProcessStep::FindBase => match world.names.bases[process.name] {
            None => next.release(me, ProcessStep::Gone),
            Some(base) => {
                next.processes[me].base = Some(base);
                next.processes[me].step = ProcessStep::LookBeforeNote;
            }
        },
        ProcessStep::LookBeforeNote => {
            if world.names.directories[process.name] == process.directory
                || rules.without == OmittedPart::Note
            {
                next.processes[me].step = ProcessStep::Note;
            } else {
                next.release(me, ProcessStep::Gone);
            }
        }
        ProcessStep::Note => {
            next.inodes[process.base.unwrap_or(0)].now.moved = true;
            next.processes[me].step = ProcessStep::FlushNote;
        }
        ProcessStep::FlushNote => {
            flush_file(next, process.base.unwrap_or(0), rules);
            next.processes[me].base = None;
            next.processes[me].step = ProcessStep::FirstLook;
        }
        ProcessStep::FirstLook if is_current(world, me) => {
            next.processes[me].step = ProcessStep::ReadRecord;
        }
        ProcessStep::FirstLook => next.drop_file(me, ProcessStep::Open),
        _ => {
            let is_there = match world.names.record {
                ModelPlace::Removed => false,
                ModelPlace::Old | ModelPlace::Moving => process.kept == 0,
                ModelPlace::New => process.kept == 1,
            };
            if !is_there && !process.is_anew {
                return next.release(me, ProcessStep::Gone);
            }
            next.processes[me].step = match process.role {
                ProcessRole::Login => ProcessStep::Charge,
                _ => ProcessStep::Change(0),
            };
        }
    }
}

fn attempt(world: &ModelWorld, next: &mut ModelWorld, me: usize, rules: SearchRules) {
    let process = &world.processes[me];
    let (file, name, number) = (process.file.unwrap_or(0), process.name, process.number);
    let looks = rules.without != OmittedPart::LastLook;
    match process.step {
        ProcessStep::Charge => {
            next.inodes[file].now.charges |= 1 << me;
            next.inodes[file].now.uncommitted = false;
            let used = world.inodes[file].now.used;
            next.processes[me].used = used;
            next.processes[me].step = if used {
                ProcessStep::Flush
            } else {
                ProcessStep::Mark
            };
        }
        ProcessStep::Mark => {
            next.inodes[file].now.used = true;
            next.processes[me].step = ProcessStep::Flush;
        }
        ProcessStep::Flush => {
            flush_file(next, file, rules);
            next.processes[me].step = ProcessStep::LastLook;
        }
        ProcessStep::LastLook => {
            next.processes[me].late = world.is_removed;
            let superseded = match process.directory {
                None => world.names.directories[name].is_some(),
                Some(at) => world.generation(at, number + 1).is_some(),
            };
            if superseded && looks {
                next.release(me, ProcessStep::Gone);
            } else {
                next.processes[me].step = ProcessStep::LastLookAtFile;
            }
        }
        ProcessStep::LastLookAtFile => {
            let is_still = match process.directory {
                None => world.names.bases[name] == Some(file),
                Some(at) => world.generation(at, number) == Some(file),
            };
            if is_still || !looks {
                next.processes[me].step = ProcessStep::LastLookAtDirectory;
            } else {
                next.release(me, ProcessStep::Gone);
            }
        }
        _ => {
            let is_still = process
                .directory
                .is_none_or(|at| world.names.directories[name] == Some(at));
            let step = match (is_still || !looks, process.used) {
                (false, _) => ProcessStep::Gone,
                (true, true) => ProcessStep::Denied,
                (true, false) => ProcessStep::Succeeded,
            };
            if step != ProcessStep::Gone && process.late {
                next.fault = Some("a code is judged after its device was removed");
            }
            next.release(me, step);
        }
    }
}

pub fn flush_file(world: &mut ModelWorld, inode: usize, rules: SearchRules) {
    if rules.without != OmittedPart::Flush {
        world.inodes[inode].disk = world.inodes[inode].now;
    }
}

pub fn flush_names(world: &mut ModelWorld) {
    world.names_disk = world.names;
}

/// Takes the lock if it is free; the next step looks whether it was.
fn try_lock(world: &mut ModelWorld, me: usize, file: usize, step: ProcessStep) {
    if world.inodes[file].lock.is_none() {
        world.inodes[file].lock = Some(me);
    }
    world.processes[me].step = step;
}
