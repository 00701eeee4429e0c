//! Connections that say nothing.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::USER;
use crate::caller::DaemonCaller;
use crate::spread::{FigureRow, Spread};
use crate::supervisor::resident;

/// Pause between two looks at the held connections: those that the daemon has closed are opened anew.
const LOOK: Duration = Duration::from_millis(100);

/// First of the uids that have no account.
const SUBUID: u32 = 200_000;

/// The users who hold connections.
pub fn users() -> Vec<String> {
    (0..20).map(|number| format!("silent{number}")).collect()
}

/// The daemon's memory after a call, and while 20 users hold ten connections each. One user alone has 16 at most.
pub fn memory() -> Vec<FigureRow> {
    raise_open_files();
    let caller = DaemonCaller::of(USER);
    caller.status();
    let idle = resident();
    let held: Vec<UnixStream> = users()
        .iter()
        .map(|user| DaemonCaller::of(user).uid)
        .flat_map(|uid| std::iter::repeat_n(uid, 10))
        .map(|uid| opened(uid).unwrap())
        .collect();
    // Each has its thread when the daemon answers a later one.
    caller.status();
    let disturbed = resident();
    assert!(held.iter().all(is_open), "a connection was closed");
    assert_eq!(held.len(), 200);
    let row = FigureRow::memory;
    vec![
        row("memory, idle", "under 4 MB", idle, 4096),
        row(
            "memory with 200 silent connections",
            "under 5 MB",
            disturbed,
            5120,
        ),
    ]
}

/// Calls of a user while one other holds 200 connections, and while 64 uids without an account hold eight each.
pub fn calls_meanwhile(caller: &DaemonCaller, count: usize) -> Vec<FigureRow> {
    raise_open_files();
    let other = DaemonCaller::of(&users()[0]).uid;
    let subuids = (0..64).flat_map(|number| std::iter::repeat_n(SUBUID + number, 8));
    let rows = [
        (
            "a user's call while another holds 200 silent connections",
            vec![other; 200],
        ),
        (
            "a user's call while 64 subuids hold 8 each",
            subuids.collect(),
        ),
    ]
    .map(|(figure, holders)| {
        let (times, refused) = calls_beside(caller, &holders, count);
        FigureRow {
            figure,
            goal: "within 5 ms, 0 refused",
            measured: format!("{times}; {refused} refused"),
            count: times.count(),
            is_reached: refused == 0 && times.at(1.0) <= 5.0,
        }
    });
    rows.into()
}

fn calls_beside(caller: &DaemonCaller, holders: &[u32], count: usize) -> (Spread, usize) {
    let (end, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| hold(holders, &end, &rounds));
        while rounds.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut refused = 0;
        // With a pause, so that they last longer than a silent connection: the daemon closes those.
        let times = (0..count).map(|_| {
            std::thread::sleep(Duration::from_millis(6));
            let begin = Instant::now();
            refused += usize::from(!caller.is_served());
            begin.elapsed()
        });
        let times = times.collect();
        end.store(true, Ordering::SeqCst);
        (times, refused)
    })
}

/// Holds a connection for each of these uids until the end, opening those anew that are closed.
fn hold(uids: &[u32], end: &AtomicBool, rounds: &AtomicUsize) {
    let mut held: Vec<Option<UnixStream>> = uids.iter().map(|_| None).collect();
    while !end.load(Ordering::SeqCst) {
        for (uid, place) in uids.iter().zip(&mut held) {
            if !place.as_ref().is_some_and(is_open) {
                *place = opened(*uid);
            }
        }
        rounds.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(LOOK);
    }
}

fn opened(uid: u32) -> Option<UnixStream> {
    let stream = DaemonCaller::connected(uid).ok()?;
    stream.set_nonblocking(true).unwrap();
    Some(stream)
}

/// False once the daemon has said something, which is a refusal, or has closed it.
fn is_open(mut stream: &UnixStream) -> bool {
    let read = stream.read(&mut [0; 256]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Raises the limit on open files of this process, which holds the connections.
fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}
