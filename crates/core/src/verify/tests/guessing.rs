//! A year of guessing without pause by an attacker who knows the password: how likely it is to succeed.
//!
//! The real charge, gate and verdict run under a clock that jumps to the end of each lock-out. How many codes would have
//! been accepted is counted at every tenth attempt, and does not change, so the probability is exact: no guess is left to luck.

use std::collections::BTreeSet;

use super::*;
use crate::policy::DEFAULT_POLICY;

const YEAR: u64 = 365 * 86_400;
const DAY: u64 = 86_400;
const SIX_DIGITS: f64 = 1e6;

/// The example policies as they are shipped.
const STIG: &str = include_str!("../../../../../docs/policies/disa-stig.toml");
const CIS: &str = include_str!("../../../../../docs/policies/cis-debian.toml");
const PCI: &str = include_str!("../../../../../docs/policies/pci-dss.toml");

/// Result of a year.
#[derive(Debug, PartialEq)]
struct Year {
    /// Guesses that were compared, by the second of the year.
    guesses: Vec<u64>,
    /// Of one guess at least being right, in percent.
    percent: f64,
}

fn user(policy: &str, devices: impl IntoIterator<Item = Device>) -> User {
    let policy = policy.parse().unwrap();
    User {
        policy,
        ..User::with(devices)
    }
}

fn phones(count: u64) -> Vec<Device> {
    (1..=count).map(|n| totp(&format!("phone{n}"), n)).collect()
}

fn token() -> Device {
    device("token", 1, OtpKind::Hotp, 6)
}

/// Number of different codes that would be accepted now. Candidates reach one step or two counters further than any
/// that is.
fn acceptable(user: &User, now: u64) -> usize {
    let mut codes = BTreeSet::new();
    for (number, device) in user.record.devices.iter().enumerate() {
        let factors = match device.kind {
            OtpKind::Totp { interval } => interval.step(now) - 2..=interval.step(now) + 2,
            OtpKind::Hotp => 0..=user.device_state(number).next + LOOK_AHEAD + 2,
        };
        codes.extend(factors.map(|factor| user.code(number, factor)));
    }
    let is_in = |code: &&String| matches!(user.would(code.as_str(), now), CodeOutcome::Accepted(_));
    codes.iter().filter(is_in).count()
}

/// Guesses whenever the gate is open. `owner` logs in with a right code as soon as that many seconds have passed since the
/// last time and the gate lets them.
fn during(time: u64, mut user: User, owner: Option<u64>) -> Year {
    let usual = acceptable(&user, NOW);
    let mut guesses = Vec::new();
    let (mut now, mut missed, mut last_login) = (NOW, 1.0, NOW);
    while now < NOW + time {
        let is_open = gate(&user.policy.throttle, &user.state, now) == ThrottleStatus::Open;
        if is_open && owner.is_some_and(|every| now >= last_login + every) {
            last_login = now;
            let factor = user.record.devices[0].totp().unwrap().1.step(now);
            let outcome = user.types(user.code(0, factor), now);
            assert!(matches!(outcome, CodeOutcome::Accepted(_)), "{outcome:?}");
        }
        match charge(&user.policy.throttle, &user.state, now) {
            Ok(_) => {
                // For a while after the owner's login it is fewer.
                if owner.is_none() && guesses.len() % 10 == 0 {
                    assert_eq!(acceptable(&user, now), usual);
                }
                missed *= 1.0 - usual as f64 / SIX_DIGITS;
                user.types("no code", now);
                guesses.push(now - NOW);
            }
            Err(ThrottleStatus::LockedFor(seconds)) => now += seconds,
            Err(ThrottleStatus::LockedUntilUnlock) => break,
            Err(ThrottleStatus::Open) => unreachable!("an open gate refuses no user"),
        }
    }
    let percent = 100.0 * (1.0 - missed);
    Year { guesses, percent }
}

fn year(user: User, owner: Option<u64>) -> Year {
    during(YEAR, user, owner)
}

