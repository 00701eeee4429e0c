//! Codes of authenticators, computed by oathtool, not by the code under test (RFC 4226, RFC 6238).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::exec::Program;

/// An authenticator that counts time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totp {
    /// The key in base32; spaces and lower case are fine.
    pub secret: String,
    /// 6, 7 or 8.
    pub digits: u32,
    /// Seconds per step.
    pub interval: u64,
    /// `SHA1`, `SHA256` or `SHA512`.
    pub algorithm: &'static str,
}

impl Totp {
    /// The usual authenticator: six digits, 30 seconds, SHA1.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            digits: 6,
            interval: 30,
            algorithm: "SHA1",
        }
    }

    /// The code that it shows now.
    pub fn code(&self) -> String {
        self.code_after(0)
    }

    /// The code that it shows some steps from now, before now if negative.
    pub fn code_after(&self, steps: i64) -> String {
        let at = unix_time()
            .checked_add_signed(steps * i64::try_from(self.interval).expect("a small interval"));
        oathtool(&self.secret, at, self.digits, self.interval, self.algorithm)
    }

    /// A code that differs from all that are shown within 20 steps of now, another one each time: a code that was refused is
    /// not compared again.
    pub fn wrong_code(&self) -> String {
        static GUESSES: AtomicUsize = AtomicUsize::new(0);
        let first = unix_time() - 20 * self.interval;
        let shown = totp(
            &self.secret,
            first,
            self.digits,
            self.interval,
            self.algorithm,
            41,
        );
        let width = self.digits as usize;
        let guess = GUESSES.fetch_add(1, Ordering::Relaxed) % 900;
        let mut codes = (guess * 1000..).map(|number| format!("{number:0width$}"));
        codes
            .find(|code| !shown.contains(code))
            .expect("41 codes cannot be all")
    }

    /// Waits, if need be, until the current step still lasts this many seconds.
    pub fn settle(&self, seconds: u64) {
        fresh_code_margin(self.interval, seconds);
    }

    /// Waits until the step after the current one has begun; returns its code.
    pub fn next_code(&self) -> String {
        let now = unix_time();
        let next = (now / self.interval + 1) * self.interval;
        std::thread::sleep(Duration::from_secs(next - now));
        self.code()
    }
}

/// The code of a time-based authenticator, now or at a Unix time.
///
/// # Panics
/// When oathtool refuses the arguments.
pub fn oathtool(
    secret: &str,
    at: Option<u64>,
    digits: u32,
    interval: u64,
    algorithm: &str,
) -> String {
    let at = at.unwrap_or_else(unix_time);
    totp(secret, at, digits, interval, algorithm, 1).remove(0)
}

/// The code of a counting authenticator.
///
/// # Panics
/// When oathtool refuses the arguments.
pub fn hotp(secret: &str, counter: u64, digits: u32) -> String {
    hotp_codes(secret, counter, 1, digits).remove(0)
}

/// Consecutive codes of a counting authenticator, in one call of oathtool.
///
/// # Panics
/// When oathtool refuses the arguments.
pub fn hotp_codes(secret: &str, first_counter: u64, count: u64, digits: u32) -> Vec<String> {
    let program = Program::new("oathtool")
        .args(&["--hotp", "--base32", secret])
        .arg(format!("--digits={digits}"));
    let program = program
        .arg(format!("--counter={first_counter}"))
        .arg(format!("--window={}", count - 1));
    lines(program)
}

/// Waits, if need be, until the current step of this length still lasts so many seconds, so that a test does not
/// straddle two steps.
pub fn fresh_code_margin(interval: u64, seconds: u64) {
    assert!(
        seconds < interval,
        "a step of {interval} s never has {seconds} s left"
    );
    let left = interval - unix_time() % interval;
    if left < seconds {
        std::thread::sleep(Duration::from_secs(left));
    }
}

/// Whole seconds since 1970.
pub fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs()
}

fn totp(
    secret: &str,
    at: u64,
    digits: u32,
    interval: u64,
    algorithm: &str,
    count: u32,
) -> Vec<String> {
    let program = Program::new("oathtool")
        .arg(format!("--totp={algorithm}"))
        .arg("--base32")
        .arg(secret);
    let program = program
        .arg(format!("--digits={digits}"))
        .arg(format!("--time-step-size={interval}s"));
    let program = program
        .arg(format!("--now=@{at}"))
        .arg(format!("--window={}", count - 1));
    lines(program)
}

/// The lines that a program writes.
fn lines(program: Program) -> Vec<String> {
    let written = program.run().ok().stdout;
    written.lines().map(str::to_owned).collect()
}
