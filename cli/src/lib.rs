//! The command `twofactor`: parses, runs one subcommand, turns its result into an exit code.
//!
//! A library only so that `fuzz/` reaches its parsers; `main.rs` is the program.
#![forbid(unsafe_code)]

mod args;
mod change_delivery;
mod clock_vouching;
mod command_context;
mod command_failure;
mod command_log;
mod command_turn;
mod commands;
mod device_info;
mod doctor;
mod duration;
mod escaping;
mod example_files;
mod export_oath;
mod failure_kind;
mod formatting;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod impact;
mod import_formats;
mod interrupt;
mod invoking_user;
mod lock_holder;
mod unmatched_name;

mod change_failure;
#[cfg(test)]
mod manual_page;
mod output;
mod output_stream;
mod parallel;
mod parse_result;
mod policy_text;
mod private_copy;
mod private_file;
mod progress;
mod qr_files;
mod recovery_sheet;
mod roster;
#[cfg(test)]
mod scratch_directory;
mod suggested_command;
mod system_failure;
mod terminal;
mod wrapping;

use std::ffi::OsString;
use std::process::ExitCode;

use rustix::process::DumpableBehavior;

use crate::args::{CommandLine, PolicyCommand, TwofactorCommand};
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::failure_kind::FailureKind;
use crate::output::OutputFormat;
use crate::output_stream::OutputStream;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    // Keys will be in memory. Where the kernel refuses, nothing is lost but this.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match CommandLine::read(&words, OutputStream::Stdout.columns()) {
        Ok(cli) => cli,
        Err(error) => return parse_result::explain(&error, &words),
    };
    let mut context = CommandContext::new(&cli.global);
    if cli.command.is_dialogue() {
        context.format = OutputFormat::Dialogue;
    }
    let allowed = match cli.command {
        TwofactorCommand::Completions(_) | TwofactorCommand::Complete(_) => Ok(()),
        // The policy is no secret.
        TwofactorCommand::Policy(PolicyCommand::Show { .. } | PolicyCommand::Check { .. }) => {
            Ok(())
        }
        _ => root_only(),
    };
    let done = match allowed {
        Ok(()) => commands::run(&context, &cli.command),
        Err(refused) => commands::own_factor::run(&context, &cli.command).unwrap_or(Err(refused)),
    };
    let code = match done {
        Ok(code) => code,
        Err(failure) => {
            // The reader that closed the pipe wanted no more, also no error.
            if failure.exit != ExitStatus::Unread {
                context.format.write_failure(&failure);
            }
            ExitCode::from(failure.exit as u8)
        }
    };
    // Also after an error: of several users some may have been changed.
    change_delivery::deliver(&context);
    code
}

/// Records and policy belong to root; other users get to their own factor through the daemon alone.
fn root_only() -> Result<(), CommandFailure> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(
            CommandFailure::refused("this command needs root; run it with sudo")
                .of_kind(FailureKind::NotRoot),
        )
    }
}
