//! Plays a life of logins, which a string of bytes chooses, through the product and the model side by side.
//!
//! `cargo test` takes the bytes from a generator; in `fuzz/`, libFuzzer looks for them.

use std::collections::HashMap;

use super::product::device::CredentialId;
use super::product::policy::Policy;
use super::product::record::UserRecord;
use super::product::state::{UserState, decode_file, encode_file};
use super::product::verify::{
    AnswerForm, CodeAcceptance, CodeOutcome, CodeRejection, Credential, ThrottleStatus,
    TypedAnswer, charge, code_lengths, gate, rebased, refused_codes, unlocked, verdict,
};
use super::rules::{ExpectedResult, ModelPolicy, ModelUser};

/// Number of times that each came about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ResultCounts {
    pub accepted: u32,
    pub refused: u32,
    pub repeated: u32,
    pub locked: u32,
}

/// Bytes as decisions, until they are used up.
pub(super) struct ChoiceBytes<'b>(&'b [u8]);

impl ChoiceBytes<'_> {
    pub(super) fn below(&mut self, end: u64) -> Option<u64> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        let number = match end {
            0..=256 => u64::from(*byte),
            _ => u64::from(*byte) << 16 | self.below(256)? << 8 | self.below(256)?,
        };
        Some(number % end)
    }

    pub(super) fn within(&mut self, low: i64, high: i64) -> Option<i64> {
        let span = u64::try_from(high - low + 1).ok()?;
        Some(low + i64::try_from(self.below(span)?).ok()?)
    }
}

/// One user in both worlds.
pub(super) struct ComparedUser {
    pub(super) policy: Policy,
    pub(super) record: UserRecord,
    pub(super) state: UserState,
    pub(super) model: ModelUser,
    pub(super) now: i64,
    /// Everything that was typed.
    typed: Vec<String>,
    codes: HashMap<(u64, i64), String>,
    ids: u64,
    tally: ResultCounts,
}

/// Plays the whole life; panics where product and model differ.
pub fn play(bytes: &[u8]) -> ResultCounts {
    let mut choices = ChoiceBytes(bytes);
    let Some(mut life) = ComparedUser::begin(&mut choices) else {
        return ResultCounts::default();
    };
    while life.goes_on(&mut choices).is_some() {
        life.is_as_expected();
    }
    life.tally
}

impl ComparedUser {
    fn begin(choices: &mut ChoiceBytes<'_>) -> Option<Self> {
        let rules = ModelPolicy {
            window: 1,
            attempts: 5,
            lockout: 30,
            max_lockout: 900,
            max_failures: 100,
        };
        let mut life = Self {
            policy: Policy::default(),
            record: UserRecord::new("alice".into(), 1000),
            state: UserState::new(1000),
            model: ModelUser {
                rules,
                devices: Vec::new(),
                recovery: Vec::new(),
                bypass: None,
                failures: 0,
                untold: 0,
                last_failure: 0,
                refused: Vec::new(),
            },
            now: 54_000_000 * 30,
            typed: Vec::new(),
            codes: HashMap::new(),
            ids: 0,
            tally: ResultCounts::default(),
        };
        life.change_policy(choices)?;
        for _ in 0..=choices.below(3)? {
            life.add_device(choices)?;
        }
        Some(life)
    }

    /// One thing that happens. `None` at the end.
    fn goes_on(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        match choices.below(32)? {
            0 => self.unlock(),
            1 => self.renew(choices)?,
            2 => self.new_recovery_codes(choices)?,
            3 => self.new_bypass(choices)?,
            4 => self.change_policy(choices)?,
            5 => self.now += choices.within(600, 100_000)?,
            6 => self.now = (self.now - choices.within(1, 100_000)?).max(10_000_000),
            7..=12 => self.now += choices.within(0, 90)?,
            13 => self.add_device(choices)?,
            _ => self.attempt(choices)?,
        }
        Some(())
    }

    pub(super) fn new_id(&mut self) -> Option<CredentialId> {
        self.ids += 1;
        CredentialId::from_number(self.ids)
    }

    fn unlock(&mut self) {
        self.state = unlocked(&self.policy, &self.record, &self.state, Some(self.clock()));
        self.model.unlock(self.now);
    }

