//! `unlock`: ends a lock-out, and fixes a state that is damaged or missing.
#![forbid(unsafe_code)]

use pam_twofactor::device::Kind;
use pam_twofactor::policy::Policy;
use pam_twofactor::state::furthest_ahead;
use pam_twofactor::store::Store;
use pam_twofactor::sys::accounts::Account;
use pam_twofactor::sys::clock;
use pam_twofactor::verify;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::UserOnly;
use crate::audit::{self, Event};
use crate::context::Context;
use crate::error::{Failure, for_user};
use crate::output::Report;
use crate::shell;
use crate::text::{count, span};

/// Runs it.
pub fn run(context: &Context, args: &UserOnly) -> Result<(), Failure> {
    let (account, store) = context.recorded(&args.user)?;
    let policy = context.policy_or_default()?;
    let report = match end_lock_out(&policy, &store, &account, clock::now()?) {
        Err(error) if error.fixed_by_unlock() => fix(context, &policy, &store, &account, &error)?,
        other => Unlocked {
            user: &account.name,
            failures: other.map_err(|error| for_user(error, &account.name))?,
            rebuilt: None,
        },
    };
    let action = if report.rebuilt.is_some() {
        "rebuild"
    } else {
        "unlock"
    };
    audit::log(
        Event::Changed,
        &[("user", &account.name), ("action", action)],
    );
    context.write(&report)
}

/// Returns how many failures there were.
fn end_lock_out(
    policy: &Policy,
    store: &Store,
    account: &Account,
    now: u64,
) -> Result<u32, pam_twofactor::store::Error> {
    let mut locked = store.lock(account)?;
    let failures = locked.state().failures;
    if let Some(record) = locked.record()? {
        let state = verify::unlocked(policy, &record, locked.state(), now);
        locked.write(state)?;
        locked.flush()?;
        locked.confirm()?;
    }
    Ok(failures)
}

fn fix<'a>(
    context: &Context,
    policy: &Policy,
    store: &Store,
    account: &'a Account,
    error: &pam_twofactor::store::Error,
) -> Result<Unlocked<'a>, Failure> {
    let named = |error| for_user(Failure::from(error), &account.name);
    context.terminal.say(&format!(
        "{error}\nA new state is made. What may have been used before does not work in it: recovery and bypass codes, \
         and the counters of HOTP tokens.\n"
    ))?;
    context
        .terminal
        .confirm(&format!("Make a new state for {}?", account.name))?;
    let locked = store
        .rebuild(account, policy.window, clock::now()?)
        .map_err(named)?;
    let devices = locked
        .record()
        .map_err(named)?
        .map(|record| record.devices)
        .unwrap_or_default();
    let mut rebuilt = Rebuilt {
        wait_seconds: 0,
        resync: Vec::new(),
    };
    for device in devices {
        match device.kind {
            Kind::Hotp => rebuilt.resync.push(device.name.to_string()),
            Kind::Totp { interval } => {
                let steps = furthest_ahead(policy.window) + 1;
                rebuilt.wait_seconds = rebuilt
                    .wait_seconds
                    .max(steps * u64::from(interval.seconds()));
            }
        }
    }
    Ok(Unlocked {
        user: &account.name,
        failures: 0,
        rebuilt: Some(rebuilt),
    })
}

/// What `unlock` reports.
#[derive(Serialize)]
struct Unlocked<'a> {
    user: &'a str,
    /// Wrong codes that no longer count.
    failures: u32,
    /// `null` unless the state was unusable and made anew.
    rebuilt: Option<Rebuilt>,
}

/// What does not work yet in a new state.
#[derive(Serialize)]
struct Rebuilt {
    /// Seconds until TOTP codes work.
    wait_seconds: u64,
    /// HOTP devices that need `twofactor resync`.
    resync: Vec<String>,
}

impl Report for Unlocked<'_> {
    fn text(&self) -> Zeroizing<String> {
        let user = self.user;
        let Some(rebuilt) = &self.rebuilt else {
            if self.failures == 0 {
                return Zeroizing::new(format!(
                    "{user} was not locked out: there were no wrong codes.\n"
                ));
            }
            let failures = count(u64::from(self.failures), "wrong code");
            return Zeroizing::new(format!(
                "{user} may try again; {failures} no longer counted.\n"
            ));
        };
        let mut text = format!("{user} has a new state.\n");
        if rebuilt.wait_seconds > 0 {
            text.push_str(&format!(
                "Codes of the app work again in {}.\n",
                span(rebuilt.wait_seconds)
            ));
        }
        for device in &rebuilt.resync {
            let resync = shell::twofactor("resync", &[user, device], &[]);
            text.push_str(&format!("Needed now: {resync}\n"));
        }
        text.push_str(&format!(
            "For new recovery codes: {}\n",
            shell::twofactor("recovery-codes", &[user], &[])
        ));
        Zeroizing::new(text)
    }
}
