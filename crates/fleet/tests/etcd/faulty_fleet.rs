//! A fleet of which one host has a faulty member: attempts with the replies that the member gives.

use std::time::{Duration, Instant};

use serde_json::Value;
use twofactor_fleet::etcd::etcd_gateway::TimeLeft;
use twofactor_fleet::sealed_values::shared_state::SharedOutcome;

use super::changed_part::ChangedPart;
use super::faulty_member::{FaultyMember, MemberExchange, SentReply};
use super::fleet::{AttemptDeadline, RetriesLeft, RoundEnd, TestFleet};
use harness::etcd::cluster::EtcdCluster;

/// Longest time of one request.
pub const REQUEST: Duration = Duration::from_millis(1500);
/// Time of one that has to succeed.
pub const LONG: Duration = Duration::from_secs(30);
/// By so much an attempt may be later on a busy machine.
const BUSY: Duration = Duration::from_secs(10);

/// Tells replies of one kind from others.
pub type ReplyKind = fn(&MemberExchange) -> bool;

/// A fleet whose first host has the faulty member alone.
pub struct FaultyFleet {
    pub fleet: TestFleet,
    pub member: FaultyMember,
    rounds: u32,
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultyEnd {
    Accepted,
    Outage,
}

impl FaultyFleet {
    pub fn new(cluster: &EtcdCluster) -> Self {
        let member = FaultyMember::before(cluster);
        let mut fleet = TestFleet::new(cluster);
        fleet.gateways[0] = cluster.gateway_of(vec![member.endpoint()], "client", REQUEST);
        fleet.enroll("alice");
        let mut faulty = Self {
            fleet,
            member,
            rounds: 0,
        };
        faulty.accepts();
        faulty
    }

    /// A reply of the kind as the member gives it.
    pub fn genuine(&mut self, is_it: ReplyKind) -> Value {
        let (tell, told) = std::sync::mpsc::channel();
        self.member.change(move |exchange| {
            if is_it(exchange) {
                tell.send(exchange.reply.clone()).unwrap();
            }
            exchange.whole()
        });
        self.accepts();
        serde_json::from_str(&told.recv().unwrap()).unwrap()
    }

    /// An attempt with a right code, in a few tries.
    pub fn attempt(&mut self, at: &str) -> FaultyEnd {
        self.attempt_within(&RetriesLeft::few(), 4 * REQUEST, at)
    }

    /// An attempt that may last no longer than this. An accepted code is in the store; anything else is an outage.
    pub fn attempt_within(
        &mut self,
        time: &dyn TimeLeft,
        longest: Duration,
        at: &str,
    ) -> FaultyEnd {
        self.rounds += 1;
        let begun = Instant::now();
        let round = Some(self.rounds);
        let ended = self.fleet.attempt_within(("alice", 0), 0, round, time);
        assert!(begun.elapsed() < longest + BUSY, "{at}: {ended:?}");
        let Ok((id, end)) = ended else {
            return FaultyEnd::Outage;
        };
        assert_eq!(end, RoundEnd::Accepted, "{at}");
        let known = self.fleet.stored("alice").outcome(id);
        assert_eq!(known, Some(SharedOutcome::Accepted), "{at}");
        FaultyEnd::Accepted
    }

    /// With replies that nothing is wrong with, an attempt is accepted.
    pub fn accepts(&mut self) {
        let time = AttemptDeadline::after(LONG);
        let end = self.attempt_within(&time, LONG, "whole");
        assert_eq!(end, FaultyEnd::Accepted);
    }

    /// Attempts with each change of a part of the replies of a kind; how many were accepted, and how many ended in an outage.
    pub fn with_each_change(&mut self, is_it: ReplyKind) -> [usize; 2] {
        let whole = self.genuine(is_it);
        let mut ends = [0, 0];
        for part in ChangedPart::tried(&whole) {
            let at = format!("{part:?}");
            self.member.change(move |exchange| {
                if !is_it(exchange) {
                    return exchange.whole();
                }
                let now = serde_json::from_str(&exchange.reply).unwrap();
                SentReply::of(200, part.made_in(now).to_string().as_bytes())
            });
            ends[usize::from(self.attempt(&at) == FaultyEnd::Outage)] += 1;
        }
        self.member.change_nothing();
        self.accepts();
        ends
    }
}
