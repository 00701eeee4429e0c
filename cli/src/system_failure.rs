//! Files, clocks and databases that cannot be used, as errors for a person, with the step that fixes each.

use std::path::Path;

use twofactor_core::state::StateError;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_files::host_error::{HostError, HostFault};
use twofactor_fleet::host_membership::membership_error::MembershipError;
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::clock::BeforeEpoch;
use twofactor_store::sys::file::FileError;
use twofactor_store::{FileFault, attempt};

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::lock_holder::LockHolder;
use crate::suggested_command;

impl From<twofactor_store::StoreError> for CommandFailure {
    fn from(error: twofactor_store::StoreError) -> Self {
        let failure = match &error.cause {
            FileFault::File(FileError::System(..))
            | FileFault::Busy(_)
            | FileFault::System(_)
            | FileFault::Fleet(_)
            | FileFault::FleetConflict
            | FileFault::FleetAhead(_)
            | FileFault::InFleet => Self::system(&error),
            FileFault::NameTooLong
            | FileFault::Changed
            | FileFault::KeptAs(_)
            | FileFault::Occupied => Self::refused(&error),
            _ => Self::invalid(&error),
        };
        let failure = failure.of_kind(kind_of(&error));
        match next_step(&error) {
            Some(step) => failure.next(step),
            None => failure,
        }
    }
}

/// The kind of error that a file's trouble is.
fn kind_of(error: &twofactor_store::StoreError) -> FailureKind {
    match &error.cause {
        FileFault::File(FileError::System(..)) | FileFault::System(_) => FailureKind::System,
        FileFault::Busy(_) => FailureKind::Busy,
        FileFault::Changed | FileFault::TakenOver => FailureKind::ChangedMeanwhile,
        FileFault::Occupied | FileFault::KeptAs(_) => FailureKind::Exists,
        FileFault::Unmarked | FileFault::OtherMark | FileFault::NotNoted(_) => FailureKind::NoStore,
        FileFault::Policy(_) => FailureKind::InvalidPolicy,
        FileFault::NameTooLong => FailureKind::Refused,
        FileFault::Fleet(_)
        | FileFault::FleetConflict
        | FileFault::FleetAhead(_)
        | FileFault::InFleet => FailureKind::Fleet,
        FileFault::File(_) | FileFault::NotUtf8 if holds_secrets(&error.path) => {
            FailureKind::InvalidRecord
        }
        FileFault::File(_) | FileFault::NotUtf8 if is_of_store(&error.path) => FailureKind::NoStore,
        FileFault::File(_) | FileFault::NotUtf8 => FailureKind::InvalidPolicy,
        _ => FailureKind::InvalidRecord,
    }
}

impl From<attempt::AttemptFailure> for CommandFailure {
    fn from(failure: attempt::AttemptFailure) -> Self {
        match failure {
            attempt::AttemptFailure::Store(error) => error.into(),
            attempt::AttemptFailure::Clock(error) => error.into(),
            attempt::AttemptFailure::Lookup(error) => error.into(),
            random @ (attempt::AttemptFailure::Random(_)
            | attempt::AttemptFailure::Undecided
            | attempt::AttemptFailure::Outage(_)) => Self::system(random),
            attempt::AttemptFailure::Daemon(error) => {
                let hint = error.hint();
                Self::system(error).next(hint)
            }
            vanished @ attempt::AttemptFailure::Vanished(_) => Self::invalid(vanished)
                .of_kind(FailureKind::UnknownUser)
                .next("To remove the old record: twofactor unset USER"),
        }
    }
}

impl From<HostError> for CommandFailure {
    fn from(error: HostError) -> Self {
        let failure = match &error.cause {
            HostFault::NotJoined => Self::refused(&error)
                .next("To join one: twofactor fleet join FILE, with the key of the fleet"),
            HostFault::File(error_of_file) if error_of_file.is_missing() => {
                Self::invalid(&error).next("docs/fleet.md says what has to be in it.")
            }
            HostFault::File(FileError::TooOpen(_)) => Self::invalid(&error).next(format!(
                "See who changed it; then: {}",
                suggested_command::other("chmod go-rwx", &error.path)
            )),
            HostFault::KeyRotation => Self::refused(&error),
            HostFault::File(_) | HostFault::Random | HostFault::Busy => Self::system(&error),
            HostFault::Form { .. } | HostFault::Settings(_) | HostFault::OtherFleet => {
                Self::invalid(&error)
            }
        };
        failure.of_kind(FailureKind::Fleet)
    }
}

impl From<OutageReason> for CommandFailure {
    fn from(reason: OutageReason) -> Self {
        let next = match reason {
            OutageReason::WentBack | OutageReason::OtherEpoch => {
                Some("If a backup of the store was restored: twofactor fleet after-restore")
            }
            OutageReason::NoFleet => Some(
                "Look whether the endpoints are those of the fleet's store. If it was lost: restore a backup, as docs/fleet.md says. If it \
                 is gone for good: twofactor fleet leave --without-store",
            ),
            _ => None,
        };
        let failure = Self::system(reason).of_kind(FailureKind::Fleet);
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

impl From<MembershipError> for CommandFailure {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Host(error) => error.into(),
            MembershipError::Outage(reason) => reason.into(),
            MembershipError::Store(error) => error.into(),
            refused @ MembershipError::Refused(_) => {
                Self::refused(refused).of_kind(FailureKind::Fleet)
            }
            user @ MembershipError::User(..) => Self::system(user).of_kind(FailureKind::Fleet),
        }
    }
}

impl From<BeforeEpoch> for CommandFailure {
    fn from(error: BeforeEpoch) -> Self {
        Self::system(error)
            .of_kind(FailureKind::Clock)
            .next("Set the clock.")
    }
}

