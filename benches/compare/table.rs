//! Medians and their spread, as a Markdown table.

use std::fmt::Write as _;

use serde_json::Value;

use crate::numbers::number;

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

/// The table.
pub fn spread(figures: &Value) -> String {
    let mut text = String::new();
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
    text
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
