//! The rules of a verdict, each through the same two calls that a login makes: charge, then judge.

mod clients;
mod clock;
mod devices;
mod guessing;
mod hotp;
mod input;
mod model;
mod once;
mod properties;
mod published;
mod repeated_code;
mod scratch;
mod throttling;
mod unlock;
mod window;

use super::*;
use crate::device::{CredentialId, Device, DeviceName, OtpKind};
use crate::otp::{Algorithm, Digits, Interval};
use crate::policy::{MAX_WINDOW, Policy, ThrottlePolicy};
use crate::record::UserRecord;
use crate::recovery::{CodeForm, PlainCode};
use crate::secret::Secret;
use crate::state::{DeviceState, UserState, furthest_ahead};

/// The moment at which most tests begin, at the start of a step of every interval used here.
const NOW: u64 = 54_000_000 * 30;
/// The step of 30 s at [`NOW`].
const STEP: u64 = 54_000_000;

/// One user, logging in again and again.
struct User {
    policy: Policy,
    record: UserRecord,
    state: UserState,
}

impl User {
    fn with(devices: impl IntoIterator<Item = Device>) -> Self {
        let policy = Policy {
            throttle: ThrottlePolicy {
                attempts: 1_000_000,
                max_failures: 0,
                ..ThrottlePolicy::default()
            },
            ..Policy::default()
        };
        let mut record = UserRecord::new("alice".into(), 1000);
        let mut state = UserState::new(1000);
        for device in devices {
            state.devices.push(DeviceState {
                id: device.id,
                next: 0,
                drift: 0,
                last_used: 0,
                committed: true,
            });
            record.devices.push(device);
        }
        Self {
            policy,
            record,
            state,
        }
    }

    /// A user with one device as it is given out by default.
    fn usual() -> Self {
        Self::with([totp("phone", 1)])
    }

    fn window(mut self, window: u8) -> Self {
        self.policy.window = window;
        self
    }

    /// One attempt, which must be let through to the comparison. What it says is kept.
    fn answers(&mut self, typed: &[u8], form: AnswerForm, now: u64) -> CodeOutcome {
        let charged = charge(&self.policy.throttle, &self.state, now).unwrap();
        let lengths: Vec<Digits> = self.record.devices.iter().map(|d| d.digits).collect();
        let answer = TypedAnswer::read(typed, form, &lengths);
        let verdict = verdict(&self.policy, &self.record, &charged, &answer, now);
        if let CodeOutcome::Rejected(why) = &verdict.outcome {
            assert!(is_unchanged(&verdict.state, &charged, why), "{why:?}");
        }
        self.state = verdict.state;
        verdict.outcome
    }

    fn types(&mut self, typed: impl AsRef<[u8]>, now: u64) -> CodeOutcome {
        self.answers(typed.as_ref(), AnswerForm::Code, now)
    }

    /// A whole login with this one answer, as `check` makes it. `None`: it was refused lately, and is not compared.
    fn logs_in(&mut self, typed: &str, now: u64) -> Result<Option<CodeOutcome>, ThrottleStatus> {
        self.state = rebased(&self.state, now).unwrap_or_else(|| self.state.clone());
        charge(&self.policy.throttle, &self.state, now)?;
        let lengths = code_lengths(&self.record);
        let answer = TypedAnswer::read(typed.as_bytes(), AnswerForm::Code, &lengths);
        if refused_codes::is_repeated(&self.state.refused, &answer) {
            return Ok(None);
        }
        let outcome = self.types(typed, now);
        if let CodeOutcome::Rejected(_) = outcome {
            refused_codes::remember(&mut self.state.refused, &answer, now.to_le_bytes());
        }
        Ok(Some(outcome))
    }

    /// The answer as it would be, without its consequences.
    fn would(&self, typed: impl AsRef<[u8]>, now: u64) -> CodeOutcome {
        let mut copy = Self {
            policy: self.policy.clone(),
            record: self.record.clone(),
            state: self.state.clone(),
        };
        copy.types(typed, now)
    }

    /// The code of device number `device` for a step or counter.
    fn code(&self, device: usize, moving_factor: u64) -> String {
        self.record.devices[device]
            .code(moving_factor)
            .reveal()
            .to_string()
    }

    fn device_state(&self, device: usize) -> DeviceState {
        self.state.devices[device]
    }
}

/// A refusal changes nothing but the charge, which a code that was right before gives back.
fn is_unchanged(state: &UserState, charged: &ChargedState, why: &CodeRejection) -> bool {
    match why {
        CodeRejection::Spent => *state == charged.taken_back(),
        // An older counter is charged, and any code is answered with a clock that was set back.
        CodeRejection::Used { .. } | CodeRejection::ClockSetBack { .. } => {
            state == charged.state() || *state == charged.taken_back()
        }
        CodeRejection::Wrong
        | CodeRejection::ClockDiffers { .. }
        | CodeRejection::BypassExpired => state == charged.state(),
    }
}

fn id(number: u64) -> CredentialId {
    CredentialId::from_number(number).unwrap()
}

/// A device with a secret of its own for each `number`.
fn device(name: &str, number: u64, kind: OtpKind, digits: u8) -> Device {
    let secret = [number as u8 + 1; 20].to_vec();
    Device {
        id: id(number),
        name: name.parse::<DeviceName>().unwrap(),
        kind,
        algorithm: Algorithm::Sha1,
        digits: Digits::new(digits).unwrap(),
        secret: Secret::from_bytes(secret.into()).unwrap(),
        created: 0,
    }
}

fn totp(name: &str, number: u64) -> Device {
    let interval = Interval::THIRTY;
    device(name, number, OtpKind::Totp { interval }, 6)
}

fn accepted(by: Credential) -> CodeOutcome {
    CodeOutcome::Accepted(CodeAcceptance {
        by,
        failures_before: 0,
        password_len: 0,
    })
}

fn by_device(name: &str, offset: i64) -> CodeOutcome {
    let name = name.into();
    accepted(Credential::Device { name, offset })
}

fn wrong() -> CodeOutcome {
    CodeOutcome::Rejected(CodeRejection::Wrong)
}

fn used(device: &str) -> CodeOutcome {
    let device = device.into();
    CodeOutcome::Rejected(CodeRejection::Used { device })
}

fn clock_differs(device: &str, steps: i64) -> CodeOutcome {
    let device = device.into();
    CodeOutcome::Rejected(CodeRejection::ClockDiffers { device, steps })
}

fn clock_set_back(device: &str, seconds: u64) -> CodeOutcome {
    let device = device.into();
    CodeOutcome::Rejected(CodeRejection::ClockSetBack { device, seconds })
}

fn step_after(step: u64, offset: i64) -> u64 {
    step.checked_add_signed(offset).unwrap()
}

fn plain(code: &PlainCode) -> String {
    code.grouped().to_string()
}
