//! The trial login, while setup can still be undone.

use twofactor_core::account::Account;
use twofactor_core::device::CredentialId;
use twofactor_store::FactorStore;

use super::restored_files;
use super::setup_plan::SetupPlan;
use crate::args::SetupArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::{enable_disable, verify};
use crate::formatting::plain;
use crate::interrupt;
use crate::invoking_user;

/// The user who tries a code: the one who was named, else the caller. Where the caller has no device and one other user
/// alone has one, that user, which is said: a root shell is no user's.
///
/// # Errors
/// A usage error where the caller cannot be told; a refusal where there is no such user.
pub fn user(context: &CommandContext, args: &SetupArgs) -> Result<String, CommandFailure> {
    let user = invoking_user::unless_named(args.user.as_deref(), "setup --user")?;
    let user = context.account(&user)?.name;
    // What cannot be read is reported where it is needed.
    if args.user.is_some() || enable_disable::has_device(context, &user).unwrap_or(true) {
        return Ok(user);
    }
    let store = context.store().ok().flatten();
    let recorded = store
        .and_then(|store| store.users().ok())
        .unwrap_or_default()
        .into_iter();
    // A second one is enough to know, where looking up an account may take its time.
    let enrolled: Vec<String> = recorded
        .filter(|name| enable_disable::has_device(context, name).is_ok_and(|has| has))
        .take(2)
        .collect();
    match enrolled.as_slice() {
        [] => Ok(user),
        [only] => {
            context.terminal.prose(&format!(
                "{} tries a code afterwards, as the only user with a device. For another user: twofactor setup with --user USER\n",
                plain(only)
            ))?;
            Ok(only.clone())
        }
        _ => {
            context.terminal.prose(
                "To let a user with a device try a code afterwards: twofactor setup with --user USER\n",
            )?;
            Ok(user)
        }
    }
}

/// Asks for a code, then waits for a login in a second terminal. Restores all files if the trial fails or is
/// interrupted.
///
/// # Errors
/// A refusal after all files were restored.
pub fn run(context: &CommandContext, plan: &SetupPlan, user: &str) -> Result<(), CommandFailure> {
    if !context.terminal.is_interactive() {
        return Ok(context.terminal.prose(
            "Log in in a second terminal before you close this one. If that fails: twofactor setup --undo\n",
        )?);
    }
    match try_it(context, plan, user) {
        Ok(TrialVerdict::Works) => Ok(context.terminal.prose(&kept(plan))?),
        Ok(TrialVerdict::Fails) => match restored_files::put_back(context) {
            Ok(()) => Err(CommandFailure::refused("everything was undone")
                .next("To see what is wrong, set it up again and run: twofactor doctor")),
            Err(failure) => Err(restored_files::not_undone(
                "the trial login failed",
                &failure,
            )),
        },
        Err(failure) => Err(restored_files::after(context, failure)),
    }
}

/// The facts that hold once the trial login has worked.
fn kept(plan: &SetupPlan) -> String {
    let ask = match plan.services.as_slice() {
        [] => "The services that the policy has on now ask".to_owned(),
        [only] => format!("{only} now asks"),
        several => format!("{} now ask", several.join(", ")),
    };
    format!("Kept. {ask} for a code. To undo it: twofactor setup --undo\n")
}

enum TrialVerdict {
    Works,
    Fails,
}

fn try_it(
    context: &CommandContext,
    plan: &SetupPlan,
    user: &str,
) -> Result<TrialVerdict, CommandFailure> {
    let terminal = &context.terminal;
    if enable_disable::has_device(context, user)? {
        terminal.prose(&format!(
            "Now a code of {user}, checked as a login checks it (Enter: not now).\n"
        ))?;
        // A wrong or missing code undoes nothing.
        let tried = verify::try_code(context, user);
        interrupt::check()?;
        match tried {
            Ok(_) => {}
            Err(failure) => terminal.prose(&format!("{failure}\n"))?,
        }
    }
    terminal.prose(&format!(
        "Keep this shell open. In a second terminal, log in, and try each of them: {}.\n\
         Type y when it has worked, n to undo everything. Ctrl-C undoes it, too.\n",
        plan.services.join(", ")
    ))?;
    wait(context, user)
}

