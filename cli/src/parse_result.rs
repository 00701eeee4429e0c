//! A command line that runs no command: help, the version, or an error in it.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::output::{CommandReport, OutputFormat};
use crate::output_stream::OutputStream;
use crate::terminal::colours_unwanted;

/// Number of the interface of `--json`, docs/automation.md: higher where a key has gone or has another meaning.
const INTERFACE: u32 = 1;

/// Shows what clap has to say: the help, or what is wrong with the arguments, which may hold anything.
pub fn explain(error: &clap::Error, words: &[OsString]) -> ExitCode {
    match asked_format(words) {
        OutputFormat::Text => {}
        format if error.use_stderr() => return refuse(error, format),
        _ if error.kind() == ErrorKind::DisplayVersion => return show_version(),
        OutputFormat::Json | OutputFormat::Dialogue => {}
    }
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
    let written = if ours && outlet.is_terminal() && !colours_unwanted() {
        outlet.drawing(&spaces(text.ansi().to_string()))
    } else if ours {
        outlet.text(&spaces(text.to_string()))
    } else {
        outlet.prose(&text.to_string())
    };
    match written {
        // If it cannot be shown, the exit code is all that is left.
        _ if error.use_stderr() => ExitCode::from(ExitStatus::Usage as u8),
        // Who has read enough of a help has got what was asked for.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        written => ended(written.map_err(CommandFailure::from)),
    }
}

/// The exit code of a text that was asked for.
fn ended(written: Result<(), CommandFailure>) -> ExitCode {
    let Err(failure) = written else {
        return ExitCode::SUCCESS;
    };
    // The reader that closed the pipe wanted no more.
    if failure.exit != ExitStatus::Unread {
        OutputFormat::Text.write_failure(&failure);
    }
    ExitCode::from(failure.exit as u8)
}

/// The format that the words ask for, as far as that can be told of words that make no sense.
fn asked_format(words: &[OsString]) -> OutputFormat {
    let options = words.iter().skip(1).take_while(|word| *word != "--");
    let has = |wanted: &str| options.clone().any(|word| word == wanted);
    if has("--dialogue") || has("--dialogue=json") {
        OutputFormat::Dialogue
    } else if has("--json") {
        OutputFormat::Json
    } else {
        OutputFormat::Text
    }
}

/// Refuses words for a program. Standard error has nothing of the arguments: they may be codes that were typed in the wrong place.
fn refuse(error: &clap::Error, format: OutputFormat) -> ExitCode {
    let text = error.render().to_string();
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => text.split("\n\n").next().unwrap_or_default(),
    };
    let what = what.trim().strip_prefix("error: ").unwrap_or(what.trim());
    let failure = CommandFailure::usage(what.split_whitespace().collect::<Vec<_>>().join(" "));
    let usage = text.lines().find(|line| line.starts_with("Usage: "));
    let failure = match usage {
        Some(usage) => failure.next(usage),
        None => failure.next("For all commands: twofactor --help"),
    };
    format.write_unsaid(&failure);
    ExitCode::from(failure.exit as u8)
}

fn show_version() -> ExitCode {
    let report = VersionReport {
        version: env!("CARGO_PKG_VERSION"),
        interface: INTERFACE,
    };
    ended(OutputFormat::Json.write(&report))
}

/// Report of `--version`.
#[derive(Serialize)]
struct VersionReport {
    version: &'static str,
    interface: u32,
}

impl CommandReport for VersionReport {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("twofactor {}\n", self.version))
    }
}
