//! The service of the fleet, killed before each system call that it makes for a code.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::enrolled::SECRET;
use harness::otp::hotp_codes;
use harness::twofactord::{FLEET_SOCKET, read_reply};
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_protocol::fleet_attempt_call::{CodePurpose, FleetAnswer, FleetAttemptCall};
use twofactor_protocol::verify_call::{CodeLayout, VerifyAnswer};

use super::host_machines::{HostMachine, LIMIT, MemberHost};
use super::{is_in, policy, two_members, until_met};
use harness::etcd::cluster::EtcdCluster;

/// Many codes in a row, each judged with the store or not at all: each host that is cut off would take one once more.
const KEYS: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";
pub const MANY: &str = "[throttle]\nattempts = 1000\nmax_failures = 0\n";

/// Kills of the short form: each call of this distance; all of them in `make fleet`.
pub const STRIDE: usize = if cfg!(feature = "whole-sweeps") {
    1
} else {
    19
};

/// A connection of root's to the service.
pub struct ServiceConnection(UnixStream);

impl ServiceConnection {
    /// One to a service that was started just now, once it has met the store and has the copies of all records. What it does at its start
    /// with a user's state takes the lock that a code of the user needs: it is over.
    pub fn to_new_service(wrong: &str) -> Self {
        let end = Instant::now() + LIMIT;
        while !contact().exists() {
            assert!(Instant::now() < end, "the service does not meet the store");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut connection = Self(UnixStream::connect(FLEET_SOCKET).unwrap());
        let warm = connection.ask(wrong);
        assert_eq!(warm, Some(FleetAnswer::Judged(VerifyAnswer::Wrong)));
        connection
    }

    /// The service's word on a code of alice's; `None` where it is gone before that.
    fn ask(&mut self, code: &str) -> Option<FleetAnswer> {
        let call = FleetAttemptCall {
            user: "alice",
            code,
            layout: CodeLayout::Code,
            purpose: CodePurpose::Login,
        };
        self.0.write_all(&call.message()).ok()?;
        let reply = read_reply(&mut self.0)?;
        Some(FleetAnswer::read(&reply).unwrap())
    }
}

/// Removes the files that the next service is to make anew.
pub fn forget_last_service() {
    let _ = std::fs::remove_file(FLEET_SOCKET);
    let _ = std::fs::remove_file(contact());
}

fn contact() -> std::path::PathBuf {
    Path::new(STATE_DIR).join("fleet/contact")
}

/// The result of a code under a kill at that call, and the calls that were counted.
fn killed(
    host: &MemberHost,
    number: usize,
    (before, code): (String, String),
) -> (Option<FleetAnswer>, usize) {
    host.run(move |host: &mut HostMachine| {
        forget_last_service();
        let service = host.machine.fleet_program().limit(LIMIT);
        service.killed_at(number, |switch| {
            let mut connection = ServiceConnection::to_new_service(&before);
            switch.arm();
            connection.ask(&code)
        })
    })
}

fn failures(host: &MemberHost) -> u32 {
    host.run(|_| MemberHost::shared_state("alice").failures)
}

/// Kills it at calls of one attempt after the other. `judge` sees what that has left; the service runs again.
fn sweep(
    hosts: &[MemberHost; 2],
    mut codes: impl FnMut() -> (String, String),
    mut judge: impl FnMut(Option<FleetAnswer>, &str, &str),
) {
    let mut struck = 0;
    for number in (0..).step_by(STRIDE) {
        let (before, code) = codes();
        let (told, calls) = killed(&hosts[0], number, (before, code.clone()));
        // Fewer calls than that, up to the reply: it ended with the client.
        let is_over = told.is_some() && calls <= number;
        hosts[0].serve();
        until_met(&hosts[0], 1);
        judge(told, &code, &format!("call {number} of {calls}"));
        hosts[0].run(|host| host.daemon.take().unwrap().kill());
        if is_over {
            break;
        }
        struck += 1;
    }
    println!("killed at {struck} calls");
    assert!(struck > 0);
}

fn hosts(cluster: &EtcdCluster) -> [MemberHost; 2] {
    let policy = policy(KEYS).replace("[throttle]\n", MANY);
    let hosts = two_members(cluster, OtpKind::Hotp, &policy);
    hosts[1].serve();
    until_met(&hosts[1], 1);
    hosts
}

/// Codes that alice's token never shows, each once.
pub fn wrong_codes() -> impl Iterator<Item = String> {
    let shown = hotp_codes(SECRET, 0, 4_000, 6);
    let all = (0..1_000_000).map(|number| format!("{number:06}"));
    all.filter(move |code| !shown.contains(code))
}

#[test]
fn a_killed_service_accepts_no_code_twice() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts(&cluster);
    let (right, wrong) = (hotp_codes(SECRET, 0, 4_000, 6), wrong_codes());
    let right = std::cell::RefCell::new(right.into_iter());
    let mut wrong = wrong;
    let next = || right.borrow_mut().next().unwrap();
    sweep(
        &hosts,
        || (wrong.next().unwrap(), next()),
        |told, code, at| {
            let is_accepted =
                |it: &FleetAnswer| matches!(it, FleetAnswer::Judged(VerifyAnswer::Accepted(_)));
            assert!(told.as_ref().is_none_or(is_accepted), "{at}: {told:?}");
            let again = [&hosts[1], &hosts[0]].map(|host| is_in(host, code));
            let times = again.into_iter().filter(|is_in| *is_in).count();
            assert!(
                times + usize::from(told.is_some()) <= 1,
                "accepted twice: {at}: {told:?} {again:?}"
            );
            assert!(is_in(&hosts[0], &next()), "stuck: {at}");
        },
    );
}

#[test]
fn a_killed_service_gives_no_guess_for_nothing() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts(&cluster);
    let right = hotp_codes(SECRET, 0, 4_000, 6);
    let mut right = right.into_iter();
    let mut wrong = wrong_codes();
    let mut next = || wrong.next().unwrap();
    // The right one of each round has set the counter back.
    sweep(
        &hosts,
        || (next(), next()),
        |told, _, at| {
            let known = FleetAnswer::Judged(VerifyAnswer::Wrong);
            assert!(
                told.as_ref().is_none_or(|it| *it == known),
                "{at}: {told:?}"
            );
            let (least, counted) = (1 + u32::from(told.is_some()), failures(&hosts[0]));
            assert!(
                (least..=2).contains(&counted),
                "not counted: {at}: {told:?} {counted}"
            );
            assert!(is_in(&hosts[0], &right.next().unwrap()), "stuck: {at}");
        },
    );
}
