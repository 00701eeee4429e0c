//! Real codes of a device: the decision is that of a login on one machine, on a state that hosts share.

use std::time::Duration;

use twofactor_core::policy::{self, Policy};
use twofactor_core::record::Record;
use twofactor_core::state::State;
use twofactor_core::verify::{FailureCounter, Form, Outcome, Rejected, ThrottleStatus};
use twofactor_fleet::attempt_id::AttemptId;
use twofactor_fleet::fleet_run;
use twofactor_fleet::shared_attempt::{AttemptJudge, Decision, EpochStanding, FleetAttempt};
use twofactor_fleet::shared_state::{SharedOutcome, SharedState};
use twofactor_fleet::store_key::StoreKey;
use twofactor_store::attempt::{
    AttemptResult, ChargeStop, CodeJudgement, CredentialSet, JudgementTerms,
};
use twofactor_store::testing::{alice, fresh, phone, record_of};

use super::cluster::EtcdCluster;
use super::{AttemptDeadline, TestFleet, keys};

/// The step of the codes, and a moment within it.
const STEP: u64 = 54_000_000;
const NOW: u64 = STEP * 30;

/// A code of a login, judged as on one machine.
struct LoginCodeJudge<'a> {
    terms: JudgementTerms<'a>,
    typed: &'a str,
}

impl AttemptJudge for LoginCodeJudge<'_> {
    type End = AttemptResult;

    fn decide(&mut self, shared: &State, standing: EpochStanding) -> Decision<AttemptResult> {
        assert_eq!(standing, EpochStanding::Current);
        let answer = (self.typed.as_bytes(), Form::Code);
        let begun = CodeJudgement::begin(self.terms, shared.clone(), answer, |key| {
            getrandom::fill(key)
        });
        let judgement = match begun {
            Ok(judgement) => judgement,
            Err(ChargeStop::Ended(result)) => return Decision::Unchanged(result),
            Err(ChargeStop::Failed(error)) => panic!("{error}"),
        };
        let (outcome, state) = judgement.verdict(|_| {});
        Decision::Judged {
            state: Box::new(state),
            outcome: match outcome {
                Outcome::Accepted(_) => SharedOutcome::Accepted,
                Outcome::Rejected(_) => SharedOutcome::Rejected,
            },
            end: AttemptResult::Compared(outcome),
        }
    }
}

/// alice with her phone, in a fleet.
struct EnrolledFleet {
    fleet: TestFleet,
    policy: Policy,
    record: Record,
}

impl EnrolledFleet {
    fn new(cluster: &EtcdCluster) -> Self {
        let fleet = TestFleet::new(cluster);
        let mut state = State::new(alice().uid);
        state.devices.push(fresh(&phone()));
        let first = SharedState::first(1, state);
        fleet.put(&StoreKey::state("alice"), &first.encode());
        Self {
            fleet,
            policy: policy::parse("enabled = true\n[throttle]\nattempts = 3\n").unwrap(),
            record: record_of(&alice(), &[phone()]),
        }
    }

    /// A login on one host.
    fn login(&self, host: usize, typed: &str) -> AttemptResult {
        let keys = keys("alice", host);
        let standing = self.fleet.standing(host);
        let judge = LoginCodeJudge {
            terms: JudgementTerms {
                policy: &self.policy,
                record: &self.record,
                against: CredentialSet::Devices(FailureCounter::Logins),
                now: NOW,
            },
            typed,
        };
        let places = (keys.state.clone(), keys.host.clone());
        let id = AttemptId::random().unwrap();
        let mut attempt = FleetAttempt::new(id, &self.fleet.key, places, &standing, judge);
        let time = AttemptDeadline::after(Duration::from_secs(30));
        fleet_run::run(&self.fleet.gateways[host], &keys, &mut attempt, &time).unwrap()
    }
}

fn is_accepted(result: &AttemptResult) -> bool {
    matches!(result, AttemptResult::Compared(Outcome::Accepted(_)))
}

fn code(step: u64) -> String {
    phone().code(step).reveal().to_string()
}

#[test]
fn a_code_used_on_one_host_is_refused_on_another() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = EnrolledFleet::new(&cluster);
    assert!(is_accepted(&fleet.login(0, &code(STEP))));
    let device = "phone".into();
    let used = AttemptResult::Compared(Outcome::Rejected(Rejected::Used { device }));
    assert_eq!(fleet.login(1, &code(STEP)), used);
    // That it was refused is known on all hosts, too.
    for host in [2, 0] {
        assert_eq!(fleet.login(host, &code(STEP)), AttemptResult::Repeated);
    }
    assert!(is_accepted(&fleet.login(1, &code(STEP + 1))));
}

#[test]
fn wrong_codes_on_all_hosts_make_one_lock_out() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = EnrolledFleet::new(&cluster);
    let wrong = AttemptResult::Compared(Outcome::Rejected(Rejected::Wrong));
    assert_eq!(fleet.login(0, "000000"), wrong);
    // The same wrong code is no second guess, wherever it is typed.
    assert_eq!(fleet.login(1, "000000"), AttemptResult::Repeated);
    assert_eq!(fleet.login(1, "111111"), wrong);
    assert_eq!(fleet.login(2, "222222"), wrong);
    for host in [0, 1, 2] {
        let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
        assert_eq!(fleet.login(host, &code(STEP)), closed, "host {host}");
    }
    assert_eq!(fleet.fleet.stored("alice").state.failures, 3);
}
