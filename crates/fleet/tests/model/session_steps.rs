//! The steps of an attempt.

use crate::rules::{FleetRules, FleetScene};
use crate::search::NextWorlds;
use crate::world::{
    FREE, FleetWorld, LIMIT, LateWrite, ModelSession, SessionEnd, SessionStage, StoreState,
};

/// All steps that attempts can take.
pub fn all(scene: &FleetScene, rules: &FleetRules, world: &FleetWorld, steps: &mut NextWorlds) {
    for number in 0..scene.sessions {
        let step = SessionStep {
            scene,
            rules,
            world,
            number,
            host: number % scene.hosts,
        };
        step.crash(steps);
        match world.sessions[number].stage {
            SessionStage::Begins => step.read(steps),
            SessionStage::HasRead => step.decide(steps),
            SessionStage::WaitsForWrite => step.time_out(steps),
            SessionStage::Written => step.tell(steps),
            SessionStage::Outage => step.outage(steps),
            SessionStage::ChargedByItself => step.judge_by_itself(steps),
            SessionStage::Ended | SessionStage::Crashed => {}
        }
    }
}

/// A step of one attempt.
struct SessionStep<'a> {
    scene: &'a FleetScene,
    rules: &'a FleetRules,
    world: &'a FleetWorld,
    number: usize,
    host: usize,
}

