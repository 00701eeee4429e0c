//! Instructions of a login outside the kernel, counted one by one.

use std::collections::BTreeMap;
use std::path::Path;

use harness::Machine;
use serde_json::{Value, json};

use crate::worker::{CodeChoice, Worker, printed};

/// By file, of pam_authenticate and of the whole transaction.
pub struct InstructionCount {
    auth: BTreeMap<String, u64>,
    whole: BTreeMap<String, u64>,
}

/// Counts those of a login with a right code in a new process.
pub fn count(machine: &Machine, worker: &Worker, codes: &Path, service: &str) -> InstructionCount {
    let words = worker.once(codes, service, CodeChoice::Right);
    let stepped = machine.program(&words[0]).args(&words[1..]).stepped();
    let result = printed(&stepped.run.ok());
    assert_eq!(result.trim(), "0", "{service} refused a right code");
    let [_, auth @ .., _] = stepped.windows.as_slice() else {
        panic!("no marks");
    };
    InstructionCount {
        auth: joined(auth),
        whole: joined(&stepped.windows),
    }
}

impl InstructionCount {
    /// Cost of a module: all instructions less those of the same login through pam_permit, so those of libpam, the C
    /// library and the loader are in it where they work for the module. And those in files that only the module has
    /// brought: its own, and its libraries.
    pub fn beyond(&self, permit: &Self) -> Value {
        let part = |ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>| {
            let own = |file: &str| !permit.whole.contains_key(file);
            let own: u64 = ours
                .iter()
                .filter(|(file, _)| own(file))
                .map(|(_, count)| count)
                .sum();
            let all = ours.values().sum::<u64>() - theirs.values().sum::<u64>();
            json!({ "all": all, "own": own, "files": ours })
        };
        json!({ "auth": part(&self.auth, &permit.auth), "whole": part(&self.whole, &permit.whole) })
    }
}

fn joined(windows: &[BTreeMap<String, u64>]) -> BTreeMap<String, u64> {
    let mut joined = BTreeMap::new();
    for (file, count) in windows.iter().flatten() {
        *joined.entry(file.clone()).or_default() += count;
    }
    joined
}
