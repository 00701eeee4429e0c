//! The remains in a program that lives long: none.

use std::collections::BTreeMap;
use std::path::Path;

use harness::Machine;
use harness::otp::hotp_codes;
use harness::pam::{Drive, EXACT, Holdings, Repeated, code};

use harness::enrolled::{
    SECRET, SERVICE, Token, add_recovery_codes, enroll_token, initialize, machine, run, state_of,
};

const PATIENT: &str = "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n";

/// Bytes that malloc takes for a short answer: the least it ever takes.
const ANSWER_BLOCK: u64 = 32;

const WARM_UP: usize = 60;

/// Every transaction runs the module for an unenrolled user, with a broken policy, and for an enrolled one.
fn transactions(machine: &Machine, alice: &Token, count: usize) -> Drive {
    initialize(Path::new("/srv/none"));
    machine.write_file("/srv/broken.toml", "enabled = maybe\n", 0o644);
    machine.stack(
        SERVICE,
        &format!(
            "auth optional pam_twofactor.so state=/srv/none debug\n\
             auth optional pam_twofactor.so policy=/srv/broken.toml\n\
             auth {EXACT} pam_twofactor.so debug\n"
        ),
    );
    // Of three answers one is right.
    let right = hotp_codes(SECRET, 0, (count / 3 + 1) as u64, 6);
    let wrong = alice.wrong();
    let answer = |number: usize| match number % 3 {
        0 => right[number / 3].clone(),
        1 => wrong.clone(),
        _ => "no code at all".to_owned(),
    };
    let answers: Vec<String> = (0..count).map(answer).collect();
    machine.write_file("/run/answers", answers.join("\n"), 0o600);
    alice
        .login()
        .rhost("192.0.2.7")
        .answers_file("/run/answers")
}

fn nothing_stays(repeated: &Repeated, count: usize) {
    let third = (count / 3) as u64;
    let results = [(code::SUCCESS, third), (code::MAXTRIES, 2 * third)];
    let results: BTreeMap<String, u64> = results
        .map(|(code, count)| (code.to_string(), count))
        .into();
    assert_eq!(repeated.results, results);
    assert_eq!(repeated.changed, BTreeMap::new());
    let (before, after) = (&repeated.before, &repeated.after);
    let others = |holdings: &Holdings| (holdings.descriptors, holdings.free_thread_keys);
    assert_eq!(others(before), others(after));
    // Each transaction frees the answer that was prepared for it; no block is smaller, so one that stayed would show.
    let freed = ANSWER_BLOCK * (count - WARM_UP) as u64;
    assert!(
        after.heap_bytes + freed <= before.heap_bytes,
        "{repeated:?}"
    );
    let grown = after.resident_pages.saturating_sub(before.resident_pages);
    assert!(grown < 50, "{repeated:?}");
}

#[test]
fn three_thousand_transactions_leave_nothing() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let count = 3000 + WARM_UP;
    let drive = transactions(&machine, &alice, count);
    nothing_stays(&drive.repeat(WARM_UP, 3000), count);
    assert_eq!(state_of("alice").devices[0].next, count as u64 / 3);
}

/// libpam unloads the module at the end of each transaction; the thread ends after that.
#[test]
fn threads_outlive_the_unloading_of_the_module() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let count = 1200 + WARM_UP;
    let drive = transactions(&machine, &alice, count);
    nothing_stays(&drive.threads().repeat(WARM_UP, 1200), count);
}

/// The report of valgrind's memcheck on one login.
fn memcheck(drive: Drive, expected: i32) {
    let valgrind = [
        "valgrind",
        "--leak-check=full",
        "--track-origins=yes",
        "--log-file=/run/valgrind",
    ];
    assert_eq!(run(drive.through(&valgrind)).auth, expected);
    let report = std::fs::read_to_string("/run/valgrind").unwrap();
    for line in [
        "ERROR SUMMARY: 0 errors from 0 contexts (suppressed: 0 from 0)",
        "definitely lost: 0 bytes in 0 blocks",
        "indirectly lost: 0 bytes in 0 blocks",
    ] {
        let none = report.contains("All heap blocks were freed") && line.contains("lost");
        assert!(none || report.contains(line), "{report}");
    }
}

#[test]
fn valgrind_finds_no_error_and_nothing_lost() {
    let machine = machine("enabled = true\ngrace = 60\n");
    let alice = enroll_token(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    let login = || alice.login().rhost("192.0.2.7");
    let asked = login().answer(alice.wrong()).answer("\u{ff}");
    memcheck(asked.answer(alice.code()), code::SUCCESS);
    memcheck(login(), harness::enrolled::IGNORED);
    memcheck(alice.login().answer(&recovery[0]), code::SUCCESS);
    memcheck(
        alice.login().answer(alice.wrong()).answer_null(),
        code::CONV_ERR,
    );
    machine.stack(
        "x",
        "auth requisite pam_twofactor.so forward_pass debug\nauth requisite pam_unix.so use_first_pass nodelay\n",
    );
    let both = format!("{}{}", harness::PASSWORD, alice.code());
    let one_field = Drive::installed().service("x").user("alice").answer(both);
    memcheck(one_field, code::SUCCESS);
    machine.policy("enabled = maybe\n");
    memcheck(alice.login(), code::AUTHINFO_UNAVAIL);
}
