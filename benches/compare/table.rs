//! What was measured, as two Markdown tables: goals and whether they are reached, and medians with their spread.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::{number, ratio};
use crate::world::WIDE_OATH;

/// A goal, what was measured, and whether that is enough.
struct Row {
    figure: String,
    goal: &'static str,
    measured: String,
    reached: Option<bool>,
}

/// Both tables.
pub fn markdown(figures: &Value) -> String {
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
    spread(&mut text, figures);
    text
}

fn rows(figures: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut times = |figure: &str, goal, most: f64, group: [&str; 3], than: &str| {
        let [a, b, c] = group;
        let found = ratio(
            figures,
            &[a, b, c, "twofactor", "median"],
            &[a, b, c, than, "median"],
        );
        rows.push(Row {
            figure: figure.to_owned(),
            goal,
            measured: format!("{found:.2}"),
            reached: Some(found <= most),
        });
    };
    let right = ["kept", "right", "wall"];
    times(
        "right code, `pam_authenticate`, against google-authenticator",
        "at most 0.55",
        0.55,
        right,
        "google",
    );
    times(
        "the same against pam_permit and a write of 4 KiB",
        "at most 1.25",
        1.25,
        right,
        "write",
    );
    times(
        "right code, whole transaction in a new process",
        "at most 0.75 x google-authenticator",
        0.75,
        ["anew", "whole", "wall"],
        "google",
    );
    times(
        "processor time of `pam_authenticate`",
        "at most 0.6 x google-authenticator",
        0.6,
        ["kept", "right", "cpu"],
        "google",
    );
    times(
        "processor time of the whole transaction",
        "at most 0.6 x google-authenticator",
        0.6,
        ["anew", "whole", "cpu"],
        "google",
    );
    times(
        "wrong code, counted on the disk",
        "at most 0.2 x google-authenticator",
        0.2,
        ["kept", "wrong", "wall"],
        "google",
    );
    rows.push(growth(figures));
    rows.extend(crowds(figures));
    rows.push(calls(
        figures,
        "system calls of `pam_authenticate`",
        "fewer than each peer",
        |ours, peer| ours < peer,
        "calls",
    ));
    rows.push(calls(
        figures,
        "flushes",
        "1",
        |ours, _| ours == 1.0,
        "flushes",
    ));
    rows.push(calls(
        figures,
        "bytes written",
        "fewer than 1024",
        |ours, _| ours < 1024.0,
        "written",
    ));
    rows.push(bytes(figures));
    let load = ratio(
        figures,
        &["load", "wall", "twofactor", "median"],
        &["load", "wall", "oath", "median"],
    );
    rows.push(Row {
        figure: "dlopen of the module".to_owned(),
        goal: "at most 1 x pam_oath",
        measured: format!("{load:.2}"),
        reached: Some(load <= 1.0),
    });
    rows.push(memory(figures));
    rows.extend(["status", "import"].map(|what| command(figures, what)));
    rows
}

fn growth(figures: &Value) -> Row {
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
    Row {
        figure: format!("{} users enrolled, against 1", grouped(last)),
        goal: "at most 1.1",
        measured: format!("{ours:.2}{}", oath.unwrap_or_default()),
        reached: Some(ours <= 1.1),
    }
}

