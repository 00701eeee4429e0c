//! Times of many calls, and the rows of the table.

use std::fmt;
use std::time::{Duration, Instant};

/// Times in order.
pub struct Spread(Vec<Duration>);

impl Spread {
    /// The times of so many calls.
    pub fn of(count: usize, mut call: impl FnMut()) -> Self {
        let timed = |_| {
            let begin = Instant::now();
            call();
            begin.elapsed()
        };
        (0..count).map(timed).collect()
    }

    /// The time that this share of all does not exceed, in milliseconds.
    pub fn at(&self, share: f64) -> f64 {
        let position = (self.0.len() - 1) as f64 * share;
        self.0[position.round() as usize].as_secs_f64() * 1e3
    }

    /// Number of times.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Duration> for Spread {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        assert!(!times.is_empty());
        times.sort_unstable();
        Self(times)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, longest] = [0.5, 0.99, 1.0].map(|share| self.at(share));
        write!(f, "{median:.2} / {most:.2} ms, longest {longest:.2}")
    }
}

/// One row of the table.
pub struct FigureRow {
    /// The figure.
    pub figure: &'static str,
    /// The goal.
    pub goal: &'static str,
    /// Name of the measured thing.
    pub measured: String,
    /// Number of measurements.
    pub count: usize,
    /// True if the goal is reached; `None` without a goal.
    pub is_reached: Option<bool>,
}

impl FigureRow {
    /// The memory of the daemon, in KiB.
    pub fn memory(figure: &'static str, goal: &'static str, resident: u64, limit: u64) -> Self {
        Self {
            figure,
            goal,
            measured: format!("{:.1} MB", resident as f64 / 1024.0),
            count: 1,
            is_reached: Some(resident < limit),
        }
    }

    /// A call on a connection of its own, and one on a connection that is open.
    pub fn round_trip(connected: &Spread, kept: &Spread) -> Self {
        Self {
            figure: "status, p50 / p99",
            goal: "0.2 / 1 ms",
            measured: format!("{connected}; on an open connection {kept}"),
            count: connected.count(),
            is_reached: Some(connected.at(0.5) <= 0.2 && connected.at(0.99) <= 1.0),
        }
    }
}

impl fmt::Display for FigureRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            figure,
            goal,
            measured,
            count,
            is_reached,
        } = self;
        let reached = is_reached.map_or("-", |it| if it { "yes" } else { "no" });
        writeln!(
            f,
            "| {figure} | {goal} | {measured} | {count} | {reached} |"
        )
    }
}
