//! Can the time of a refusal tell who has a device, under `uniform_prompt` with a device mandatory? Prints, for a user
//! with a device and for three others, how long the question and the refusal took, and whether the two samples can be
//! told apart. On the disk that the build directory is on; needs root: `make bench-uniform`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark: what fails must end it, and it measures time"
)]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::{Machine, artefacts};
use twofactor_core::device::OtpKind;

use harness::enrolled::{Token, add_account, device, write_record_in};
use harness::pam_application::{
    self, DriveConversation, DriveTransaction, Phase, RawMessage, Reply, Start,
};

/// There is no lock-out, and the first refusal ends a login.
const POLICY: &str = "enabled = true\nuniform_prompt = true\nenforcement = \"mandatory\"\ntries = 1\n\
                      [throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";
const SERVICE: &str = "uniform";
const WARM_UP: usize = 5;
const LOGINS: usize = 100;

/// Users who ask. The first two are the same: how far chance alone takes them apart.
const WHO: [(&str, &str); 5] = [
    ("alice", "has a device"),
    ("alice", "the same again"),
    ("bob", "has none"),
    ("no-such-user", "unknown"),
    ("carol", "record, no account"),
];

/// From pam_authenticate to the question, and from the answer to the end.
#[derive(Default)]
struct RefusalTimes {
    question: Vec<Duration>,
    refusal: Vec<Duration>,
}

fn main() {
    let machine = Machine::new();
    let directory = BuildDirectory::make();
    for user in ["alice", "carol"] {
        let account = add_account(&machine, user);
        write_record_in(&directory.0, &account, vec![device("token", OtpKind::Hotp)]);
    }
    machine.remove_user("carol");
    add_account(&machine, "bob");
    machine.policy(POLICY);
    machine.stack("other", "auth required pam_deny.so\n");
    let line = format!(
        "auth required pam_twofactor.so state={}\n",
        directory.0.display()
    );
    machine.stack(SERVICE, &line);
    // Data that has not been written back yet would be flushed together with the logins.
    rustix::fs::sync();
    let mut times: [RefusalTimes; WHO.len()] = std::array::from_fn(|_| RefusalTimes::default());
    for round in 0..WARM_UP + LOGINS {
        for turn in 0..WHO.len() {
            // No user always comes after the same other one.
            let step = 1 + round % (WHO.len() - 1);
            let who = (round + turn * step) % WHO.len();
            let (question, refusal) = refused(WHO[who].0);
            if round >= WARM_UP {
                times[who].question.push(question);
                times[who].refusal.push(refusal);
            }
        }
    }
    println!("uniform_prompt with a device mandatory, {LOGINS} refused logins each, in turns");
    report(
        "to the question",
        times.each_ref().map(|times| &times.question),
    );
    report(
        "from the answer to the end",
        times.each_ref().map(|times| &times.refusal),
    );
}

fn refused(user: &str) -> (Duration, Duration) {
    let (service, user) = (
        pam_application::c_string(SERVICE.as_bytes()).unwrap(),
        pam_application::c_string(user.as_bytes()).unwrap(),
    );
    let start = Start {
        service: &service,
        user: Some(&user),
        ..Start::default()
    };
    let answers = Answers {
        code: wrong_code(),
        asked: None,
    };
    let mut transaction = DriveTransaction::start(&start, answers).ok().unwrap();
    let began = Instant::now();
    let result = transaction.run(Phase::Auth, 0);
    let ended = Instant::now();
    assert_ne!(result, pam_application::SUCCESS, "let in");
    let asked = transaction.end().asked.expect("nothing was asked");
    (asked - began, ended - asked)
}

/// Gives a wrong code to the question, and remembers when.
struct Answers {
    code: String,
    asked: Option<Instant>,
}

/// No code of the device in the counters that it is at, and another one each time: one that was refused is not compared
/// again.
fn wrong_code() -> String {
    static GUESSES: AtomicUsize = AtomicUsize::new(0);
    static CODES: OnceLock<Vec<String>> = OnceLock::new();
    let codes = CODES.get_or_init(|| Token::new("alice").wrong_codes().take(10_000).collect());
    codes[GUESSES.fetch_add(1, Ordering::Relaxed)].clone()
}

impl DriveConversation for Answers {
    fn message(&mut self, message: RawMessage) -> Reply {
        if message.style > 2 {
            return Reply::Null;
        }
        self.asked = Some(Instant::now());
        Reply::Text(self.code.clone().into())
    }

    fn delay(&mut self, _: u32) {}
}

fn report(what: &str, samples: [&Vec<Duration>; WHO.len()]) {
    println!("\n{what:<26}   10 %    median     90 %     p(rank sum)  p(K-S)  AUC");
    let us = samples.map(|sample| {
        let mut us: Vec<f64> = sample.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        us.sort_unstable_by(f64::total_cmp);
        us
    });
    let reference = us[0].clone();
    for ((_, name), sample) in WHO.iter().zip(&us) {
        let at = |percent: usize| sample[(sample.len() - 1) * percent / 100];
        print!("{name:<26} {:8.0} {:8.0} {:8.0} us", at(10), at(50), at(90));
        let (p, auc) = rank_sum(&reference, sample);
        println!(
            "  {p:8.3} {:8.3}  {auc:.3}",
            kolmogorov_smirnov(&reference, sample)
        );
    }
    let told = (1..).find(|shift| {
        let later: Vec<f64> = us[1].iter().map(|time| time + f64::from(*shift)).collect();
        rank_sum(&reference, &later).0 < 0.01
    });
    println!(
        "a difference that would be told (p < 0.01): {} us",
        told.unwrap()
    );
}

/// The two-sided p of the rank sum (Mann-Whitney, normal approximation), and how often a value of `b` exceeds one of `a`.
fn rank_sum(a: &[f64], b: &[f64]) -> (f64, f64) {
    let wins: f64 = a
        .iter()
        .map(|x| {
            let below = b.partition_point(|y| y < x);
            let ties = b.partition_point(|y| y <= x) - below;
            (b.len() - below - ties) as f64 + ties as f64 / 2.0
        })
        .sum();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    let z = (wins - n * m / 2.0) / deviation;
    (2.0 * upper_tail(z.abs()), wins / (n * m))
}

/// The probability that a normal variable exceeds `z` >= 0, to seven digits (Abramowitz and Stegun 26.2.17).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = [
        1.330_274_429,
        -1.821_255_978,
        1.781_477_937,
        -0.356_563_782,
        0.319_381_530,
    ]
    .iter()
    .fold(0.0, |sum, factor| (sum + factor) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial
}

/// The p of the largest distance between the two distributions. Both are sorted.
fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let share =
        |sample: &[f64], x: f64| sample.partition_point(|y| *y <= x) as f64 / sample.len() as f64;
    let distance = a
        .iter()
        .chain(b)
        .map(|x| (share(a, *x) - share(b, *x)).abs())
        .fold(0.0, f64::max);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let root = (n * m / (n + m)).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    if lambda < 0.2 {
        return 1.0;
    }
    let terms = (1..100).map(|k| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    });
    terms.sum::<f64>().clamp(0.0, 1.0)
}

/// A directory on the disk of the build directory, removed at the end.
struct BuildDirectory(PathBuf);

impl BuildDirectory {
    fn make() -> Self {
        Self(artefacts::target().join(format!("bench-uniform-{}", std::process::id())))
    }
}

impl Drop for BuildDirectory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
