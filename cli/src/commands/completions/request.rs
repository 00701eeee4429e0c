//! The thing that may follow the words of a command line: a pure function of them and of the definition.

use clap::{Arg, ArgAction, Command, ValueHint};

/// Words that are offered, or files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedValue {
    /// One of these words, each with what it means.
    Words(Vec<(String, String)>),
    /// A login name.
    User,
    /// A device of this user, or of the caller.
    Device(Option<String>),
    /// A PAM service.
    Service,
    /// A setting of the policy.
    Key,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A text that only the person knows.
    Text,
}

/// A command line that is being typed.
#[derive(Debug, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The thing that is wanted.
    pub value: WantedValue,
    /// The part of the last word that is typed already.
    pub begun: String,
    /// The option before it in the same word: `--device=`.
    pub option: String,
    /// The state directory and the policy file that were named.
    pub state: Option<String>,
    /// As `state`.
    pub policy: Option<String>,
}

impl CompletionRequest {
    /// Reads the words after the name of the program. The last one is being typed, and may be empty. `cli` has been built.
    pub fn read(cli: &Command, words: &[String]) -> Self {
        let (last, before) = match words.split_last() {
            Some((last, before)) => (last.as_str(), before),
            None => ("", words),
        };
        let mut line = TypedLine::new(cli);
        before.iter().for_each(|word| line.take(word));
        let (value, option, begun) = line.wanted(last);
        Self {
            value,
            begun: begun.to_owned(),
            option: option.to_owned(),
            state: line.state,
            policy: line.policy,
        }
    }
}

/// The complete words of a command line.
struct TypedLine<'c> {
    command: &'c Command,
    /// The option whose value is the next word.
    pending: Option<&'c Arg>,
    operands: Vec<String>,
    /// After `--` no word is an option.
    options_ended: bool,
    state: Option<String>,
    policy: Option<String>,
}

impl<'c> TypedLine<'c> {
    const fn new(cli: &'c Command) -> Self {
        Self {
            command: cli,
            pending: None,
            operands: Vec::new(),
            options_ended: false,
            state: None,
            policy: None,
        }
    }

    fn take(&mut self, word: &str) {
        if let Some(arg) = self.pending.take() {
            let optional = arg
                .get_num_args()
                .is_some_and(|count| count.min_values() == 0);
            if !(optional && word.starts_with('-')) {
                return self.set(arg, word);
            }
        }
        if self.options_ended {
            self.operands.push(word.to_owned());
        } else if word == "--" {
            self.options_ended = true;
        } else if let Some(flag) = word.strip_prefix("--") {
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            let arg = self.option(name).filter(|arg| takes_values(arg));
            match (arg, value) {
                (Some(arg), Some(value)) => self.set(arg, value),
                (arg, _) => self.pending = arg,
            }
        } else if word.len() > 1 && word.starts_with('-') {
            // The short options take no values.
        } else if let Some(sub) = self.command.find_subcommand(word) {
            self.command = sub;
        } else {
            self.operands.push(word.to_owned());
        }
    }

    fn set(&mut self, arg: &Arg, value: &str) {
        match arg.get_id().as_str() {
            "state" => self.state = Some(value.to_owned()),
            "policy" => self.policy = Some(value.to_owned()),
            _ => {}
        }
    }

