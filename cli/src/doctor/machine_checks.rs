//! Faults of the machine: policy, state directory, module file, clock.

use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock::ClockStatus;
use twofactor_store::sys::file::{self, FileAccess, FileError};
use twofactor_store::sys::new_file::{NewFile, NewFileKind};

use super::doctor_finding::DoctorFinding;
use super::installed_system::same_architecture;
use super::module_facts::OURS;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::example_files;
use crate::suggested_command;
use crate::unmatched_name::{UnmatchedName, exempt_names, require_names};

/// A file that is made to see whether one can be made. No user's record can have that name.
const PROBE: &str = "%doctor";
/// As many bytes as the largest usual record.
const PROBE_LEN: usize = 4096;

/// The policy as a login sees it; `None` with a finding when it cannot be used.
pub fn policy(context: &CommandContext, used: &[String]) -> (Option<Policy>, Vec<DoctorFinding>) {
    let file = context.policy_path().display().to_string();
    let refused = match used {
        [] => "wherever a PAM file names the module".to_owned(),
        services => format!("at {}", services.join(", ")),
    };
    match context.policy.load_if_present() {
        Ok(Some(loaded)) => (Some(loaded.policy), Vec::new()),
        Ok(None) => {
            let cause = format!("there is no policy {file}: all users are refused {refused}");
            let fix = "twofactor policy set enabled false, or twofactor enable";
            let finding = match used {
                [] => DoctorFinding::warning("policy", &file, cause, fix),
                _ => DoctorFinding::problem("policy", &file, cause, fix),
            };
            (None, vec![finding])
        }
        Err(error) => {
            let mut failure = CommandFailure::from(error);
            failure.what = format!("{}. All users are refused {refused}", failure.what);
            let fix = "Correct it, then: twofactor policy check";
            (None, vec![DoctorFinding::of("policy", file, failure, fix)])
        }
    }
}

/// Names in `[[exempt]]` and `[[require]]` by which an entry covers no login, or too many. A policy that is off asks for nothing anyway.
pub fn named_users(policy: Option<&Policy>) -> Vec<DoctorFinding> {
    let unmatched = policy
        .filter(|policy| policy.enabled)
        .map(exempt_names::find);
    let required = policy
        .filter(|policy| policy.enabled)
        .map(require_names::find);
    let required = required.into_iter().flatten().map(|unmatched| {
        DoctorFinding::warning(
            "require-name",
            unmatched.name,
            unmatched.cause,
            unmatched.fix,
        )
    });
    let finding = |unmatched: UnmatchedName| {
        DoctorFinding::warning(
            "exempt-name",
            unmatched.name,
            unmatched.cause,
            unmatched.fix,
        )
    };
    let exempt = unmatched.into_iter().flatten().map(finding);
    exempt.chain(required).collect()
}

/// A policy file from the clock's future, by which requirements of later days are in force.
pub fn policy_time(context: &CommandContext, policy: Option<&Policy>) -> Option<DoctorFinding> {
    let policy = policy.filter(|policy| policy.enabled)?;
    let (cause, fix) = require_names::early(policy, context.policy_time())?;
    let file = context.policy_path().display().to_string();
    Some(DoctorFinding::warning("policy-time", file, cause, fix))
}

/// Checks that records and states can be read and written.
pub fn state_directory(context: &CommandContext, policy: Option<&Policy>) -> Vec<DoctorFinding> {
    let path = context.state_path();
    let subject = path.display().to_string();
    let fix = "twofactor init makes what is missing";
    let on = policy.is_some_and(|policy| policy.enabled);
    match context.store() {
        Err(failure) => vec![DoctorFinding::of("state-directory", subject, failure, fix)],
        Ok(None) if on => {
            let cause = format!("{subject} is missing or not complete, so logins are refused");
            vec![DoctorFinding::problem(
                "state-directory",
                subject,
                cause,
                fix,
            )]
        }
        Ok(None) => Vec::new(),
        Ok(Some(_)) => probe(path),
    }
}

fn probe(path: &Path) -> Vec<DoctorFinding> {
    let parts = ["users", "state"].map(|part| path.join(part));
    // Both are one file system as a rule: then it is told once.
    parts
        .iter()
        .find_map(|part| writable(part))
        .into_iter()
        .collect()
}

/// Checks that a file can be made there. Tried, since quotas show in no other way.
fn writable(directory: &Path) -> Option<DoctorFinding> {
    let subject = directory.display().to_string();
    let tried = file::open_directory(CWD, directory, FileAccess::Private).and_then(|opened| {
        // It has no name, or a random one where the file system needs one: others may look at the same time.
        NewFile::create(opened.as_fd(), PROBE, &[0; PROBE_LEN], NewFileKind::Free)?.flush()
    });
    let error = tried.err()?;
    let full = statvfs(directory).ok();
    let read_only = full
        .as_ref()
        .is_some_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY));
    let no_files = full
        .as_ref()
        .is_some_and(|system| system.f_files > 0 && system.f_ffree == 0);
    let (cause, fix) = match error {
        FileError::System(_, rustix::io::Errno::ROFS) => (
            "is on a read-only file system: no attempt can be counted, so all users with a device are refused",
            "See why (dmesg; mount), then: mount -o remount,rw and the directory of the mount",
        ),
        _ if read_only => (
            "is on a read-only file system: no attempt can be counted, so all users with a device are refused",
            "See why (dmesg; mount), then: mount -o remount,rw and the directory of the mount",
        ),
        FileError::System(_, rustix::io::Errno::NOSPC) if no_files => (
            "is on a file system that has no room for another file (no free inodes): no user can be enrolled, and devices cannot be changed",
            "Remove files there: df -i shows how many there are",
        ),
        FileError::System(_, rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => (
            "is on a full disk: no user can be enrolled, and devices cannot be changed. Logins go on working on most file systems",
            "Make room there: df shows how much there is",
        ),
        _ => (
            "cannot be written: no user can be enrolled, and logins may be refused",
            "See what the system says: dmesg",
        ),
    };
    let cause = format!("{subject} {cause} ({error})");
    Some(DoctorFinding::problem("disk", subject, cause, fix))
}

