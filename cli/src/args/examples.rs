//! The examples below the help of a subcommand, on screens that are too narrow for them.

use clap::Command;
use unicode_width::UnicodeWidthStr as _;

/// Placeholder for the spaces of a command, so that clap breaks no line there.
pub const JOINED: char = '\u{a0}';
/// Indent of remarks below their command.
const REMARK: &str = "      ";

/// The command with examples for a screen of so many columns: where one is too long, its remark stands below it, and the
/// spaces of the command itself are [`JOINED`].
pub fn fitted(command: Command, columns: usize) -> Command {
    let command = command.mut_subcommands(|sub| fitted(sub, columns));
    let Some(help) = command.get_after_help().map(ToString::to_string) else {
        return command;
    };
    let lines = help.lines().map(|line| fitted_line(line, columns));
    let lines: Vec<String> = lines.collect();
    command.after_help(lines.join("\n"))
}

fn fitted_line(line: &str, columns: usize) -> String {
    let Some(example) = line.strip_prefix("  ").filter(|_| line.width() > columns) else {
        return line.to_owned();
    };
    let (call, remark) = example.split_once("  ").unwrap_or((example, ""));
    let call = call.replace(' ', &JOINED.to_string());
    match remark.trim_start() {
        "" => format!("  {call}"),
        remark => format!("  {call}\n{REMARK}{remark}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_of_long_examples_stand_below_them() {
        let line = "  twofactor bypass alice --for 2d     two days";
        assert_eq!(fitted_line(line, 80), line);
        assert_eq!(
            fitted_line(line, 40).replace(JOINED, "~"),
            "  twofactor~bypass~alice~--for~2d\n      two days"
        );
        assert_eq!(
            fitted_line("A long sentence of words", 10),
            "A long sentence of words"
        );
    }
}