impl From<LookupFailed> for CommandFailure {
    fn from(error: LookupFailed) -> Self {
        Self::system(error).of_kind(FailureKind::NameService)
    }
}

/// The step that fixes an unusable file.
fn next_step(error: &twofactor_store::StoreError) -> Option<String> {
    let path = &error.path;
    match &error.cause {
        _ if error.fixed_by_unlock() => {
            Some("To make a new one: twofactor unlock USER".to_owned())
        }
        FileFault::File(FileError::NotRoots) => {
            let chown = suggested_command::other("chown root:root", path);
            Some(format!("See who changed it; then: {chown}"))
        }
        FileFault::File(FileError::TooOpen(mode)) => {
            let chmod = rights_to_take_away(path, *mode);
            Some(format!("See who changed it; then: {chmod}"))
        }
        FileFault::Policy(_) | FileFault::NotUtf8 => {
            Some("Correct it, then: twofactor policy check".to_owned())
        }
        FileFault::OtherUid { .. } => Some(of_other_uid(&error.user().unwrap_or_default())),
        FileFault::OtherUser(user) => Some(of_other_user(user, &error.user().unwrap_or_default())),
        FileFault::Fleet(_) | FileFault::FleetConflict | FileFault::FleetAhead(_) | FileFault::InFleet => {
            Some("To see the fleet: twofactor fleet status".to_owned())
        }
        FileFault::Occupied => Some("See what it is: twofactor show USER".to_owned()),
        FileFault::State(StateError::Version(..)) => {
            Some("Install the version that wrote it.".to_owned())
        }
        FileFault::Record(_) => Some(
            "If a newer version wrote it, install that one. To remove it and enroll again: twofactor unset USER"
                .to_owned(),
        ),
        FileFault::File(FileError::WrongType | FileError::TooLarge) if holds_secrets(&error.path) => {
            Some("See who changed it. To remove it and enroll again: twofactor unset USER".to_owned())
        }
        FileFault::LostRecord => {
            // It may be that of another name of the same uid.
            let user = error.user().map_or_else(|| "USER".to_owned(), suggested_command::operand);
            Some(format!(
                "If a move to another name was stopped: twofactor rename {user} NEW. If not, restore the record from a backup. To remove \
                 what is left of it: twofactor unset {user}"
            ))
        }
        FileFault::Unmarked | FileFault::OtherMark => Some(
            "Mount or restore the right directory. If this is the right one: twofactor init --force"
                .to_owned(),
        ),
        FileFault::NotNoted(_) => Some("To note it: twofactor init".to_owned()),
        FileFault::Busy(pid) => {
            let look = LockHolder::of(*pid).map(|holder| format!(" {}", holder.look()));
            Some(format!("Try again.{}", look.unwrap_or_default()))
        }
        FileFault::TakenOver | FileFault::Changed | FileFault::KeptAs(_) => Some("Try again.".to_owned()),
        FileFault::SeveralRecords(_) => {
            Some("Use the name of one of them, or remove all but one: twofactor unset NAME".to_owned())
        }
        _ => None,
    }
}

/// The command that takes too many rights from a file with this mode.
fn rights_to_take_away(path: &Path, mode: u32) -> String {
    // A file that all users may read is refused only when others can write it.
    let change = if holds_secrets(path) || mode & 0o022 == 0 {
        "chmod go-rwx"
    } else {
        "chmod go-w"
    };
    suggested_command::other(change, path)
}

/// The steps for a record of the user's name that has another user id.
fn of_other_uid(user: &str) -> String {
    format!(
        "If it is the same person: {}. If not, to remove the old record: {}",
        suggested_command::twofactor("adopt", &[user], &[]),
        suggested_command::twofactor("unset", &[user], &[])
    )
}

/// The steps for a record under the name `from` that is one of `user`.
fn of_other_user(user: &str, from: &str) -> String {
    format!(
        "To complete a move that was stopped: {}. To remove it: {}",
        suggested_command::twofactor("adopt", &[user], &[("--from", from)]),
        suggested_command::twofactor("unset", &[from], &[])
    )
}

/// True if the path is the state directory, or the file that notes its mark.
fn is_of_store(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "id") || path.is_dir()
}

/// True if the path is one of a record or a state; all users may read the policy.
fn holds_secrets(path: &Path) -> bool {
    let mut nearest = path.components().rev().take(2);
    nearest.any(|part| part.as_os_str() == "users" || part.as_os_str() == "state")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_failure::ExitStatus;

    #[test]
    fn rights_to_take_away_depend_on_the_file() {
        let step = |path: &str, mode| {
            let cause = FileFault::File(FileError::TooOpen(mode));
            CommandFailure::from(twofactor_store::StoreError {
                path: path.into(),
                cause,
            })
        };
        let policy = step("/etc/security/twofactor.toml", 0o666);
        assert_eq!(policy.exit, ExitStatus::Invalid);
        assert_eq!(
            policy.next.as_deref(),
            Some("See who changed it; then: chmod go-w /etc/security/twofactor.toml")
        );
        let record = step("/var/lib/twofactor/users/alice.toml", 0o666);
        assert!(record.next.is_some_and(|step| step.contains("go-rwx")));
        let directory = step("/var/lib/twofactor", 0o755);
        assert!(directory.next.is_some_and(|step| step.contains("go-rwx")));
    }

    #[test]
    fn a_damaged_state_names_the_command_for_it() {
        let error = twofactor_store::StoreError {
            path: "/x".into(),
            cause: FileFault::MissingState,
        };
        let failure = CommandFailure::from(error);
        assert_eq!(
            failure.next.as_deref(),
            Some("To make a new one: twofactor unlock USER")
        );
    }
}
