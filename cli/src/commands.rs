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
mod fleet_access;
mod fleet_leaving;
mod fleet_restoration;
mod fleet_status;
mod import;
mod init;
mod invite;
pub mod own_factor;
pub mod policy;
pub mod policy_change;
mod policy_editor;
mod recovery_codes;
mod relocation;
mod removal_impact;
mod removal_report;
mod renew;
mod restore;
mod resync;
mod setup;
mod show;
mod shut_out_watch;
mod status;
mod unlock;
mod unset;
pub mod verify;
mod verify_report;
mod waiting_device;

use std::process::ExitCode;

use crate::args::{PolicyCommand, TwofactorCommand};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;

/// Runs a subcommand. The exit code differs from 0 where a report was written that holds bad news.
pub fn run(
    context: &CommandContext,
    command: &TwofactorCommand,
) -> Result<ExitCode, CommandFailure> {
    let done = match command {
        TwofactorCommand::Init(args) => init::run(context, args),
        TwofactorCommand::Enroll(args) => enroll::run(context, args),
        TwofactorCommand::Rename(args) => relocation::rename(context, args),
        TwofactorCommand::Adopt(args) => relocation::adopt(context, args),
        TwofactorCommand::Renew(args) => renew::run(context, args),
        TwofactorCommand::Unset(args) => unset::run(context, args),
        TwofactorCommand::Show(args) => show::run(context, args),
        TwofactorCommand::Status(args) => return status::run(context, args),
        TwofactorCommand::Doctor(args) => return crate::doctor::run(context, args),
        TwofactorCommand::Verify(args) => return verify::run(context, args),
        TwofactorCommand::RecoveryCodes(args) => recovery_codes::run(context, args),
        TwofactorCommand::Bypass(args) => bypass::run(context, args),
        TwofactorCommand::Invite(args) => return invite::run(context, args),
        TwofactorCommand::Unlock(args) => unlock::run(context, args),
        TwofactorCommand::Resync(args) => resync::run(context, args),
        TwofactorCommand::Setup(args) => setup::run(context, args),
        TwofactorCommand::Enable(args) => enable_disable::enable(context, args),
        TwofactorCommand::Disable(args) => enable_disable::disable(context, args),
        TwofactorCommand::Import(args) => return import::run(context, args),
        TwofactorCommand::Export(args) => return export::run(context, args),
        TwofactorCommand::Backup(args) => return backup::run(context, args),
        TwofactorCommand::Restore(args) => return restore::run(context, args),
        TwofactorCommand::Fleet(args) => return fleet::run(context, args),
        TwofactorCommand::Completions(args) => completions::run(context, args),
        TwofactorCommand::Complete(args) => completions::complete(args),
        TwofactorCommand::Policy(PolicyCommand::Show { key }) => {
            policy::show(context, key.as_deref())
        }
        TwofactorCommand::Policy(PolicyCommand::Edit(args)) => policy_editor::run(context, args),
        TwofactorCommand::Policy(PolicyCommand::Set(args)) => enable_disable::set(context, args),
        TwofactorCommand::Policy(PolicyCommand::Check { file }) => {
            policy::check(context, file.as_deref())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
