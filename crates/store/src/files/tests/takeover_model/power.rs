//! Power cuts: of what was not flushed any part may be on the disk or not.

use super::world::{ModelWorld, ProcessStep};

/// Everything is on the disk: without power cuts that makes no difference.
pub fn flush_all(world: &mut ModelWorld) {
    world.names_disk = world.names;
    for directory in &mut world.directories {
        directory.disk.clone_from(&directory.now);
    }
    for inode in &mut world.inodes {
        inode.disk = inode.now;
    }
}

/// The worlds that may be found after a power cut. A renamed directory has one name or the other.
pub fn cuts(world: &ModelWorld) -> Vec<ModelWorld> {
    let mut dark = world.clone();
    for me in 0..dark.processes.len() {
        let process = &dark.processes[me];
        if process.step != ProcessStep::Find && !process.has_ended() {
            dark.release(me, ProcessStep::Gone);
        }
    }
    let mut found = vec![dark];
    let disk = world.names_disk;
    for name in 0..2 {
        either(&mut found, |world| {
            world.names.bases[name] = disk.bases[name]
        });
    }
    either(&mut found, |world| {
        world.names.directories = disk.directories;
    });
    either(&mut found, |world| world.names.record = disk.record);
    for at in 0..world.directories.len() {
        let directory = &world.directories[at];
        let all = directory.now.iter().chain(&directory.disk);
        for entry in all {
            let on_disk = directory.disk.contains(entry);
            either(&mut found, |world| {
                let entries = &mut world.directories[at].now;
                entries.retain(|other| other != entry);
                if on_disk {
                    entries.push(*entry);
                }
            });
        }
    }
    for inode in 0..world.inodes.len() {
        either(&mut found, |world| {
            world.inodes[inode].now = world.inodes[inode].disk;
        });
    }
    found.iter_mut().for_each(flush_all);
    found
}

/// Doubles what was found: with a change, and without.
fn either(found: &mut Vec<ModelWorld>, change: impl Fn(&mut ModelWorld)) {
    for place in 0..found.len() {
        let mut other = found[place].clone();
        change(&mut other);
        if !found.contains(&other) {
            found.push(other);
        }
    }
}
