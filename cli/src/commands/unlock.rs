//! `unlock`: ends a lock-out, and fixes a state that is damaged or missing.

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::policy::Policy;
use twofactor_core::verify;
use twofactor_store::FactorStore;
use twofactor_store::operations::{self, ChangeError, ClockTrust, ForgottenFailures};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::UnlockArgs;
use crate::clock_vouching;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::formatting::{ReportedTime, count, span};
use crate::output::CommandReport;
use crate::suggested_command;

/// Runs it.
pub fn run(context: &CommandContext, args: &UnlockArgs) -> Result<(), CommandFailure> {
    let (account, store) = context.recorded(&args.user)?;
    let policy = context.policy_or_default()?;
    let user = &account.name;
    let trust = clock_trust(context, args, &store, &account)?;
    let (failures, rebuilt) = match operations::unlock(
        &command_log::factor(&store, &account),
        &policy,
        (clock::now()?, trust),
    ) {
        Err(error) if error.is_fixed_by_rebuild() => (
            ForgottenFailures::default(),
            Some(rebuilt(
                context,
                (&policy, trust),
                (&store, &account),
                &error,
            )?),
        ),
        failures => (failures?, None),
    };
    let report = UnlockReport {
        user,
        failures: failures.logins,
        daemon_failures: failures.daemon,
        rebuilt,
        waiting_for_clock: match trust {
            ClockTrust::Right => Vec::new(),
            ClockTrust::Unproven => {
                let ahead = ahead_of_clock(&store, &account, clock::now()?);
                ahead.into_iter().map(|(device, _)| device).collect()
            }
        },
    };
    context.write(&report)
}

/// The devices whose last code is of a time that the clock has not reached. Files that cannot be used have none that is known.
fn ahead_of_clock(store: &FactorStore, account: &Account, now: u64) -> Vec<(String, u64)> {
    let snapshot = store.snapshot(account).ok().flatten();
    snapshot.map_or_else(Vec::new, |it| {
        verify::ahead_of_clock(&it.record, &it.state, now)
    })
}

/// Finds out if the clock is right: from the kernel, and from root where a device depends on it.
fn clock_trust(
    context: &CommandContext,
    args: &UnlockArgs,
    store: &FactorStore,
    account: &Account,
) -> Result<ClockTrust, CommandFailure> {
    if clock_vouching::known_trust(args.clock_is_right) == ClockTrust::Right {
        return Ok(ClockTrust::Right);
    }
    let now = clock::now()?;
    let ahead = ahead_of_clock(store, account, now);
    let Some((device, moment)) = ahead.into_iter().max_by_key(|(_, moment)| *moment) else {
        return Ok(ClockTrust::Unproven);
    };
    let question = format!(
        "The last code of {device} was accepted when the clock showed {}. It shows {} now. If it is behind, codes that were used \
         would work again.\nIs the clock right now?",
        ReportedTime(moment).with_zone(),
        ReportedTime(now).with_zone()
    );
    let is_right = context.terminal.offer(&question)?;
    Ok(if is_right {
        ClockTrust::Right
    } else {
        ClockTrust::Unproven
    })
}

/// The command that ends a wait for the clock.
fn unlock_by_clock(user: &str) -> String {
    suggested_command::twofactor("unlock --clock-is-right", &[user], &[])
}

/// Makes a new state, after a question.
fn rebuilt(
    context: &CommandContext,
    (policy, trust): (&Policy, ClockTrust),
    (store, account): (&FactorStore, &Account),
    error: &ChangeError,
) -> Result<StateRebuildReport, CommandFailure> {
    context.terminal.prose(&format!(
        "{error}\nA new state is made. What may have been used before does not work in it: recovery and bypass codes, \
         and the counters of HOTP tokens.\n"
    ))?;
    context
        .terminal
        .confirm(&format!("Make a new state for {}?", account.name))?;
    let record = store.record(account)?;
    let command = unlock_by_clock(&account.name);
    clock_vouching::prove_for_rebuild(context, record.as_ref(), trust, &command)?;
    let state = operations::rebuild_state(
        &command_log::factor(store, account),
        policy.window,
        clock::now()?,
    )?;
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
    /// Wrong codes at logins that no longer count.
    failures: u32,
    /// Wrong codes of programs that ask the daemon, which no longer count.
    daemon_failures: u32,
    /// `null` unless the state was unusable and made anew.
    rebuilt: Option<StateRebuildReport>,
    /// Devices whose codes stay refused: the last one is of a time that the clock, which may be behind, has not reached.
    waiting_for_clock: Vec<String>,
}

/// Parts of a user's factor that do not work yet in a new state.
#[derive(Serialize)]
struct StateRebuildReport {
    /// Seconds until TOTP codes work.
    wait_seconds: u64,
    /// HOTP devices that need `twofactor resync`.
    resync: Vec<String>,
}

impl UnlockReport<'_> {
    /// The devices that wait for the clock, and what ends that.
    fn waiting(&self) -> String {
        if self.waiting_for_clock.is_empty() {
            return String::new();
        }
        let devices = self.waiting_for_clock.join(", ");
        let unlock = unlock_by_clock(self.user);
        format!(
            "Codes of {devices} stay refused: the last one is of a time that this machine's clock has not reached.\n\
             If the clock is behind, set it right. If it is right, and was ahead then: {unlock}\n"
        )
    }

    fn ended(&self) -> String {
        let user = self.user;
        let codes = |number: u32| count(u64::from(number), "wrong code");
        let (logins, daemon) = (codes(self.failures), codes(self.daemon_failures));
        match (self.failures, self.daemon_failures) {
            (0, 0) => format!("{user} was not locked out: there were no wrong codes.\n"),
            (_, 0) => format!("{user} may try again; {logins} no longer counted.\n"),
            (0, _) => {
                format!("{user} may try again; {daemon} through the daemon no longer counted.\n")
            }
            (_, _) => format!(
                "{user} may try again; {logins} at logins and {daemon} through the daemon no longer counted.\n"
            ),
        }
    }
}

impl CommandReport for UnlockReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let user = self.user;
        let Some(rebuilt) = &self.rebuilt else {
            return Zeroizing::new(self.ended() + &self.waiting());
        };
        let mut text = format!("{user} has a new state.\n");
        if rebuilt.wait_seconds > 0 {
            text.push_str(&format!(
                "Codes of the app work again in {}.\n",
                span(rebuilt.wait_seconds)
            ));
        }
        for device in &rebuilt.resync {
            let resync = suggested_command::twofactor("resync", &[user, device], &[]);
            text.push_str(&format!("Needed now: {resync}\n"));
        }
        text.push_str(&format!(
            "For new recovery codes: {}\n",
            suggested_command::twofactor("recovery-codes", &[user], &[])
        ));
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counters_are_told_of() {
        for (failures, daemon_failures, text) in [
            (0, 0, "al was not locked out: there were no wrong codes.\n"),
            (5, 0, "al may try again; 5 wrong codes no longer counted.\n"),
            (
                0,
                1,
                "al may try again; 1 wrong code through the daemon no longer counted.\n",
            ),
            (
                5,
                9,
                "al may try again; 5 wrong codes at logins and 9 wrong codes through the daemon no longer counted.\n",
            ),
        ] {
            let report = UnlockReport {
                user: "al",
                failures,
                daemon_failures,
                rebuilt: None,
                waiting_for_clock: Vec::new(),
            };
            assert_eq!(&*report.text(), text);
        }
    }
}