/// One guess in a million with this many valid codes, so many times, in percent.
fn percent(codes: u32, guesses: i32) -> f64 {
    100.0 * (1.0 - (1.0 - f64::from(codes) / SIX_DIGITS).powi(guesses))
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[test]
fn a_year_of_guessing_is_below_a_tenth_of_a_percent() {
    for (count, codes) in [(1, 3), (2, 6), (3, 9)] {
        let year = year(user(DEFAULT_POLICY, phones(count)), None);
        println!(
            "default, {count} phones: {} guesses, {:.4} %",
            year.guesses.len(),
            year.percent
        );
        assert_eq!(year.guesses.len(), 100);
        assert!(close(year.percent, percent(codes, 100)), "{year:?}");
        assert!(year.percent <= 0.1, "{year:?}");
    }
}

/// The documents give these figures; `max_failures = 90` and 47 would bring them below 0.1 %.
#[test]
fn a_counting_token_and_seven_phones_come_to_more() {
    for (devices, codes, limit) in [(vec![token()], 11, 90), (phones(7), 21, 47)] {
        let found = year(user(DEFAULT_POLICY, devices.clone()), None);
        println!("default, {codes} valid codes: {:.4} %", found.percent);
        assert!(close(found.percent, percent(codes, 100)), "{found:?}");
        assert!(found.percent > 0.1, "{found:?}");
        let stricter = format!("enabled = true\n[throttle]\nmax_failures = {limit}\n");
        let found = year(user(&stricter, devices), None);
        assert!(found.percent <= 0.1, "{found:?}");
    }
}

/// Each login of the owner begins the count anew, and tells of the guesses. An attacker who guesses without pause is
/// locked out within a day, so only an owner who logs in more often, and does nothing about the warnings, loses the
/// bound. The documents give the figures.
#[test]
fn the_bound_holds_up_to_daily_logins_of_the_owner() {
    let daily = year(user(DEFAULT_POLICY, phones(1)), Some(DAY));
    assert_eq!(daily.guesses.len(), 100);
    assert_eq!(daily.guesses[99], 81_930, "after 22.8 hours");
    assert!(daily.percent <= 0.1, "{daily:?}");
    let often = during(30 * DAY, user(DEFAULT_POLICY, phones(1)), Some(DAY / 3));
    let (guesses, percent) = (often.guesses.len(), often.percent);
    println!("default, owner in every 8 h: {guesses} guesses, {percent:.2} % in 30 days");
    assert!((90..=120).contains(&(guesses / 30)), "{guesses}");
    assert!((0.8..1.1).contains(&percent), "{percent}");
}

#[test]
fn example_policies_differ_in_what_they_are_for() {
    // Users may change less on their own where the clauses of DISA's guide hold.
    for (text, is_default) in [(STIG, false), (CIS, true), (PCI, true)] {
        let policy: Policy = text.parse().unwrap();
        let (throttle, self_service) = (policy.throttle, policy.self_service.clone());
        assert_eq!(
            policy,
            Policy {
                throttle,
                self_service: self_service.clone(),
                ..Policy::default()
            }
        );
        assert_ne!(throttle, ThrottlePolicy::default());
        assert_eq!(self_service == Policy::default().self_service, is_default);
    }
}

#[test]
fn disa_stig_three_failures_lock_until_unlock() {
    let found = year(user(STIG, phones(3)), None);
    println!("DISA STIG: {:.4} %", found.percent);
    assert_eq!(found.guesses, [0, 0, 0]);
    assert!(close(found.percent, percent(9, 3)) && found.percent <= 0.1);
    assert_eq!(STIG.parse::<Policy>().unwrap().throttle.delay, 4);
    // Failures more than 15 minutes apart count, too: that is stricter than the clause.
    let mut slow = user(STIG, phones(1));
    for hour in 0..3 {
        assert_eq!(slow.types("no code", NOW + hour * 3600), wrong());
    }
    let later = charge(&slow.policy.throttle, &slow.state, NOW + YEAR);
    assert_eq!(later, Err(ThrottleStatus::LockedUntilUnlock));
}

#[test]
fn cis_debian_four_failures_lock_for_fifteen_minutes() {
    let found = year(user(CIS, phones(3)), None);
    println!("CIS Debian: {:.4} %", found.percent);
    assert_eq!(found.guesses[..6], [0, 0, 0, 0, 900, 1800]);
    // No 15 minutes hold more than four, also after the first lock-out.
    assert!(
        found.guesses[4..]
            .windows(2)
            .all(|pair| pair[1] - pair[0] == 900)
    );
    assert_eq!(found.guesses.len(), 100);
    assert!(close(found.percent, percent(9, 100)) && found.percent <= 0.1);
}

#[test]
fn pci_dss_ten_failures_lock_for_thirty_minutes() {
    let found = year(user(PCI, phones(3)), None);
    println!("PCI DSS 8.3.4: {:.4} %", found.percent);
    assert_eq!(found.guesses[..10], [0; 10]);
    assert_eq!(found.guesses[10], 1800);
    assert!(
        found.guesses[10..]
            .windows(2)
            .all(|pair| pair[1] - pair[0] == 1800)
    );
    assert_eq!(found.guesses.len(), 100);
    assert!(close(found.percent, percent(9, 100)) && found.percent <= 0.1);
}
