//! The command `twofactor`: parses, runs one subcommand, turns its result into an exit code.
//!
//! A library only so that `fuzz/` reaches its parsers; `main.rs` is the program.
#![forbid(unsafe_code)]

mod accounts;
mod args;
mod audit;
mod commands;
mod context;
mod device_info;
mod doctor;
mod duration;
mod error;
mod export_oath;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identity;
mod impact;
mod import;
mod many;
mod new_file;
mod output;
mod people;
mod policy_edit;
mod progress;
mod qr_files;
mod recovery_sheet;
mod terminal;
mod text;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::DumpableBehavior;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::{Exit, Failure};

/// Runs the command with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    // Keys will be in memory. Where the kernel refuses, nothing is lost but this.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let cli = Cli::parse();
    let context = Context::new(&cli.global);
    let allowed = match cli.command {
        Command::Completions(_) | Command::Manual => Ok(()),
        _ => root_only(),
    };
    match allowed.and_then(|()| commands::run(&context, &cli.command)) {
        Ok(code) => code,
        Err(failure) => {
            // Whoever closed the pipe wanted no more, also no error.
            if failure.exit != Exit::Unread {
                context.format.write_failure(&failure);
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Records and policy belong to root; nobody else gets to them.
fn root_only() -> Result<(), Failure> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err(Failure::refused("only root may do this; run it with sudo")),
    }
}
