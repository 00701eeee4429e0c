//! `twofactor completions`: what completes the command line in a shell.
#![forbid(unsafe_code)]

use clap::CommandFactory as _;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::{Cli, Completions, Shell};
use crate::context::Context;
use crate::error::Failure;
use crate::output::Report;

/// Runs the subcommand.
pub fn run(context: &Context, args: &Completions) -> Result<(), Failure> {
    let mut command = Cli::command();
    let mut script = Vec::new();
    match args.shell {
        Shell::Bash => generate(Bash, &mut command, "twofactor", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "twofactor", &mut script),
        Shell::Fish => generate(Fish, &mut command, "twofactor", &mut script),
    }
    let script = String::from_utf8(script).map_err(Failure::system)?;
    context.format.write(&Script { script })
}

#[derive(Serialize)]
struct Script {
    script: String,
}

impl Report for Script {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.script.clone())
    }
}