/// Checks that the module is where libpam looks for it, and that only root can change it.
pub fn module_file(path: &Path, used: &[String]) -> Option<DoctorFinding> {
    let subject = path.display().to_string();
    let wrong = |cause: &str, fix: String| {
        let services = match used {
            [] => String::new(),
            services => format!(" (used at {})", services.join(", ")),
        };
        let cause = format!("{subject}{services} {cause}");
        let finding = DoctorFinding::problem("module-file", subject.clone(), cause, fix);
        Some(match used {
            [] => {
                DoctorFinding::warning("module-file", finding.subject, finding.cause, finding.fix)
            }
            _ => finding,
        })
    };
    let Ok(metadata) = std::fs::metadata(path) else {
        let directory = path.parent().unwrap_or(path).display();
        return wrong(
            "is missing, so libpam refuses every login that reaches its line",
            format!(
                "Install it: make install {}; or correct the path in the PAM file",
                suggested_command::quoted(format!("PAMDIR={directory}"))
            ),
        );
    };
    if !metadata.is_file() || !same_architecture(path) {
        return wrong(
            "is no module for this machine, so libpam cannot load it and refuses",
            "Build and install it again: make, make install".to_owned(),
        );
    }
    match (metadata.uid(), metadata.mode() & 0o022) {
        (0, 0) => None,
        (0, _) => wrong(
            "can be changed by users other than root, and with it every login",
            format!(
                "See who changed it; then: {}",
                suggested_command::other("chmod go-w", path)
            ),
        ),
        _ => wrong(
            "does not belong to root, and its owner can change every login",
            format!(
                "See who changed it; then: {}",
                suggested_command::other("chown root:root", path)
            ),
        ),
    }
}

/// PAM files that a user other than root can change.
pub fn pam_file(path: &PathBuf) -> Option<DoctorFinding> {
    let metadata = std::fs::metadata(path).ok()?;
    let open = metadata.uid() != 0 || metadata.mode() & 0o022 != 0;
    let subject = path.display().to_string();
    open.then(|| {
        DoctorFinding::problem(
            "pam-file-open",
            &subject,
            format!(
                "{subject} can be changed by users other than root, and with it every login there"
            ),
            format!(
                "See who changed it; then: {}; {}",
                suggested_command::other("chown root:root", path),
                suggested_command::other("chmod go-w", path)
            ),
        )
    })
}

/// Checks that the clock is kept right.
pub fn clock(synchronization: ClockStatus) -> Option<DoctorFinding> {
    let fix = "Set up NTP (chrony or systemd-timesyncd); then timedatectl says \"System clock synchronized: yes\"";
    match synchronization {
        ClockStatus::Synchronized => None,
        ClockStatus::Unsynchronized => Some(DoctorFinding::problem(
            "clock",
            "clock",
            "it is not synchronized; once it is wrong by more than a minute, the codes of the devices are refused",
            fix,
        )),
        ClockStatus::Unknown => Some(DoctorFinding::warning(
            "clock",
            "clock",
            "it is not known to be synchronized (in a container, look at the host); codes depend on it",
            fix,
        )),
    }
}

/// A policy that is on, and asks no user.
pub fn nowhere_used(policy: Option<&Policy>, used: &[String]) -> Option<DoctorFinding> {
    (policy.is_some_and(|policy| policy.enabled) && used.is_empty()).then(|| {
        DoctorFinding::problem(
            "not-in-use",
            "policy",
            format!("two-factor login is on, but no PAM file names {OURS}: no user is asked for a code"),
            format!(
                "twofactor setup SERVICE. By hand: put its lines into the files of the services that should ask, as in the examples in {}",
                example_files::directory()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::doctor_finding::FindingLevel;

    #[test]
    fn the_clock_is_fine_wrong_or_unknown() {
        assert_eq!(clock(ClockStatus::Synchronized), None);
        let level = |state| clock(state).unwrap().level;
        assert_eq!(level(ClockStatus::Unsynchronized), FindingLevel::Problem);
        assert_eq!(level(ClockStatus::Unknown), FindingLevel::Warning);
    }

    #[test]
    fn a_policy_that_is_on_nowhere_is_told() {
        let on: Policy = "enabled = true".parse().unwrap();
        assert!(nowhere_used(Some(&on), &[]).is_some());
        assert!(nowhere_used(Some(&on), &["sshd".to_owned()]).is_none());
        assert!(nowhere_used(Some(&Policy::default()), &[]).is_none());
        assert!(nowhere_used(None, &[]).is_none());
    }
}