impl SessionStep<'_> {
    const fn bit(&self) -> u8 {
        1 << self.number
    }

    const fn is_right(&self) -> bool {
        self.scene.right & self.bit() != 0
    }

    fn me(&self) -> ModelSession {
        self.world.sessions[self.number]
    }

    fn to(&self, stage: SessionStage) -> FleetWorld {
        let mut next = self.world.clone();
        next.sessions[self.number].stage = stage;
        next
    }

    fn name(&self, what: &str) -> String {
        format!("attempt {} on host {} {what}", self.number, self.host)
    }

    /// Its process is killed, or the host loses power. The lock of a file goes with the process.
    fn crash(&self, steps: &mut NextWorlds) {
        let stage = self.me().stage;
        let is_over = matches!(stage, SessionStage::Ended | SessionStage::Crashed);
        if self.world.crashes == 0 || stage == SessionStage::Begins || is_over {
            return;
        }
        let mut next = self.world.clone();
        next.crashes -= 1;
        next.sessions[self.number] = ModelSession {
            stage: SessionStage::Crashed,
            ..ModelSession::default()
        };
        self.unlock(&mut next);
        steps.add(self.name("is killed"), next);
    }

    fn read(&self, steps: &mut NextWorlds) {
        let host = &self.world.hosts[self.host];
        let is_locked = host.lock != FREE && host.lock != self.number as u8;
        if self.rules.file_lock && is_locked {
            return;
        }
        let locked = |stage| {
            let mut next = self.to(stage);
            if self.rules.file_lock {
                next.hosts[self.host].lock = self.number as u8;
            }
            next
        };
        let world = self.world;
        let went_back =
            world.is_restored && !world.is_new_epoch && world.store.beats[self.host] != host.beat;
        if host.is_cut_off {
            steps.add(self.name("cannot read"), locked(SessionStage::Outage));
        } else if self.rules.host_beat && went_back {
            let next = locked(SessionStage::Outage);
            steps.add(self.name("sees that the store went back"), next);
        } else {
            let mut next = locked(SessionStage::HasRead);
            next.sessions[self.number].base = world.store;
            steps.add(self.name("reads"), next);
            if let Some(older) = world.backup.filter(|_| !self.rules.newest_revision) {
                let mut next = locked(SessionStage::HasRead);
                next.sessions[self.number].base = older;
                steps.add(self.name("reads an older revision"), next);
            }
        }
    }

    fn decide(&self, steps: &mut NextWorlds) {
        let me = self.me();
        if self.rules.attempt_id && me.base.attempts & self.bit() != 0 {
            let mut next = self.to(SessionStage::Written);
            next.sessions[self.number].end = if me.base.accepted & self.bit() != 0 {
                SessionEnd::Accepted
            } else {
                SessionEnd::Rejected
            };
            steps.add(self.name("finds its own id"), next);
            return;
        }
        let mut state = self.joined(me.base);
        if state.failures >= LIMIT {
            let mut next = self.world.clone();
            self.end(&mut next, SessionEnd::LockedOut, false);
            steps.add(self.name("finds the lock-out"), next);
            return;
        }
        let is_success = self.is_right() && !state.is_used;
        state.attempts |= self.bit();
        let end = if is_success {
            state.is_used = true;
            state.failures = 0;
            state.accepted |= self.bit();
            SessionEnd::Accepted
        } else {
            state.failures += 1;
            SessionEnd::Rejected
        };
        let mut next = self.to(SessionStage::WaitsForWrite);
        state.version = next.new_version();
        next.sessions[self.number].version = state.version;
        next.sessions[self.number].end = end;
        let is_sent = next.send(LateWrite {
            base: me.base.version,
            beat: self.world.hosts[self.host].beat,
            state,
            session: self.number as u8,
            is_success,
        });
        if !is_sent {
            return;
        }
        if !self.rules.no_early_release {
            self.end(&mut next, end, false);
        }
        steps.add(self.name("sends its write"), next);
    }

    /// The store's state with what this host judged by itself.
    fn joined(&self, mut state: StoreState) -> StoreState {
        let host = &self.world.hosts[self.host];
        if self.rules.join {
            state.is_used |= host.is_used;
            if host.is_apart {
                state.failures = (state.failures + host.failures).min(LIMIT + 1);
            }
        }
        state
    }

    /// The answer does not come in time, whatever became of the write.
    fn time_out(&self, steps: &mut NextWorlds) {
        let me = self.me();
        let mut next = self.world.clone();
        let session = &mut next.sessions[self.number];
        session.tries += 1;
        if !self.rules.read_back {
            self.end(&mut next, me.end, false);
        } else if session.tries > self.scene.tries {
            session.stage = SessionStage::Outage;
        } else {
            session.stage = SessionStage::Begins;
        }
        steps.add(self.name("waits no longer"), next);
    }

    /// The host's own file holds the result before it is told.
    fn tell(&self, steps: &mut NextWorlds) {
        let mut next = self.world.clone();
        let mut end = self.me().end;
        let file = &mut next.hosts[self.host];
        if file.is_apart {
            file.is_apart = false;
            file.failures = 0;
        }
        let is_contradicted = self.rules.own_file_agrees && file.is_used;
        if end == SessionEnd::Accepted {
            if is_contradicted {
                end = SessionEnd::Error;
            } else if self.rules.write_through {
                file.is_used = true;
            }
        }
        self.end(&mut next, end, false);
        steps.add(self.name("writes its file and tells its result"), next);
    }

    fn outage(&self, steps: &mut NextWorlds) {
        let mut next = self.world.clone();
        if !self.scene.local {
            self.end(&mut next, SessionEnd::Error, false);
            steps.add(self.name("is refused in the outage"), next);
        } else if self.world.hosts[self.host].failures >= LIMIT {
            self.end(&mut next, SessionEnd::LockedOut, true);
            steps.add(self.name("finds the lock-out of its host"), next);
        } else {
            let file = &mut next.hosts[self.host];
            file.failures += 1;
            file.is_apart = true;
            next.sessions[self.number].stage = SessionStage::ChargedByItself;
            steps.add(self.name("is charged in the file of its host"), next);
        }
    }

    fn judge_by_itself(&self, steps: &mut NextWorlds) {
        let mut next = self.world.clone();
        let file = &mut next.hosts[self.host];
        let end = if self.is_right() && !file.is_used {
            file.is_used = true;
            file.failures = 0;
            SessionEnd::Accepted
        } else {
            SessionEnd::Rejected
        };
        self.end(&mut next, end, true);
        steps.add(self.name("is judged by its host"), next);
    }

    fn unlock(&self, next: &mut FleetWorld) {
        let host = &mut next.hosts[self.host];
        if host.lock == self.number as u8 {
            host.lock = FREE;
        }
    }

    /// Ends the attempt, and tells its result.
    fn end(&self, next: &mut FleetWorld, end: SessionEnd, by_itself: bool) {
        next.sessions[self.number] = ModelSession {
            stage: SessionStage::Ended,
            end,
            ..ModelSession::default()
        };
        self.unlock(next);
        let is_compared = matches!(end, SessionEnd::Accepted | SessionEnd::Rejected);
        if end == SessionEnd::Accepted {
            let host = &mut next.hosts[self.host];
            host.told += 1;
            host.told_by_itself += u8::from(by_itself);
            next.told_by_store += u8::from(!by_itself);
        }
        next.told_wrong += u8::from(end == SessionEnd::Rejected);
        next.is_uncounted |= is_compared && !by_itself && next.done & self.bit() == 0;
    }
}
