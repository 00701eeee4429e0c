//! After a login the memory of the application holds no key, no code and no password: pamscan keeps its own copies apart and
//! looks through every other writable page, heap, stack and data alike.

use harness::Machine;
use harness::otp::hotp_codes;
use harness::pam::code;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::otp::Digits;
use twofactor_core::recovery::RecoverySet;
use twofactor_core::secret::Secret;

use harness::enrolled::{
    IGNORED, SERVICE, add_account, change_record, device, machine, write_record,
};

/// No other text in a process looks like it, unlike the key of the other tests.
const KEY: &str = "YV5HW4DQMFZXG33SMRSGK3TJNZTS2Y3B";
const PASSWORD: &str = "Tr0ub4dor&3-of-alice";
const ANSWERER: &str = "cat /run/answer";

/// Alice with a token of eight digits, so that no number of the process happens to be a code; what it shows first.
fn alice(policy: &str) -> (Machine, String) {
    let machine = machine(policy);
    let account = add_account(&machine, "alice");
    let token = Device {
        secret: Secret::from_base32(KEY).unwrap(),
        digits: Digits::new(8).unwrap(),
        ..device("token", OtpKind::Hotp)
    };
    write_record(&account, vec![token]);
    let mut codes = hotp_codes(KEY, 0, 1, 8);
    (machine, codes.remove(0))
}

/// The key as it may stand anywhere: raw, base32, hexadecimal.
fn key() -> [Vec<u8>; 4] {
    let raw = data_encoding::BASE32.decode(KEY.as_bytes()).unwrap();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = hex.to_uppercase();
    [raw, KEY.into(), hex.into(), upper.into()]
}

fn write_needles(machine: &Machine, needles: &[Vec<u8>]) {
    let mut file = Vec::new();
    for needle in needles {
        file.push(u8::try_from(needle.len()).unwrap());
        file.extend_from_slice(needle);
    }
    machine.write_file("/run/needles", file, 0o600);
}

/// Runs a transaction and looks for the needles: the results of its phases, and what was found.
fn scan(machine: &Machine, phases: &str, answerer: &str) -> (Vec<i64>, Vec<String>) {
    let words = [SERVICE, "alice", phases, answerer, "/run/needles"];
    let run = machine.program("/usr/local/bin/pamscan").args(&words).run();
    let report: serde_json::Value = serde_json::from_str(&run.ok().stdout).unwrap();
    assert!(report["scanned"].as_u64().unwrap() > 200_000, "{report}");
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let results = list("results")
        .iter()
        .map(|code| code.as_i64().unwrap())
        .collect();
    let found = list("found")
        .iter()
        .map(|line| line.as_str().unwrap().to_owned())
        .collect();
    (results, found)
}

