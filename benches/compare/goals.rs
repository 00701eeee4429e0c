//! Goals, what was measured, and whether that is enough, as a Markdown table.

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::{number, ratio};
use crate::table::grouped;
use crate::world::{PEERS, WIDE_OATH};

/// A goal, what was measured, and whether that is enough.
struct GoalRow {
    figure: String,
    goal: &'static str,
    measured: String,
    reached: Option<bool>,
}

/// The table.
pub fn table(figures: &Value) -> String {
    let mut text = String::from("| figure | to reach | measured | reached |\n|---|---|---|---|\n");
    for row in rows(figures) {
        let reached = row
            .reached
            .map_or("", |reached| if reached { "yes" } else { "no" });
        writeln!(
            text,
            "| {} | {} | {} | {reached} |",
            row.figure, row.goal, row.measured
        )
        .unwrap();
    }
    text.push('\n');
    text
}

fn rows(figures: &Value) -> Vec<GoalRow> {
    let mut rows = times(figures);
    rows.extend(["auth", "whole"].map(|part| instructions(figures, part)));
    rows.push(growth(figures));
    rows.extend(crowds(figures));
    rows.extend(calls(figures));
    rows.push(size(figures));
    rows.push(memory(figures));
    rows.extend(["status", "import"].map(|what| command(figures, what)));
    rows
}

/// A part of a login as a multiple of the same part of another service.
struct Ratio {
    figure: &'static str,
    goal: &'static str,
    most: f64,
    /// Path among the figures.
    path: &'static [&'static str],
    than: &'static str,
}

const RATIOS: [Ratio; 7] = [
    Ratio {
        figure: "right code, `pam_authenticate`",
        goal: "at most 0.66 x google-authenticator",
        most: 0.66,
        path: &["kept", "right", "wall"],
        than: "google",
    },
    Ratio {
        figure: "the same against pam_permit and a write of 4 KiB, flushed",
        goal: "at most 1.7",
        most: 1.7,
        path: &["kept", "right", "wall"],
        than: "write",
    },
    Ratio {
        figure: "right code, whole transaction in a new process",
        goal: "at most 0.92 x google-authenticator",
        most: 0.92,
        path: &["anew", "whole", "wall"],
        than: "google",
    },
    Ratio {
        figure: "processor time of `pam_authenticate`",
        goal: "at most 0.85 x google-authenticator",
        most: 0.85,
        path: &["kept", "right", "cpu"],
        than: "google",
    },
    Ratio {
        figure: "processor time of the whole transaction",
        goal: "at most 1.10 x google-authenticator",
        most: 1.1,
        path: &["anew", "whole", "cpu"],
        than: "google",
    },
    Ratio {
        figure: "wrong code, counted on the disk",
        goal: "at most 0.12 x google-authenticator",
        most: 0.12,
        path: &["kept", "wrong", "wall"],
        than: "google",
    },
    Ratio {
        figure: "dlopen of the module",
        goal: "at most 0.8 x pam_oath",
        most: 0.8,
        path: &["load", "wall"],
        than: "oath",
    },
];

fn times(figures: &Value) -> Vec<GoalRow> {
    let row = |wanted: &Ratio| {
        let of = |service| [wanted.path, &[service, "median"]].concat();
        // As it is shown: who reads the table must come to the same verdict.
        let found = (ratio(figures, &of("twofactor"), &of(wanted.than)) * 100.0).round() / 100.0;
        GoalRow {
            figure: wanted.figure.to_owned(),
            goal: wanted.goal,
            measured: format!("{found:.2}"),
            reached: Some(found <= wanted.most),
        }
    };
    RATIOS.iter().map(row).collect()
}

/// Each run of the counter beside the first, to show that they are the same.
fn instructions(figures: &Value, part: &str) -> GoalRow {
    let runs = figures["instructions"].as_array().unwrap();
    let of = |peer: &str| {
        if runs[0][peer].is_null() {
            return "not counted".to_owned();
        }
        let all = runs.iter().map(|run| number(run, &[peer, part, "all"]));
        let all: Vec<String> = all.map(|all| grouped(all as u64)).collect();
        let own = number(&runs[0], &[peer, part, "own"]);
        format!(
            "{} ({} in its own files)",
            all.join(" and "),
            grouped(own as u64)
        )
    };
    let what = match part {
        "auth" => "`pam_authenticate`",
        _ => "the whole transaction",
    };
    let [ours, google, oath] = PEERS.map(of);
    GoalRow {
        figure: format!("instructions of {what} beyond pam_permit's, two runs"),
        goal: "reported",
        measured: format!("{ours}; google-authenticator {google}; pam_oath {oath}"),
        reached: None,
    }
}

