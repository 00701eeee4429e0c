//! A daemon that is killed over and over.

use std::time::{Duration, Instant};

use harness::effective_user::with_effective_uid;
use harness::enrolled::Token;
use harness::pam::code;
use rustix::process::{Signal, kill_process};

use crate::caller::DaemonCaller;
use crate::spread::FigureRow;
use crate::supervisor::daemon_process;
use crate::timed_login::authenticate;

/// Kills the daemon so many times, once it has answered a call each time; then a program of the user gives a right code.
pub fn survived(caller: &DaemonCaller, count: usize) -> FigureRow {
    let begin = Instant::now();
    for _ in 0..count {
        caller.status();
        let killed = daemon_process().expect("a daemon, which has just answered");
        kill_process(killed, Signal::KILL).unwrap();
        while daemon_process() == Some(killed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let code = Token::new(&caller.name).code();
    let login = || authenticate(&caller.name, code.clone());
    let is_accepted = with_effective_uid(caller.uid, login).1 == code::SUCCESS;
    let result = if is_accepted { "accepted" } else { "refused" };
    FigureRow {
        figure: "20 kills in 10 s, then a right code",
        goal: "accepted",
        measured: format!("{result}, after {count} kills in {seconds:.2} s"),
        count: 1,
        is_reached: Some(is_accepted && seconds <= 10.0),
    }
}
