//! The command `twofactor`: parses, runs one subcommand, turns its result into an exit code.
//!
//! A library only so that `fuzz/` reaches its parsers; `main.rs` is the program.
#![forbid(unsafe_code)]

mod args;
mod audit;
mod caller;
mod commands;
mod context;
mod device_info;
mod doctor;
mod duration;
mod error;
mod escaping;
mod exempt_names;
mod export_oath;
mod formatting;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod impact;
mod import;
mod interrupt;
mod output;
mod output_stream;
mod parallel;
mod policy_edit;
mod private_copy;
mod private_file;
mod progress;
mod qr_files;
mod recovery_sheet;
mod refusal;
mod remedy;
mod require_names;
mod roster;
#[cfg(test)]
mod scratch_directory;
mod shell;
mod suggest;
mod terminal;
mod wrapping;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use rustix::process::DumpableBehavior;

use crate::args::{Command, CommandLine, PolicyCommand};
use crate::context::Context;
use crate::error::{ExitStatus, Failure};
use crate::output_stream::OutputStream;
use crate::terminal::colours_unwanted;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    // Keys will be in memory. Where the kernel refuses, nothing is lost but this.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match CommandLine::read(&words, OutputStream::Stdout.columns()) {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let context = Context::new(&cli.global);
    let allowed = match cli.command {
        Command::Completions(_) | Command::Complete(_) | Command::Manual => Ok(()),
        // The policy is no secret.
        Command::Policy(PolicyCommand::Show { .. } | PolicyCommand::Check { .. }) => Ok(()),
        _ => root_only(),
    };
    match allowed.and_then(|()| commands::run(&context, &cli.command)) {
        Ok(code) => code,
        Err(failure) => {
            // The reader that closed the pipe wanted no more, also no error.
            if failure.exit != ExitStatus::Unread {
                context.format.write_failure(&failure);
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Shows what clap has to say: the help, or what is wrong with the arguments, which may hold anything.
fn explain(error: &clap::Error) -> ExitCode {
    let outlet = if error.use_stderr() {
        OutputStream::Stderr
    } else {
        OutputStream::Stdout
    };
    let ours = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let text = error.render();
    let spaces = |text: String| text.replace(args::examples::JOINED, " ");
    // If it cannot be shown, the exit code is all that is left.
    let _ = if ours && outlet.is_terminal() && !colours_unwanted() {
        outlet.drawing(&spaces(text.ansi().to_string()))
    } else if ours {
        outlet.text(&spaces(text.to_string()))
    } else {
        outlet.prose(&text.to_string())
    };
    if error.use_stderr() {
        ExitCode::from(ExitStatus::Usage as u8)
    } else {
        ExitCode::SUCCESS
    }
}

/// Records and policy belong to root; no other user gets to them.
fn root_only() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(Failure::refused(
            "this command needs root; run it with sudo",
        ))
    }
}
