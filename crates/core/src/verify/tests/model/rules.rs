//! The rules of a verdict once more, as plainly as they can be put: no type, constant or function of the product.
//!
//! Times are seconds since 1970, and far enough from it that nothing is negative.

use std::collections::HashSet;

/// Settings of the policy.
#[derive(Debug, Clone, Copy)]
pub struct ModelPolicy {
    pub window: i64,
    pub attempts: u32,
    pub lockout: i64,
    pub max_lockout: i64,
    /// 0 is no limit.
    pub max_failures: u32,
}

/// One device.
#[derive(Debug)]
pub struct ModelDevice {
    pub name: String,
    /// Seconds of a step; `None` for a counter.
    pub interval: Option<i64>,
    /// Number of digits of a code.
    pub digits: usize,
    /// The smallest step or counter that may still be accepted.
    pub next: i64,
    pub drift: i64,
    /// Everything that was ever accepted.
    accepted: HashSet<i64>,
}

/// A code that works once.
#[derive(Debug)]
pub struct ModelCode {
    pub text: String,
    pub used: bool,
    /// The first second at which it does not work any more.
    pub expires: i64,
}

/// One user, as far as logins change it.
#[derive(Debug)]
pub struct ModelUser {
    pub rules: ModelPolicy,
    pub devices: Vec<ModelDevice>,
    pub recovery: Vec<ModelCode>,
    pub bypass: Option<ModelCode>,
    /// Wrong codes in a row.
    pub failures: u32,
    /// Wrong codes that the user was not told of.
    pub untold: u32,
    /// When the last of them was typed.
    pub last_failure: i64,
    /// The last three that look like codes and were refused.
    pub refused: Vec<String>,
}

/// Result that one attempt must have.
#[derive(Debug, PartialEq, Eq)]
pub enum ExpectedResult {
    /// Accepted, and how many wrong codes the user is told of.
    Device(String, i64, u32),
    /// With so many left.
    Recovery(usize, u32),
    Bypass(u32),
    /// A code of that device that counts no more, and is not counted.
    Known(String),
    /// A counter further back, which is.
    Used(String),
    Spent,
    Expired,
    Wrong,
    /// One of the last three again: not compared.
    Repeated,
    /// Not looked at for so many seconds.
    Locked(i64),
    LockedUntilUnlock,
}

impl ModelDevice {
    pub fn new(name: &str, interval: Option<i64>, digits: usize) -> Self {
        Self {
            name: name.to_owned(),
            interval,
            digits,
            next: 0,
            drift: 0,
            accepted: HashSet::new(),
        }
    }

    /// The steps or counters whose codes are looked at now. A counter also looks back, for codes that were used.
    pub fn in_sight(&self, rules: &ModelPolicy, now: i64) -> std::ops::RangeInclusive<i64> {
        match self.interval {
            Some(seconds) => {
                let furthest = rules.window + 2;
                let centre = now / seconds + self.drift.clamp(-furthest, furthest);
                centre - rules.window..=centre + rules.window
            }
            None => (self.next - 10).max(0)..=self.next + 10,
        }
    }

    /// The hit that is accepted. Several have the same code by chance.
    fn choice(&self, hits: &[i64]) -> Option<i64> {
        if self.interval.is_some() {
            return hits.last().copied();
        }
        if hits.contains(&self.next) {
            return Some(self.next);
        }
        // The code of one that was used is a used code.
        match hits.first() {
            Some(first) if *first > self.next => Some(*first),
            _ => None,
        }
    }

    /// The last one that was accepted is known out of sight, too.
    pub fn last_is(&self, text: &str, code: &mut dyn FnMut(i64) -> String) -> bool {
        self.next > 0 && code(self.next - 1) == text
    }

    fn accept(&mut self, factor: i64, rules: &ModelPolicy, now: i64) -> i64 {
        assert!(self.accepted.insert(factor), "{self:?} {factor}: twice");
        assert!(
            self.accepted.iter().all(|earlier| *earlier <= factor),
            "{self:?} {factor}: after a newer one"
        );
        let offset = match self.interval {
            Some(seconds) => factor - now / seconds,
            None => factor - self.next,
        };
        if self.interval.is_some() {
            self.drift = offset.clamp(-rules.window - 2, rules.window + 2);
        }
        self.next = factor + 1;
        offset
    }
}

impl ModelUser {
    /// `None` if a code would be looked at; otherwise the reason why not.
    pub fn closed(&self, now: i64) -> Option<ExpectedResult> {
        let rules = &self.rules;
        if rules.max_failures != 0 && self.failures >= rules.max_failures {
            return Some(ExpectedResult::LockedUntilUnlock);
        }
        if self.failures < rules.attempts {
            return None;
        }
        let mut lockout = rules.lockout;
        for _ in rules.attempts..self.failures {
            lockout = (lockout * 2).min(rules.max_lockout);
        }
        // A failure of the future, after the clock was set back, is as one of now.
        let left = self.last_failure.min(now) + lockout - now;
        (left > 0).then_some(ExpectedResult::Locked(left))
    }

