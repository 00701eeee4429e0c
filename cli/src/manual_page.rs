//! The manual page twofactor(8): its commands and options come from the definition of the command line. Only a test makes
//! it, and holds the page in the sources equal.

use clap::{Arg, Command, CommandFactory as _};

use crate::args::CommandLine;
use crate::args::command_groups::GROUPS;

/// Text that is written by hand, in mdoc(7).
const PAGE: &str = include_str!("../../docs/man/twofactor.8.in");
/// The heading in the help of a subcommand after which its examples stand.
const EXAMPLES: &str = "EXAMPLES\n";

/// Columns for text on a terminal of 80.
const WIDTH: usize = 73;
/// Beginning of the text in the help of an option about a default that is no fixed value.
const DEFAULT: &str = " [default: ";

fn page() -> String {
    let mut cli = CommandLine::command();
    // Gives the subcommands their full names; also the global options, which are left out of each.
    cli.build();
    let (mut global, mut commands) = (String::new(), String::new());
    options(&mut global, cli.get_arguments().filter(|arg| shown(arg)));
    for group in GROUPS {
        let names = group.commands.iter().map(|(name, _)| name);
        let subs = names.filter_map(|name| cli.find_subcommand(name));
        subs.filter(|sub| has_section(sub))
            .for_each(|sub| command(&mut commands, sub));
    }
    PAGE.replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@GLOBAL@\n", &global)
        .replace("@GROUPS@\n", &groups())
        .replace("@COMMANDS@\n", &commands)
}

/// A list of the groups of `--help`, in whose order the commands follow.
fn groups() -> String {
    let mut list = ".Bl -tag -width Diagnosis -compact\n".to_owned();
    for group in GROUPS {
        let names = group.commands.iter().map(|(name, _)| escaped(name));
        let names: Vec<String> = names.collect();
        line(&mut list, &format!(".It {}", group.name));
        line(&mut list, &format!(".Ic {}", names.join(" , ")));
    }
    list + ".El\n"
}

fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| has_section(sub))
}

/// True for commands that are more than help.
fn has_section(sub: &Command) -> bool {
    sub.get_name() != "help" && !sub.is_hide_set()
}

/// `--help` and `--version` need no explanation.
fn shown(arg: &Arg) -> bool {
    arg.get_id() != "help" && arg.get_id() != "version"
}

/// One subcommand, and those that it has itself.
fn command(page: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or_default();
    line(page, &format!(".Ss {}", escaped(name)));
    line(page, ".Bd -literal");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    match usage.rsplit_once(' ') {
        Some((start, end)) if usage.len() > WIDTH => text(page, &format!("{start}\n    {end}")),
        _ => text(page, usage),
    }
    line(page, ".Ed");
    line(page, ".Pp");
    let about = command.get_long_about().or(command.get_about());
    sentences(page, &about.map(ToString::to_string).unwrap_or_default());
    let own = command
        .get_arguments()
        .filter(|arg| shown(arg) && !arg.is_global_set());
    options(page, own);
    let help = command.get_after_help().map(ToString::to_string);
    if let Some((_, examples)) = help.as_deref().and_then(|help| help.split_once(EXAMPLES)) {
        line(page, ".Pp");
        line(page, "Examples:");
        line(page, ".Bd -literal");
        examples.lines().for_each(|each| example(page, each));
        line(page, ".Ed");
    }
    subcommands(command).for_each(|sub| self::command(page, sub));
}

/// A command with a remark, which moves closer, or to a line of its own, where both together are too long.
fn example(page: &mut String, example: &str) {
    let example = example.trim_start();
    let (command, remark) = match example.split_once("  ") {
        Some((command, remark)) if example.len() > WIDTH => (command, remark.trim_start()),
        _ => return text(page, example),
    };
    if command.len() + remark.len() + 2 > WIDTH {
        text(page, &format!("{command}\n    {remark}"))
    } else {
        text(page, &format!("{command}  {remark}"))
    }
}

/// A list of options and arguments.
fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut items = String::new();
    for arg in arguments {
        line(&mut items, &format!(".It {}", tag(arg)));
        let help = arg.get_long_help().or(arg.get_help());
        sentences(
            &mut items,
            &help.map(ToString::to_string).unwrap_or_default(),
        );
        values(&mut items, arg);
    }
    if !items.is_empty() {
        page.push_str(".Bl -tag -width Ds\n");
        page.push_str(&items);
        page.push_str(".El\n");
    }
}

/// `-y, --yes`, `--device NAME`, `USER`.
fn tag(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    let value = names.join(" ");
    let short = arg.get_short().map(|short| format!("Fl {short}"));
    let long = arg.get_long().map(|long| format!("Fl -{}", escaped(long)));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    match (flags.join(" , "), arg.get_action().takes_values()) {
        (flags, false) => flags,
        (flags, true) if flags.is_empty() => format!("Ar {value}"),
        (flags, true) => format!("{flags} Ar {value}"),
    }
}

