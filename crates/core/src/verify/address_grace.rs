//! Grace: for a while after an accepted code, the same user from the same address at the same service is not asked.

use std::net::IpAddr;

use crate::state::{GracePeriod, MAX_GRACE, UserState, service_fingerprint};

/// Origin of a login, and the policy that judges it.
#[derive(Debug, Clone, Copy)]
pub struct GraceOrigin<'a> {
    /// `PAM_RHOST` as an address; without one there is no grace, and none for loopback and link-local addresses.
    pub address: Option<IpAddr>,
    /// PAM service name.
    pub service: &'a str,
    /// Length of the grace period in seconds (policy `grace`); 0 for none.
    pub seconds: u32,
    /// Fingerprint of the policy: a changed policy ends all grace.
    pub policy: u64,
}

/// The address, where it tells one place from all others. A loopback address is that of all who log in by way of this
/// machine, and a link-local one (RFC 3927, RFC 4291 2.5.6) belongs to another host on each interface. The unspecified address stands
/// for no host.
fn place(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let shared = address.is_unspecified()
        || match address {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
        };
    (!shared).then_some(address)
}

/// Seconds left of a running grace period at `now` (seconds since 1970-01-01 UTC); `None` if there is none.
#[must_use]
pub fn running(state: &UserState, origin: &GraceOrigin<'_>, now: u64) -> Option<u64> {
    let address = place(origin.address?)?;
    if state.grace_policy != origin.policy {
        return None;
    }
    let service = service_fingerprint(origin.service);
    let grace = state
        .grace
        .iter()
        .find(|grace| grace.address == address && grace.service == service)?;
    left(grace, origin.seconds, now)
}

/// All grace periods that run under a policy with this length and fingerprint, each with its seconds left.
#[must_use]
pub fn all_running(
    state: &UserState,
    seconds: u32,
    policy: u64,
    now: u64,
) -> Vec<(GracePeriod, u64)> {
    if state.grace_policy != policy {
        return Vec::new();
    }
    let with_time = |grace: &GracePeriod| {
        place(grace.address)?;
        Some((*grace, left(grace, seconds, now)?))
    };
    state.grace.iter().filter_map(with_time).collect()
}

fn left(grace: &GracePeriod, seconds: u32, now: u64) -> Option<u64> {
    // A beginning in the future means that the clock was set back.
    let age = now.checked_sub(grace.since)?;
    u64::from(seconds).checked_sub(age).filter(|left| *left > 0)
}

/// Begins a grace period after a code that was accepted at `now` (seconds since 1970-01-01 UTC). Where [`MAX_GRACE`] are kept,
/// the oldest makes room.
pub fn begin(state: &mut UserState, origin: &GraceOrigin<'_>, now: u64) {
    let address = origin.address.filter(|_| origin.seconds > 0);
    let Some(address) = address.and_then(place) else {
        return;
    };
    adopt_policy(state, origin.policy);
    let service = service_fingerprint(origin.service);
    state
        .grace
        .retain(|grace| (grace.address, grace.service) != (address, service));
    if state.grace.len() >= MAX_GRACE {
        state.grace.remove(0);
    }
    state.grace.push(GracePeriod {
        address,
        service,
        since: now,
    });
}