    fn option(&self, name: &str) -> Option<&'c Arg> {
        let mut arguments = self.command.get_arguments();
        arguments.find(|arg| arg.get_long() == Some(name))
    }

    /// The value that may stand in the last word, the option before it in that word, and what is typed of it.
    fn wanted<'w>(&self, last: &'w str) -> (WantedValue, &'w str, &'w str) {
        let is_option = last.starts_with('-') && !self.options_ended;
        if let Some((name, value)) = last.split_once('=')
            && is_option
        {
            let arg = name.strip_prefix("--").and_then(|name| self.option(name));
            let wanted = arg.map_or(WantedValue::Text, |arg| self.value_of(arg));
            let option = last.get(..=name.len()).unwrap_or_default();
            return (wanted, option, value);
        }
        let wanted = match self.pending {
            _ if is_option => self.options(),
            Some(arg) => self.value_of(arg),
            None if self.command.has_subcommands() => self.subcommands(),
            None => self
                .operand()
                .map_or(WantedValue::Text, |arg| self.value_of(arg)),
        };
        (wanted, "", last)
    }

    /// The operand whose turn it is.
    fn operand(&self) -> Option<&'c Arg> {
        let mut operands = self.command.get_positionals();
        let next = operands.nth(self.operands.len());
        let last = || self.command.get_positionals().last();
        next.or_else(|| last().filter(|arg| matches!(arg.get_action(), ArgAction::Append)))
    }

    fn subcommands(&self) -> WantedValue {
        let shown = self
            .command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set());
        let named = shown.map(|sub| (sub.get_name().to_owned(), first_line(sub.get_about())));
        WantedValue::Words(named.collect())
    }

    fn options(&self) -> WantedValue {
        let shown = self
            .command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set());
        let flags = shown.flat_map(|arg| {
            let short = arg.get_short().map(|short| format!("-{short}"));
            let long = arg.get_long().map(|long| format!("--{long}"));
            let flags = short.into_iter().chain(long);
            flags.map(|flag| (flag, first_line(arg.get_help())))
        });
        WantedValue::Words(flags.collect())
    }

    fn value_of(&self, arg: &Arg) -> WantedValue {
        if !takes_values(arg) && !arg.is_positional() {
            return WantedValue::Text;
        }
        let possible = arg.get_possible_values();
        if !possible.is_empty() {
            let words = possible.iter();
            let words =
                words.map(|value| (value.get_name().to_owned(), first_line(value.get_help())));
            return WantedValue::Words(words.collect());
        }
        let named = |wanted: &str| {
            let names = arg.get_value_names().unwrap_or_default();
            names.iter().any(|name| name == wanted)
        };
        match arg.get_value_hint() {
            ValueHint::Username => WantedValue::User,
            ValueHint::DirPath => WantedValue::Directory,
            ValueHint::AnyPath | ValueHint::FilePath => WantedValue::File,
            _ if named("SERVICE") => WantedValue::Service,
            _ if arg.get_id() == "key" => WantedValue::Key,
            // Keys and values take turns.
            _ if named("KEY VALUE") && self.operands.len().is_multiple_of(2) => WantedValue::Key,
            // The name of a new one is the person's choice.
            _ if arg.get_id() == "device" && self.command.get_name() != "enroll" => {
                WantedValue::Device(self.user())
            }
            _ => WantedValue::Text,
        }
    }

    /// The user who was named, as the first operand.
    fn user(&self) -> Option<String> {
        let first = self.command.get_positionals().next()?;
        let is_user = first.get_value_hint() == ValueHint::Username;
        self.operands.first().filter(|_| is_user).cloned()
    }
}

fn takes_values(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn first_line(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::CommandLine;
    use clap::CommandFactory as _;

    fn read(line: &str) -> CompletionRequest {
        let mut cli = CommandLine::command();
        cli.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        CompletionRequest::read(&cli, &words)
    }

    fn words(line: &str) -> Vec<String> {
        match read(line).value {
            WantedValue::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_argument_has_its_kind() {
        let alice = || Some("alice".to_owned());
        for (line, value) in [
            ("enroll ", WantedValue::User),
            ("--json enroll al", WantedValue::User),
            ("add al", WantedValue::User),
            ("enroll alice --device ", WantedValue::Text),
            ("enroll alice --recovery-file ", WantedValue::File),
            ("unset alice --device ta", WantedValue::Device(alice())),
            ("unset --device=ta", WantedValue::Device(None)),
            ("resync alice ", WantedValue::Device(alice())),
            ("resync alice token ", WantedValue::Text),
            ("show alice --qr --device ", WantedValue::Device(alice())),
            ("enable ", WantedValue::Service),
            ("enable sshd --only sudo --force su", WantedValue::Service),
            ("disable --service s", WantedValue::Service),
            ("setup sshd ", WantedValue::Service),
            ("policy set ", WantedValue::Key),
            ("policy get thr", WantedValue::Key),
            ("policy set window ", WantedValue::Text),
            ("policy set window 2 ", WantedValue::Key),
            ("policy set window 2 tries ", WantedValue::Text),
            ("policy set window 2 tries 3 --yes ", WantedValue::Key),
            ("policy check ", WantedValue::File),
            ("--state /s", WantedValue::Directory),
            ("doctor --user ", WantedValue::User),
            ("rename ", WantedValue::User),
            // No option stands after it.
            ("unlock -- -x", WantedValue::User),
            ("enroll alice extra ", WantedValue::Text),
        ] {
            assert_eq!(read(line).value, value, "{line}");
        }
    }

    #[test]
    fn commands_and_options_are_words() {
        assert!(words("").contains(&"enroll".to_owned()));
        assert!(!words("").contains(&"complete".to_owned()));
        assert!(words("help ").contains(&"unlock".to_owned()));
        assert_eq!(words("completions "), ["bash", "zsh", "fish"]);
        assert!(words("enroll alice --").contains(&"--device".to_owned()));
        assert!(words("enroll alice --").contains(&"--json".to_owned()));
        assert_eq!(words("enroll --qr "), ["auto", "utf8", "ascii", "none"]);
        assert!(words("show --qr --").contains(&"--secret".to_owned()));
    }

    #[test]
    fn directories_and_options_in_one_word_are_taken() {
        let request = read("--state /s --policy=/p unset alice --device=ta");
        assert_eq!(request.state.as_deref(), Some("/s"));
        assert_eq!(request.policy.as_deref(), Some("/p"));
        assert_eq!((&*request.option, &*request.begun), ("--device=", "ta"));
        let none = CompletionRequest::read(&clap::Command::new("x"), &[]);
        assert_eq!(none.value, WantedValue::Text);
    }
}
