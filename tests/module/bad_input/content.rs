//! Policy, record and state whose content is not what it should be.

use std::path::Path;

use harness::Machine;
use harness::pam::code;
use sha2::{Digest, Sha256};

use harness::enrolled::{
    ON, SECRET, Token, UNUSABLE, auth, enroll_token, logged, login, machine, policy_path,
    record_path, run, said, set_state, state_path,
};
use harness::snapshot::Snapshot;

const UNLOCK: &str = " hint=\"twofactor unlock USER makes a new state\"";
const CHECK: &str = " hint=\"twofactor policy check shows the error\"";

/// Writes this content, and sees a login refused without a prompt and without a change; returns the log line.
fn refusal(machine: &Machine, alice: &Token, path: &Path, content: &[u8]) -> String {
    std::fs::write(path, content).unwrap();
    machine.forget_log();
    let before = Snapshot::take();
    let outcome = run(alice.login().answer(alice.code_at(0)));
    let shown = String::from_utf8_lossy(&content[..content.len().min(200)]);
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{shown:?}");
    assert_eq!(said(&outcome), [("error", UNUSABLE)]);
    assert_eq!(before.changed(), [""; 0]);
    let mut lines = logged(machine);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn line(path: &Path, cause: &str, hint: &str) -> String {
    let path = path.display();
    format!("user=alice rhost= result=error error=\"{path}: {cause}\"{hint}")
}

#[test]
fn a_policy_with_an_error_names_its_place() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = policy_path();
    for (text, place, named) in [
        ("", "line 1, column 1: ", "enabled"),
        ("enabled", "line 1, column 8: ", ""),
        ("enabled = 1\n", "line 1, column 11: ", "enabled"),
        ("enabled = true\nenabled = true\n", "line 2, column 1: ", ""),
        (
            "enabled = true\nwindou = 1\n",
            "line 2, column 1: ",
            "window",
        ),
        (
            "enabled = true\nwindow = 11\n",
            "line 2, column 10: ",
            "0 to 10",
        ),
        (
            "enabled = true\n[throttle]\nattempts = 0\n",
            "line 3, column 12: ",
            "1 to 1000",
        ),
        ("enabled = true\n[[exempt]]\n", "line 2, column 1: ", ""),
        (
            "enabled = true\n[[exempt]]\nusers = []\n",
            "line 3, column 9: ",
            "",
        ),
        (
            "enabled = true\n[[exempt]]\nnetworks = [\"example.org\"]\n",
            "line 3, column 13: ",
            "only addresses",
        ),
        ("\u{1b}[2Jenabled = true\n", "line 1, column 2: ", ""),
    ] {
        let logged = refusal(&machine, &alice, path, text.as_bytes());
        let start = format!(
            "user=alice rhost= result=error error=\"{}: {place}",
            path.display()
        );
        assert!(
            logged.starts_with(&start) && logged.contains(named) && logged.ends_with(CHECK),
            "{logged}"
        );
    }
}

#[test]
fn a_policy_that_is_no_text_refuses() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = policy_path();
    let not_utf8 = line(path, "is not UTF-8", "");
    assert_eq!(
        refusal(&machine, &alice, path, b"enabled = true # \xff\n"),
        not_utf8
    );
    assert_eq!(refusal(&machine, &alice, path, &[0xff; 65_536]), not_utf8);
    let nul = refusal(&machine, &alice, path, &[0; 1000]);
    assert!(
        nul.contains(": line 1, column 1001: ") && nul.ends_with(CHECK),
        "{nul}"
    );
    let deep = format!("a = {}", "[".repeat(60_000));
    assert!(refusal(&machine, &alice, path, deep.as_bytes()).ends_with(CHECK));
}

