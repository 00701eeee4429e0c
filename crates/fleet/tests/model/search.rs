//! Searches all worlds that can be reached, each once, breadth first.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::promises;
use crate::rules::{FleetRules, FleetScene};
use crate::world::FleetWorld;
use crate::{session_steps, store_steps};

/// The worlds that follow from one, with what happened.
#[derive(Default)]
pub struct NextWorlds(Vec<(String, FleetWorld)>);

impl NextWorlds {
    /// Adds one.
    pub fn add(&mut self, what: String, world: FleetWorld) {
        self.0.push((what, world));
    }
}

/// A way to a world in which a promise is broken.
pub struct BrokenPromise {
    /// The promise.
    pub promise: &'static str,
    /// The events, the first one first.
    pub story: Vec<String>,
}

/// Searches everything. The number of worlds, or the shortest story to a broken promise.
pub fn all(scene: &FleetScene, rules: &FleetRules) -> Result<usize, BrokenPromise> {
    let first = FleetWorld::new(scene);
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut open = VecDeque::from([first]);
    while let Some(world) = open.pop_front() {
        for (_, next) in following(scene, rules, &world) {
            if !seen.insert(next.fingerprint()) {
                continue;
            }
            if let Some(promise) = promises::broken(scene, &next) {
                let story = story(scene, rules, next.fingerprint());
                return Err(BrokenPromise { promise, story });
            }
            open.push_back(next);
        }
    }
    Ok(seen.len())
}

fn following(
    scene: &FleetScene,
    rules: &FleetRules,
    world: &FleetWorld,
) -> Vec<(String, FleetWorld)> {
    let mut steps = NextWorlds::default();
    session_steps::all(scene, rules, world, &mut steps);
    store_steps::all(scene, rules, world, &mut steps);
    for (_, next) in &mut steps.0 {
        next.settle(scene, rules);
    }
    steps.0
}

/// The search once more, now with the way to each world.
fn story(scene: &FleetScene, rules: &FleetRules, wanted: u64) -> Vec<String> {
    let first = FleetWorld::new(scene);
    let begin = first.fingerprint();
    let mut from: HashMap<u64, (u64, String)> = HashMap::new();
    let mut open = VecDeque::from([first]);
    while let Some(world) = open.pop_front() {
        let here = world.fingerprint();
        for (what, next) in following(scene, rules, &world) {
            let there = next.fingerprint();
            if there == begin || from.contains_key(&there) {
                continue;
            }
            from.insert(there, (here, what));
            open.push_back(next);
        }
        if from.contains_key(&wanted) {
            break;
        }
    }
    let mut story = Vec::new();
    let mut at = wanted;
    while let Some((before, what)) = from.get(&at) {
        story.push(what.clone());
        at = *before;
    }
    story.reverse();
    story
}
