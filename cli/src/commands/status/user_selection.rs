//! The users that `status` lists.

use super::user_status::UserStatus;
use crate::args::StatusArgs;

/// The users that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSelection {
    /// The one that was asked for.
    One,
    /// Users with a record.
    Recorded,
    /// All users.
    All,
    /// Users without a device.
    Missing,
    /// Users who are locked out, at logins or at the daemon.
    Locked,
}

impl UserSelection {
    /// The selection of the options, of which the command line takes one at most.
    pub const fn of(args: &StatusArgs) -> Self {
        if args.user.is_some() {
            Self::One
        } else if args.all {
            Self::All
        } else if args.missing {
            Self::Missing
        } else if args.locked {
            Self::Locked
        } else {
            Self::Recorded
        }
    }

    /// True if a user is one of them.
    pub fn includes(self, user: &UserStatus) -> bool {
        match self {
            Self::One | Self::All => true,
            Self::Recorded => user.is_recorded,
            Self::Missing => user.enrolled == Some(false),
            Self::Locked => user.is_locked(),
        }
    }

    /// The sentence for a list without users.
    pub const fn none(self) -> &'static str {
        match self {
            Self::One | Self::Recorded => "No user has a device.",
            Self::All => "There are no users.",
            Self::Missing => "All users have a device.",
            Self::Locked => "No user is locked out.",
        }
    }
}