/// Ends what was granted under another policy.
pub(super) fn adopt_policy(state: &mut UserState, policy: u64) {
    if state.grace_policy != policy {
        state.end_grace();
        state.grace_policy = policy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(last: u8) -> GraceOrigin<'static> {
        GraceOrigin {
            address: Some(IpAddr::from([192, 0, 2, last])),
            service: "sshd",
            seconds: 60,
            policy: 7,
        }
    }

    #[test]
    fn it_holds_for_one_address_service_policy_and_time() {
        let mut state = UserState::new(1);
        begin(&mut state, &origin(1), 100);
        assert_eq!(running(&state, &origin(1), 100), Some(60));
        assert_eq!(running(&state, &origin(1), 159), Some(1));
        assert_eq!(running(&state, &origin(1), 160), None);
        assert_eq!(running(&state, &origin(1), 99), None, "clock set back");
        assert_eq!(running(&state, &origin(2), 100), None);
        let other = |change: fn(&mut GraceOrigin<'static>)| {
            let mut origin = origin(1);
            change(&mut origin);
            running(&state, &origin, 100)
        };
        assert_eq!(other(|o| o.service = "cockpit"), None);
        assert_eq!(other(|o| o.policy = 8), None);
        assert_eq!(other(|o| o.address = None), None);
        assert_eq!(other(|o| o.seconds = 0), None);
    }

    #[test]
    fn addresses_that_are_no_place_of_their_own_have_none() {
        let begun = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            let origin = GraceOrigin {
                address: Some(address),
                ..origin(1)
            };
            let mut state = UserState::new(1);
            begin(&mut state, &origin, 100);
            // One that an earlier version has written does not count either.
            let mut written = UserState::new(1);
            written.grace_policy = origin.policy;
            written.grace.push(GracePeriod {
                address,
                service: service_fingerprint(origin.service),
                since: 100,
            });
            let runs = running(&state, &origin, 100).is_some();
            assert_eq!(!state.grace.is_empty(), runs);
            assert_eq!(running(&written, &origin, 100).is_some(), runs);
            assert_eq!(!all_running(&written, 60, 7, 100).is_empty(), runs);
            runs
        };
        for shared in [
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "127.0.0.1",
            "127.255.255.255",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.0.1",
            "169.254.255.255",
            "::ffff:169.254.7.7",
            "fe80::1",
            "febf:ffff::1",
        ] {
            assert!(!begun(shared), "{shared}");
        }
        for place in [
            "128.0.0.1",
            "126.255.255.255",
            "169.253.255.255",
            "169.255.0.0",
            "10.0.0.1",
            "192.168.0.1",
            "::2",
            "fe7f::1",
            "fec0::1",
            "fd00::1",
            "2001:db8::1",
        ] {
            assert!(begun(place), "{place}");
        }
    }

    #[test]
    fn what_runs_is_what_a_login_would_find() {
        let mut state = UserState::new(1);
        begin(&mut state, &origin(1), 100);
        begin(&mut state, &origin(2), 130);
        let found = |seconds, policy, now| -> Vec<u64> {
            let all = all_running(&state, seconds, policy, now);
            all.iter().map(|(_, left)| *left).collect()
        };
        assert_eq!(found(60, 7, 130), [30, 60]);
        assert_eq!(found(60, 7, 160), [30]);
        assert_eq!(found(60, 7, 129), [31], "clock set back");
        assert_eq!(found(60, 8, 130), [0; 0]);
        assert_eq!(found(0, 7, 130), [0; 0]);
    }

    #[test]
    fn nothing_begins_without_an_address_or_when_off() {
        let mut state = UserState::new(1);
        begin(
            &mut state,
            &GraceOrigin {
                address: None,
                ..origin(1)
            },
            100,
        );
        begin(
            &mut state,
            &GraceOrigin {
                seconds: 0,
                ..origin(1)
            },
            100,
        );
        assert_eq!(state, UserState::new(1));
    }

    #[test]
    fn the_oldest_of_too_many_addresses_goes() {
        let mut state = UserState::new(1);
        for n in 1..=5 {
            begin(&mut state, &origin(n), 100 + u64::from(n));
        }
        assert_eq!(state.grace.len(), MAX_GRACE);
        assert_eq!(running(&state, &origin(1), 110), None);
        assert_eq!(running(&state, &origin(2), 110), Some(52));
        begin(&mut state, &origin(2), 120);
        assert_eq!(
            (state.grace.len(), running(&state, &origin(2), 120)),
            (MAX_GRACE, Some(60))
        );
    }

    #[test]
    fn a_changed_policy_forgets_the_others() {
        let mut state = UserState::new(1);
        begin(&mut state, &origin(1), 100);
        begin(
            &mut state,
            &GraceOrigin {
                policy: 8,
                ..origin(2)
            },
            101,
        );
        assert_eq!(state.grace.len(), 1);
        assert_eq!(state.grace_policy, 8);
    }
}
