//! The steps of the store, the network and the administrator.

use crate::rules::{FleetRules, FleetScene, RestoreScene};
use crate::search::NextWorlds;
use crate::world::{FleetWorld, SessionEnd, SessionStage};

/// All steps that they can take. A write that is lost is one that is never done, and needs no step.
pub fn all(scene: &FleetScene, rules: &FleetRules, world: &FleetWorld, steps: &mut NextWorlds) {
    for at in 0..world.writes().len() {
        write(scene, rules, world, at, steps);
    }
    for host in 0..scene.hosts {
        cut(world, host, steps);
        beat(world, host, steps);
    }
    restore(scene, rules, world, steps);
}

/// The store gets a write, at any time after it was sent; its answer comes, or is lost.
fn write(
    scene: &FleetScene,
    rules: &FleetRules,
    world: &FleetWorld,
    at: usize,
    steps: &mut NextWorlds,
) {
    let sent = world.writes()[at];
    let number = usize::from(sent.session);
    let host = number % scene.hosts;
    let has_base = sent.base == world.store.version;
    let has_beat = !rules.host_beat || sent.beat == world.store.beats[host];
    let is_done = !rules.compared_base || (has_base && has_beat);
    let is_waited_for = world.is_waited_for(&sent);
    let mut next = world.clone();
    next.take_write(at);
    if is_done {
        let beats = next.store.beats;
        next.store = sent.state;
        next.store.beats = beats;
        next.done |= 1 << number;
    }
    let what = if is_done { "does" } else { "refuses" };
    if is_waited_for && !world.hosts[host].is_cut_off {
        let mut answered = next.clone();
        let current = answered.store;
        let session = &mut answered.sessions[number];
        if is_done {
            session.stage = SessionStage::Written;
            session.end = if sent.is_success {
                SessionEnd::Accepted
            } else {
                SessionEnd::Rejected
            };
        } else if session.tries >= scene.tries {
            session.stage = SessionStage::Outage;
        } else {
            session.tries += 1;
            session.stage = SessionStage::HasRead;
            session.base = current;
        }
        let text = format!("the store {what} the write of attempt {number} and answers");
        steps.add(text, answered);
    }
    // Refused without an answer is as lost.
    if is_done {
        let text = format!("the store does the write of attempt {number}, the answer is lost");
        steps.add(text, next);
    }
}

fn cut(world: &FleetWorld, host: usize, steps: &mut NextWorlds) {
    if world.cuts == 0 {
        return;
    }
    let mut next = world.clone();
    next.cuts -= 1;
    let is_cut_off = &mut next.hosts[host].is_cut_off;
    *is_cut_off = !*is_cut_off;
    let what = if *is_cut_off { "is cut off" } else { "is back" };
    steps.add(format!("host {host} {what}"), next);
}

fn beat(world: &FleetWorld, host: usize, steps: &mut NextWorlds) {
    let may = !world.is_restored || world.is_new_epoch;
    if world.beats == 0 || world.hosts[host].is_cut_off || !may {
        return;
    }
    let mut next = world.clone();
    next.beats -= 1;
    next.hosts[host].beat += 1;
    next.store.beats[host] = next.hosts[host].beat;
    steps.add(format!("host {host} writes its number"), next);
}

fn restore(scene: &FleetScene, rules: &FleetRules, world: &FleetWorld, steps: &mut NextWorlds) {
    let may_restore = scene.restore != RestoreScene::Never;
    if world.backup.is_none() && !world.is_restored && (may_restore || !rules.newest_revision) {
        let mut next = world.clone();
        next.backup = Some(world.store);
        steps.add("a backup is made".to_owned(), next);
    }
    if let Some(backup) = world.backup.filter(|_| may_restore && !world.is_restored) {
        let has_beaten = |host: usize| world.store.beats[host] != backup.beats[host];
        let all_have = (0..scene.hosts).all(has_beaten);
        if all_have || scene.restore == RestoreScene::AtAnyTime {
            let mut next = world.clone();
            next.store = backup;
            next.is_restored = true;
            // The store's processes are new ones.
            if scene.restore != RestoreScene::WithOldWrites {
                next.drop_writes();
            }
            steps.add("the backup is restored".to_owned(), next);
        }
    }
    let may_begin = world.is_restored && !world.is_new_epoch;
    if scene.restore == RestoreScene::ThenNewEpoch && may_begin {
        let mut next = world.clone();
        next.is_new_epoch = true;
        // A state of an earlier epoch has nothing that may be taken for unused.
        next.store.is_used = true;
        next.store.version = next.new_version();
        for host in 0..scene.hosts {
            next.hosts[host].beat = next.store.beats[host];
        }
        steps.add("an administrator begins a new epoch".to_owned(), next);
    }
}
