//! The table of users: as wide as it is, or fitted to a terminal.

use unicode_width::UnicodeWidthStr as _;

use super::user_status::UserStatus;
use crate::escaping::value;
use crate::formatting::count;
use crate::output::table;
use crate::wrapping::labelled;

/// Least columns for the notes beside the other columns.
const NOTES: usize = 20;
/// Letters of a day: the beginning of a time.
const DAY: usize = "2026-02-03".len();

/// The table. On a terminal that is too narrow for it the notes are broken, and on a still narrower one each user has
/// lines of its own.
pub fn fitted(users: &[UserStatus], columns: Option<usize>) -> String {
    let full = full(users);
    let Some(columns) = columns else {
        return full;
    };
    if full.lines().all(|line| line.width() <= columns) {
        return full;
    }
    let compact = table(&compact_rows(users));
    let start = compact.lines().map(str::width).max().unwrap_or_default() + 2;
    if start + NOTES > columns {
        return users.iter().map(|user| stacked(user, columns)).collect();
    }
    let notes = users.iter().map(UserStatus::notes);
    let notes = ["NOTES".to_owned()].into_iter().chain(notes);
    let lines = compact.lines().zip(notes).map(|(line, notes)| {
        let gap = " ".repeat(start.saturating_sub(line.width()));
        labelled(&format!("{line}{gap}"), &value(&notes), Some(columns)) + "\n"
    });
    lines.collect()
}

fn full(users: &[UserStatus]) -> String {
    let head = ["USER", "DEVICES", "RECOVERY CODES", "LAST USED", "NOTES"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(users.iter().map(|user| {
        let [name, devices, codes] = cells(user);
        vec![name, devices, codes, last_used(user), user.notes()]
    }));
    table(&rows)
}

fn compact_rows(users: &[UserStatus]) -> Vec<Vec<String>> {
    let head = ["USER", "DEVICES", "CODES", "LAST USED"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(users.iter().map(|user| {
        let [name, devices, codes] = cells(user);
        vec![name, devices, codes, day(user)]
    }));
    rows
}

fn stacked(user: &UserStatus, columns: usize) -> String {
    let name = value(&user.name);
    let mut said = Vec::new();
    if user.error.is_none() && !user.devices.is_empty() {
        let devices = user.devices.iter().map(|device| device.name.as_str());
        said.push(devices.collect::<Vec<_>>().join(", "));
        said.push(count(user.recovery_codes_left as u64, "recovery code"));
        said.push(match user.last_used {
            None => "never used".to_owned(),
            Some(_) => format!("last used {}", day(user)),
        });
    }
    said.push(user.notes());
    let below = labelled("  ", &value(&said.join("; ")), Some(columns));
    format!("{name}\n{below}\n")
}

/// Name, devices and recovery codes.
fn cells(user: &UserStatus) -> [String; 3] {
    let name = user.name.clone();
    if user.error.is_some() {
        return [name, UNKNOWN.to_owned(), UNKNOWN.to_owned()];
    }
    let devices = user.devices.iter().map(|device| device.name.as_str());
    let devices: Vec<&str> = devices.collect();
    let devices = if devices.is_empty() {
        "none".to_owned()
    } else {
        devices.join(",")
    };
    [name, devices, user.recovery_codes_left.to_string()]
}

/// Stands for what cannot be told.
const UNKNOWN: &str = "?";
/// Stands for no time.
const NEVER: &str = "never";

fn last_used(user: &UserStatus) -> String {
    if user.error.is_some() {
        return UNKNOWN.to_owned();
    }
    user.last_used
        .map_or_else(|| NEVER.to_owned(), |used| used.to_string())
}

fn day(user: &UserStatus) -> String {
    let mut used = last_used(user);
    used.truncate(DAY);
    used
}
