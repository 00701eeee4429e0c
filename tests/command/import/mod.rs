//! Devices from other programs: taken from the programs themselves, used there before and here afterwards.

mod google;
mod many;
mod oath;
mod result;
mod source;
mod uri;

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use harness::Machine;
use harness::desk::{json, parse};
use serde_json::Value;

/// `SECRET` as users files write it.
const HEX: &str = "3132333435363738393031323334353637383930";

const GOOGLE: &str = "google-authenticator";

/// Path of a user's state file.
fn state_file(user: &str) -> PathBuf {
    Path::new("/home").join(user).join(".google_authenticator")
}

/// Writes a state file as the user's own.
fn write_state_file(machine: &Machine, user: &str, content: impl AsRef<[u8]>) {
    let path = state_file(user);
    machine.write_file(&path, content, 0o600);
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path.parent().unwrap()).unwrap());
    chown(&path, Some(owner), Some(owner)).unwrap();
}

fn import(machine: &Machine, arguments: &[&str]) -> Value {
    json(machine.command(&[&["import"], arguments, &["--yes", "--json"]].concat()))
}

/// The report of an import that did not take everything.
fn partial(machine: &Machine, arguments: &[&str]) -> Value {
    let all = [&["import"], arguments, &["--yes", "--json"]].concat();
    parse(&machine.command(&all).exits(1).stdout)
}

/// User, line, result and reason of each item.
fn items(report: &Value) -> Vec<(String, u64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = report["items"].as_array().unwrap().iter();
    let row = |item: &Value| {
        (
            text(&item["user"]),
            item["line"].as_u64().unwrap(),
            text(&item["result"]),
            text(&item["reason"]),
        )
    };
    items.map(row).collect()
}

fn status_of(machine: &Machine, user: &str) -> Value {
    json(machine.command(&["status", user, "--json"]))["users"][0].clone()
}
