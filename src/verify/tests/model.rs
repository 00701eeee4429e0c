//! Random sequences of logins against a model of the rules that is too simple to be wrong.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use super::*;

/// xorshift64*: repeatable, and good enough to stir things up.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).unwrap();
        low + i64::try_from(self.below(span)).unwrap()
    }
}

/// One device as the rules see it.
struct Model {
    /// Seconds of a step; `None` for a counter.
    interval: Option<i64>,
    /// The last step or counter that was accepted.
    last: i64,
    drift: i64,
    accepted: HashSet<i64>,
}

impl Model {
    fn centre(&self, now: i64) -> i64 {
        match self.interval {
            Some(seconds) => now / seconds + self.drift,
            None => self.last + 6,
        }
    }

    /// Which steps or counters are good for a login now.
    fn is_good(&self, moving_factor: i64, window: i64, now: i64) -> bool {
        let reach = if self.interval.is_some() { window } else { 5 };
        (moving_factor - self.centre(now)).abs() <= reach && moving_factor > self.last
    }

    fn accept(&mut self, moving_factor: i64, window: i64, now: i64) {
        assert!(self.accepted.insert(moving_factor), "accepted twice");
        assert!(
            moving_factor > self.last,
            "older than one that was accepted"
        );
        self.last = moving_factor;
        if let Some(seconds) = self.interval {
            self.drift = (moving_factor - now / seconds).clamp(-window - 2, window + 2);
        }
    }
}

fn devices() -> [Device; 3] {
    let totp = |name, number, seconds| {
        let interval = Interval::new(seconds).unwrap();
        device(name, number, Kind::Totp { interval }, 6)
    };
    let token = device("token", 3, Kind::Hotp, 6);
    [totp("phone", 1, 30), totp("tablet", 2, 45), token]
}

/// The good moving factors of a model whose code is `typed`.
fn matching(model: &Model, device: &Device, typed: &str, window: i64, now: i64) -> Vec<i64> {
    // Well beyond anything that may be accepted.
    let near = model.centre(now) - 30..=model.centre(now) + 30;
    near.filter(|factor| model.is_good(*factor, window, now))
        .filter(|factor| *device.code(u64::try_from(*factor).unwrap()).reveal() == typed)
        .collect()
}

/// What somebody types: mostly a code from around now, sometimes one that was typed before, sometimes anything.
fn typing(
    random: &mut Random,
    models: &[Model],
    devices: &[Device],
    now: i64,
    typed: &[String],
) -> String {
    match random.below(10) {
        0 => format!("{:06}", random.below(1_000_000)),
        1 | 2 if !typed.is_empty() => {
            typed[usize::try_from(random.below(typed.len() as u64)).unwrap()].clone()
        }
        _ => {
            let number = usize::try_from(random.below(3)).unwrap();
            let centre = models[number].centre(now);
            let factor = (centre + random.within(-9, 9)).max(0);
            let code = devices[number].code(u64::try_from(factor).unwrap());
            code.reveal().to_string()
        }
    }
}

fn run(seed: u64, attempts: u32) -> (u32, u32) {
    let mut random = Random(seed);
    let window = random.within(0, 3);
    let devices = devices();
    let mut user = User::with(devices.clone()).window(u8::try_from(window).unwrap());
    let mut models = [Some(30), Some(45), None].map(|interval| Model {
        interval,
        last: -1,
        drift: 0,
        accepted: HashSet::new(),
    });
    let (mut now, mut typed) = (54_000_000 * 30, Vec::new());
    let mut counts = (0, 0);
    for _ in 0..attempts {
        now += match random.below(20) {
            0 => random.within(-600, -1),
            1 => random.within(600, 6000),
            _ => random.within(0, 60),
        };
        let text = typing(&mut random, &models, &devices, now, &typed);
        let outcome = user.types(&text, u64::try_from(now).unwrap());
        let mut expected = None;
        for (model, device) in models.iter_mut().zip(&devices) {
            if let Some(newest) = matching(model, device, &text, window, now).last() {
                let offset = match model.interval {
                    Some(seconds) => newest - now / seconds,
                    None => newest - model.last - 1,
                };
                model.accept(*newest, window, now);
                expected = expected.or(Some((device.name.to_string(), offset)));
            }
        }
        let found = match outcome {
            Outcome::Accepted(Accepted {
                by: Credential::Device { name, offset },
                ..
            }) => Some((name, offset)),
            Outcome::Accepted(other) => panic!("{other:?}"),
            Outcome::Rejected(_) => None,
        };
        assert_eq!(found, expected, "seed {seed}, now {now}, typed {text}");
        for (model, entry) in models.iter().zip(&user.state.devices) {
            assert_eq!(i64::try_from(entry.next).unwrap(), model.last + 1);
            assert_eq!(i64::from(entry.drift), model.drift);
        }
        match expected {
            Some(_) => counts.0 += 1,
            None => counts.1 += 1,
        }
        typed.push(text);
    }
    counts
}

#[test]
fn random_logins_are_judged_as_the_model_says() {
    let mut total = (0, 0);
    for seed in 1..=25 {
        let (accepted, refused) = run(seed * 0x9e37_79b9, 80);
        total = (total.0 + accepted, total.1 + refused);
    }
    assert_eq!(total.0 + total.1, 2000);
    assert!(
        total.0 > 250 && total.1 > 250,
        "both happen often: {total:?}"
    );
}
