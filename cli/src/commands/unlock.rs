//! `unlock`: ends a lock-out, and fixes a state that is damaged or missing.

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::policy::Policy;
use twofactor_store::Store;
use twofactor_store::operations::{self, ChangeError};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::UserArgs;
use crate::audit;
use crate::context::Context;
use crate::error::Failure;
use crate::formatting::{count, span};
use crate::output::Report;
use crate::shell;

/// Runs it.
pub fn run(context: &Context, args: &UserArgs) -> Result<(), Failure> {
    let (account, store) = context.recorded(&args.user)?;
    let policy = context.policy_or_default()?;
    let user = &account.name;
    let report = match operations::unlock(&store, &account, &policy, clock::now()?) {
        Err(error) if error.is_fixed_by_rebuild() => UnlockReport {
            user,
            failures: 0,
            rebuilt: Some(rebuilt(context, &policy, &store, &account, &error)?),
        },
        failures => UnlockReport {
            user,
            failures: failures?,
            rebuilt: None,
        },
    };
    let action = if report.rebuilt.is_some() {
        CommandEvent::Rebuild
    } else {
        CommandEvent::Unlock
    };
    audit::log(action, Some(&account.name), &[]);
    context.write(&report)
}

/// Makes a new state, after a question.
fn rebuilt(
    context: &Context,
    policy: &Policy,
    store: &Store,
    account: &Account,
    error: &ChangeError,
) -> Result<StateRebuildReport, Failure> {
    context.terminal.say(&format!(
        "{error}\nA new state is made. What may have been used before does not work in it: recovery and bypass codes, \
         and the counters of HOTP tokens.\n"
    ))?;
    context
        .terminal
        .confirm(&format!("Make a new state for {}?", account.name))?;
    let state = operations::rebuild_state(store, account, policy.window, clock::now()?)?;
    let names = state.counters_lost.iter();
    Ok(StateRebuildReport {
        wait_seconds: state.wait,
        resync: names.map(ToString::to_string).collect(),
    })
}

/// Report of `unlock`.
#[derive(Serialize)]
struct UnlockReport<'a> {
    user: &'a str,
    /// Wrong codes that no longer count.
    failures: u32,
    /// `null` unless the state was unusable and made anew.
    rebuilt: Option<StateRebuildReport>,
}

/// Parts of a user's factor that do not work yet in a new state.
#[derive(Serialize)]
struct StateRebuildReport {
    /// Seconds until TOTP codes work.
    wait_seconds: u64,
    /// HOTP devices that need `twofactor resync`.
    resync: Vec<String>,
}

impl Report for UnlockReport<'_> {
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
