//! Logins of many users, and changes by the command, at the same moment: no right code is refused, none works twice, and
//! no user is let in by what happens in between. `make races` takes more rounds.

use std::path::Path;
use std::time::Duration;

use harness::enrolled;
use harness::otp::hotp_codes;
use harness::pam::{Drive, EXACT, Round, code};
use harness::{Machine, Run, Running};
use twofactor_core::STATE_DIR;
use twofactor_store::FactorStore;

use harness::enrolled::{
    IGNORED, SECRET, SERVICE, Token, add_account, add_stack, auth, enroll_token, set_state,
    state_of,
};

/// One try in each login, and no lock-out in the way.
const PATIENT: &str =
    "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";

/// So many rounds in `make test`, and ten times as many in `make races`.
const fn rounds(in_test: usize) -> usize {
    if cfg!(feature = "whole-sweeps") {
        10 * in_test
    } else {
        in_test
    }
}

/// Logins at `SERVICE`: a user and an answer for each process of each round.
fn each(machine: &Machine, logins: &[(String, String)]) -> Drive {
    let lines: Vec<String> = logins
        .iter()
        .map(|(user, answer)| format!("{user} {answer}"))
        .collect();
    machine.write_file("/run/logins", lines.join("\n"), 0o600);
    Drive::installed().service(SERVICE).each_file("/run/logins")
}

/// Number of processes of a round that returned this.
fn count(round: &Round, code: i32) -> u64 {
    round.results.get(&code.to_string()).copied().unwrap_or(0)
}

#[test]
fn logins_of_8_32_or_64_users_are_all_accepted() {
    let machine = enrolled::machine(PATIENT);
    machine.stack(SERVICE, &format!("auth {EXACT} pam_twofactor.so\n"));
    let users: Vec<String> = (0..64).map(|number| format!("user{number}")).collect();
    users.iter().for_each(|user| {
        enroll_token(&machine, user);
    });
    let of_all = rounds(5);
    let codes = hotp_codes(SECRET, 0, 3 * of_all as u64, 6);
    // The smaller crowds are parts of the larger ones, so that no token gets too far ahead.
    for (turn, crowd) in [64, 32, 8].into_iter().enumerate() {
        let codes = &codes[turn * of_all..][..of_all];
        let logins: Vec<(String, String)> = codes
            .iter()
            .flat_map(|code| {
                users[..crowd]
                    .iter()
                    .map(|user| (user.clone(), code.clone()))
            })
            .collect();
        let results = each(&machine, &logins).at_once(crowd, of_all);
        let refused = results
            .iter()
            .map(|round| crowd as u64 - count(round, code::SUCCESS));
        let refused: u64 = refused.sum();
        let all = crowd * of_all;
        println!("{crowd} users at once, {of_all} rounds: {refused} of {all} right codes refused");
        assert_eq!((results.len(), refused), (of_all, 0), "{results:?}");
    }
}

#[test]
fn a_right_code_works_beside_failing_sessions() {
    let machine = enrolled::machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let (all, crowd) = (rounds(20), 8);
    let codes = hotp_codes(SECRET, 0, all as u64, 6);
    let round = |code: &String| {
        let mut logins = vec![("alice".to_owned(), alice.wrong()); crowd];
        // Not always the same place among them.
        let place = code.bytes().map(usize::from).sum::<usize>() % crowd;
        logins[place].1.clone_from(code);
        logins
    };
    let logins: Vec<(String, String)> = codes.iter().flat_map(round).collect();
    let results = each(&machine, &logins).at_once(crowd, all);
    let accepted = results.iter().filter(|round| {
        (count(round, code::SUCCESS), count(round, code::MAXTRIES)) == (1, crowd as u64 - 1)
    });
    let accepted = accepted.count();
    println!(
        "a right code among {} wrong ones: {accepted} of {all} accepted",
        crowd - 1
    );
    assert_eq!(accepted, all, "{results:?}");
}

/// Runs the command so many milliseconds from now.
fn later(machine: &Machine, milliseconds: usize, arguments: &str) -> Running {
    let command = format!("sleep 0.{milliseconds:03}; exec twofactor {arguments}");
    machine.program("sh").args(&["-c", &command]).start()
}

