//! Many logins at the same moment: a code is accepted once, every comparison is counted, users do not hold each other
//! up, and a process that dies holds no login up.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::enrolled;
use harness::otp::hotp_codes;
use harness::pam::{Drive, EXACT, Round, code};
use harness::{Machine, Running};

use harness::enrolled::{
    SECRET, SERVICE, Token, add_recovery_codes, auth, enroll_phone, enroll_token, logged, run,
    state_of, state_path,
};

/// One try in each login, and no lock-out in the way.
const PATIENT: &str = "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n";

const PROCESSES: usize = 64;
/// `make races` takes more.
const ROUNDS: usize = if cfg!(feature = "whole-sweeps") {
    1000
} else {
    200
};

const VOLLEYS: usize = ROUNDS / 10;

/// Results of the processes of a round: how many of them each code.
fn results<const N: usize>(counts: [(i32, usize); N]) -> BTreeMap<String, u64> {
    counts
        .map(|(code, count)| (code.to_string(), count as u64))
        .into()
}

/// A machine whose stack is the one line that matters: libpam loads what a stack names in each of many processes.
fn machine(policy: &str) -> Machine {
    let machine = enrolled::machine(policy);
    machine.stack(SERVICE, &format!("auth {EXACT} pam_twofactor.so\n"));
    machine
}

fn one_success(rounds: &[Round]) {
    assert_eq!(rounds.len(), ROUNDS);
    let expected = results([(code::SUCCESS, 1), (code::MAXTRIES, PROCESSES - 1)]);
    for (number, round) in rounds.iter().enumerate() {
        assert_eq!(round.results, expected, "round {number}");
    }
}

fn print_successes(what: &str) {
    println!("{what}, {PROCESSES} processes, {ROUNDS} rounds: exactly one success in {ROUNDS}");
}

#[test]
fn a_tokens_code_sent_64_times_works_once() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let codes = hotp_codes(SECRET, 0, ROUNDS as u64, 6).join("\n");
    machine.write_file("/run/codes", codes, 0o600);
    let rounds = alice
        .login()
        .answers_file("/run/codes")
        .at_once(PROCESSES, ROUNDS);
    one_success(&rounds);
    let state = state_of("alice");
    assert_eq!(state.devices[0].next, ROUNDS as u64);
    assert!(state.failures < PROCESSES as u32);
    let lines = logged(&machine);
    let accepted = lines.iter().filter(|line| line.contains("result=accepted"));
    assert_eq!(
        (accepted.count(), lines.len()),
        (ROUNDS, ROUNDS * PROCESSES)
    );
    print_successes("one code of a token");
}

#[test]
fn a_phones_code_sent_64_times_works_once() {
    let machine = machine(PATIENT);
    let phone = enroll_phone(&machine, "alice");
    phone.settle(10);
    let rounds = enrolled::login("alice")
        .answer(phone.code())
        .at_once(PROCESSES, 1);
    let expected = results([(code::SUCCESS, 1), (code::MAXTRIES, PROCESSES - 1)]);
    assert_eq!(rounds[0].results, expected);
}

#[test]
fn a_recovery_code_sent_64_times_works_once() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    let all = codes.iter().cycle().take(ROUNDS).cloned();
    machine.write_file("/run/codes", all.collect::<Vec<_>>().join("\n"), 0o600);
    // The ten codes are unspent again before each round.
    let state = state_path("alice").display().to_string();
    machine.run("cp", &[&state, "/run/unspent"]).ok();
    let rounds = alice
        .login()
        .before_round(&format!("cat /run/unspent > {state}"))
        .answers_file("/run/codes")
        .at_once(PROCESSES, ROUNDS);
    one_success(&rounds);
    assert_eq!(state_of("alice").recovery.bits, 1 << ((ROUNDS - 1) % 10));
    print_successes("one recovery code");
}

/// Logins each with a wrong code of its own: one that was refused is not compared again.
fn guessing(machine: &Machine, alice: &Token, count: usize) -> Drive {
    let wrong = alice.wrong_codes().take(count);
    let lines: Vec<String> = wrong.map(|code| format!("alice {code}")).collect();
    machine.write_file("/run/guesses", lines.join("\n"), 0o600);
    Drive::installed()
        .service(SERVICE)
        .each_file("/run/guesses")
}

#[test]
fn of_64_wrong_codes_at_once_all_are_counted() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let rounds = guessing(&machine, &alice, 5 * PROCESSES).at_once(PROCESSES, 5);
    for round in &rounds {
        assert_eq!(round.results, results([(code::MAXTRIES, PROCESSES)]));
    }
    let state = state_of("alice");
    let all = 5 * PROCESSES as u32;
    assert_eq!((state.failures, state.unreported), (all, all));
    assert_eq!(
        logged(&machine),
        vec!["user=alice rhost= result=wrong"; 5 * PROCESSES]
    );
}

/// One of them is compared, and nothing tells more of it.
#[test]
fn one_wrong_code_64_times_at_once_counts_once() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let rounds = alice.login().answer(alice.wrong()).at_once(PROCESSES, 5);
    for round in &rounds {
        assert_eq!(round.results, results([(code::MAXTRIES, PROCESSES)]));
    }
    assert_eq!(state_of("alice").failures, 1);
    let lines = logged(&machine);
    let of = |result: &str| lines.iter().filter(|line| line.ends_with(result)).count();
    assert_eq!(
        (of("result=wrong"), of("result=repeated-code")),
        (1, 5 * PROCESSES - 1)
    );
}