/// Waits for the answer. A right code of `user` is reported but is no answer: only the administrator knows if the
/// intended login has worked.
fn wait(context: &CommandContext, user: &str) -> Result<TrialVerdict, CommandFailure> {
    let store = context.existing_store()?;
    let account = context.account(user)?;
    let terminal = &context.terminal;
    let mut known = uses(&store, &account);
    let mut seen = known.is_empty();
    let mut doubted = false;
    loop {
        if interrupt::answer_is_there()? {
            let answer = terminal.answer()?;
            match answer.as_ref().map(|answer| answer.trim()) {
                Some("y" | "Y" | "yes") if seen || doubted => return Ok(TrialVerdict::Works),
                // Said once: the login may be another user's.
                Some("y" | "Y" | "yes") => {
                    doubted = true;
                    terminal.prose(&format!(
                        "{user} has given no right code since the change. Type y again to keep it all the same.\n"
                    ))?;
                }
                Some("n" | "N" | "no") | None => return Ok(TrialVerdict::Fails),
                Some(_) => terminal.prose(
                    "Type y to keep the change, n to undo it. Codes belong in the second terminal.\n",
                )?,
            }
        }
        let now = uses(&store, &account);
        for device in used_again(&known, &now) {
            terminal.prose(&used(user, device, seen))?;
            seen = true;
        }
        known = now;
    }
}

/// The text about a right code.
fn used(user: &str, device: &str, seen: bool) -> String {
    if seen {
        format!("{user} has given a right code again.\n")
    } else {
        format!(
            "{user} has given a right code of the device {device}. Type y if that was the login, and it has worked.\n"
        )
    }
}

/// The use of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DeviceUse {
    id: CredentialId,
    name: String,
    next: u64,
    last_used: u64,
}

/// The readable devices of a user. An unreadable one is no reason to stop.
fn uses(store: &FactorStore, account: &Account) -> Vec<DeviceUse> {
    let Ok(Some(snapshot)) = store.snapshot(account) else {
        return Vec::new();
    };
    let devices = snapshot.record.devices.iter();
    let used = devices.filter_map(|device| {
        let states = &snapshot.state.devices;
        let state = states.iter().find(|state| state.id == device.id)?;
        Some(DeviceUse {
            id: device.id,
            name: device.name.to_string(),
            next: state.next,
            last_used: state.last_used,
        })
    });
    used.collect()
}

/// The known devices that have given a right code since. A new device does not count: its confirmation is
/// no login.
fn used_again<'a>(known: &[DeviceUse], now: &'a [DeviceUse]) -> Vec<&'a str> {
    let again = now.iter().filter(|device| {
        known.iter().any(|before| {
            before.id == device.id
                && before.last_used <= device.last_used
                && before.next < device.next
        })
    });
    again.map(|device| device.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: u64, next: u64, last_used: u64) -> DeviceUse {
        DeviceUse {
            id: CredentialId::from_number(id).unwrap(),
            name: format!("device-{id}"),
            next,
            last_used,
        }
    }

    #[test]
    fn only_a_known_device_that_was_used_counts() {
        let known = [device(1, 5, 100), device(2, 7, 200)];
        let none: [&str; 0] = [];
        assert_eq!(used_again(&known, &known), none);
        let now = [device(1, 6, 130), device(2, 7, 200), device(3, 9, 130)];
        assert_eq!(used_again(&known, &now), ["device-1"]);
        // A device that resync moved back has not given a code.
        assert_eq!(used_again(&known, &[device(1, 4, 100)]), none);
    }
}
