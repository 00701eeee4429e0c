//! The daemon's arguments.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Text of `--help`.
const HELP: &str = "\
Usage: twofactord [--listen SOCKET] [--policy FILE] [--state DIRECTORY]

Answers users about their own factor, and judges codes for programs that run as the user.
Without --listen, standard input is the listening socket, as systemd passes it with
StandardInput=socket; the daemon then ends when there was no connection for 30 seconds.

      --listen SOCKET    Makes this socket, open to all users, and listens on it
      --policy FILE      The policy [default: /etc/security/twofactor.toml]
      --state DIRECTORY  Records and states [default: /var/lib/twofactor]
  -h, --help             Prints this help
  -V, --version          Prints the version
";

/// Purpose of a call of the program.
#[derive(Debug, PartialEq, Eq)]
pub enum DaemonAction {
    /// Serves.
    Serve(DaemonArguments),
    /// Prints this text.
    Print(String),
}

/// Settings of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct DaemonArguments {
    /// Path of the socket to make; `None` where standard input is the socket.
    pub listen: Option<PathBuf>,
    /// Path of the policy.
    pub policy: PathBuf,
    /// Directory of records and states.
    pub state: PathBuf,
}

/// A wrong argument.
#[derive(Debug, PartialEq, Eq)]
pub enum BadArgument {
    /// An unknown option.
    Unknown(OsString),
    /// An option without its value.
    NoValue(&'static str),
    /// A path that depends on the working directory.
    Relative(&'static str),
    /// An option given twice.
    Twice(&'static str),
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(f, "unknown argument {word:?}; see twofactord --help"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::Relative(option) => write!(f, "{option} needs an absolute path"),
            Self::Twice(option) => write!(f, "{option} is given twice"),
        }
    }
}

/// Reads the words after the program's name.
///
/// # Errors
/// [`BadArgument`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<DaemonAction, BadArgument> {
    let (mut listen, mut policy, mut state) = (None, None, None);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (option, place) = match word.to_str() {
            Some("--listen") => ("--listen", &mut listen),
            Some("--policy") => ("--policy", &mut policy),
            Some("--state") => ("--state", &mut state),
            Some("-h" | "--help") => return Ok(DaemonAction::Print(HELP.to_owned())),
            Some("-V" | "--version") => {
                let version = twofactor_core::VERSION;
                return Ok(DaemonAction::Print(format!("twofactord {version}\n")));
            }
            _ => return Err(BadArgument::Unknown(word)),
        };
        let value = words.next().ok_or(BadArgument::NoValue(option))?;
        let path = PathBuf::from(value);
        if path.is_relative() {
            return Err(BadArgument::Relative(option));
        }
        if place.replace(path).is_some() {
            return Err(BadArgument::Twice(option));
        }
    }
    Ok(DaemonAction::Serve(DaemonArguments {
        listen,
        policy: policy.unwrap_or_else(|| twofactor_core::POLICY_FILE.into()),
        state: state.unwrap_or_else(|| twofactor_core::STATE_DIR.into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<DaemonAction, BadArgument> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn paths_have_the_defaults_of_module_and_command() {
        let serve = |listen: Option<&str>, policy: &str, state: &str| {
            Ok(DaemonAction::Serve(DaemonArguments {
                listen: listen.map(PathBuf::from),
                policy: policy.into(),
                state: state.into(),
            }))
        };
        let (policy, state) = ("/etc/security/twofactor.toml", "/var/lib/twofactor");
        assert_eq!(parsed(&[]), serve(None, policy, state));
        assert!(HELP.contains(policy) && HELP.contains(state));
        let words = ["--state", "/s", "--listen", "/l", "--policy", "/p"];
        assert_eq!(parsed(&words), serve(Some("/l"), "/p", "/s"));
    }

    #[test]
    fn nothing_unknown_is_left_out() {
        let unknown = BadArgument::Unknown("listen".into());
        assert_eq!(parsed(&["listen"]), Err(unknown));
        assert_eq!(parsed(&["--policy"]), Err(BadArgument::NoValue("--policy")));
        let relative = ["--state", "var/lib"];
        assert_eq!(parsed(&relative), Err(BadArgument::Relative("--state")));
        let twice = ["--listen", "/a", "--listen", "/b"];
        assert_eq!(parsed(&twice), Err(BadArgument::Twice("--listen")));
    }

    #[test]
    fn help_and_version_are_printed() {
        assert_eq!(
            parsed(&["--help"]),
            Ok(DaemonAction::Print(HELP.to_owned()))
        );
        let version = format!("twofactord {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(parsed(&["-V"]), Ok(DaemonAction::Print(version)));
    }
}
