//! Trying what was set up, while everything can still be taken back.

use twofactor_store::Store;

use super::journal::SetupJournal;
use super::restore;
use super::setup_plan::SetupPlan;
use crate::commands::{switch, verify};
use crate::context::Context;
use crate::error::Failure;
use crate::interrupt;
use crate::roster::{AccountLookup, RecordOwner};

/// Asks for a code, then waits for a login in a second terminal. What fails, or is interrupted, is put back if that is
/// wanted.
///
/// # Errors
/// A refusal once everything was put back.
pub fn run(
    context: &Context,
    plan: &SetupPlan,
    user: &str,
    journal: &SetupJournal,
) -> Result<(), Failure> {
    if !context.terminal.is_interactive() {
        return Ok(context.terminal.say(
            "Log in in a second terminal before you close this one. If that fails: twofactor setup --undo\n",
        )?);
    }
    match try_it(context, plan, user) {
        Ok(TrialVerdict::Works) => Ok(()),
        Ok(TrialVerdict::Fails) => {
            restore::put_back(context, journal.clone())?;
            Err(Failure::refused("everything was taken back")
                .next("To see what is wrong, set it up again and run: twofactor doctor"))
        }
        Err(failure) => Err(restore::after(context, journal.clone(), failure)),
    }
}

enum TrialVerdict {
    Works,
    Fails,
}

fn try_it(context: &Context, plan: &SetupPlan, user: &str) -> Result<TrialVerdict, Failure> {
    let terminal = &context.terminal;
    if switch::has_device(context, user)? {
        terminal.say(&format!(
            "Now a code of {user}, checked as a login checks it (Enter: not now).\n"
        ))?;
        // A code that is wrong, or not typed, takes nothing back by itself.
        let tried = verify::try_code(context, user);
        interrupt::check()?;
        match tried {
            Ok(_) => {}
            Err(failure) => terminal.say(&format!("{failure}\n"))?,
        }
    }
    terminal.say(&format!(
        "Keep this shell open. In a second terminal, log in ({}).\n\
         Type y when it has worked, n to take everything back. Ctrl-C takes it back, too.\n",
        plan.services.join(", ")
    ))?;
    wait(context)
}

/// Until a right code is given somewhere, or an answer here.
fn wait(context: &Context) -> Result<TrialVerdict, Failure> {
    let store = context.existing_store()?;
    let known = uses(&store)?;
    loop {
        if interrupt::answer_is_there()? {
            let answer = context.terminal.answer()?;
            match answer.as_ref().map(|answer| answer.trim()) {
                Some("y" | "Y" | "yes") => return Ok(TrialVerdict::Works),
                Some("n" | "N" | "no") | None => return Ok(TrialVerdict::Fails),
                Some(_) => context.terminal.say("y or n\n")?,
            }
        }
        let used = uses(&store)?;
        let new = used.iter().find(|one| !known.contains(one));
        if let Some((user, _)) = new {
            context
                .terminal
                .say(&format!("{user} has given a right code. It works.\n"))?;
            return Ok(TrialVerdict::Works);
        }
    }
}

/// What right codes change, for each user.
fn uses(store: &Store) -> Result<Vec<(String, String)>, Failure> {
    let names = store.users()?;
    let accounts = AccountLookup::for_names(names.len());
    let mut uses = Vec::new();
    for name in names {
        let Some(account) = RecordOwner::of(&accounts, store, &name)?.account() else {
            continue;
        };
        // One that cannot be read is of no use here, and no reason to stop.
        if let Ok(Some(snapshot)) = store.snapshot(&account) {
            let state = &snapshot.state;
            let devices: Vec<(u64, u64)> = state
                .devices
                .iter()
                .map(|device| (device.next, device.last_used))
                .collect();
            let used = format!("{devices:?} {:?} {:?}", state.recovery, state.bypass);
            uses.push((name, used));
        }
    }
    Ok(uses)
}
