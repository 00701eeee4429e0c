//! Codes that were accepted before the store went back to a backup.

use std::time::Duration;

use super::FleetFigure;
use super::enrolled::{EnrolledFleet, STEP, code, is_accepted};
use super::fleet::HOSTS;
use harness::etcd::cluster::EtcdCluster;

/// Users who log in before the backup, and after it.
const USERS: usize = 100;

pub fn rows() -> Vec<FleetFigure> {
    let snapshot = again(|cluster| {
        let file = cluster.path("snapshot");
        cluster.take_snapshot(&file);
        Box::new(move |cluster| cluster.restore_snapshot(&file))
    });
    let forced = again(|cluster| {
        let copy = cluster.path("copy");
        cluster.copy_data(0, &copy);
        Box::new(move |cluster| cluster.force_new_cluster(0, &copy))
    });
    vec![
        row("snapshot restored: codes accepted again", snapshot),
        row(
            "a member's copied data and `--force-new-cluster`: codes accepted again",
            forced,
        ),
    ]
}

fn row(figure: &'static str, (again, tried): (usize, usize)) -> FleetFigure {
    FleetFigure {
        figure,
        to_reach: "0",
        measured: format!("{again} of {tried} trials, before and after a new epoch"),
        is_reached: again == 0,
    }
}

type GoBack = Box<dyn FnOnce(&mut EtcdCluster)>;

/// Trials of codes that were accepted, and how many of them were accepted again.
fn again(back_up: impl FnOnce(&mut EtcdCluster) -> GoBack) -> (usize, usize) {
    let mut cluster = EtcdCluster::start(&[]);
    let mut fleet = EnrolledFleet::new(&cluster, 50);
    let users: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    users.iter().for_each(|user| fleet.enroll(user));
    let log_in = |fleet: &EnrolledFleet, step: u64| {
        let mut count = 0;
        for (number, user) in users.iter().enumerate() {
            let time = Duration::from_secs(20);
            let ended = fleet.attempt(user, number % HOSTS, (step, &code(step)), time);
            count += usize::from(ended.is_ok_and(|(_, result)| is_accepted(&result)));
        }
        count
    };
    assert_eq!(log_in(&fleet, STEP), USERS, "before the backup");
    let go_back = back_up(&mut cluster);
    fleet.fleet.beat(1);
    assert_eq!(log_in(&fleet, STEP + 1), USERS, "after the backup");
    go_back(&mut cluster);
    let (mut again, mut tried) = (0, 0);
    let mut try_again = |fleet: &EnrolledFleet| {
        for step in [STEP, STEP + 1] {
            again += log_in(fleet, step);
            tried += USERS;
        }
    };
    try_again(&fleet);
    // The administrator begins a new epoch; the hosts write their numbers.
    fleet.fleet.beat(2);
    try_again(&fleet);
    // New codes work again, when all that may have been used are past.
    assert_eq!(log_in(&fleet, STEP + 10), USERS, "in the new epoch");
    (again, tried)
}
