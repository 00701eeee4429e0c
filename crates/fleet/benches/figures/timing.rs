//! The time of one client's attempts, beside a bare compare-and-set of the same bytes.

use std::time::{Duration, Instant};

use twofactor_fleet::etcd::etcd_gateway::EtcdGateway;
use twofactor_fleet::etcd::store_values::ChangeAnswer;
use twofactor_fleet::sealed_values::store_key::StoreKey;

use super::FleetFigure;
use super::enrolled::{EnrolledFleet, STEP, code, is_accepted};
use super::fleet::AttemptDeadline;
use harness::etcd::cluster::EtcdCluster;

/// Attempts of each measurement.
const ATTEMPTS: u64 = 1_000;
/// Users who are enrolled for the last figure, and how many are written at once.
const MANY: usize = 100_000;
const AT_ONCE: usize = 60;
/// Bytes of the record of a user with a phone and ten recovery codes, sealed.
const RECORD: usize = 1_200;

pub fn rows() -> Vec<FleetFigure> {
    let cluster = EtcdCluster::start(&["--quota-backend-bytes", "8000000000"]);
    let fleet = EnrolledFleet::new(&cluster, 5);
    let bare = BareSwap::new(&fleet);
    let mut steps = STEP..;
    let mut few = measure(&fleet, &bare, &mut steps);
    enroll_many(&fleet);
    let mut many = measure(&fleet, &bare, &mut steps);
    let (one, swap) = (
        percentile(&mut few.attempts, 50),
        percentile(&mut few.swaps, 50),
    );
    let hundred_thousand = percentile(&mut many.attempts, 50);
    let swap_then = percentile(&mut many.swaps, 50);
    let ratio = ratio(one, swap);
    let growth = self::ratio(hundred_thousand, one);
    vec![
        FleetFigure {
            figure: "attempt of one client, p50, against a bare compare-and-set of the same bytes in turns",
            to_reach: "at most 3 x",
            measured: format!(
                "{ratio:.2} x: {} against {} us, p99 {} against {}; {ATTEMPTS} of each",
                one.as_micros(),
                swap.as_micros(),
                percentile(&mut few.attempts, 99).as_micros(),
                percentile(&mut few.swaps, 99).as_micros(),
            ),
            is_reached: ratio <= 3.0,
        },
        FleetFigure {
            figure: "enrolled users 1 -> 100,000: attempt p50",
            to_reach: "at most 1.2 x",
            measured: format!(
                "{growth:.2} x: {} us; the bare one {} us; {ATTEMPTS} of each",
                hundred_thousand.as_micros(),
                swap_then.as_micros(),
            ),
            is_reached: growth <= 1.2,
        },
    ]
}

struct TimesTaken {
    attempts: Vec<Duration>,
    swaps: Vec<Duration>,
}

/// In turns, so that a busy moment meets both.
fn measure(
    fleet: &EnrolledFleet,
    bare: &BareSwap<'_>,
    steps: &mut impl Iterator<Item = u64>,
) -> TimesTaken {
    let mut times = TimesTaken {
        attempts: Vec::new(),
        swaps: Vec::new(),
    };
    for number in 0..ATTEMPTS {
        let step = steps.next().unwrap();
        let typed = code(step);
        let start = Instant::now();
        let ended = fleet.attempt("alice", 0, (step, &typed), Duration::from_secs(20));
        times.attempts.push(start.elapsed());
        assert!(is_accepted(&ended.unwrap().1), "{number}");
        let start = Instant::now();
        bare.swap(number % 2 == 0);
        times.swaps.push(start.elapsed());
    }
    times
}

/// A key whose value is changed for another one of the same length, and back.
struct BareSwap<'a> {
    gateway: &'a EtcdGateway,
    key: StoreKey,
    values: [Vec<u8>; 2],
}

impl<'a> BareSwap<'a> {
    fn new(fleet: &'a EnrolledFleet) -> Self {
        let key = StoreKey::state("bare");
        let values = [fleet.first_state("bare"), fleet.first_state("bare")];
        let gateway = &fleet.fleet.gateways[0];
        let time = AttemptDeadline::after(Duration::from_secs(20));
        assert!(super::fleet::create(
            gateway,
            &key,
            values[0].clone(),
            &time
        ));
        Self {
            gateway,
            key,
            values,
        }
    }

    fn swap(&self, is_there: bool) {
        let [mut old, mut new] = self.values.each_ref();
        if !is_there {
            std::mem::swap(&mut old, &mut new);
        }
        let base = [(self.key.clone(), Some(old.clone()))];
        let writes = [(self.key.clone(), new.clone())];
        let time = AttemptDeadline::after(Duration::from_secs(20));
        let changed = self.gateway.change(&base, &writes, &time);
        assert_eq!(changed, Ok(ChangeAnswer::Done));
    }
}

fn enroll_many(fleet: &EnrolledFleet) {
    let gateway = &fleet.fleet.gateways[0];
    let record = vec![b'r'; RECORD];
    let names: Vec<String> = (0..MANY).map(|number| format!("user{number}")).collect();
    for names in names.chunks(AT_ONCE) {
        let time = AttemptDeadline::after(Duration::from_secs(60));
        let entries = names.iter().flat_map(|name| {
            let sealed = fleet.fleet.key.seal(&StoreKey::record(name), &record);
            [
                (StoreKey::state(name), fleet.first_state(name)),
                (StoreKey::record(name), sealed.unwrap()),
            ]
        });
        let entries: Vec<_> = entries.collect();
        let changed = gateway.change(&[], &entries, &time);
        assert_eq!(changed, Ok(ChangeAnswer::Done));
    }
}

pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn ratio(time: Duration, other: Duration) -> f64 {
    time.as_secs_f64() / other.as_secs_f64()
}
