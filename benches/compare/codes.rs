//! The codes of all that are measured, as the worker reads them.

use std::path::{Path, PathBuf};

use harness::otp::{hotp_codes, unix_time};
use harness::{Machine, Program};

use crate::world::ROOT;
use harness::enrolled::SECRET;

/// Seconds for which a code of a device that counts time is shown.
const INTERVAL: u64 = 30;

/// Writes the codes of this moment and of the next 20 minutes, computed by oathtool, and one that is none of them. Returns
/// the file.
pub fn timed(machine: &Machine) -> PathBuf {
    let first = unix_time() / INTERVAL;
    let program = Program::new("oathtool").args(&["--totp", "--base32", SECRET, "--window=40"]);
    let program = program.arg(format!("--now=@{}", first * INTERVAL));
    let stdout = program.run().ok().stdout;
    write(machine, "timed", first, stdout.lines())
}

/// Writes the codes of a device that counts, from 1 on: google-authenticator knows no counter 0. Returns the file.
pub fn counted(machine: &Machine, count: usize) -> PathBuf {
    let codes = hotp_codes(SECRET, 1, count as u64, 6);
    write(machine, "counted", 0, codes.iter().map(String::as_str))
}

fn write<'a>(
    machine: &Machine,
    name: &str,
    first: u64,
    codes: impl Iterator<Item = &'a str>,
) -> PathBuf {
    let codes: Vec<&str> = codes.collect();
    let mut numbers = (0..1_000_000).map(|number| format!("{number:06}"));
    let wrong = numbers.find(|code| !codes.contains(&code.as_str()));
    let path = Path::new(ROOT).join(format!("codes.{name}"));
    let text = format!("{first}\n{}\n{}\n", wrong.unwrap(), codes.join("\n"));
    machine.write_file(&path, text, 0o600);
    path
}