fn crowds(figures: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    for (size, crowd) in figures["crowds"].as_object().unwrap() {
        let rate =
            |peer: &str| number(crowd, &[peer, "accepted"]) / number(crowd, &[peer, "seconds"]);
        let refused = |peer: &str| number(crowd, &[peer, "refused"]);
        rows.push(Row {
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
        rows.push(Row {
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

fn calls(
    figures: &Value,
    figure: &str,
    goal: &'static str,
    enough: fn(f64, f64) -> bool,
    what: &str,
) -> Row {
    let of = |peer: &str| number(figures, &["calls", peer, "auth", what]);
    let (ours, google, oath) = (of("twofactor"), of("google"), of("oath"));
    Row {
        figure: figure.to_owned(),
        goal,
        measured: format!("{ours}; google-authenticator {google}, pam_oath {oath}"),
        reached: Some(enough(ours, google) && enough(ours, oath)),
    }
}

fn bytes(figures: &Value) -> Row {
    let of = |peer: &str| number(figures, &["bytes", peer]);
    Row {
        figure: "module file".to_owned(),
        goal: "under 600 KB",
        measured: format!(
            "{:.0} KB; google-authenticator {:.0}, pam_oath {:.0} and its library",
            of("twofactor") / 1e3,
            of("google") / 1e3,
            of("oath") / 1e3
        ),
        reached: Some(of("twofactor") < 600e3),
    }
}

fn memory(figures: &Value) -> Row {
    let of = |peer: &str| {
        let [resident, own] =
            ["Rss", "Private_Dirty"].map(|name| number(figures, &["memory", peer, name]));
        format!("{resident}, {own} of it its own")
    };
    Row {
        figure: "memory that a login adds to its process, KiB".to_owned(),
        goal: "reported",
        measured: format!(
            "{}; google-authenticator {}; pam_oath {}",
            of("twofactor"),
            of("google"),
            of("oath")
        ),
        reached: None,
    }
}

fn command(figures: &Value, what: &str) -> Row {
    let (goal, most) = match what {
        "status" => ("under 2 s, progress shown", 2.0),
        _ => ("under 30 s, progress shown", 30.0),
    };
    let command = &figures["command"];
    let seconds = number(command, &[&format!("{what}_seconds")]);
    // Nothing is shown in the first second.
    let shown = command[&format!("{what}_progress")] == true || seconds < 1.0;
    Row {
        figure: format!(
            "`twofactor {what}` over {} users",
            grouped(command["users"].as_u64().unwrap())
        ),
        goal,
        measured: format!("{seconds:.1} s"),
        reached: Some(seconds < most && shown),
    }
}

/// Digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const COLUMNS: [(&str, &str); 6] = [
    ("twofactor", "pam_twofactor"),
    ("google", "google-authenticator"),
    ("oath", "pam_oath"),
    ("write", "4 KiB in place, flushed"),
    ("replace", "4 KiB in a new file, flushed, renamed"),
    ("permit", "pam_permit"),
];

fn spread(text: &mut String, figures: &Value) {
    let head = COLUMNS.map(|(_, title)| title).join(" | ");
    writeln!(
        text,
        "| microseconds, median (quartiles) | {head} |\n|---|---|---|---|---|---|---|"
    )
    .unwrap();
    for (title, group) in [
        (
            "right code, `pam_authenticate`",
            &figures["kept"]["right"]["wall"],
        ),
        ("its processor time", &figures["kept"]["right"]["cpu"]),
        (
            "right code, whole transaction, new process",
            &figures["anew"]["whole"]["wall"],
        ),
        ("its processor time", &figures["anew"]["whole"]["cpu"]),
        (
            "wrong code, `pam_authenticate`",
            &figures["kept"]["wrong"]["wall"],
        ),
        ("its processor time", &figures["kept"]["wrong"]["cpu"]),
        ("dlopen", &figures["load"]["wall"]),
    ] {
        let cells = COLUMNS.map(|(service, _)| cell(&group[service]));
        writeln!(text, "| {title} | {} |", cells.join(" | ")).unwrap();
    }
    for count in figures["users"].as_array().unwrap() {
        let count = count.as_u64().unwrap();
        let of = |service: &str| cell(&figures["growth"][format!("{service}_{count}")]);
        let users = if count == 1 { "user" } else { "users" };
        writeln!(
            text,
            "| right code, {} {users} enrolled | {} | | {} | | | |",
            grouped(count),
            of("twofactor"),
            of("oath")
        )
        .unwrap();
    }
}

fn cell(summary: &Value) -> String {
    if summary.is_null() {
        return String::new();
    }
    let quartiles = [0, 1].map(|which| summary["quartiles"][which].as_f64().unwrap());
    format!(
        "{:.0} ({:.0}-{:.0})",
        number(summary, &["median"]),
        quartiles[0],
        quartiles[1]
    )
}
