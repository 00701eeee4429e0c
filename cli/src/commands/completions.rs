//! `twofactor completions`: what completes the command line in a shell.

mod bash;

use clap::{Arg, Command, CommandFactory as _, ValueHint};
use clap_complete::generate;
use clap_complete::shells::{Fish, Zsh};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::{CommandLine, CompletionsArgs, ShellName};
use crate::context::Context;
use crate::error::Failure;
use crate::output::{LineLayout, Report};

/// Runs the subcommand.
pub fn run(context: &Context, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut command = CommandLine::command();
    command.build();
    let script = match args.shell {
        ShellName::Bash => bash::script(&command),
        ShellName::Zsh => {
            let mut script = Vec::new();
            generate(Zsh, &mut command, "twofactor", &mut script);
            String::from_utf8(script).map_err(Failure::system)?
        }
        ShellName::Fish => {
            let mut script = Vec::new();
            generate(Fish, &mut command, "twofactor", &mut script);
            String::from_utf8(script).map_err(Failure::system)? + &fish_arguments(&command)
        }
    };
    context.write(&CompletionScript { script })
}

/// Completions that clap_complete leaves out for fish: the values of arguments that are no options.
fn fish_arguments(command: &Command) -> String {
    let first = |command: &Command| -> Option<String> {
        let argument: &Arg = command.get_positionals().next()?;
        let words: Vec<String> = argument
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        match argument.get_value_hint() {
            _ if !words.is_empty() => Some(words.join(" ")),
            ValueHint::Username => Some("(__fish_complete_users)".to_owned()),
            _ => None,
        }
    };
    let lines = command.get_subcommands().filter_map(|sub| {
        let name = sub.get_name();
        let values = first(sub)?;
        Some(format!(
            "complete -c twofactor -n \"__fish_twofactor_using_subcommand {name}\" -f -a \"{values}\"\n"
        ))
    });
    lines.collect()
}

#[derive(Serialize)]
struct CompletionScript {
    script: String,
}

impl Report for CompletionScript {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.script.clone())
    }
}
