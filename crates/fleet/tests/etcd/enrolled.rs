//! Users with a phone, in a fleet: their codes are judged as at a login on one machine.

use std::time::Duration;

use twofactor_core::device::OtpKind;
use twofactor_core::policy::{self, Policy};
use twofactor_core::record::UserRecord;
use twofactor_core::state::{UserState, furthest_ahead};
use twofactor_core::verify::{AnswerForm, CodeOutcome, FailureCounter};
use twofactor_fleet::attempt_steps::fleet_run;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::attempt_steps::shared_attempt::{AttemptDecision, AttemptJudge, FleetAttempt};
use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_fleet::sealed_values::shared_record::{RecordContent, SharedRecord};
use twofactor_fleet::sealed_values::shared_state::{SharedOutcome, SharedState};
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::attempt::{
    AttemptResult, ChargeStop, ChargedAnswer, CredentialSet, OutageCount, SharedEpoch, VerdictTerms,
};
use twofactor_store::testing::{alice, fresh, phone, record_of};

use super::fleet::{AttemptDeadline, HOSTS, TestFleet, create, keys};
use harness::etcd::cluster::EtcdCluster;

/// The first step of the codes.
pub const STEP: u64 = 54_000_000;
const WINDOW: u8 = 1;

/// A code of a login, judged as on one machine.
pub struct LoginCodeJudge<'a> {
    terms: VerdictTerms<'a>,
    typed: &'a str,
}

impl AttemptJudge for LoginCodeJudge<'_> {
    type End = AttemptResult;

    fn record(&self) -> u64 {
        0
    }

    fn outage_count(&self) -> Option<OutageCount> {
        None
    }

    fn decide(
        &mut self,
        shared: &UserState,
        _: u32,
        epoch: SharedEpoch,
    ) -> AttemptDecision<AttemptResult> {
        let mut state = shared.clone();
        if epoch == SharedEpoch::Earlier {
            self.forget_unused(&mut state);
        }
        let answer = (self.typed.as_bytes(), AnswerForm::Code);
        let begun = ChargedAnswer::begin(self.terms, state, answer, |key| getrandom::fill(key));
        let charged = match begun {
            Ok(charged) => charged,
            Err(ChargeStop::Ended(result)) => return AttemptDecision::Unchanged(result),
            Err(ChargeStop::Failed(error)) => panic!("{error}"),
        };
        let (outcome, state) = charged.verdict(|_| {});
        AttemptDecision::Judged {
            state: Box::new(state),
            outcome: match outcome {
                CodeOutcome::Accepted(_) => SharedOutcome::Accepted,
                CodeOutcome::Rejected(_) => SharedOutcome::Rejected,
            },
            end: AttemptResult::Compared(outcome),
        }
    }
}

impl LoginCodeJudge<'_> {
    /// After a restored backup only codes of steps that could not have been accepted yet are unused.
    fn forget_unused(&self, state: &mut UserState) {
        for device in &self.terms.record.devices {
            if let (OtpKind::Totp { interval }, Some(entry)) =
                (device.kind, state.device_mut(device.id))
            {
                let first = interval.step(self.terms.now) + furthest_ahead(WINDOW) + 1;
                entry.next = entry.next.max(first);
            }
        }
    }
}

/// Users with a phone each, in a fleet.
pub struct EnrolledFleet {
    /// The fleet.
    pub fleet: TestFleet,
    policy: Policy,
    record: UserRecord,
}

impl EnrolledFleet {
    /// One with alice, who has this many tries.
    pub fn new(cluster: &EtcdCluster, tries: u32) -> Self {
        let text = format!("enabled = true\nwindow = {WINDOW}\n[throttle]\nattempts = {tries}\n");
        let fleet = Self {
            fleet: TestFleet::new(cluster),
            policy: policy::parse(&text).unwrap(),
            record: record_of(&alice(), &[phone()]),
        };
        fleet.enroll("alice");
        fleet
    }

    /// Enrolls a user with the phone that all have.
    pub fn enroll(&self, user: &str) {
        let sealed = self.first_state(user);
        let time = AttemptDeadline::after(Duration::from_secs(30));
        let gateway = &self.fleet.gateways[0];
        assert!(create(gateway, &StoreKey::state(user), sealed, &time));
        let record = SharedRecord {
            revision: 0,
            change: AttemptId::random().unwrap(),
            content: RecordContent::Text(self.record.to_toml()),
        };
        // A new epoch asks for it.
        self.fleet.put(&StoreKey::record(user), &record.encode());
    }

    /// The state of a user who was enrolled just now, sealed.
    pub fn first_state(&self, user: &str) -> Vec<u8> {
        let mut state = UserState::new(alice().uid);
        state.devices.push(fresh(&phone()));
        let first = SharedState::first(1, state);
        let place = StoreKey::state(user);
        self.fleet.key.seal(&place, &first.encode()).unwrap()
    }

    /// A user's login on one host, in a step; of one host, one at a time.
    pub fn attempt(
        &self,
        user: &str,
        host: usize,
        (step, typed): (u64, &str),
        time: Duration,
    ) -> Result<(AttemptId, AttemptResult), OutageReason> {
        let _turn = self.fleet.turns[host % HOSTS].lock().unwrap();
        let keys = keys(user, host);
        let standing = self.fleet.standing(host);
        let judge = LoginCodeJudge {
            terms: VerdictTerms {
                policy: &self.policy,
                record: &self.record,
                credentials: CredentialSet::Devices(FailureCounter::Logins),
                now: step * 30,
            },
            typed,
        };
        let places = (keys.state.clone(), keys.host.clone());
        let id = AttemptId::random().unwrap();
        let mut attempt = FleetAttempt::new(id, &self.fleet.key, places, &standing, judge);
        let time = AttemptDeadline::after(time);
        let end = fleet_run::run(&self.fleet.gateways[host], &keys, &mut attempt, &time)?;
        Ok((id, end))
    }
}

/// True if the code was right and unused.
pub fn is_accepted(result: &AttemptResult) -> bool {
    matches!(result, AttemptResult::Compared(CodeOutcome::Accepted(_)))
}

/// The phone's code of a step.
pub fn code(step: u64) -> String {
    phone().code(step).reveal().to_string()
}