fn growth(figures: &Value) -> GoalRow {
    let counts: Vec<u64> = figures["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    let (first, last) = (counts[0], counts[counts.len() - 1]);
    let median = |service: String| figures["growth"][&service]["median"].as_f64();
    let found = |service: &str, count: u64| {
        Some(median(format!("{service}_{count}"))? / median(format!("{service}_{first}"))?)
    };
    let oath = counts
        .iter()
        .rev()
        .find_map(|count| Some((count, found("oath", *count)?)));
    let oath = oath.map(|(count, found)| format!("; pam_oath {found:.1} at {}", grouped(*count)));
    let ours = found("twofactor", last).unwrap();
    GoalRow {
        figure: format!("{} users enrolled, against 1", grouped(last)),
        goal: "at most 1.1",
        measured: format!("{ours:.2}{}", oath.unwrap_or_default()),
        reached: Some(ours <= 1.1),
    }
}

fn crowds(figures: &Value) -> Vec<GoalRow> {
    let mut rows = Vec::new();
    for (size, crowd) in figures["crowds"].as_object().unwrap() {
        let rate =
            |peer: &str| number(crowd, &[peer, "accepted"]) / number(crowd, &[peer, "seconds"]);
        let refused = |peer: &str| number(crowd, &[peer, "refused"]);
        rows.push(GoalRow {
            figure: format!(
                "{size} processes, {:.0} s: right codes refused",
                number(crowd, &["twofactor", "seconds"])
            ),
            goal: "0",
            measured: format!(
                "{}; google-authenticator {}, pam_oath {}, looking further ahead {}",
                refused("twofactor"),
                refused("google"),
                refused("oath"),
                refused(WIDE_OATH)
            ),
            reached: Some(refused("twofactor") == 0.0),
        });
        let times = rate("twofactor") / rate("oath");
        rows.push(GoalRow {
            figure: format!("{size} processes: logins per second"),
            goal: "at least 50 x pam_oath",
            measured: format!(
                "{:.0}: {times:.1} x pam_oath, {:.1} x when that looks further ahead, {:.1} x google-authenticator",
                rate("twofactor"),
                rate("twofactor") / rate(WIDE_OATH),
                rate("twofactor") / rate("google")
            ),
            reached: Some(times >= 50.0),
        });
    }
    rows
}

fn calls(figures: &Value) -> Vec<GoalRow> {
    let row =
        |figure: &str, goal, group: &str, what: &str, enough: fn(f64, f64) -> Option<bool>| {
            let [ours, google, oath] =
                PEERS.map(|peer| number(figures, &[group, peer, "auth", what]));
            GoalRow {
                figure: figure.to_owned(),
                goal,
                measured: format!("{ours}; google-authenticator {google}, pam_oath {oath}"),
                reached: enough(ours, google),
            }
        };
    vec![
        row(
            "system calls of `pam_authenticate`",
            "at most as many as google-authenticator",
            "calls",
            "calls",
            |ours, google| Some(ours <= google),
        ),
        row(
            "the same with a wrong code",
            "reported",
            "wrong_calls",
            "calls",
            |_, _| None,
        ),
        row("flushes", "1", "calls", "flushes", |ours, _| {
            Some(ours == 1.0)
        }),
        row(
            "bytes written",
            "fewer than 1024",
            "calls",
            "written",
            |ours, _| Some(ours < 1024.0),
        ),
    ]
}

fn size(figures: &Value) -> GoalRow {
    let [ours, google, oath] = PEERS.map(|peer| number(figures, &["bytes", peer]) / 1e3);
    GoalRow {
        figure: "module file".to_owned(),
        goal: "at most 760 KB",
        measured: format!(
            "{ours:.0} KB; google-authenticator {google:.0}, pam_oath {oath:.0} and its library"
        ),
        reached: Some(ours <= 760.0),
    }
}

fn memory(figures: &Value) -> GoalRow {
    let of = |peer: &str, what: &str| number(figures, &["memory", peer, what]);
    let shown = |peer: &str| {
        let (own, resident) = (of(peer, "Private_Dirty"), of(peer, "Rss"));
        format!("{own} of {resident}")
    };
    let [ours, google, oath] = PEERS.map(shown);
    GoalRow {
        figure: "memory that a login adds to its process and no other one shares, KiB".to_owned(),
        goal: "at most 40",
        measured: format!(
            "{ours} that are resident; google-authenticator {google}; pam_oath {oath}"
        ),
        reached: Some(of("twofactor", "Private_Dirty") <= 40.0),
    }
}

fn command(figures: &Value, what: &str) -> GoalRow {
    let (goal, most) = match what {
        "status" => ("under 2 s, progress shown", 2.0),
        _ => ("under 30 s, progress shown", 30.0),
    };
    let command = &figures["command"];
    let seconds = number(command, &[&format!("{what}_seconds")]);
    // Nothing is shown in the first second.
    let shown = command[&format!("{what}_progress")] == true || seconds < 1.0;
    GoalRow {
        figure: format!(
            "`twofactor {what}` over {} users",
            grouped(command["users"].as_u64().unwrap())
        ),
        goal,
        measured: format!("{seconds:.1} s"),
        reached: Some(seconds < most && shown),
    }
}
