//! Changes from outside: administrators who set the policy, add and renew devices, and give out codes.

use super::play::{ChoiceBytes, ComparedUser};
use super::product::device::{Device, OtpKind};
use super::product::otp::{Algorithm, Digits, Interval};
use super::product::policy::ThrottlePolicy;
use super::product::recovery::{CodeForm, CodeScope, OneTimeCode, RecoverySet, hash};
use super::product::secret::Secret;
use super::product::state::DeviceState;
use super::rules::{self, ModelCode, ModelPolicy};

impl ComparedUser {
    pub(super) fn change_policy(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        let window = [1, 0, 2, 3, 10, 1, 1, 1][choices.below(8)? as usize];
        let attempts = [1_000, 5, 1, 3][choices.below(4)? as usize];
        let lockout = [30, 1, 600, 86_400][choices.below(4)? as usize];
        let max_lockout = lockout * [1, 7, 30][choices.below(3)? as usize];
        let max_failures = [0, attempts, attempts + 1, attempts + 7][choices.below(4)? as usize];
        self.model.rules = ModelPolicy {
            window: i64::from(window),
            attempts,
            lockout: i64::from(lockout),
            max_lockout: i64::from(max_lockout),
            max_failures,
        };
        self.policy.window = window;
        self.policy.throttle = ThrottlePolicy {
            attempts,
            lockout,
            max_lockout,
            max_failures,
            ..ThrottlePolicy::default()
        };
        Some(())
    }

    pub(super) fn add_device(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        if self.record.devices.len() == 4 {
            return Some(());
        }
        let number = self.record.devices.len();
        let (device, rules) = self.new_device(number, choices)?;
        self.record.devices.push(device);
        self.model.devices.push(rules);
        Some(())
    }

    /// A device with another key under the name and number of an old one.
    pub(super) fn renew(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        let number = choices.below(self.record.devices.len() as u64)? as usize;
        let old = self.record.devices[number].id;
        self.state.devices.retain(|entry| entry.id != old);
        let (device, rules) = self.new_device(number, choices)?;
        self.record.devices[number] = device;
        self.model.devices[number] = rules;
        Some(())
    }

    fn new_device(
        &mut self,
        number: usize,
        choices: &mut ChoiceBytes<'_>,
    ) -> Option<(Device, rules::ModelDevice)> {
        let interval =
            [Some(30), Some(5), Some(45), Some(3600), None, None][choices.below(6)? as usize];
        let algorithm =
            [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512][choices.below(3)? as usize];
        let digits = Digits::new(6 + choices.below(3)? as u8)?;
        // Keys that devices share now and then.
        let key = choices.below(3)? as u8;
        let name = format!("device{number}");
        let device = Device {
            id: self.new_id()?,
            name: name.parse().ok()?,
            kind: match interval {
                Some(seconds) => OtpKind::Totp {
                    interval: Interval::new(seconds)?,
                },
                None => OtpKind::Hotp,
            },
            algorithm,
            digits,
            secret: Secret::from_bytes(vec![key; 20].into())?,
            created: 0,
        };
        self.state.devices.push(DeviceState {
            id: device.id,
            next: 0,
            drift: 0,
            last_used: 0,
            committed: true,
        });
        let digits = usize::from(device.digits.value());
        let rules = rules::ModelDevice::new(&name, interval.map(i64::from), digits);
        Some((device, rules))
    }

    pub(super) fn new_recovery_codes(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        let form = [CodeForm::Base32, CodeForm::Digits][choices.below(2)? as usize];
        let count = 1 + choices.below(4)?;
        let id = self.new_id()?;
        let text = |n: u64| match form {
            CodeForm::Base32 => format!("RECOVERYCODE{:04}", n + 10 * (id.number() % 100))
                .replace(['0', '1', '8', '9'], "A"),
            CodeForm::Digits => format!("{:08}", 20_000_000 + n + 10 * (id.number() % 100)),
        };
        let texts: Vec<String> = (0..count).map(text).collect();
        let salt = [id.number() as u8; 16];
        self.record.recovery = Some(RecoverySet {
            id,
            form,
            salt,
            hashes: texts
                .iter()
                .map(|text| hash(&salt, text.as_bytes()))
                .collect(),
            created: 0,
        });
        let once = |text| ModelCode {
            text,
            used: false,
            expires: i64::MAX,
        };
        self.model.recovery = texts.into_iter().map(once).collect();
        Some(())
    }

    pub(super) fn new_bypass(&mut self, choices: &mut ChoiceBytes<'_>) -> Option<()> {
        let expires = self.now + choices.within(0, 7)? * choices.within(0, 700)?;
        let id = self.new_id()?;
        let text =
            format!("BYPASSCODE{:06}", id.number() % 1000).replace(['0', '1', '8', '9'], "A");
        let salt = [9; 16];
        self.record.bypass = Some(OneTimeCode {
            id,
            salt,
            hash: hash(&salt, text.as_bytes()),
            expires: u64::try_from(expires).ok()?,
            scope: CodeScope::Login,
        });
        self.model.bypass = Some(ModelCode {
            text,
            used: false,
            expires,
        });
        Some(())
    }
}
