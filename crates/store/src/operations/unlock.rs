//! The end of a lock-out, and a new state in the place of one that is damaged or missing.

use std::cell::RefCell;

use twofactor_core::device::{Device, DeviceName, OtpKind};
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::policy::Policy;
use twofactor_core::state::UserState;
use twofactor_core::verify;

use crate::files::SharedChange;

use super::{ChangeCause, ChangeError, UserFactor, begin_existing};

/// Parts of a user's factor that do not work yet in a new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltState {
    /// Seconds until TOTP codes work; 0 where there is no such device.
    pub wait: u64,
    /// HOTP devices, which work after a resynchronization.
    pub counters_lost: Vec<DeviceName>,
}

/// Wrong codes that no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForgottenFailures {
    /// At logins.
    pub logins: u32,
    /// Through the daemon: in a row, or in 30 days where those are more.
    pub daemon: u32,
}

/// Knowledge of root, or of the kernel, about the clock of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// The clock is right.
    Right,
    /// The clock may be wrong.
    Unproven,
}

/// Ends the lock-outs of a user who has a device or an invitation, at logins and at the daemon. Returns how many failures no
/// longer count, in a fleet on all hosts. `now` is in seconds since 1970-01-01 UTC; a device whose last code is ahead of it works again
/// only by a clock that is right.
///
/// # Errors
/// [`ChangeCause::NotEnrolled`] where nothing is kept about the user; [`ChangeCause::Failed`], after which
/// [`rebuild_state`] may help.
pub fn unlock(
    factor: &UserFactor<'_>,
    policy: &Policy,
    (now, clock): (u64, ClockTrust),
) -> Result<ForgottenFailures, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| ChangeError::new(account, error);
    let (mut locked, Some(record)) = begin_existing(store, account)? else {
        return Err(ChangeError::new(account, ChangeCause::NotEnrolled));
    };
    let right_now = (clock == ClockTrust::Right).then_some(now);
    let unlocked = |state: &UserState| verify::unlocked(policy, &record, state, right_now);
    let shared = RefCell::new(None);
    let step = |state: &UserState| {
        shared.replace(Some(state.clone()));
        unlocked(state)
    };
    let _ = store
        .share(&account.name, &SharedChange::State(&step), &mut || {
            locked.write_heartbeat();
        })
        .map_err(|error| factor.failed(error, FactorChange::Unlocked))?;
    let failures = forgotten(locked.state(), shared.into_inner().as_ref(), now);
    let mut state = unlocked(locked.state());
    if state.outage_mark().is_some() {
        // What is counted from now on is a count of its own, which begins with the first wrong code.
        let since = state.outage_since().unwrap_or_default();
        state.end_outage();
        state.begin_outage(since);
    }
    locked.write(state).map_err(failed)?;
    locked.flush().map_err(failed)?;
    locked.confirm().map_err(failed)?;
    factor.report(FactorChange::Unlocked);
    Ok(failures)
}

/// The wrong codes that counted at `now` (seconds since 1970-01-01 UTC). In a fleet these are the ones of all hosts, and those
/// that this host alone has counted.
fn forgotten(own: &UserState, shared: Option<&UserState>, now: u64) -> ForgottenFailures {
    let alone = own.outage_mark().is_some();
    let (logins, daemon) = match shared {
        None => (own.failures, own.daemon),
        Some(shared) if alone => (
            shared.failures.saturating_add(own.counted_alone()),
            shared.daemon.with_all_of(&own.daemon),
        ),
        Some(shared) => (shared.failures, shared.daemon),
    };
    ForgottenFailures {
        logins,
        daemon: daemon.total(now).max(daemon.in_a_row),
    }
}

/// Makes a new state in which nothing works that may have been used before; only where the state cannot be used. In a fleet that counts
/// on all hosts, and what they know stays. `window` is the policy's, `now` in seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`ChangeCause::Failed`], also where there is no valid record.
pub fn rebuild_state(
    factor: &UserFactor<'_>,
    window: u8,
    now: u64,
) -> Result<RebuiltState, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| ChangeError::new(account, error);
    let locked = store.rebuild(account, window, now);
    let locked = locked.map_err(|error| factor.failed(error, FactorChange::StateRebuilt))?;
    factor.report(FactorChange::StateRebuilt);
    let record = locked.record().map_err(failed)?;
    let next = |device: &Device| locked.state().device(device.id).map_or(0, |it| it.next);
    let mut rebuilt = RebuiltState {
        wait: 0,
        counters_lost: Vec::new(),
    };
    for device in record.into_iter().flat_map(|record| record.devices) {
        match device.kind {
            OtpKind::Hotp => rebuilt.counters_lost.push(device.name),
            OtpKind::Totp { interval } => {
                // In a fleet a later one may have been used elsewhere.
                let steps = next(&device).saturating_sub(interval.step(now));
                let wait = steps.saturating_mul(u64::from(interval.seconds()));
                rebuilt.wait = rebuilt.wait.max(wait);
            }
        }
    }
    Ok(rebuilt)
}
