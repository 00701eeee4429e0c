//! Reasons why a login is refused while the store of the fleet cannot be reached.

use std::fmt;

use crate::sys::file::FileError;

/// Reason why a login is refused while the store of the fleet cannot be reached.
#[derive(Debug, Clone, PartialEq)]
pub enum OutageRefusal {
    /// The policy says so.
    Denied,
    /// This host never met its fleet, or its note of that is ahead of the clock.
    NeverMet,
    /// The last contact was too long ago.
    TooLong(u64),
    /// This host has judged codes of the user by itself for so many seconds, and could not bring that to the store.
    AloneTooLong(u64),
    /// The copies of the records are too old to prove that the user has no device.
    StaleMirror,
    /// The fleet has a record of the user that could not be put in place on this host.
    Unmirrored,
    /// The note of the last contact cannot be read.
    Contact(FileError),
    /// The notes of users whose record could not be put in place cannot be looked at.
    Notes(FileError),
    /// No host changes what users have by itself.
    NoChange,
    /// The policy has got a fleet since this code was asked for.
    FleetMeanwhile,
}

impl fmt::Display for OutageRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmirrored => {
                return f
                    .write_str("the fleet has a record of the user which this host cannot use");
            }
            Self::Notes(error) => {
                return write!(
                    f,
                    "the notes of records that this host lacks are unusable: {error}"
                );
            }
            Self::FleetMeanwhile => {
                return f.write_str(
                    "the policy has got a fleet, which this code was not asked for; the next one is",
                );
            }
            _ => {}
        }
        f.write_str("the store of the fleet cannot be reached, and ")?;
        match self {
            Self::Denied => f.write_str("fleet.on_outage is deny"),
            Self::NeverMet => f.write_str("this host is not known to have met it"),
            Self::TooLong(seconds) => write!(f, "was met {seconds} seconds ago for the last time"),
            Self::AloneTooLong(seconds) => write!(
                f,
                "this host has judged codes of the user by itself for {seconds} seconds"
            ),
            // Said above: it is so with a store that answers, too.
            Self::Unmirrored | Self::Notes(_) | Self::FleetMeanwhile => Ok(()),
            Self::StaleMirror => f.write_str(
                "the copies of its records are too old to say that a user has no device",
            ),
            Self::NoChange => f.write_str("no host changes by itself what users have"),
            Self::Contact(error) => write!(f, "the note of the last contact is unusable: {error}"),
        }
    }
}
