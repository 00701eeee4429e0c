//! Random lives of logins against a model of the rules that is too simple to be wrong.
//!
//! The bytes that choose what happens come from a generator of a few lines, and not from a crate for property tests. The same
//! lives are played by `fuzz/`, where libFuzzer finds the rare ones and makes a failing one short.

mod changes;
mod play;
mod rules;

use crate as product;
use play::{ResultCounts, play};

/// xorshift64*: repeatable, and good enough to stir things up.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

#[test]
fn random_logins_are_judged_as_the_model_says() {
    let mut total = ResultCounts::default();
    for seed in 1..=40 {
        let mut random = Random(seed * 0x9e37_79b9);
        let bytes: Vec<u8> = (0..600).map(|_| random.byte()).collect();
        let tally = play(&bytes);
        total.accepted += tally.accepted;
        total.refused += tally.refused;
        total.repeated += tally.repeated;
        total.locked += tally.locked;
    }
    let ResultCounts {
        accepted,
        refused,
        repeated,
        locked,
    } = total;
    assert!(
        accepted > 300 && refused > 700 && repeated > 50 && locked > 300,
        "all happen often: {total:?}"
    );
}
