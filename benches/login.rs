//! What a login costs with 1 and with 100,000 enrolled users: pam_authenticate with a right code, through libpam, on
//! the disk that the build directory is on. Needs root; `make bench` takes care of that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark: what fails must end it, and it measures time"
)]

#[path = "../tests/common/enrolled.rs"]
mod enrolled;
#[allow(dead_code, reason = "made for pamdrive, which needs more of it")]
#[path = "../tests/harness/src/bin/pamdrive/libpam.rs"]
mod libpam;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::otp::hotp_codes;
use harness::{Machine, artefacts};
use pam_twofactor::device::Kind;
use pam_twofactor::sys::accounts::Account;

use enrolled::{SECRET, add_account, device, write_record_in};
use libpam::{Conversation, Message, Phase, Reply, SUCCESS, Start, Transaction};

const USER: &str = "alice";
/// How many are enrolled, by PAM service.
const CASES: [(&str, usize); 2] = [("one", 1), ("many", 100_000)];
const WARM_UP: usize = 20;
const LOGINS: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, service, code] = arguments.as_slice()
        && mode == "--login"
    {
        login(service, code);
        return;
    }
    // Inside the machine this process cannot see itself.
    let program = std::env::current_exe().unwrap();
    let machine = Machine::new();
    let files = Files::make();
    let account = add_account(&machine, USER);
    machine.policy(enrolled::ON);
    machine.stack("other", "auth required pam_deny.so\n");
    for (service, count) in CASES {
        let directory = files.0.join(service);
        enrol(&directory, &account, count);
        let line = format!(
            "auth required pam_twofactor.so state={}\n",
            directory.display()
        );
        machine.stack(service, &line);
    }
    // What has not been written back yet would be flushed together with the logins.
    rustix::fs::sync();
    let codes = hotp_codes(SECRET, 0, (WARM_UP + LOGINS + 1) as u64, 6);
    let (last, codes) = codes.split_last().unwrap();
    let mut times = [Vec::new(), Vec::new()];
    for (number, code) in codes.iter().enumerate() {
        for turn in 0..CASES.len() {
            // Neither is always the first of a pair.
            let case = (number + turn) % CASES.len();
            let time = login(CASES[case].0, code);
            if number >= WARM_UP {
                times[case].push(time);
            }
        }
    }
    report(
        times,
        CASES.map(|(service, _)| flushes(&machine, &program, service, last)),
    );
}

fn report(times: [Vec<Duration>; 2], flushes: [usize; 2]) {
    println!(
        "pam_authenticate with a right code, {LOGINS} logins each, one after the other in turns"
    );
    let medians = times.map(median);
    for (((_, users), median), flushes) in CASES.iter().zip(&medians).zip(flushes) {
        let (users, median) = (format!("{users} enrolled"), median.as_secs_f64() * 1e6);
        println!("{users:>16}: median {median:7.0} us, flushes to disk: {flushes}");
    }
    let ratio = medians[1].as_secs_f64() / medians[0].as_secs_f64();
    println!("{:>16}: {ratio:.2}", "ratio");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Logs in; returns how long pam_authenticate took.
fn login(service: &str, code: &str) -> Duration {
    let (service, user) = (
        libpam::c_string(service.as_bytes()).unwrap(),
        libpam::c_string(USER.as_bytes()).unwrap(),
    );
    let start = Start {
        service: &service,
        user: Some(&user),
        directory: None,
        tty: None,
        rhost: None,
        ruser: None,
    };
    let mut transaction = Transaction::start(&start, Answers(code))
        .unwrap_or_else(|code| panic!("pam_start: {code}"));
    let began = Instant::now();
    let result = transaction.run(Phase::Auth, 0);
    let time = began.elapsed();
    assert_eq!(result, SUCCESS, "the login was refused");
    time
}

/// Gives the code to whatever is asked.
struct Answers<'a>(&'a str);

impl Conversation for Answers<'_> {
    fn message(&mut self, _: Message) -> Reply {
        Reply::Text(self.0.as_bytes().to_vec())
    }

    fn delay(&mut self, _: u32) {}
}

/// How often one login waits for the disk, counted by strace.
fn flushes(machine: &Machine, program: &Path, service: &str, code: &str) -> usize {
    let calls = "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync";
    let traced = machine
        .program("strace")
        .args(&[
            "-f",
            "-qq",
            "-e",
            "signal=none",
            "-e",
            calls,
            "-o",
            "/run/trace",
        ])
        .arg(program)
        .args(&["--login", service, code]);
    traced.run().ok();
    machine.read("/run/trace").lines().count()
}

/// Enrols the user and, as plain copies under other names, all the others.
fn enrol(directory: &Path, account: &Account, count: usize) {
    write_record_in(directory, account, vec![device("token", Kind::Hotp)]);
    let record = fs::read_to_string(directory.join("users").join(format!("{USER}.toml"))).unwrap();
    let state = fs::read(directory.join("state").join(USER)).unwrap();
    for number in 1..count {
        let name = format!("user{number}");
        let own = record.replace(USER, &name);
        write(
            &directory.join("users").join(format!("{name}.toml")),
            own.as_bytes(),
        );
        write(&directory.join("state").join(name), &state);
    }
}

fn write(path: &Path, content: &[u8]) {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.unwrap().write_all(content).unwrap();
}

/// A directory on the disk of the build directory, removed at the end.
struct Files(PathBuf);

impl Files {
    fn make() -> Self {
        let path = artefacts::target().join(format!("bench-login-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