#[test]
fn a_record_cut_anywhere_refuses() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = record_path("alice");
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.ends_with(b"created = 1\n"));
    for length in (0..whole.len() - 1).step_by(3) {
        let logged = refusal(&machine, &alice, &path, &whole[..length]);
        let not_whole = line(&path, "is not a valid record (line ", "");
        let is_known = logged.starts_with(not_whole.trim_end_matches('"'))
            || logged == line(&path, "has no device", "");
        assert!(is_known, "{logged}");
        assert!(!logged.contains(&SECRET[..8]), "{logged}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(auth(alice.login().answer(alice.code())), code::SUCCESS);
}

#[test]
fn a_record_error_refuses_and_is_logged() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = record_path("alice");
    let whole = std::fs::read_to_string(&path).unwrap();
    for (from, to, cause) in [
        (
            "format = 1",
            "format = 2",
            "has format 2, written by twofactor 0.2.0; this program reads format 1",
        ),
        (
            "format = 1",
            "format = 0",
            "has format 0, written by twofactor 0.2.0; this program reads format 1",
        ),
        (
            "writer =",
            "colour = 1\nwriter =",
            "is not a valid record (line 3, column 1)",
        ),
        (
            "digits = 6",
            "digits = 6\ncolour = 1",
            "is not a valid record (line 13, column 1)",
        ),
        (
            "digits = 6",
            "digits = 5",
            "has a device whose digits are not 6 to 8",
        ),
        (
            "digits = 6",
            "digits = 6\ninterval = 30",
            "has a hotp device with an interval",
        ),
        (
            "kind = \"hotp\"",
            "kind = \"totp\"",
            "has a totp device without an interval",
        ),
        (
            "\"SHA1\"",
            "\"MD5\"",
            "has a device with an unknown algorithm",
        ),
        (
            SECRET,
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ0",
            "has a device whose secret is not base32",
        ),
        (SECRET, "", "has a device whose secret is not base32"),
        (
            "\"token\"",
            "\"to ken\"",
            "has a device with an impossible name",
        ),
        ("id = \"", "id = \"x", "has a malformed id"),
    ] {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from}");
        let logged = refusal(&machine, &alice, &path, changed.as_bytes());
        assert_eq!(logged, line(&path, cause, ""));
    }
    // Without a record of bob's own it would be one that is on its way to that name.
    enroll_token(&machine, "bob");
    let of_bob = whole.replacen("user = \"alice\"", "user = \"bob\"", 1);
    let logged = refusal(&machine, &alice, &path, of_bob.as_bytes());
    let cause = "is the record of another user: 'bob'";
    let start = line(&path, cause, "");
    assert!(logged.starts_with(&start), "{logged}");
    let no_device = whole.split("[[device]]").next().unwrap();
    assert_eq!(
        refusal(&machine, &alice, &path, no_device.as_bytes()),
        line(&path, "has no device", "")
    );
    let twice = format!("{whole}{}", whole.replacen(no_device, "\n", 1));
    assert_eq!(
        refusal(&machine, &alice, &path, twice.as_bytes()),
        line(&path, "has two devices of one name or id", "")
    );
    assert_eq!(
        refusal(&machine, &alice, &path, b"\xff\xfe"),
        line(&path, "is not UTF-8", "")
    );
    let noise: Vec<u8> = whole.bytes().map(|byte| byte ^ 0x15).collect();
    let logged = refusal(&machine, &alice, &path, &noise);
    assert!(
        logged.contains("is not a valid record (line 1, column "),
        "{logged}"
    );
}

#[test]
fn a_state_of_the_wrong_length_refuses() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = state_path("alice");
    let whole = std::fs::read(&path).unwrap();
    let expected = line(&path, "has the wrong length", UNLOCK);
    for length in [0, 1, 504, 512, 1023] {
        assert_eq!(refusal(&machine, &alice, &path, &whole[..length]), expected);
    }
    let longer = [&whole[..], b"\0"].concat();
    assert_eq!(refusal(&machine, &alice, &path, &longer), expected);
}

#[test]
fn a_damaged_state_needs_one_good_half() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = state_path("alice");
    let whole = std::fs::read(&path).unwrap();
    let expected = line(&path, "is damaged", UNLOCK);
    assert_eq!(refusal(&machine, &alice, &path, &[0; 1024]), expected);
    assert_eq!(refusal(&machine, &alice, &path, &[0xa5; 1024]), expected);
    for position in (0..504).step_by(23) {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        damaged[512 + (position * 7) % 504] ^= 0x80;
        assert_eq!(refusal(&machine, &alice, &path, &damaged), expected);
    }
    std::fs::write(&path, &whole).unwrap();
    for half in [0, 512] {
        set_state("alice", |state| state.devices[0].next = 0);
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[half..half + 504].fill(0xff);
        std::fs::write(&path, damaged).unwrap();
        let outcome = run(alice.login().answer(alice.code_at(0)));
        assert_eq!(outcome.auth, code::SUCCESS);
    }
}

#[test]
fn a_state_of_another_format_names_its_writer() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let path = state_path("alice");
    let mut newer = std::fs::read(&path).unwrap();
    for slot in newer.chunks_mut(512) {
        slot[4] = 3;
        slot[6..14].copy_from_slice(b"9.9\x1b\n\0\0\0");
        let sum = Sha256::digest(&slot[..496]);
        slot[496..504].copy_from_slice(&sum[..8]);
    }
    assert_eq!(
        refusal(&machine, &alice, &path, &newer),
        line(
            &path,
            "has format 3, written by twofactor 9.9\\x1b\\n; this program reads formats 1 and 2",
            ""
        )
    );
}

#[test]
fn a_state_that_does_not_belong_to_the_record_refuses() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let carol = enroll_token(&machine, "carol");
    let (path, own) = (
        state_path("alice"),
        std::fs::read(state_path("alice")).unwrap(),
    );
    let theirs = std::fs::read(state_path("carol")).unwrap();
    let logged = refusal(&machine, &alice, &path, &theirs);
    assert!(
        logged.contains("belongs to uid ")
            && logged.ends_with(" hint=\"twofactor adopt USER gives it to this user, twofactor unset USER removes what a former user left\""),
        "{logged}"
    );
    std::fs::write(&path, own).unwrap();
    set_state("alice", |state| state.devices.clear());
    let cleared = std::fs::read(&path).unwrap();
    // Only seen under the lock, after the answer.
    let outcome = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(std::fs::read(&path).unwrap(), cleared);
    machine.forget_log();
    std::fs::remove_file(&path).unwrap();
    let before = Snapshot::take();
    assert_eq!(auth(login("alice")), code::AUTHINFO_UNAVAIL);
    assert_eq!(before.changed(), [""; 0]);
    assert_eq!(
        harness::enrolled::logged(&machine),
        [line(&path, "is missing beside a record", UNLOCK)]
    );
    assert_eq!(
        auth(carol.login().answer(carol.code())),
        code::SUCCESS,
        "no other user is affected"
    );
}
