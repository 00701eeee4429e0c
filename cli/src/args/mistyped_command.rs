//! The command that was meant by a mistyped one.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use twofactor_core::spelling_suggestion;

/// Replaces the commands that clap suggests, which may be several with little in common, by the closest one.
pub fn suggest(error: &mut clap::Error, cli: &Command, words: &[String]) {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let meant = closest(cli, words, typed).map(str::to_owned);
    error.remove(ContextKind::SuggestedSubcommand);
    error.remove(ContextKind::Suggested);
    if let Some(meant) = meant {
        let names = ContextValue::Strings(vec![meant]);
        error.insert(ContextKind::SuggestedSubcommand, names);
    }
}

/// The name of the closest command where `typed` stands among the words of the command line.
fn closest<'c>(cli: &'c Command, words: &[String], typed: &str) -> Option<&'c str> {
    let before = words.iter().take_while(|word| *word != typed);
    let parent = before.fold(cli, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    });
    let names = parent
        .get_subcommands()
        .flat_map(|sub| std::iter::once(sub.get_name()).chain(sub.get_all_aliases()));
    let name = spelling_suggestion::closest(typed, names)?;
    parent.find_subcommand(name).map(Command::get_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::CommandLine;
    use clap::CommandFactory as _;

    fn suggested(words: &[&str]) -> Option<String> {
        let cli = CommandLine::command();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let call = std::iter::once("twofactor".to_owned()).chain(words.clone());
        let mut error = cli.clone().try_get_matches_from(call).unwrap_err();
        suggest(&mut error, &cli, &words);
        let text = error.render().to_string();
        let (_, tip) = text.split_once("a similar subcommand exists: '")?;
        tip.split('\'').next().map(str::to_owned)
    }

    #[test]
    fn the_closest_command_is_suggested() {
        for (words, meant) in [
            (&["enrll"][..], Some("enroll")),
            (&["enabel"], Some("enable")),
            (&["dlete"], Some("unset")),
            (&["--json", "staus"], Some("status")),
            (&["policy", "shwo"], Some("show")),
            (&["policy", "enrol"], None),
            (&["frobnicate"], None),
        ] {
            assert_eq!(suggested(words).as_deref(), meant, "{words:?}");
        }
    }
}
