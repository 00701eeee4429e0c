//! Guesses at the codes of a user, 64 at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::enrolled::{Token, enroll_token, state_of};
use harness::logins::{ASK_CODE, ASK_PASSWORD};
use harness::{Machine, PASSWORD, Sshd};

use crate::caller::DaemonCaller;
use crate::spread::FigureRow;

/// Guesses at once.
const GUESSES: usize = 64;

/// Wrong codes before the first lock-out, as delivered.
const LIMIT: usize = 5;

/// 64 guesses at once of each of so many users: those that were compared beyond the limit.
pub fn compared(machine: &Machine, users: usize) -> FigureRow {
    let mut beyond = 0;
    for number in 0..users {
        let user = format!("guessed{number}");
        let token = enroll_token(machine, &user);
        let caller = DaemonCaller::of(&user);
        let start = Barrier::new(GUESSES);
        let wrong = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for code in token.wrong_codes().take(GUESSES) {
                let (caller, start, wrong) = (&caller, &start, &wrong);
                scope.spawn(move || {
                    start.wait();
                    let compared = answer(caller, &code) == "wrong";
                    wrong.fetch_add(usize::from(compared), Ordering::SeqCst);
                });
            }
        });
        let wrong = wrong.into_inner();
        assert_eq!(state_of(&user).daemon.in_a_row as usize, wrong, "{user}");
        beyond += wrong.saturating_sub(LIMIT);
    }
    FigureRow {
        figure: "64 guesses at once: compared beyond the limit",
        goal: "0",
        measured: beyond.to_string(),
        count: users,
        is_reached: Some(beyond == 0),
    }
}

/// Logins of a user with su and with sshd, while 64 threads guess at the codes: those that were refused.
pub fn logins_meanwhile(machine: &Machine, logins: usize) -> FigureRow {
    let token = enroll_token(machine, "victim");
    machine.add_user("carol");
    let caller = DaemonCaller::of("victim");
    let sshd = machine.sshd("");
    let codes: Vec<String> = token.wrong_codes().take(100_000).collect();
    let (end, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let refused = std::thread::scope(|scope| {
        for _ in 0..GUESSES {
            scope.spawn(|| {
                while !end.load(Ordering::SeqCst) {
                    let guess = next.fetch_add(1, Ordering::SeqCst) % codes.len();
                    caller.verify(&codes[guess]);
                }
            });
        }
        let refused = (0..logins)
            .map(|_| usize::from(!su(machine, &token)) + usize::from(!ssh(&sshd, &token)));
        let refused: usize = refused.sum();
        end.store(true, Ordering::SeqCst);
        refused
    });
    let guesses = next.into_inner();
    FigureRow {
        figure: "su and sshd of that user meanwhile",
        goal: "0 refused",
        measured: format!("{refused} refused, beside {guesses} guesses"),
        count: 2 * logins,
        is_reached: Some(refused == 0),
    }
}

/// The answer to a code. A caller that is told to wait, or whose connection gave way, asks again.
fn answer(caller: &DaemonCaller, code: &str) -> String {
    loop {
        match caller.verify(code) {
            Some(word) if word != "io.twofactor.Busy" => return word,
            _ => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
}

fn su(machine: &Machine, token: &Token) -> bool {
    let command = format!("su - {} -c 'echo this is $(id -un)'", token.user);
    let program = machine.program("bash").args(&["-c", &command]);
    let mut terminal = program.user("carol").pty();
    terminal.answer(ASK_PASSWORD, PASSWORD);
    terminal.answer(ASK_CODE, &token.code());
    let inside = format!("this is {}\n", token.user);
    terminal.end().shown.ends_with(&inside)
}

fn ssh(sshd: &Sshd<'_>, token: &Token) -> bool {
    let login = sshd.login(&token.user);
    login.answers(&[PASSWORD, &token.code()]).run().is_in()
}
