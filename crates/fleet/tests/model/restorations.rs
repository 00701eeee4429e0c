//! Backups that are made and restored at any time, also while a restoration is under way: which hosts take part, and who ends it.
//!
//! Codes that are used between a restoration of the store and the command that begins one of the fleet are the limit that the
//! documentation names; here no code is used in between.

use std::collections::{HashSet, VecDeque};

const HOSTS: usize = 2;

/// The rules of restorations. All of them hold in the product.
#[derive(Debug, Clone, Copy)]
pub struct RestorationRules {
    /// The entry of the fleet says that a restoration is under way: no host uses the store, and each takes part.
    pub says_so: bool,
    /// Only the host that began a restoration goes on with it.
    pub own_restoration: bool,
    /// A host forgets that it began one before the store has the new epoch, and before it takes part in another one.
    pub forgotten_first: bool,
    /// A host that has seen more epochs raises the one to come. Where it has seen the end of that very restoration, it is another one
    /// from then on: the command has to be called anew.
    pub later_epoch: bool,
}

/// All of them.
pub const ALL: RestorationRules = RestorationRules {
    says_so: true,
    own_restoration: true,
    forgotten_first: true,
    later_epoch: true,
};

/// An epoch: its number, and the restoration that it begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Epoch {
    number: u8,
    restoration: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct RestoredStore {
    epoch: Epoch,
    is_restoring: bool,
    /// The last restoration that each host took part in.
    parts: [u8; HOSTS],
    /// True if the code is used.
    is_used: bool,
    beats: [u8; HOSTS],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct RestoredHost {
    epoch: Epoch,
    /// The restoration that it began, or 0.
    begun: u8,
    is_used: bool,
    beat: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct RestoredWorld {
    store: RestoredStore,
    hosts: [RestoredHost; HOSTS],
    backups: Vec<RestoredStore>,
    restorations: u8,
    begins: u8,
    kills: u8,
    /// Restored, and no command was called since.
    is_unnoticed: bool,
    /// The code let in.
    is_told: bool,
    is_broken: bool,
}

impl RestoredWorld {
    fn is_connected(&self, host: usize, rules: RestorationRules) -> bool {
        let RestoredHost { epoch, beat, .. } = self.hosts[host];
        let is_begun = !self.store.is_restoring || !rules.says_so;
        // Before the entry said so, it kept the old epoch until the end.
        let is_same = epoch == self.store.epoch
            || (!rules.says_so
                && self.store.is_restoring
                && epoch.number < self.store.epoch.number);
        is_begun && is_same && beat == self.store.beats[host]
    }

    fn take_part(&mut self, host: usize) {
        self.store.is_used |= self.hosts[host].is_used;
        self.store.parts[host] = self.store.epoch.restoration;
    }

    fn has_part(&self, host: usize) -> bool {
        self.store.parts[host] == self.store.epoch.restoration
    }

    fn go_over(&mut self, host: usize) {
        let next = &mut self.hosts[host];
        next.epoch = self.store.epoch;
        next.begun = 0;
        next.beat += 1;
        self.store.beats[host] = next.beat;
    }

    /// A beat of the service, where it cannot use the store.
    fn follow(&mut self, host: usize, rules: RestorationRules) {
        let own = self.hosts[host].epoch;
        let is_behind = self.store.epoch.number <= own.number;
        if self.store.is_restoring && is_behind && rules.later_epoch {
            self.store.epoch.number = own.number + 1;
            if self.store.epoch.restoration == own.restoration {
                self.begins += 1;
                self.store.epoch.restoration = self.begins;
            }
        }
        if self.store.epoch.number <= own.number {
            return;
        }
        if rules.forgotten_first && self.hosts[host].begun != self.store.epoch.restoration {
            self.hosts[host].begun = 0;
        }
        if !self.has_part(host) {
            self.take_part(host);
        }
        if !self.store.is_restoring {
            self.go_over(host);
        }
    }

    /// The command. True if it did something.
    fn after_restore(&mut self, host: usize, rules: RestorationRules, end: CommandEnd) -> bool {
        let own = self.hosts[host];
        let is_ahead = self.store.epoch.number > own.epoch.number;
        if !self.store.is_restoring && is_ahead {
            return false;
        }
        let is_own = !rules.own_restoration || own.begun == self.store.epoch.restoration;
        if !(self.store.is_restoring && is_ahead && is_own) {
            self.begins += 1;
            self.store.epoch = Epoch {
                number: self.store.epoch.number.max(own.epoch.number) + 1,
                restoration: self.begins,
            };
            self.store.is_restoring = true;
            self.hosts[host].begun = self.begins;
        }
        self.is_unnoticed = false;
        self.take_part(host);
        if (0..HOSTS).all(|it| self.has_part(it)) {
            if rules.forgotten_first {
                self.hosts[host].begun = 0;
            }
            self.store.is_restoring = end == CommandEnd::KilledBefore;
            match end {
                CommandEnd::Whole => self.go_over(host),
                CommandEnd::KilledBefore => {}
                // It had the host's number in the store before it could note it.
                CommandEnd::KilledAfter => self.store.beats[host] += 1,
            }
        }
        true
    }

    fn following(&self, rules: RestorationRules, begins: u8) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut add = |act: &dyn Fn(&mut Self) -> bool| {
            let mut next = self.clone();
            if act(&mut next) && next != *self {
                worlds.push(next);
            }
        };
        for host in 0..HOSTS {
            let is_connected = self.is_connected(host, rules);
            if is_connected && !self.is_unnoticed {
                add(&|next| next.use_code(host));
            }
            if !is_connected {
                add(&|next| {
                    next.follow(host, rules);
                    true
                });
            }
            if self.begins < begins {
                add(&|next| next.after_restore(host, rules, CommandEnd::Whole));
                for end in [CommandEnd::KilledBefore, CommandEnd::KilledAfter] {
                    add(&|next| {
                        next.kills += 1;
                        next.kills < 2 && next.after_restore(host, rules, end)
                    });
                }
            }
        }
        if self.backups.len() < 2 && !self.is_unnoticed {
            add(&|next| {
                next.backups.push(next.store);
                true
            });
        }
        for backup in &self.backups {
            if self.restorations < 2 {
                add(&|next| {
                    next.store = *backup;
                    next.restorations += 1;
                    next.is_unnoticed = true;
                    true
                });
            }
        }
        worlds
    }

    /// The code lets in where neither the store nor the host has it as used. The host writes a number then.
    fn use_code(&mut self, host: usize) -> bool {
        if self.store.is_used || self.hosts[host].is_used {
            return false;
        }
        self.is_broken |= self.is_told;
        self.is_told = true;
        self.store.is_used = true;
        self.hosts[host].is_used = true;
        self.hosts[host].beat += 1;
        self.store.beats[host] = self.hosts[host].beat;
        true
    }

    /// True if an administrator who calls the command on one host gets all of them back.
    fn recovers(&self, rules: RestorationRules) -> bool {
        let mut world = self.clone();
        (0..6).any(|_| {
            world.after_restore(0, rules, CommandEnd::Whole);
            for host in 0..HOSTS {
                if !world.is_connected(host, rules) {
                    world.follow(host, rules);
                }
            }
            let is_over = !world.store.is_restoring;
            is_over && (0..HOSTS).all(|host| world.is_connected(host, rules))
        })
    }
}

/// The end of a command that begins the new epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CommandEnd {
    Whole,
    /// Before the store has the new epoch.
    KilledBefore,
    /// After that.
    KilledAfter,
}

/// Searches everything, with so many restorations that are begun: the number of worlds, or what is broken.
pub fn search(rules: RestorationRules, begins: u8) -> Result<usize, &'static str> {
    let first = RestoredWorld::default();
    let mut seen = HashSet::from([first.clone()]);
    let mut open = VecDeque::from([first]);
    while let Some(world) = open.pop_front() {
        if world.is_broken {
            return Err("a code let in twice");
        }
        if !world.recovers(rules) {
            return Err("a host does not come back");
        }
        for next in world.following(rules, begins) {
            if seen.insert(next.clone()) {
                open.push_back(next);
            }
        }
    }
    Ok(seen.len())
}
