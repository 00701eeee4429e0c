//! Connections that say nothing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::USER;
use crate::caller::DaemonCaller;
use crate::spread::{FigureRow, Spread};
use crate::supervisor::resident;

/// Time after which the daemon closes a connection that says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two rounds of a user who opens closed connections anew as fast as it goes.
const ROUND: Duration = Duration::from_millis(100);

/// Pause before each call.
const PAUSE: Duration = Duration::from_millis(6);

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
    let held = ten_of_each().into_iter().map(|uid| opened(uid).unwrap());
    let held: Vec<UnixStream> = held.collect();
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

/// The uids of the users who hold connections, each ten times.
fn ten_of_each() -> Vec<u32> {
    let uids = users().into_iter().map(|user| DaemonCaller::of(&user).uid);
    uids.flat_map(|uid| std::iter::repeat_n(uid, 10)).collect()
}

/// Way in which the holders of connections open closed ones anew.
#[derive(Clone, Copy)]
enum HoldingPace {
    /// There are none.
    None,
    /// One after the other, each at most as often as the daemon closes one that says nothing.
    Steady,
    /// All that are closed at once, round after round.
    Flood,
}

/// Calls of a user while one other, 20 others with ten each, and 64 uids without an account with eight each hold connections; and while
/// some of these open all that they are refused again and again.
pub fn calls_meanwhile(caller: &DaemonCaller, count: usize) -> Vec<FigureRow> {
    raise_open_files();
    let echo = EchoServer::start();
    let other = DaemonCaller::of(&users()[0]).uid;
    let subuids = (0..64).flat_map(|number| std::iter::repeat_n(SUBUID + number, 8));
    let (one, many): (Vec<u32>, Vec<u32>) = (vec![other; 200], subuids.collect());
    let others = ten_of_each();
    let none = Vec::new();
    let rows = [
        (
            "a user's call while no one holds connections",
            HoldingPace::None,
            &none,
        ),
        (
            "a user's call while another holds 200 silent connections",
            HoldingPace::Steady,
            &one,
        ),
        (
            "a user's call while 20 users hold 10 each",
            HoldingPace::Steady,
            &others,
        ),
        (
            "a user's call while 64 subuids hold 8 each",
            HoldingPace::Steady,
            &many,
        ),
        (
            "a user's call while another opens 200, ten times in a second",
            HoldingPace::Flood,
            &one,
        ),
        (
            "a user's call while 64 subuids open 8 each, ten times in a second",
            HoldingPace::Flood,
            &many,
        ),
    ];
    let row = |(figure, pace, holders): (&'static str, HoldingPace, &Vec<u32>)| {
        let calls = MeasuredCalls {
            caller,
            echo: &echo,
            count,
        };
        let (times, echoes, refused) = calls.beside(holders, pace);
        let (goal, is_reached) = match pace {
            HoldingPace::None => ("for comparison", None),
            HoldingPace::Steady => {
                let is_quick = times.at(1.0) <= 5.0;
                ("within 5 ms, 0 refused", Some(refused == 0 && is_quick))
            }
            HoldingPace::Flood => ("0 refused", Some(refused == 0)),
        };
        FigureRow {
            figure,
            goal,
            measured: format!("{times}; {refused} refused; an echo {echoes}"),
            count: times.count(),
            is_reached,
        }
    };
    rows.map(row).into()
}

/// Calls of the daemon and of an echo server, in turns.
struct MeasuredCalls<'a> {
    caller: &'a DaemonCaller,
    echo: &'a EchoServer,
    /// Of each.
    count: usize,
}

impl MeasuredCalls<'_> {
    /// Their times, and how many calls the daemon refused.
    fn beside(&self, holders: &[u32], pace: HoldingPace) -> (Spread, Spread, usize) {
        let (end, is_begun) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| hold((holders, pace), &end, &is_begun));
            while !is_begun.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let (mut times, mut echoes, mut refused) = (Vec::new(), Vec::new(), 0);
            for _ in 0..self.count {
                let timed = |call: &mut dyn FnMut()| {
                    // With a pause, so that they last longer than a silent connection: the daemon closes those.
                    std::thread::sleep(PAUSE);
                    let begin = Instant::now();
                    call();
                    begin.elapsed()
                };
                times.push(timed(&mut || {
                    refused += usize::from(!self.caller.is_served());
                }));
                echoes.push(timed(&mut || self.echo.call()));
            }
            end.store(true, Ordering::SeqCst);
            (
                times.into_iter().collect(),
                echoes.into_iter().collect(),
                refused,
            )
        })
    }
}

/// A server that does nothing but send back what it gets: what the machine takes for a connection with one message each way.
struct EchoServer;

impl EchoServer {
    const PATH: &str = "/run/twofactor/echo";

    /// Serves until this process ends.
    fn start() -> Self {
        std::fs::remove_file(Self::PATH).ok();
        let socket = UnixListener::bind(Self::PATH).unwrap();
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let mut stream = stream.unwrap();
                let mut message = [0; 256];
                let count = stream.read(&mut message).unwrap();
                stream.write_all(&message[..count]).unwrap();
            }
        });
        Self
    }

    /// Connects, sends as much as a call has, and reads it.
    fn call(&self) {
        let mut stream = UnixStream::connect(Self::PATH).unwrap();
        stream.write_all(&[b'x'; 64]).unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
    }
}

/// Holds a connection for each of these uids until the end, opening those anew that are closed. At first all are opened as fast as it
/// goes.
fn hold((uids, pace): (&[u32], HoldingPace), end: &AtomicBool, is_begun: &AtomicBool) {
    let mut held: Vec<Option<UnixStream>> = uids.iter().map(|uid| opened(*uid)).collect();
    is_begun.store(true, Ordering::SeqCst);
    let (before_each, before_all) = match pace {
        HoldingPace::None => return,
        HoldingPace::Steady => (
            PATIENCE / u32::try_from(uids.len()).unwrap(),
            Duration::ZERO,
        ),
        HoldingPace::Flood => (Duration::ZERO, ROUND),
    };
    loop {
        std::thread::sleep(before_all);
        for (uid, place) in uids.iter().zip(&mut held) {
            std::thread::sleep(before_each);
            if end.load(Ordering::SeqCst) {
                return;
            }
            if !place.as_ref().is_some_and(is_open) {
                *place = opened(*uid);
            }
        }
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
