//! Refusals under `uniform_prompt` and a mandatory device: all users are refused alike, as if a code was wrong,
//! and after the same time.

use std::time::Duration;

use zeroize::Zeroizing;

use twofactor_core::policy::decision::{PolicyDecision, decide_without_device};
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};
use twofactor_core::verify::CodeRejection;
use twofactor_store::sys::clock;

use crate::answer_source::NonCodeAnswer;
use crate::code_prompt::CodePrompt;
use crate::login_text;

/// A question comes a multiple of this after the login began or its last answer was given, a refusal a multiple of it after
/// the answer. The wait that only a user with a device has takes a fraction of it: the flush to the disk, and the lock
/// while other logins of the same user flush.
const UNIT: Duration = if cfg!(test) {
    // Unit tests have nothing to hide.
    Duration::from_millis(10)
} else {
    Duration::from_millis(500)
};

/// Schedule of questions and refusals: multiples of [`UNIT`] after the login began or the last answer was given.
pub struct UniformTiming(Option<Duration>);

/// The questions that a login still has, and what they need of those before.
pub struct RemainingTries<'n> {
    /// The question.
    pub prompt: CodePrompt,
    /// The last answer that was refused, if there was one.
    pub refused: Option<Zeroizing<Vec<u8>>>,
    /// Number of questions of the whole login.
    pub all: u8,
    /// Number of questions, the next one included.
    pub left: u8,
    /// Names of the user.
    pub names: Vec<&'n [u8]>,
}

impl UniformTiming {
    /// The timing of a login that began at `began` ([`clock::monotonic`]). It is even if the policy refuses all users alike, or
    /// some by `[[require]]`; else nothing waits.
    pub fn of(policy: &Policy, time: PolicyTime, began: Duration) -> Self {
        let strictest = if policy.requires(time) {
            DeviceRequirement::InForce
        } else {
            DeviceRequirement::None
        };
        let refused = decide_without_device(policy, strictest) == PolicyDecision::DeviceRequired;
        Self((policy.uniform_prompt && refused).then_some(began))
    }

    /// True if refusals must be indistinguishable.
    pub const fn is_even(&self) -> bool {
        self.0.is_some()
    }

    /// Notes that an answer was given.
    pub fn answered(&mut self) {
        self.0 = self.0.map(|_| clock::monotonic());
    }

    /// Waits until the next question or refusal may come. No lock may be held.
    pub fn wait(&self) {
        if let Some(since) = self.0 {
            clock::sleep_until(next_multiple(since, clock::monotonic(), UNIT));
        }
    }

    /// Text for a refused code. With even timing it is never the one about a clock that is behind, which would show that the user
    /// has a device.
    pub const fn words(&self, why: &CodeRejection) -> &'static str {
        match why {
            CodeRejection::ClockSetBack { .. } if self.is_even() => login_text::WRONG,
            _ => login_text::rejected(why),
        }
    }

    /// Text for an answer that is no guess, and of which the login does not end.
    pub fn words_of(&self, cause: NonCodeAnswer) -> &'static str {
        let told = login_text::passed_over(cause).filter(|_| !self.is_even());
        told.unwrap_or(login_text::WRONG)
    }
}

/// The first moment after `now` that is a multiple of `unit` after `since`.
fn next_multiple(since: Duration, now: Duration, unit: Duration) -> Duration {
    let units = now.saturating_sub(since).as_nanos() / unit.as_nanos() + 1;
    since.saturating_add(unit.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_ends_with_a_unit_of_time() {
        let unit = Duration::from_millis(500);
        let at = |ms| next_multiple(Duration::from_secs(5), Duration::from_millis(ms), unit);
        for (now, end) in [
            (5000, 5500),
            (5001, 5500),
            (5499, 5500),
            (5500, 6000),
            (5999, 6000),
        ] {
            assert_eq!(at(now), Duration::from_millis(end), "{now}");
        }
        assert_eq!(
            at(4000),
            Duration::from_millis(5500),
            "a clock never goes back"
        );
    }

    #[test]
    fn only_uniform_refusals_wait() {
        let even = |lines: &str| {
            let policy = format!("enabled = true\n{lines}").parse().unwrap();
            let time = PolicyTime {
                now: Some(1_800_000_000),
                changed: 0,
            };
            UniformTiming::of(&policy, time, Duration::ZERO).is_even()
        };
        assert!(even("uniform_prompt = true\nenforcement = \"mandatory\""));
        assert!(!even("uniform_prompt = true"));
        let require = |from| {
            even(&format!(
                "uniform_prompt = true\n[[require]]\nusers = [\"a\"]\n{from}"
            ))
        };
        assert!(require("") && require("from = 2027-01-15"));
        assert!(!require("from = 2027-01-16"));
        assert!(!even("enforcement = \"mandatory\""));
        assert!(!even(
            "uniform_prompt = true\nenforcement = \"mandatory\"\nenroll_at_login = \"require\""
        ));
    }

    #[test]
    fn a_wait_ends_at_its_multiple() {
        let began = clock::monotonic();
        let mut timing = UniformTiming(Some(began));
        timing.wait();
        assert!(clock::monotonic() >= began + UNIT);
        timing.answered();
        assert!(timing.0.unwrap() >= began + UNIT);
        timing.wait();
        assert!(clock::monotonic() >= began + UNIT * 2);
    }

    #[test]
    fn what_is_no_guess_is_explained_at_a_free_pace() {
        let even = UniformTiming(Some(Duration::ZERO));
        for cause in [
            NonCodeAnswer::Empty,
            NonCodeAnswer::UserName,
            NonCodeAnswer::RepeatedCode,
        ] {
            assert_eq!(even.words_of(cause), login_text::WRONG);
            let told = UniformTiming(None).words_of(cause);
            assert_eq!(Some(told), login_text::passed_over(cause));
        }
    }

    #[test]
    fn a_clock_that_is_behind_is_told_only_at_a_free_pace() {
        let why = CodeRejection::ClockSetBack {
            device: "phone".into(),
            seconds: 9,
        };
        assert_eq!(
            UniformTiming(Some(Duration::ZERO)).words(&why),
            login_text::WRONG
        );
        assert_ne!(UniformTiming(None).words(&why), login_text::WRONG);
        assert_eq!(
            UniformTiming(Some(Duration::ZERO)).words(&CodeRejection::Spent),
            login_text::rejected(&CodeRejection::Spent)
        );
    }
}
