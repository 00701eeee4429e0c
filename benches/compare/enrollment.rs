//! Users' files as each product makes them, with one key for all, so that one code is right everywhere.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use harness::Machine;
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

use crate::users::LIMIT;
use crate::world::{ROOT, command, write};
use harness::enrolled::SECRET;

/// Enrolls a user for pam_twofactor and google-authenticator, counting time or logins.
pub fn enroll(machine: &Machine, account: &Account, kind: OtpKind) {
    enroll_in(machine, &Path::new(ROOT).join("twofactor"), account, kind);
    enroll_google(machine, account, kind);
}

/// Enrolls a user with the command, which also gives ten recovery codes, in a state directory.
pub fn enroll_in(machine: &Machine, state: &Path, account: &Account, kind: OtpKind) {
    command(machine, state, &["init"]).limit(LIMIT).run().ok();
    let record = state.join("users").join(format!("{}.toml", account.name));
    let entry = state.join("users").join(format!("+{}", account.uid));
    for old in [&record, &entry, &state.join("state").join(&account.name)] {
        fs::remove_file(old).ok();
    }
    let enroll = ["enroll", &account.name, "--no-confirm", "--qr", "none"];
    let counting = match kind {
        OtpKind::Totp { .. } => None,
        OtpKind::Hotp => Some("--hotp"),
    };
    let words: Vec<&str> = enroll.into_iter().chain(counting).collect();
    command(machine, state, &words).run().ok();
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains("[recovery]"), "no recovery codes");
    write(&record, with_key(&text, "secret = \"").as_bytes());
}

/// Sets up what google-authenticator's own program does, when its recommendations are followed.
fn enroll_google(machine: &Machine, account: &Account, kind: OtpKind) {
    let own = Path::new(ROOT).join("google").join(&account.name);
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700).create(&own).unwrap();
    let state = own.join("state");
    fs::remove_file(&state).ok();
    let mut words = vec!["--force", "--quiet", "--qr-mode=NONE", "--no-confirm"];
    words.extend(match kind {
        OtpKind::Totp { .. } => [
            "--time-based",
            "--disallow-reuse",
            "--rate-limit=3",
            "--rate-time=30",
            "--window-size=3",
        ]
        .as_slice(),
        // It would refuse more than 3 logins in 30 seconds.
        OtpKind::Hotp => ["--counter-based", "--no-rate-limit", "--window-size=3"].as_slice(),
    });
    let program = machine.program("google-authenticator").args(&words);
    program.arg("--secret").arg(&state).run().ok();
    let text = fs::read_to_string(&state).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    write(&state, format!("{SECRET}\n{rest}").as_bytes());
    for path in [&own, &state] {
        chown(path, Some(account.uid), Some(account.gid)).unwrap();
    }
}

/// A text with the known key in place of the one between `before` and the next quotation mark.
fn with_key(text: &str, before: &str) -> String {
    let (start, rest) = text.split_once(before).unwrap();
    let (key, end) = rest.split_once('"').unwrap();
    assert_eq!(
        key.len(),
        SECRET.len(),
        "the known key is of another length"
    );
    format!("{start}{before}{SECRET}\"{end}")
}

/// A line of pam_oath's file.
pub fn oath_line(user: &str, kind: OtpKind) -> String {
    let hex = data_encoding::BASE32.decode(SECRET.as_bytes()).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&hex);
    let word = match kind {
        OtpKind::Totp { .. } => "HOTP/T30/6",
        OtpKind::Hotp => "HOTP/E/6",
    };
    format!("{word}\t{user}\t-\t{hex}\n")
}

/// Writes pam_oath's file.
pub fn write_oath(lines: &str) {
    write(&Path::new(ROOT).join("oath/users"), lines.as_bytes());
}
