//! The time of a login while etcd is gone: real libpam on a private machine, the service of the fleet, and members that are killed.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::enrolled::{self, SECRET, SERVICE, add_account, device, login};
use harness::otp::hotp_codes;
use harness::pam::code;
use harness::twofactord::Daemon;
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_store::fleet_contact::FleetContact;

use super::FleetFigure;
use super::host_machines::MemberHost;
use super::timing::percentile;
use harness::etcd::cluster::{EtcdCluster, MEMBERS};

/// Logins that find out that etcd is gone, each after all members were killed once more.
const FIRST: usize = 20;
/// Logins of each kind after that.
const LATER: usize = 200;
/// The default of the policy.
const DEADLINE: Duration = Duration::from_millis(3000);
/// Time that a login may take beyond one without a fleet, once the outage is known.
const BEYOND: Duration = Duration::from_millis(20);

pub fn rows() -> Vec<FleetFigure> {
    let mut cluster = EtcdCluster::start(&[]);
    let host = CutOffHost::new(&cluster);
    let mut first: Vec<Duration> = (0..FIRST).map(|_| host.first_login(&mut cluster)).collect();
    kill(&mut cluster);
    host.log_in();
    let (mut broken, mut local) = (Vec::new(), Vec::new());
    // In turns, so that a busy moment meets both.
    for _ in 0..LATER {
        host.set_policy("true");
        broken.push(host.log_in());
        host.set_policy("false");
        local.push(host.log_in());
    }
    let longest = percentile(&mut first, 100);
    let (with, without) = (percentile(&mut broken, 50), percentile(&mut local, 50));
    let beyond = with.saturating_sub(without);
    vec![
        FleetFigure {
            figure: "first login after all members were killed, `on_outage = \"local\"`: time to the verdict",
            to_reach: "at most the deadline of 3000 ms",
            measured: format!(
                "p50 {} ms, longest {} ms; {FIRST} logins, accepted by the host's file",
                percentile(&mut first, 50).as_millis(),
                longest.as_millis(),
            ),
            is_reached: longest <= DEADLINE,
        },
        FleetFigure {
            figure: "logins after that, with the breaker, beyond a login without a fleet in turns: p50",
            to_reach: "under 20 ms",
            measured: format!(
                "{:.1} ms: {:.1} against {:.1} ms, p99 {:.1} against {:.1}; {LATER} logins of each, the process of the login included",
                milliseconds(beyond),
                milliseconds(with),
                milliseconds(without),
                milliseconds(percentile(&mut broken, 99)),
                milliseconds(percentile(&mut local, 99)),
            ),
            is_reached: beyond < BEYOND,
        },
    ]
}

/// A host of a fleet on which alice logs in, each time with the next code of her token.
struct CutOffHost {
    member: MemberHost,
    codes: std::cell::RefCell<std::vec::IntoIter<String>>,
}

impl CutOffHost {
    fn new(cluster: &EtcdCluster) -> Self {
        let member = MemberHost::start(cluster, &policy("true"));
        member.run(|host| {
            let alice = add_account(&host.machine, "alice");
            enrolled::write_record(&alice, vec![device("token", OtpKind::Hotp)]);
        });
        member.found();
        member.serve();
        let codes = hotp_codes(SECRET, 0, 1_000, 6).into_iter();
        let host = Self {
            member,
            codes: codes.into(),
        };
        host.until_met(0);
        host
    }

    fn set_policy(&self, is_in_fleet: &str) {
        let text = policy(is_in_fleet);
        self.member.run(move |host| host.machine.policy(&text));
    }

    /// Times that the service has met the store.
    fn met(&self) -> usize {
        self.member.run(|host| {
            let log = host.daemon.as_ref().map(Daemon::log);
            log.unwrap_or_default().matches("result=store-met").count()
        })
    }

    /// Waits until it has met the store again, and left word of that for logins.
    fn until_met(&self, before: usize) {
        self.member.until(move |host| {
            let log = host.daemon.as_ref().map(Daemon::log);
            let met = log.unwrap_or_default().matches("result=store-met").count();
            let noted = FleetContact::read(Path::new(STATE_DIR)).unwrap();
            met > before && noted.is_some()
        });
    }

    /// A login that is let in, and its time.
    fn log_in(&self) -> Duration {
        let typed = self.codes.borrow_mut().next().unwrap();
        self.member.run(move |_| {
            let login = login("alice").service(SERVICE).answer(&typed);
            let start = Instant::now();
            let outcome = login.run();
            let time = start.elapsed();
            assert_eq!(outcome.auth, code::SUCCESS, "{outcome:?}");
            time
        })
    }

    fn first_login(&self, cluster: &mut EtcdCluster) -> Duration {
        let before = self.met();
        kill(cluster);
        let time = self.log_in();
        (0..MEMBERS).for_each(|number| cluster.begin(number, &[]));
        cluster.until_healthy(Some(()));
        self.until_met(before);
        time
    }
}

fn policy(is_in_fleet: &str) -> String {
    format!(
        "enabled = true\ntries = 1\n[services]\nsshd = true\n[throttle]\ndelay = 0\n\
         [fleet]\nenabled = {is_in_fleet}\noutage_recovery = true\n"
    )
}

fn kill(cluster: &mut EtcdCluster) {
    (0..MEMBERS).for_each(|number| cluster.kill(number));
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
