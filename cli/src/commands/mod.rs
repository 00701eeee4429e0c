//! The subcommands, one file each.

mod backup;
mod bypass;
mod completions;
mod device_confirmation;
pub mod enable_disable;
mod enroll;
mod enrollment_report;
mod event_dialogue;
mod export;
mod fleet;
mod fleet_leaving;
mod fleet_restoration;
mod fleet_status;
mod import;
mod init;
mod invite;
mod manual;
pub mod own_factor;
pub mod policy;
pub mod policy_change;
mod policy_editor;
mod recovery_codes;
mod relocation;
mod removal_impact;
mod removal_report;
mod removal_target;
mod renew;
mod restoration;
mod restore_report;
mod resync;
mod setup;
mod show;
mod status;
mod unlock;
mod unset;
pub mod verify;
mod verify_report;
mod waiting_device;

use std::process::ExitCode;

use crate::args::{Command, PolicyCommand};
use crate::context::Context;
use crate::error::Failure;

/// Runs a subcommand. The exit code differs from 0 where a report was written that holds bad news.
pub fn run(context: &Context, command: &Command) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Init(args) => init::run(context, args),
        Command::Enroll(args) => enroll::run(context, args),
        Command::Rename(args) => relocation::rename(context, args),
        Command::Adopt(args) => relocation::adopt(context, args),
        Command::Renew(args) => renew::run(context, args),
        Command::Unset(args) => unset::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Status(args) => return status::run(context, args),
        Command::Doctor(args) => return crate::doctor::run(context, args),
        Command::Verify(args) => return verify::run(context, args),
        Command::RecoveryCodes(args) => recovery_codes::run(context, args),
        Command::Bypass(args) => bypass::run(context, args),
        Command::Invite(args) => return invite::run(context, args),
        Command::Unlock(args) => unlock::run(context, args),
        Command::Resync(args) => resync::run(context, args),
        Command::Setup(args) => setup::run(context, args),
        Command::Enable(args) => enable_disable::enable(context, args),
        Command::Disable(args) => enable_disable::disable(context, args),
        Command::Import(args) => return import::run(context, args),
        Command::Export(args) => return export::run(context, args),
        Command::Backup(args) => return backup::run(context, args),
        Command::Restore(args) => return restoration::run(context, args),
        Command::Fleet(args) => return fleet::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Complete(args) => completions::complete(args),
        Command::Manual => manual::run(context),
        Command::Policy(PolicyCommand::Show { key }) => policy::show(context, key.as_deref()),
        Command::Policy(PolicyCommand::Edit(args)) => policy_editor::run(context, args),
        Command::Policy(PolicyCommand::Set(args)) => enable_disable::set(context, args),
        Command::Policy(PolicyCommand::Check { file }) => policy::check(context, file.as_deref()),
    };
    done.map(|()| ExitCode::SUCCESS)
}
