//! Completion in bash. clap_complete's own offers files for users, and leaves out the values of arguments.

use clap::{Arg, Command, ValueHint};

/// The part that does not depend on the definition of the command line.
const SCRIPT: &str = include_str!("bash.sh");

/// The script for a command that has been built.
pub fn script(cli: &Command) -> String {
    let (mut words, mut values) = (String::new(), String::new());
    tables(cli, &mut words, &mut values);
    SCRIPT
        .replace("@WORDS@\n", &words)
        .replace("@VALUES@\n", &values)
}

/// Adds the rows of a command and of its subcommands.
fn tables(command: &Command, words: &mut String, values: &mut String) {
    let path = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let subcommands: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let mut options: Vec<String> = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let flags = flags(arg);
        if arg.get_action().takes_values() {
            let cases: Vec<String> = flags
                .iter()
                .map(|flag| format!("'{path} {flag}'"))
                .collect();
            let kind = kind(arg);
            values.push_str(&format!("    {}) value={kind} ;;\n", cases.join(" | ")));
        }
        options.extend(flags);
    }
    let arguments: Vec<String> = command.get_positionals().map(kind).collect();
    words.push_str(&format!(
        "    '{path}') commands='{}' options='{}' values='{}' ;;\n",
        subcommands.join(" "),
        options.join(" "),
        arguments.join(" ")
    ));
    // Below `help` every command stands once more.
    for sub in command.get_subcommands() {
        if sub.get_name() != "help" {
            tables(sub, words, values);
        } else if command.get_name() == path {
            let others = subcommands.iter().filter(|name| **name != "help");
            let others: Vec<&str> = others.copied().collect();
            words.push_str(&format!(
                "    '{path} help') commands='{}' options= values= ;;\n",
                others.join(" ")
            ));
        }
    }
}

fn flags(arg: &Arg) -> Vec<String> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    short.into_iter().chain(long).collect()
}

/// Kind of a value.
fn kind(arg: &Arg) -> String {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let names: Vec<&str> = possible.iter().map(|value| value.get_name()).collect();
        return format!("={}", names.join(","));
    }
    let service = |names: &[clap::builder::Str]| names.iter().any(|name| name == "SERVICE");
    match arg.get_value_hint() {
        ValueHint::Username => "user",
        ValueHint::DirPath => "directory",
        ValueHint::AnyPath | ValueHint::FilePath => "file",
        _ if arg.get_value_names().is_some_and(service) => "service",
        _ => "text",
    }
    .to_owned()
}
