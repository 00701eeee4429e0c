//! `unset` without root.

use twofactor_protocol::service::{ChangeCall, RemovalCall};

use super::proof_dialogue::{ProofDialogue, WantedProof};
use super::{OwnFactor, device_names, left_to_administrator, refuse_root_options};
use crate::args::UnsetArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::commands::removal_impact::RemovalEffect;
use crate::commands::removal_report::{RemovalReport, RemovedPart};
use crate::commands::renew::chosen_name;
use crate::terminal::Terminal;

/// Runs it.
pub fn run(context: &CommandContext, args: &UnsetArgs) -> Result<(), CommandFailure> {
    refuse_root_options(&[
        ("--force", args.force),
        ("--dry-run", args.preview.dry_run),
        ("--if-policy", args.preview.if_policy.is_some()),
        ("--if-devices", args.if_devices.is_some()),
    ])?;
    let own = OwnFactor::of_caller(context, args.user.as_deref())?;
    let status = own.managed_status()?;
    let user = own.user.as_str();
    let names = device_names(user, &status)?;
    let named = args.device.as_deref();
    let named = named.map(|name| chosen_name(user, &names, Some(name)));
    // The last device goes with everything else, as for root.
    let device = named.transpose()?.filter(|_| names.len() > 1);
    if device.is_none() && !status.may.unset_last {
        return Err(left_to_administrator());
    }
    let terminal = &context.terminal;
    match device {
        Some(device) => terminal.confirm(&format!("Remove the device {device} of {user}?"))?,
        None => confirm_all(terminal, user, &names, args.device.as_deref())?,
    }
    let dialogue = ProofDialogue {
        context,
        own: &own,
        status: &status,
        codes: WantedProof::Code,
    };
    let (_, reply) = dialogue.run(|code| {
        ChangeCall::Unset(RemovalCall {
            user: user.to_owned(),
            device: device.map(str::to_owned),
            // Those of the question, and no others that came after it.
            all: device
                .is_none()
                .then(|| names.iter().map(|name| (*name).to_owned()).collect()),
            code,
        })
    })?;
    let part = match device {
        Some(_) => RemovedPart::Device,
        None => RemovedPart::All,
    };
    let mut report = RemovalReport::new(user, part, None);
    report.device = device;
    report.devices_left = reply.devices_left.unwrap_or(0);
    report.removed = match device {
        Some(device) => vec![device.to_owned()],
        None => names.into_iter().map(str::to_owned).collect(),
    };
    context.write(&report.done(RemovalEffect::UNKNOWN))
}

/// Asks before everything of a user goes. `only` is the only device, where it was named.
fn confirm_all(
    terminal: &Terminal,
    user: &str,
    names: &[&str],
    only: Option<&str>,
) -> Result<(), CommandFailure> {
    if let Some(only) = only {
        terminal.prose(&format!(
            "{only} is your only device: your recovery codes go with it.\n"
        ))?;
    }
    terminal.prose("Logins ask you for no code from then on.\n")?;
    let devices = names.join(", ");
    terminal.confirm(&format!(
        "Remove all devices ({devices}) and the recovery codes of {user}?"
    ))
}
