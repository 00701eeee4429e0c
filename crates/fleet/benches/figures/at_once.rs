//! Many attempts at one moment.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use twofactor_core::verify::CodeOutcome;
use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_store::attempt::AttemptResult;

use super::FleetFigure;
use super::enrolled::{EnrolledFleet, STEP, code, is_accepted};
use super::fleet::HOSTS;
use harness::etcd::cluster::EtcdCluster;

const CLAIMS: usize = 64;
const CLAIM_ROUNDS: u64 = 500;
const GUESS_ROUNDS: u64 = 200;
/// Wrong codes after which nothing is compared.
const TRIES: u32 = 5;

/// Results that were told: `None` where nothing was.
pub type ToldResult = Option<(AttemptId, AttemptResult)>;

pub fn rows() -> Vec<FleetFigure> {
    let cluster = EtcdCluster::start(&[]);
    let fleet = EnrolledFleet::new(&cluster, TRIES);
    vec![claims(&fleet), guesses(&fleet)]
}

/// Attempts that begin at once, spread over the hosts.
pub fn begin(
    fleet: &EnrolledFleet,
    user: &str,
    step: u64,
    codes: &[String],
    time: Duration,
) -> Vec<ToldResult> {
    let start = Barrier::new(codes.len());
    let start = &start;
    thread::scope(|scope| {
        let attempt = |(number, typed): (usize, &String)| {
            let typed = typed.clone();
            scope.spawn(move || {
                start.wait();
                fleet
                    .attempt(user, number % HOSTS, (step, &typed), time)
                    .ok()
            })
        };
        let running: Vec<_> = codes.iter().enumerate().map(attempt).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

pub fn accepted(told: &[ToldResult]) -> usize {
    let results = told.iter().flatten();
    results.filter(|(_, result)| is_accepted(result)).count()
}

fn claims(fleet: &EnrolledFleet) -> FleetFigure {
    let (mut single, mut untold) = (0, 0);
    for round in 0..CLAIM_ROUNDS {
        // The steps are apart, so that no code of a round is one of the next.
        let step = STEP + 10 * round;
        let codes = vec![code(step); CLAIMS];
        let told = begin(fleet, "alice", step, &codes, Duration::from_secs(20));
        single += u64::from(accepted(&told) == 1);
        untold += told.iter().filter(|it| it.is_none()).count();
    }
    FleetFigure {
        figure: "one code, 64 claims at once from 3 hosts: rounds with exactly one winner",
        to_reach: "500 of 500",
        measured: format!(
            "{single} of {CLAIM_ROUNDS}; {untold} of {} claims without a result",
            CLAIM_ROUNDS * CLAIMS as u64
        ),
        is_reached: single == CLAIM_ROUNDS,
    }
}

fn guesses(fleet: &EnrolledFleet) -> FleetFigure {
    let codes = wrong_codes(CLAIMS);
    let (mut compared, mut beyond) = (0, 0);
    for round in 0..GUESS_ROUNDS {
        let user = format!("guessed{round}");
        fleet.enroll(&user);
        let told = begin(fleet, &user, STEP, &codes, Duration::from_secs(20));
        let wrong = |told: &&(AttemptId, AttemptResult)| {
            matches!(told.1, AttemptResult::Compared(CodeOutcome::Rejected(_)))
        };
        let count = told.iter().flatten().filter(wrong).count();
        compared += count;
        beyond += usize::from(count > TRIES as usize || accepted(&told) > 0);
    }
    FleetFigure {
        figure: "64 wrong codes at once over 3 hosts: rounds with more compared than the limit of 5",
        to_reach: "0 of 200",
        measured: format!("{beyond} of {GUESS_ROUNDS}; {compared} compared"),
        is_reached: beyond == 0 && compared == GUESS_ROUNDS as usize * TRIES as usize,
    }
}

/// Different codes, none of which is one of the phone's around the first step.
pub fn wrong_codes(count: usize) -> Vec<String> {
    let right: Vec<String> = (STEP - 50..STEP + 50).map(code).collect();
    let numbers = (0..1_000_000).step_by(997);
    let codes = numbers.map(|number| format!("{number:06}"));
    codes.filter(|it| !right.contains(it)).take(count).collect()
}
