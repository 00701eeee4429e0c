//! Figures of a fleet, its promises and its costs: `make bench-fleet`. Three members of etcd, three hosts, codes judged as at a
//! login; one private machine with libpam, for the time of a login without etcd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may panic, prints, and measures by the clock"
)]

#[path = "../../tests/etcd/enrolled.rs"]
mod enrolled;
#[path = "../../tests/etcd/fleet.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod fleet;
#[path = "../../../../tests/fleet/host_machines.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod host_machines;

mod at_once;
mod history;
mod outage;
mod restored;
mod timing;
mod turmoil;

use std::process::Command;

/// One row of the table.
struct FleetFigure {
    figure: &'static str,
    to_reach: &'static str,
    measured: String,
    is_reached: bool,
}

type RowMeasurement = fn() -> Vec<FleetFigure>;

/// Parts by name: `cargo bench ... --bench figures -- timing`.
const PARTS: [(&str, RowMeasurement); 5] = [
    ("claims", at_once::rows),
    ("turmoil", turmoil::rows),
    ("restored", restored::rows),
    ("outage", outage::rows),
    ("timing", timing::rows),
];

fn main() {
    println!("| figure | to reach | measured | reached |\n|---|---|---|---|");
    let mut is_whole = true;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| {
        let names = wanted.iter().filter(|it| !it.starts_with('-'));
        names.clone().count() == 0 || names.clone().any(|it| it == name)
    };
    for (name, figures) in PARTS {
        if !is_wanted(name) {
            continue;
        }
        for row in figures() {
            let reached = if row.is_reached { "yes" } else { "no" };
            println!(
                "| {} | {} | {} | {reached} |",
                row.figure, row.to_reach, row.measured
            );
            is_whole &= row.is_reached;
        }
    }
    println!("\n{}", versions());
    if !is_whole {
        println!("Not all figures are reached.");
    }
}

/// Versions of what was measured.
fn versions() -> String {
    let output = Command::new("etcd").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let etcd = text.lines().next().unwrap_or_default();
    let processors = std::thread::available_parallelism().unwrap();
    format!(
        "{etcd}; twofactor {}; {processors} processors for members and hosts.",
        env!("CARGO_PKG_VERSION")
    )
}