/// The lock-out begins between two of them: from then on none is compared.
#[test]
fn of_64_wrong_codes_at_most_five_are_compared() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let state = state_path("alice").display().to_string();
    machine.run("cp", &[&state, "/run/untried"]).ok();
    let rounds = guessing(&machine, &alice, VOLLEYS * PROCESSES)
        .before_round(&format!("cat /run/untried > {state}"))
        .at_once(PROCESSES, VOLLEYS);
    assert_eq!(rounds.len(), VOLLEYS);
    for round in &rounds {
        assert_eq!(round.results, results([(code::MAXTRIES, PROCESSES)]));
        assert_eq!(round.texts.get("Wrong code."), Some(&5));
    }
    assert_eq!(state_of("alice").failures, 5);
    let lines = logged(&machine);
    let of = |result: &str| lines.iter().filter(|line| line.contains(result)).count();
    assert_eq!(
        (of("result=wrong"), of("result=throttled")),
        (5 * VOLLEYS, (PROCESSES - 5) * VOLLEYS)
    );
    println!(
        "{PROCESSES} wrong codes of one user at once, {VOLLEYS} rounds: {} compared beyond the limit of five",
        of("result=wrong") - 5 * VOLLEYS
    );
}

/// Logins that stand at their prompts until the test lets go.
struct Crowd {
    gate: Running,
    logins: Vec<Running>,
}

impl Crowd {
    /// Starts a login for each user and code; returns when all have been asked.
    fn gather(machine: &Machine, users: &[(String, String)]) -> Self {
        let gate = machine
            .program("flock")
            .args(&["--no-fork", "/run/gate", "sleep", "1000"])
            .start();
        wait_until(|| machine.run("flock", &["-n", "/run/gate", "true"]).code == Some(1));
        let logins = users
            .iter()
            .map(|(user, code)| {
                let answer = format!("echo >> /run/asked; flock -s /run/gate echo {code}");
                machine
                    .program("pamdrive")
                    .args(&["--service", SERVICE, "--user", user])
                    .args(&["--answer-shell", &answer])
                    .start()
            })
            .collect();
        let asked = || std::fs::read("/run/asked").unwrap_or_default().len();
        wait_until(|| asked() == users.len());
        Self { gate, logins }
    }

    /// Lets all answer; returns their reports.
    fn release(self) -> Vec<serde_json::Value> {
        self.gate.kill();
        let report = |mut login: Running| {
            wait_until(|| login.try_wait().is_some());
            serde_json::from_str(&login.kill().stdout).unwrap()
        };
        self.logins.into_iter().map(report).collect()
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("waited for half a minute");
}

#[test]
fn the_right_codes_of_64_users_are_all_accepted() {
    let machine = machine(PATIENT);
    let users: Vec<(String, String)> = (0..PROCESSES)
        .map(|number| format!("user{number}"))
        .map(|user| {
            let token = enroll_token(&machine, &user);
            (user, token.code())
        })
        .collect();
    let reports = Crowd::gather(&machine, &users).release();
    for ((user, _), report) in users.iter().zip(reports) {
        assert_eq!(report["auth"], code::SUCCESS, "{user}");
        assert_eq!(state_of(user).devices[0].next, 1, "{user}");
    }
}

/// Nothing is locked while a person is asked something.
#[test]
fn a_login_at_its_prompt_holds_no_login_up() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let waiting = Crowd::gather(
        &machine,
        &[("alice".to_owned(), alice.code_at(1).to_owned())],
    );
    assert_eq!(auth(alice.login().answer(alice.code_at(0))), code::SUCCESS);
    assert_eq!(waiting.release()[0]["auth"], code::SUCCESS);
}

#[test]
fn a_killed_holder_of_the_lock_holds_no_login_up() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let killed_at = |call: &str, code: &str| {
        let inject = format!("inject={call}:signal=KILL");
        let strace = ["strace", "-f", "-o", "/run/trace", "-e", &inject];
        let killed = alice.login().answer(code).through(&strace).raw();
        assert_eq!((killed.signal, killed.stdout.as_str()), (Some(9), ""));
        assert!(machine.read("/run/trace").contains("killed by SIGKILL"));
    };
    // Charged and written as accepted, but no user was let in: the code is used up, and the next one works.
    killed_at("fdatasync", alice.code_at(0));
    let next = run(alice.login().answer(alice.code_at(0)));
    assert_eq!(next.auth, code::MAXTRIES);
    assert_eq!(auth(alice.login().answer(alice.code_at(1))), code::SUCCESS);
    // Before anything was written.
    killed_at("pwrite64", alice.code_at(2));
    assert_eq!(auth(alice.login().answer(alice.code_at(3))), code::SUCCESS);
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn r43_a_lock_that_is_not_released_is_taken_over() {
    let machine = machine(PATIENT);
    let alice = enroll_token(&machine, "alice");
    let state = state_path("alice").display().to_string();
    let holder = machine
        .program("flock")
        .args(&["--no-fork", &state, "sleep", "1000"])
        .start();
    wait_until(|| machine.run("flock", &["-n", &state, "true"]).code == Some(1));
    let before = std::fs::read(&state).unwrap();
    assert_eq!(auth(alice.login().answer(alice.code_at(0))), code::SUCCESS);
    assert!(
        std::fs::read(&state).unwrap() != before,
        "it is marked as moved"
    );
    assert_eq!(
        auth(alice.login().answer(alice.code_at(0))),
        code::MAXTRIES,
        "the code is used in the state that counts"
    );
    holder.kill();
    assert_eq!(auth(alice.login().answer(alice.code_at(1))), code::SUCCESS);
}
