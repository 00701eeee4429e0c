//! The command line: one definition for parsing, `--help` and whatever is generated from it.

pub mod command_groups;
pub mod examples;
mod fleet_options;
mod machine_options;
mod mistyped_command;
mod options;
mod policy_options;
mod subcommand;
pub mod transfer_options;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, ValueHint};
use twofactor_core::{POLICY_FILE, STATE_DIR};

pub use fleet_options::{
    FleetCommand, FleetJoinArgs, FleetLeaveArgs, FleetRestoreArgs, FleetRunArgs,
};
pub use machine_options::{
    CompleteArgs, CompletionsArgs, DoctorArgs, InitArgs, SetupArgs, ShellName, StatusArgs,
};
pub use options::{
    AdoptArgs, BypassArgs, DialogueForm, EnrollArgs, HashChoice, InviteArgs, QrStyle,
    RecoveryCodesArgs, RenameArgs, RenewArgs, ResyncArgs, ShowArgs, UnlockArgs, UnsetArgs,
    VerifyArgs,
};
pub use policy_options::{
    DisableArgs, EnableArgs, PolicyCommand, PolicyEditArgs, PolicySetArgs, PreviewOptions,
};
pub use subcommand::TwofactorCommand;
pub use transfer_options::{BackupArgs, RestoreArgs, RestoredCodes};

const ABOUT: &str = "Two-factor login: enrolls devices, sets the policy, says who is asked";
/// Columns of help that goes to no terminal, and the limit on a terminal.
const HELP_COLUMNS: usize = 100;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "twofactor", bin_name = "twofactor", version, about = ABOUT)]
pub struct CommandLine {
    /// Options of every subcommand.
    #[command(flatten)]
    pub global: GlobalOptions,
    /// The subcommand.
    #[command(subcommand)]
    pub command: TwofactorCommand,
}

impl CommandLine {
    /// Reads the words of the command line, the name of the program first. Help is laid out for a screen of so many
    /// columns; `None` where it goes to no terminal.
    pub fn read(words: &[OsString], columns: Option<usize>) -> Result<Self, clap::Error> {
        let columns = columns.unwrap_or(HELP_COLUMNS).min(HELP_COLUMNS);
        let mut cli = examples::fitted(Self::command().term_width(columns), columns);
        let template = command_groups::template(&cli, columns);
        cli = cli.help_template(template);
        let matches = cli.try_get_matches_from_mut(words);
        let read = matches.and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut cli))
        });
        read.map_err(|mut error| {
            let words = words.iter().skip(1);
            let words: Vec<String> = words
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            mistyped_command::suggest(&mut error, &Self::command(), &words);
            error
        })
    }
}

/// Options of every subcommand.
#[derive(Debug, Args)]
pub struct GlobalOptions {
    /// Policy file
    #[arg(long, global = true, value_name = "FILE", default_value = POLICY_FILE, help_heading = "Global options")]
    pub policy: PathBuf,
    /// Directory of records
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = STATE_DIR, help_heading = "Global options")]
    pub state: PathBuf,
    /// JSON on standard output; questions on standard error
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y', global = true, help_heading = "Global options")]
    pub yes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage_error(arguments: &[&str]) -> clap::error::ErrorKind {
        CommandLine::try_parse_from(arguments).unwrap_err().kind()
    }

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_examples() {
        fn visit(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let help = sub
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.contains("EXAMPLES"), "{}", sub.get_name());
                assert!(sub.get_about().is_some(), "{}", sub.get_name());
                visit(sub);
            }
        }
        visit(&CommandLine::command());
    }

    #[test]
    fn devices_of_others_are_not_reached_without_a_name() {
        for command in ["unlock", "bypass", "invite", "rename", "adopt"] {
            let kind = usage_error(&["twofactor", command]);
            assert_eq!(kind, clap::error::ErrorKind::MissingRequiredArgument);
        }
    }

    #[test]
    fn two_words_after_the_user_are_codes() {
        let read = |words: &[&str]| -> (Option<String>, Option<(String, String)>) {
            let call = [&["twofactor", "resync"], words].concat();
            let TwofactorCommand::Resync(args) = CommandLine::try_parse_from(call).unwrap().command
            else {
                panic!("{words:?}")
            };
            let (device, codes) = args.device_and_codes().unwrap();
            let owned = |text: &str| text.to_owned();
            (device.map(owned), codes.map(|(a, b)| (owned(a), owned(b))))
        };
        let codes = || Some(("1".to_owned(), "2".to_owned()));
        let token = || Some("token".to_owned());
        assert_eq!(read(&[]), (None, None));
        assert_eq!(read(&["bob"]), (None, None));
        assert_eq!(read(&["bob", "token"]), (token(), None));
        assert_eq!(read(&["bob", "1", "2"]), (None, codes()));
        assert_eq!(read(&["bob", "token", "1", "2"]), (token(), codes()));
    }

    #[test]
    fn other_names_of_commands_stay_out_of_the_help() {
        let help = CommandLine::command().render_long_help().to_string();
        for (alias, name) in [
            ("enrol", "enroll"),
            ("add", "enroll"),
            ("remove", "unset"),
            ("delete", "unset"),
            ("list", "status"),
        ] {
            let mut cli = CommandLine::command();
            cli.build();
            let found = cli.find_subcommand(alias).map(clap::Command::get_name);
            assert_eq!(found, Some(name));
            assert!(!help.contains(&format!("\n  {alias} ")), "{alias}");
        }
    }

    #[test]
    fn values_outside_their_ranges_are_usage_errors() {
        for option in [
            "--digits=5",
            "--digits=9",
            "--interval=4",
            "--interval=3601",
        ] {
            assert_eq!(
                usage_error(&["twofactor", "enroll", "alice", option]),
                clap::error::ErrorKind::ValueValidation
            );
        }
    }

    #[test]
    fn global_options_may_follow_the_subcommand() {
        let cli = CommandLine::try_parse_from(["twofactor", "status", "--json", "--state", "/x"])
            .unwrap();
        assert!(cli.global.json && cli.global.state.as_os_str() == "/x");
        assert_eq!(cli.global.policy.as_os_str(), POLICY_FILE);
    }
}