    /// An answer to type: mostly a code from around now, sometimes one that was typed before, sometimes anything.
    fn text(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<String> {
        let recovery = self.model.recovery.len() as u64;
        Some(match choices.below(16)? {
            0 => format!("{:06}", choices.below(1_000_000)?),
            1 => "NO CODE".to_owned(),
            2 if !self.typed.is_empty() => {
                let recent = self.typed.len().saturating_sub(5);
                let position = choices.below((self.typed.len() - recent) as u64)? as usize;
                self.typed[recent + position].clone()
            }
            3 if !self.typed.is_empty() => {
                let position = choices.below(self.typed.len().min(256) as u64)? as usize;
                self.typed[self.typed.len() - 1 - position].clone()
            }
            4 if recovery > 0 => self.model.recovery[choices.below(recovery)? as usize]
                .text
                .clone(),
            5 if self.model.bypass.is_some() => self.model.bypass.as_ref()?.text.clone(),
            _ => {
                let number = choices.below(self.record.devices.len() as u64)? as usize;
                let sight = self.model.devices[number].in_sight(&self.model.rules, self.now);
                let factor = choices.within(sight.start() - 3, sight.end() + 3)?.max(0);
                code(&mut self.codes, &self.record, number, factor)
            }
        })
    }

    fn attempt(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        let text = self.text(choices)?;
        let spelled = match choices.below(4)? {
            0 => text.to_lowercase(),
            1 => format!(" {}-{} \n", &text[..3], &text[3..]),
            _ => text.clone(),
        };
        let found = self.login(spelled.as_bytes());
        let (codes, record) = (&mut self.codes, &self.record);
        let expected = self.model.attempt(&text, self.now, &mut |number, factor| {
            code(codes, record, number, factor)
        });
        assert_eq!(
            found, expected,
            "{text:?} at {}, {:?}",
            self.now, self.model
        );
        let count = match expected {
            ExpectedResult::Device(..)
            | ExpectedResult::Recovery(..)
            | ExpectedResult::Bypass(_) => &mut self.tally.accepted,
            ExpectedResult::Locked(_) | ExpectedResult::LockedUntilUnlock => &mut self.tally.locked,
            ExpectedResult::Repeated => &mut self.tally.repeated,
            _ => &mut self.tally.refused,
        };
        *count += 1;
        self.typed.push(text);
        Some(())
    }

    /// The steps of a login, except for the files.
    fn login(&mut self, typed: &[u8]) -> ExpectedResult {
        let now = self.clock();
        self.state = rebased(&self.state, now).unwrap_or_else(|| self.state.clone());
        let charged = match charge(&self.policy.throttle, &self.state, now) {
            Ok(charged) => charged,
            Err(ThrottleStatus::LockedFor(seconds)) => {
                return ExpectedResult::Locked(seconds as i64);
            }
            Err(ThrottleStatus::LockedUntilUnlock) => return ExpectedResult::LockedUntilUnlock,
            Err(ThrottleStatus::Open) => panic!("an open gate refuses no user"),
        };
        let answer = TypedAnswer::read(typed, AnswerForm::Code, &code_lengths(&self.record));
        if refused_codes::is_repeated(&self.state.refused, &answer) {
            return ExpectedResult::Repeated;
        }
        let mut verdict = verdict(&self.policy, &self.record, &charged, &answer, now);
        let refunded = verdict.state == charged.taken_back();
        assert!(
            matches!(verdict.outcome, CodeOutcome::Accepted(_))
                || refunded
                || verdict.state == *charged.state(),
            "a refusal changes nothing but the charge"
        );
        if let CodeOutcome::Rejected(_) = verdict.outcome {
            refused_codes::remember(&mut verdict.state.refused, &answer, self.now.to_le_bytes());
        }
        // As it comes back from the disk.
        self.state = decode_file(&encode_file(&verdict.state))
            .map(|stored| stored.state)
            .unwrap();
        assert_eq!(self.state, verdict.state);
        match verdict.outcome {
            CodeOutcome::Accepted(CodeAcceptance {
                by,
                failures_before,
                ..
            }) => match by {
                Credential::Device { name, offset } => {
                    ExpectedResult::Device(name, offset, failures_before)
                }
                Credential::RecoveryCode { left } => {
                    ExpectedResult::Recovery(left, failures_before)
                }
                Credential::Bypass => ExpectedResult::Bypass(failures_before),
            },
            CodeOutcome::Rejected(why) => match why {
                CodeRejection::Used { device } if !refunded => ExpectedResult::Used(device),
                CodeRejection::Used { device } => ExpectedResult::Known(device),
                // After a clock was set back, any wrong code is answered with that, too.
                CodeRejection::ClockSetBack { device, .. } if refunded => {
                    ExpectedResult::Known(device)
                }
                CodeRejection::Spent => ExpectedResult::Spent,
                CodeRejection::BypassExpired => ExpectedResult::Expired,
                CodeRejection::Wrong
                | CodeRejection::ClockDiffers { .. }
                | CodeRejection::ClockSetBack { .. } => ExpectedResult::Wrong,
            },
        }
    }

    fn is_as_expected(&self) {
        let (state, model) = (&self.state, &self.model);
        let counters = (state.failures, state.unreported, state.last_failure as i64);
        let expected = (model.failures, model.untold, model.last_failure);
        assert_eq!(counters, expected);
        assert_eq!(state.refused.hashes.len(), model.refused.len());
        for (device, rules) in self.record.devices.iter().zip(&model.devices) {
            let entry = state.device(device.id).unwrap();
            assert_eq!(
                (entry.next as i64, i64::from(entry.drift)),
                (rules.next, rules.drift),
                "{}",
                rules.name
            );
        }
        let gate = match gate(&self.policy.throttle, state, self.clock()) {
            ThrottleStatus::Open => None,
            ThrottleStatus::LockedFor(seconds) => Some(ExpectedResult::Locked(seconds as i64)),
            ThrottleStatus::LockedUntilUnlock => Some(ExpectedResult::LockedUntilUnlock),
        };
        assert_eq!(gate, model.closed(self.now));
    }

    fn clock(&self) -> u64 {
        self.now as u64
    }
}

/// A code of a device, which is computed once.
fn code(
    codes: &mut HashMap<(u64, i64), String>,
    record: &UserRecord,
    number: usize,
    factor: i64,
) -> String {
    let device = &record.devices[number];
    let make = || device.code(factor as u64).reveal().to_string();
    codes
        .entry((device.id.number(), factor))
        .or_insert_with(make)
        .clone()
}
