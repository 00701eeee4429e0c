//! Claims while leaders are killed, members stop, the majority is lost and regained, and tokens expire.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use twofactor_core::verify::CodeOutcome;
use twofactor_fleet::sealed_values::shared_state::SharedOutcome;
use twofactor_store::attempt::AttemptResult;

use super::FleetFigure;
use super::at_once::{ToldResult, accepted, begin, wrong_codes};
use super::enrolled::{EnrolledFleet, STEP, code};
use super::history;
use harness::etcd::cluster::EtcdCluster;

/// Rounds of claims; the members are upset for as long as that takes.
const ROUNDS: usize = 500;
/// Claims of one code in a round, and wrong codes beside them.
const CLAIMS: usize = 9;
const GUESSES: usize = 3;
/// Tokens of etcd end after a second.
const OPTIONS: [&str; 2] = ["--auth-token-ttl", "1"];

pub fn rows() -> Vec<FleetFigure> {
    let mut cluster = EtcdCluster::start(&OPTIONS);
    let fleet = EnrolledFleet::new(&cluster, 100);
    let (is_over, mut cycles) = (AtomicBool::new(false), 0);
    let rounds = thread::scope(|scope| {
        let claims = scope.spawn(|| {
            let mut rounds = Vec::new();
            while rounds.len() < ROUNDS {
                rounds.push(round(&fleet, rounds.len()));
            }
            is_over.store(true, Ordering::SeqCst);
            rounds
        });
        // Here, since a member dies with the thread that started it.
        while !is_over.load(Ordering::SeqCst) {
            upset(&mut cluster);
            cycles += 1;
        }
        claims.join().unwrap()
    });
    let doubles = rounds.iter().filter(|told| accepted(told) > 1).count();
    let winners = rounds.iter().filter(|told| accepted(told) == 1).count();
    vec![
        FleetFigure {
            figure: "the same under leader kills, stopped members, lost and regained quorum, tokens of 1 s: codes accepted twice",
            to_reach: "0",
            measured: format!(
                "{doubles} of {} rounds with {CLAIMS} claims, {winners} with a winner; each trouble {cycles} times",
                rounds.len()
            ),
            is_reached: doubles == 0 && winners > 0,
        },
        told_row(&cluster, &fleet, &rounds),
    ]
}

fn told_row(
    cluster: &EtcdCluster,
    fleet: &EnrolledFleet,
    rounds: &[Vec<ToldResult>],
) -> FleetFigure {
    let stored = history::stored_outcomes(cluster, fleet, "alice");
    let (mut told, mut missing, mut untold) = (0_u64, 0_u64, 0_u64);
    for result in rounds.iter().flatten() {
        let Some((id, result)) = result else {
            untold += 1;
            continue;
        };
        let outcome = match result {
            AttemptResult::Compared(CodeOutcome::Accepted(_)) => SharedOutcome::Accepted,
            AttemptResult::Compared(CodeOutcome::Rejected(_)) => SharedOutcome::Rejected,
            // It was compared with nothing, and changes nothing.
            _ => continue,
        };
        told += 1;
        missing += u64::from(stored.get(id) != Some(&outcome));
    }
    FleetFigure {
        figure: "told results that the store does not have",
        to_reach: "0",
        measured: format!("{missing} of {told}; {untold} attempts ended without a result"),
        is_reached: missing == 0 && told > 0,
    }
}

fn round(fleet: &EnrolledFleet, number: usize) -> Vec<ToldResult> {
    let step = STEP + 10 * number as u64;
    let mut codes = vec![code(step); CLAIMS];
    let wrong = wrong_codes(500);
    codes.extend((0..GUESSES).map(|it| wrong[(number * GUESSES + it) % wrong.len()].clone()));
    begin(fleet, "alice", step, &codes, Duration::from_secs(3))
}

fn upset(cluster: &mut EtcdCluster) {
    cluster.restart(cluster.leader(), &OPTIONS);
    cluster.until_healthy(Some(()));
    pause(cluster, &[cluster.leader()]);
    pause(cluster, &[0, 1]);
}

/// Stops members for two seconds, longer than an election takes.
fn pause(cluster: &EtcdCluster, members: &[usize]) {
    let signal = |signal| {
        members
            .iter()
            .for_each(|number| cluster.signal(*number, signal));
    };
    signal(Signal::STOP);
    thread::sleep(Duration::from_secs(2));
    signal(Signal::CONT);
    cluster.until_healthy(Some(()));
}
