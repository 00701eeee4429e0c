//! The changes: `rename`, `unset`, and `unlock` of a state that cannot be read, from the lock on.

use super::steps::{flush_file, flush_names, is_current};
use super::world::{
    FileContent, ModelPlace, ModelWorld, OmittedPart, ProcessRole, ProcessStep, SearchRules,
};

/// One step of a change.
pub fn change(world: &ModelWorld, next: &mut ModelWorld, me: usize, step: u8, rules: SearchRules) {
    match world.processes[me].role {
        ProcessRole::Mover => rename(world, next, me, step, rules),
        ProcessRole::Remover => remove(world, next, me, step, rules),
        _ => rebuild(next, me, step),
    }
}

/// `FactorStore::relocate_if` from its third step on; index and uids are not part of the model.
fn rename(world: &ModelWorld, next: &mut ModelWorld, me: usize, step: u8, rules: SearchRules) {
    let process = &world.processes[me];
    next.processes[me].step = ProcessStep::Change(step + 1);
    match step {
        // A base is closed by its holder, as by a process that takes it over.
        0 if process.name == 0 && process.directory.is_none() => {
            next.drop_file(me, ProcessStep::Close)
        }
        0 | 2 | 5 if !is_current(world, me) && process.name == 0 => {
            next.release(me, ProcessStep::Gone);
        }
        0 | 2 | 5 => {}
        1 => {
            next.names.record = match world.names.record {
                ModelPlace::Old | ModelPlace::Moving => ModelPlace::Moving,
                other => other,
            };
            flush_names(next);
            if process.name == 1 {
                // The state has the new name already.
                next.processes[me].step = ProcessStep::Change(7);
            }
        }
        3 if rules.without == OmittedPart::OtherBase => {}
        3 => {
            next.names.bases[0] = Some(entrance(next));
            flush_names(next);
        }
        4 if world.names.bases[1].is_none() => {
            next.names.bases[1] = Some(entrance(next));
            flush_names(next);
        }
        4 if world.is_in_use(1) => next.release(me, ProcessStep::Gone),
        4 => {}
        6 => match (world.names.directories[0], world.names.directories[1]) {
            (Some(at), None) => next.names.directories = [None, Some(at)],
            _ => next.release(me, ProcessStep::Gone),
        },
        7 => flush_names(next),
        8 => {
            next.names.bases[0] = None;
            flush_names(next);
        }
        _ => {
            if world.names.record == ModelPlace::Moving {
                next.names.record = ModelPlace::New;
                flush_names(next);
            }
            next.release(me, ProcessStep::Gone);
        }
    }
}

/// A base that only leads to the directory beside it.
fn entrance(world: &mut ModelWorld) -> usize {
    let content = FileContent {
        moved: true,
        ..FileContent::default()
    };
    world.new_inode(content, None)
}

/// `LockedFactor::remove`: the mark, the record, and then what tells of it.
fn remove(world: &ModelWorld, next: &mut ModelWorld, me: usize, step: u8, rules: SearchRules) {
    let process = &world.processes[me];
    let (name, file) = (process.name, process.file.unwrap_or(0));
    next.processes[me].step = ProcessStep::Change(step + 1);
    match step {
        0 => next.inodes[file].now.uncommitted = true,
        1 => flush_file(next, file, rules),
        2 | 4 if !is_current(world, me) => {
            let has_removed = process.is_anew || step == 4;
            if has_removed && rules.without != OmittedPart::Anew {
                next.drop_file(me, ProcessStep::Open);
                // It waits as long for the state that counts now as for the one before.
                (next.processes[me].is_anew, next.processes[me].claims) = (true, 0);
            } else {
                next.release(me, ProcessStep::Gone);
            }
        }
        2 | 4 => {}
        3 if process.is_anew => {}
        3 if world.names.record == ModelPlace::Old => {
            next.names.record = ModelPlace::Removed;
            flush_names(next);
        }
        3 => next.release(me, ProcessStep::Gone),
        5 => {
            next.names.bases[name] = None;
            flush_names(next);
        }
        _ => {
            next.names.directories[name] = None;
            flush_names(next);
            next.is_removed = true;
            next.release(me, ProcessStep::Gone);
        }
    }
}

/// `StateFiles::replace_unreadable`: nothing that was good before is good in the new state.
fn rebuild(next: &mut ModelWorld, me: usize, step: u8) {
    let name = next.processes[me].name;
    next.processes[me].step = ProcessStep::Change(step + 1);
    next.is_broken = step < 2;
    match step {
        0 => next.names.bases[name] = Some(entrance(next)),
        1 => next.names.directories[name] = None,
        _ => {
            let content = FileContent {
                used: true,
                charges: u8::MAX,
                ..FileContent::default()
            };
            next.names.bases[name] = Some(next.new_inode(content, None));
            next.release(me, ProcessStep::Gone);
        }
    }
    flush_names(next);
}