/// The possible values, and the default.
fn values(page: &mut String, arg: &Arg) {
    let possible = if arg.get_action().takes_values() {
        arg.get_possible_values()
    } else {
        Vec::new()
    };
    if !possible.is_empty() {
        line(page, ".Bl -tag -width Ds -compact");
        for value in &possible {
            line(page, &format!(".It Cm {}", escaped(value.get_name())));
            let help = value.get_help().map(ToString::to_string);
            sentences(page, &help.unwrap_or_default());
        }
        line(page, ".El");
    }
    let defaults = arg.get_default_values();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let defaults: Vec<_> = defaults
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        line(page, "Default:");
        line(page, &format!(".Li {} .", escaped(&defaults.join(" "))));
    }
}

/// Running text of the help: paragraphs, each sentence on a line of its own, as mdoc wants it.
fn sentences(page: &mut String, help: &str) {
    for (number, paragraph) in help.split("\n\n").enumerate() {
        if number > 0 {
            line(page, ".Pp");
        }
        let paragraph = paragraph.replace('\n', " ");
        let (paragraph, default) = match paragraph.strip_suffix(']') {
            Some(words) => words.split_once(DEFAULT).unwrap_or((words, "")),
            None => (paragraph.as_str(), ""),
        };
        let dot = if paragraph.ends_with('.') { "" } else { "." };
        text(page, &format!("{}{dot}", paragraph.replace(". ", ".\n")));
        if !default.is_empty() {
            text(page, &format!("Default: {default}."));
        }
    }
}

/// Lines in which nothing is a request.
fn text(page: &mut String, lines: &str) {
    for each in lines.lines() {
        let guard = if each.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        // Names are not to be divided at the end of a line: people copy them.
        let words = each.split(' ').map(|word| {
            if word.contains('_') {
                format!("\\%{}", escaped(word))
            } else {
                escaped(word)
            }
        });
        let words: Vec<String> = words.collect();
        line(page, &format!("{guard}{}", words.join(" ")));
    }
}

fn line(page: &mut String, line: &str) {
    page.push_str(line);
    page.push('\n');
}

/// Characters that roff would turn into others, as they are.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => safe.push_str("\\e"),
            '-' => safe.push_str("\\-"),
            '`' => safe.push_str("\\(ga"),
            '\'' => safe.push_str("\\(aq"),
            '^' => safe.push_str("\\(ha"),
            '~' => safe.push_str("\\(ti"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{env, fs};

    use super::*;

    /// The page in the sources.
    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/man/twofactor.8");

    #[test]
    fn text_cannot_become_a_request() {
        let mut page = String::new();
        text(&mut page, ".Sh NAME\n'br\na\\b `c' --d ~ e_f");
        assert_eq!(
            page,
            "\\&.Sh NAME\n\\&\\(aqbr\na\\eb \\(gac\\(aq \\-\\-d \\(ti \\%e_f\n"
        );
    }

    #[test]
    fn tags_show_flags_and_values() {
        let cli = CommandLine::command();
        let tags: Vec<String> = cli.get_arguments().map(tag).collect();
        assert_eq!(
            tags,
            [
                "Fl -policy Ar FILE",
                "Fl -state Ar DIR",
                "Fl -json",
                "Fl y , Fl -yes"
            ]
        );
    }

    #[test]
    fn examples_fit_on_a_terminal() {
        let mut page = String::new();
        let command = "c".repeat(50);
        example(&mut page, &format!("  {command}        short"));
        example(
            &mut page,
            &format!("  {command}        a longer remark {}", "r".repeat(20)),
        );
        example(&mut page, "  a    b");
        let remark = "r".repeat(20);
        assert_eq!(
            page,
            format!("{command}        short\n{command}\n    a longer remark {remark}\na    b\n")
        );
    }

    /// The page that is committed and installed. `MANUAL_WRITE=1` writes it anew.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a variable says that the page is to be written anew"
    )]
    fn the_page_is_that_of_the_definition() {
        let (path, page) = (PathBuf::from(COMMITTED), page());
        if env::var_os("MANUAL_WRITE").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let differing = page
            .lines()
            .zip(committed.lines())
            .find(|(now, then)| now != then);
        assert!(
            committed == page,
            "docs/man/twofactor.8 is not that of the definition: run `make manual`; {differing:?}"
        );
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        let page = page();
        assert!(!page.contains('@'), "{page}");
        assert!(page.contains(".Ss twofactor import google\\-authenticator\n"));
    }
}
