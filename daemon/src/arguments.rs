//! The daemon's arguments.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Text of `--help`.
const HELP: &str = "\
Usage: twofactord [--listen SOCKET | --idle SECONDS] [--policy FILE] [--state DIRECTORY]
       twofactord --fleet|--listen-fleet SOCKET [--policy FILE] [--state DIRECTORY]

Answers users about their own factor, and judges codes for programs that run as the user.
Without --listen, standard input is the listening socket, as systemd passes it with
StandardInput=socket; the daemon then ends when there was no connection for a while.

      --listen SOCKET    Makes this socket, open to all users, and listens on it
      --idle SECONDS     That while, 1 to 86400 [default: 30]
      --fleet            Judges codes with the store of the fleet, for root's programs
                         alone; standard input is the socket, and it ends when told to
      --listen-fleet SOCKET  The same on a socket that it makes, open to root
      --policy FILE      The policy [default: /etc/security/twofactor.toml]
      --state DIRECTORY  Records and states [default: /var/lib/twofactor]
  -h, --help             Prints this help
  -V, --version          Prints the version
";

/// Time without a connection after which the daemon ends, in seconds, where no other is given.
const IDLE: u64 = 30;

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
    /// The interface that is served.
    pub service: ServedInterface,
    /// Path of the socket to make; `None` where standard input is the socket.
    pub listen: Option<PathBuf>,
    /// Time without a connection after which the daemon ends, where standard input is the socket.
    pub idle: Duration,
    /// Path of the policy.
    pub policy: PathBuf,
    /// Directory of records and states.
    pub state: PathBuf,
}

/// An interface that the program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedInterface {
    /// `io.twofactor`, for programs of users.
    Users,
    /// `io.twofactor.fleet`, for processes of root.
    Fleet,
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
    /// A number of seconds that is none, or out of range.
    Seconds(OsString),
    /// A limit on idle time for a socket that ends with the daemon.
    IdleListener,
    /// An option that the other interface has.
    OtherInterface(&'static str),
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(f, "unknown argument {word:?}; see twofactord --help"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::Relative(option) => write!(f, "{option} needs an absolute path"),
            Self::Twice(option) => write!(f, "{option} is given twice"),
            Self::Seconds(word) => write!(f, "--idle needs 1 to 86400 seconds, not {word:?}"),
            Self::IdleListener => f.write_str(
                "--idle is for a socket on standard input: one of --listen ends with the daemon",
            ),
            Self::OtherInterface(option) => {
                write!(f, "{option} does not go with the other options")
            }
        }
    }
}

/// Reads the words after the program's name.
///
/// # Errors
/// [`BadArgument`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<DaemonAction, BadArgument> {
    let mut given = GivenPaths::default();
    let mut is_fleet = false;
    let mut idle = None;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (option, place) = match word.to_str() {
            Some("--listen") => ("--listen", &mut given.listen),
            Some("--listen-fleet") => ("--listen-fleet", &mut given.listen_fleet),
            Some("--policy") => ("--policy", &mut given.policy),
            Some("--state") => ("--state", &mut given.state),
            Some("--idle") => {
                let value = words.next().ok_or(BadArgument::NoValue("--idle"))?;
                if idle.replace(seconds(value)?).is_some() {
                    return Err(BadArgument::Twice("--idle"));
                }
                continue;
            }
            Some("--fleet") if is_fleet => return Err(BadArgument::Twice("--fleet")),
            Some("--fleet") => {
                is_fleet = true;
                continue;
            }
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
    given.arguments(is_fleet, idle).map(DaemonAction::Serve)
}

/// The paths that were given.
#[derive(Default)]
struct GivenPaths {
    listen: Option<PathBuf>,
    listen_fleet: Option<PathBuf>,
    policy: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl GivenPaths {
    fn arguments(
        self,
        is_fleet: bool,
        idle: Option<Duration>,
    ) -> Result<DaemonArguments, BadArgument> {
        let (service, listen) = match (self.listen, self.listen_fleet) {
            (Some(_), Some(_)) => return Err(BadArgument::OtherInterface("--listen")),
            (Some(_), None) if is_fleet => return Err(BadArgument::OtherInterface("--listen")),
            (None, Some(_)) if is_fleet => return Err(BadArgument::OtherInterface("--fleet")),
            (None, Some(listen)) => (ServedInterface::Fleet, Some(listen)),
            (None, None) if is_fleet => (ServedInterface::Fleet, None),
            (listen, None) => (ServedInterface::Users, listen),
        };
        match (service, &listen, idle) {
            (ServedInterface::Fleet, _, Some(_)) => {
                return Err(BadArgument::OtherInterface("--idle"));
            }
            (ServedInterface::Users, Some(_), Some(_)) => return Err(BadArgument::IdleListener),
            _ => {}
        }
        Ok(DaemonArguments {
            service,
            listen,
            idle: idle.unwrap_or(Duration::from_secs(IDLE)),
            policy: self
                .policy
                .unwrap_or_else(|| twofactor_core::POLICY_FILE.into()),
            state: self
                .state
                .unwrap_or_else(|| twofactor_core::STATE_DIR.into()),
        })
    }
}

fn seconds(word: OsString) -> Result<Duration, BadArgument> {
    let number = word.to_str().and_then(|word| word.parse().ok());
    match number {
        Some(number @ 1..=86_400) => Ok(Duration::from_secs(number)),
        _ => Err(BadArgument::Seconds(word)),
    }
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
                service: ServedInterface::Users,
                listen: listen.map(PathBuf::from),
                idle: Duration::from_secs(30),
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
    fn the_fleet_has_a_process_of_its_own() {
        let of_fleet = |words: &[&str]| match parsed(words) {
            Ok(DaemonAction::Serve(arguments)) => (arguments.service, arguments.listen),
            other => panic!("{other:?}"),
        };
        assert_eq!(of_fleet(&["--fleet"]), (ServedInterface::Fleet, None));
        let words = ["--listen-fleet", "/l"];
        assert_eq!(
            of_fleet(&words),
            (ServedInterface::Fleet, Some("/l".into()))
        );
        for (words, option) in [
            (&["--fleet", "--listen", "/l"][..], "--listen"),
            (&["--fleet", "--listen-fleet", "/l"], "--fleet"),
            (&["--listen", "/l", "--listen-fleet", "/f"], "--listen"),
            (&["--fleet", "--idle", "9"], "--idle"),
        ] {
            assert_eq!(parsed(words), Err(BadArgument::OtherInterface(option)));
        }
        assert_eq!(
            parsed(&["--fleet", "--fleet"]),
            Err(BadArgument::Twice("--fleet"))
        );
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
    fn idle_time_is_of_a_socket_that_is_inherited() {
        let Ok(DaemonAction::Serve(given)) = parsed(&["--idle", "2"]) else {
            panic!("not accepted");
        };
        assert_eq!(given.idle, Duration::from_secs(2));
        for word in ["0", "86401", "-1", "1.5", ""] {
            let refused = Err(BadArgument::Seconds(word.into()));
            assert_eq!(parsed(&["--idle", word]), refused);
        }
        assert_eq!(parsed(&["--idle"]), Err(BadArgument::NoValue("--idle")));
        let twice = parsed(&["--idle", "1", "--idle", "2"]);
        assert_eq!(twice, Err(BadArgument::Twice("--idle")));
        let both = parsed(&["--listen", "/a", "--idle", "1"]);
        assert_eq!(both, Err(BadArgument::IdleListener));
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