fn ended(mut running: Running) -> Run {
    for _ in 0..12_000 {
        if running.try_wait().is_some() {
            return running.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the command did not end within a minute");
}

/// Logins of alice while a command runs, in each round a little later; sees that the command did its work.
fn during(
    machine: &Machine,
    name: &str,
    arguments: &str,
    mut prepare: impl FnMut() -> Vec<(String, String)>,
    mut judge: impl FnMut(&Round),
) {
    let all = rounds(12);
    for round in 0..all {
        let logins = prepare();
        let command = later(machine, round % 12 * 2, arguments);
        let results = each(machine, &logins)
            .barrier_at_start()
            .at_once(logins.len(), 1);
        ended(command).ok();
        judge(&results[0]);
        machine.forget_log();
    }
    println!("logins during {name}: {all} rounds");
}

fn record_of(user: &str) -> Option<twofactor_core::record::UserRecord> {
    let store =
        FactorStore::open(Path::new(STATE_DIR), Path::new(twofactor_core::POLICY_FILE)).unwrap();
    store.record_named(user).unwrap()
}

fn alice_types(code: &str, times: usize) -> Vec<(String, String)> {
    vec![("alice".to_owned(), code.to_owned()); times]
}

#[test]
fn during_renew_the_old_code_works_at_most_once() {
    let machine = enrolled::machine(PATIENT);
    let token = Token::new("alice");
    let mut successes = 0;
    during(
        &machine,
        "renew",
        "renew alice --no-confirm --yes --json",
        || {
            machine.command(&["unset", "alice", "--yes"]);
            machine.remove_user("alice");
            enroll_token(&machine, "alice");
            alice_types(token.code_at(0), 6)
        },
        |round| {
            let (accepted, refused) = (count(round, code::SUCCESS), count(round, code::MAXTRIES));
            assert!(accepted <= 1 && accepted + refused == 6, "{round:?}");
            successes += accepted;
            let secret = record_of("alice").unwrap().devices[0].secret.to_base32();
            assert_ne!(*secret, SECRET);
            let new = harness::hotp(&secret, 0, 6);
            assert_eq!(auth(token.login().answer(new)), code::SUCCESS);
        },
    );
    println!("  of them {successes} with the old code");
}

#[test]
fn during_unset_no_wrong_code_lets_in() {
    let machine = enrolled::machine(&format!("enforcement = \"mandatory\"\n{PATIENT}"));
    let token = Token::new("alice");
    during(
        &machine,
        "unset",
        "unset alice --force --yes --json",
        || {
            machine.remove_user("alice");
            enroll_token(&machine, "alice");
            alice_types(&token.wrong(), 6)
        },
        |round| {
            // Refused as a wrong code, as a user without a device, or because the files went in between.
            assert_eq!(count(round, code::SUCCESS), 0, "{round:?}");
            assert_eq!(count(round, IGNORED), 0, "{round:?}");
            assert_eq!(round.results.values().sum::<u64>(), 6, "{round:?}");
            assert!(record_of("alice").is_none());
            let state = Path::new(STATE_DIR).join("state/alice");
            assert!(!state.exists());
        },
    );
}

#[test]
fn during_unlock_a_code_works_once() {
    let machine = enrolled::machine(PATIENT);
    let token = enroll_token(&machine, "alice");
    let position = std::cell::Cell::new(0);
    during(
        &machine,
        "unlock",
        "unlock alice --yes --json",
        || {
            set_state("alice", |state| state.failures = 900);
            alice_types(token.code_at(position.get()), 6)
        },
        |round| {
            let (accepted, refused) = (count(round, code::SUCCESS), count(round, code::MAXTRIES));
            assert_eq!((accepted, refused), (1, 5), "{round:?}");
            position.set(position.get() + 1);
            assert_eq!(state_of("alice").devices[0].next, position.get() as u64);
            // The five are counted before the unlock, after it, or on both sides of it.
            assert!(state_of("alice").failures <= 900 + 5);
        },
    );
}

#[test]
fn no_right_code_is_refused_while_the_policy_changes() {
    let machine = enrolled::machine(PATIENT);
    let users: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    users.iter().for_each(|user| {
        enroll_token(&machine, user);
    });
    let codes = hotp_codes(SECRET, 0, 2 * rounds(12) as u64, 6);
    let mut codes = codes.iter();
    for window in ["2", "1"] {
        during(
            &machine,
            "policy set",
            &format!("policy set window {window} --yes --force --json"),
            || {
                let code = codes.next().unwrap();
                users
                    .iter()
                    .map(|user| (user.clone(), code.clone()))
                    .collect()
            },
            |round| assert_eq!(count(round, code::SUCCESS), 8, "{round:?}"),
        );
    }
}

#[test]
fn of_eight_enrollments_of_a_device_one_counts() {
    let machine = enrolled::machine(PATIENT);
    add_stack(&machine, SERVICE, "");
    let all = rounds(5);
    for round in 0..all {
        let user = format!("user{round}");
        add_account(&machine, &user);
        let arguments = ["enroll", &user, "--hotp", "--no-confirm", "--yes", "--json"];
        let started: Vec<Running> = (0..8)
            .map(|_| machine.twofactor(&arguments).start())
            .collect();
        let codes: Vec<Option<i32>> = started.into_iter().map(|one| ended(one).code).collect();
        let done = codes.iter().filter(|code| **code == Some(0)).count();
        let refused = codes.iter().filter(|code| **code == Some(1)).count();
        assert_eq!((done, refused), (1, 7), "{codes:?}");
        let record = record_of(&user).unwrap();
        assert_eq!(record.devices.len(), 1);
        let new = harness::hotp(&record.devices[0].secret.to_base32(), 0, 6);
        assert_eq!(auth(enrolled::login(&user).answer(new)), code::SUCCESS);
    }
    println!("8 enrollments of one device at once: {all} of {all} rounds with one device");
}