/// A login in which every question is answered with `answer`, after which neither the key nor any of `typed` is found.
fn leaves_nothing(machine: &Machine, answer: &str, typed: &[&str], ends: i32) {
    machine.write_file("/run/answer", answer, 0o600);
    let mut needles = key().to_vec();
    needles.extend(typed.iter().map(|text| text.as_bytes().to_vec()));
    write_needles(machine, &needles);
    let (results, found) = scan(machine, "auth", ANSWERER);
    assert_eq!(results, [i64::from(ends)]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_is_in_memory_is_found() {
    let (machine, right) = alice("enabled = true\n");
    machine.write_file("/run/answer", &right, 0o600);
    // Its own argument.
    write_needles(&machine, &[ANSWERER.into(), right.into()]);
    let (results, found) = scan(&machine, "auth", ANSWERER);
    assert_eq!(results, [i64::from(code::SUCCESS)]);
    assert!(
        found.iter().any(|line| line.starts_with("0 at ")),
        "{found:?}"
    );
    assert!(
        !found.iter().any(|line| line.starts_with("1 at ")),
        "{found:?}"
    );
}

#[test]
fn a_right_code_and_its_key_are_wiped() {
    let (machine, right) = alice("enabled = true\n");
    leaves_nothing(&machine, &right, &[&right], code::SUCCESS);
}

#[test]
fn a_wrong_code_and_the_key_are_wiped() {
    let (machine, right) = alice("enabled = true\n");
    let wrong = if right == "84736251" {
        "84736252"
    } else {
        "84736251"
    };
    leaves_nothing(&machine, wrong, &[wrong, &right], code::MAXTRIES);
}

#[test]
fn a_recovery_code_is_wiped() {
    let (machine, right) = alice("enabled = true\n");
    let (set, codes) = RecoverySet::generate(1).unwrap();
    change_record("alice", |record| record.recovery = Some(set));
    let shown = codes[0].grouped().to_string();
    let bare = shown.replace('-', "");
    leaves_nothing(&machine, &shown, &[&shown, &bare, &right], code::SUCCESS);
}

#[test]
fn a_password_with_the_code_in_one_field_is_wiped() {
    let (machine, right) = alice("enabled = true\n");
    let lines = "auth requisite pam_twofactor.so forward_pass\nauth requisite pam_permit.so\n";
    machine.stack(SERVICE, lines);
    let both = format!("{PASSWORD}{right}");
    leaves_nothing(&machine, &both, &[&both, PASSWORD, &right], code::SUCCESS);
}

/// Answers the questions of an enrollment; leaves the needles behind, since only it knows the key.
const NEWCOMER: &str = r#"
cat > /run/question
if grep -q '^Key: ' /run/question; then
    shown=$(sed -n 's/^Key: //p' /run/question)
    key=$(printf %s "$shown" | tr -d ' ')
    code=$(oathtool --totp -b "$key")
    hex=$(oathtool -v --totp -b "$key" | sed -n 's/^Hex secret: //p')
    perl -e '$h = pop; print pack("C/a*", $_) for @ARGV, $h, pack("H*", $h)' "$shown" "$key" "$hex" > /run/needles
    [ -e /run/wants-none ] || printf %s "$code"
elif grep -q 'second device' /run/question; then
    echo
else
    echo yes
fi
"#;

/// An enrollment in which a key is shown; how the account phase ends.
fn enrollment_leaves_nothing(machine: &Machine, ends: i32) {
    add_account(machine, "alice");
    machine.write_file("/run/newcomer", NEWCOMER, 0o600);
    let (results, found) = scan(machine, "auth,acct", "sh /run/newcomer");
    assert_eq!(results, [IGNORED, ends].map(i64::from));
    let needles = std::fs::read("/run/needles").unwrap();
    // 39 letters in groups, 32 letters, 40 hexadecimal digits, 20 bytes.
    assert_eq!(needles.len(), 4 + 39 + 32 + 40 + 20);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_key_that_was_shown_is_wiped() {
    let machine = machine("enabled = true\nenroll_at_login = \"require\"\n");
    enrollment_leaves_nothing(&machine, IGNORED);
}

#[test]
fn a_key_that_was_shown_and_not_taken_is_wiped() {
    let machine = machine("enabled = true\nenroll_at_login = \"require\"\n");
    machine.write_file("/run/wants-none", "", 0o600);
    enrollment_leaves_nothing(&machine, code::PERM_DENIED);
}

/// Bytes below an entry point that its frames may come near the end of what is wiped.
const SPARE: usize = 2048;

/// Runs a transaction with a library before the module that looks at the stack: what is wiped of it, and what was used.
fn stack_depths(machine: &Machine, phases: &str, answerer: &str) -> Vec<(usize, usize)> {
    let source = harness::workspace().join("tests/module/stack_depth.c");
    let compiler = machine.program("cc").args(&["-shared", "-fPIC", "-O1"]);
    let compiler = compiler.args(&["-Wall", "-Wextra", "-Werror", "-o", "/run/depth.so"]);
    compiler.arg(&source).run().ok();
    let words = [SERVICE, "alice", phases, answerer, "/run/needles"];
    let scan = machine.program("/usr/local/bin/pamscan").args(&words);
    scan.env("LD_PRELOAD", "/run/depth.so").run().ok();
    let number = |text: &str| text.parse().unwrap();
    let text = machine.read("/run/depth");
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(wiped, used)| (number(wiped), number(used)))
        .collect()
}

#[test]
fn the_stack_is_wiped_deeper_than_it_is_used() {
    let (machine, right) = alice("enabled = true\n");
    machine.write_file("/run/answer", &right, 0o600);
    write_needles(&machine, &key());
    stack_depths(&machine, "auth", ANSWERER);
    machine.write_file("/run/answer", "84736251", 0o600);
    // One line for each of the two.
    let mut depths = stack_depths(&machine, "auth", ANSWERER);
    drop(machine);
    let machine = self::machine("enabled = true\nenroll_at_login = \"require\"\n");
    add_account(&machine, "alice");
    machine.write_file("/run/newcomer", NEWCOMER, 0o600);
    depths.extend(stack_depths(&machine, "auth,acct", "sh /run/newcomer"));
    assert_eq!(depths.len(), 4);
    for (wiped, used) in depths {
        // Less would say that nothing was seen.
        assert!(used > 4096 && used + SPARE <= wiped, "{used} of {wiped}");
    }
}