    /// One attempt with `text` (upper case, no separators). `code` gives the code of a device, by number.
    pub fn attempt(
        &mut self,
        text: &str,
        now: i64,
        code: &mut dyn FnMut(usize, i64) -> String,
    ) -> ExpectedResult {
        // If the clock was set back, the lock-out begins anew.
        self.last_failure = self.last_failure.min(now);
        if let Some(closed) = self.closed(now) {
            return closed;
        }
        // A renewed device may have codes of another length.
        if self.is_like_a_code(text) && self.refused.iter().any(|refused| refused == text) {
            return ExpectedResult::Repeated;
        }
        if let Some(known) = self.known(text, now, code) {
            self.remember(text);
            return known;
        }
        let rules = self.rules;
        let (mut accepted, mut refused) = (None, None);
        let told = self.untold;
        for (number, device) in self.devices.iter_mut().enumerate() {
            let hits: Vec<i64> = device
                .in_sight(&rules, now)
                .filter(|factor| code(number, *factor) == text)
                .collect();
            match device.choice(&hits) {
                Some(factor) => {
                    let offset = device.accept(factor, &rules, now);
                    accepted = accepted.or(Some(ExpectedResult::Device(
                        device.name.clone(),
                        offset,
                        told,
                    )));
                }
                None if hits.is_empty() => {}
                None => refused = refused.or(Some(ExpectedResult::Used(device.name.clone()))),
            }
        }
        if let Some(position) = self.recovery.iter().position(|code| code.text == text) {
            self.recovery[position].used = true;
            let left = self.recovery.iter().filter(|code| !code.used).count();
            accepted = accepted.or(Some(ExpectedResult::Recovery(left, told)));
        }
        if let Some(bypass) = self.bypass.as_mut().filter(|code| code.text == text) {
            if now < bypass.expires {
                bypass.used = true;
                accepted = accepted.or(Some(ExpectedResult::Bypass(told)));
            } else {
                refused = refused.or(Some(ExpectedResult::Expired));
            }
        }
        if let Some(accepted) = accepted {
            (self.failures, self.untold, self.last_failure) = (0, 0, 0);
            self.refused.clear();
            return accepted;
        }
        self.remember(text);
        self.failures += 1;
        self.untold += 1;
        self.last_failure = now;
        refused.unwrap_or(ExpectedResult::Wrong)
    }

    /// An answer that is no guess: refused whatever else it may match, and not counted.
    fn known(
        &self,
        text: &str,
        now: i64,
        code: &mut dyn FnMut(usize, i64) -> String,
    ) -> Option<ExpectedResult> {
        for (number, device) in self.devices.iter().enumerate() {
            let mut sight = device.in_sight(&self.rules, now);
            if device.last_is(text, &mut |last| code(number, last))
                || device.interval.is_some()
                    && sight.any(|step| step < device.next && code(number, step) == text)
            {
                return Some(ExpectedResult::Known(device.name.clone()));
            }
        }
        let mut once = self.recovery.iter().chain(&self.bypass);
        let is_spent = once.any(|code| code.used && code.text == text);
        is_spent.then_some(ExpectedResult::Spent)
    }

    fn remember(&mut self, text: &str) {
        if self.is_like_a_code(text) {
            self.refused.push(text.to_owned());
            self.refused.drain(..self.refused.len().saturating_sub(3));
        }
    }

    /// As many digits as a code of this user has, or sixteen letters and digits of base32, not letters alone.
    fn is_like_a_code(&self, text: &str) -> bool {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let scratch = self.recovery.iter().any(|code| is_digits(&code.text));
        let mut lengths: Vec<usize> = self.devices.iter().map(|device| device.digits).collect();
        lengths.extend(scratch.then_some(8));
        let base32 = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
        let recovery = text.len() == 16 && text.bytes().all(base32);
        is_digits(text) && lengths.contains(&text.len())
            || recovery && text.bytes().any(|byte| byte.is_ascii_digit())
    }

    /// An administrator's unlock: nothing counts any more, and a device whose last code lies further ahead than any
    /// device can be (20 steps of the widest window and 2 of drift) works again, with later codes only.
    pub fn unlock(&mut self, now: i64) {
        (self.failures, self.last_failure) = (0, 0);
        self.refused.clear();
        for device in &mut self.devices {
            if let Some(seconds) = device.interval
                && device.next - 1 - now / seconds > 22
            {
                device.drift = 0;
                device.next = now / seconds + 2 * self.rules.window + 3;
                // A code that was accepted in that other time is not told apart from one that is to come.
                let next = device.next;
                device.accepted.retain(|factor| *factor < next);
            }
        }
    }
}
