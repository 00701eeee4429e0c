//! `twofactor completions`: what completes the command line in a shell; and `twofactor complete`, which that calls.
//!
//! The scripts hold no tables: the definition of the command line is asked at each Tab, and so are the names of this machine.

mod bash_line;
mod candidates;
mod request;

use clap::CommandFactory as _;
use serde::Serialize;
use zeroize::Zeroizing;

use self::bash_line::BashLine;
use self::request::{CompletionRequest, WantedValue};
use crate::args::{CommandLine, CompleteArgs, CompletionsArgs, ShellName};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::output::{CommandReport, LineLayout};
use crate::output_stream::OutputStream;

/// Runs `completions`.
pub fn run(context: &CommandContext, args: &CompletionsArgs) -> Result<(), CommandFailure> {
    let script = match args.shell {
        ShellName::Bash => include_str!("completions/twofactor.bash"),
        ShellName::Zsh => include_str!("completions/twofactor.zsh"),
        ShellName::Fish => include_str!("completions/twofactor.fish"),
    };
    context.write(&CompletionScript { script })
}

/// Runs `complete`: a line for the script that says what follows, then one for each candidate.
pub fn complete(args: &CompleteArgs) -> Result<(), CommandFailure> {
    let words = args.words.iter().map(|word| word.to_string_lossy());
    let words: Vec<String> = words.map(std::borrow::Cow::into_owned).collect();
    let line = match (args.shell, words.first()) {
        (ShellName::Bash, Some(line)) => Some(BashLine::read(line)),
        _ => None,
    };
    let typed = match (&line, words.split_last()) {
        (Some(line), _) => line.words.get(1..).unwrap_or_default().to_vec(),
        // fish gives the last word as it is typed.
        (None, Some((last, before))) if args.shell == ShellName::Fish => {
            let last = BashLine::read(last).words.join(" ");
            before.iter().cloned().chain([last]).collect()
        }
        (None, _) => words.clone(),
    };
    let mut cli = CommandLine::command();
    cli.build();
    let request = CompletionRequest::read(&cli, &typed);
    let mut out = match request.value {
        WantedValue::Words(_) => "described\n",
        WantedValue::File => "files\n",
        WantedValue::Directory => "directories\n",
        _ => "names\n",
    }
    .to_owned();
    for (word, help) in candidates::candidates(&request) {
        let text = match &line {
            Some(line) => {
                let replaced = words.get(1).map(String::as_str).unwrap_or_default();
                line.completion(&word, replaced)
            }
            None if help.is_empty() => Some(word),
            None => Some(format!("{word}\t{help}")),
        };
        if let Some(text) = text {
            out.push_str(&text);
            out.push('\n');
        }
    }
    OutputStream::Stdout.text(&out)?;
    Ok(())
}

#[derive(Serialize)]
struct CompletionScript {
    script: &'static str,
}

impl CommandReport for CompletionScript {
    fn layout(&self) -> LineLayout {
        LineLayout::Verbatim
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.script.to_owned())
    }
}
