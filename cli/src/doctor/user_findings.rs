//! Faults of the records, states and accounts of users.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::account::Account;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::policy::ThrottlePolicy;
use twofactor_core::record::{EnrollmentStatus, UserRecord};
use twofactor_core::state::{COUNTER_UNKNOWN, UserState};
use twofactor_core::verify::{self, ThrottleStatus};
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::{self as store, FactorSnapshot, FactorStore};

use super::doctor_finding::DoctorFinding;
use crate::command_failure::for_user;
use crate::formatting::span;
use crate::roster::{
    self, AccountRole, AdministratorGroups, ListedUser, RosterEntry, RosterFault, RosterNames,
    UserRoster,
};
use crate::suggested_command;

/// A user whose account, record and state were examined.
pub struct ExaminedUser {
    /// The account.
    pub account: Account,
    /// The part in repairs.
    pub role: AccountRole,
    /// Record and state.
    pub factor: FactorStatus,
}

/// State of a user's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorStatus {
    /// Usable, as far as it is there.
    Usable(EnrollmentStatus),
    /// A device, and too many wrong codes.
    LockedOut,
    /// Files that cannot be used: refused.
    Unusable,
}

impl FactorStatus {
    /// True if there is proof that the user has no device.
    pub const fn lacks_device(self) -> bool {
        matches!(self, Self::Usable(status) if !status.has_device())
    }
}

/// All users who can be listed, or one of them, and the findings about each at the time `now`.
pub fn check(
    store: Option<&FactorStore>,
    throttle: &ThrottlePolicy,
    only: Option<&Account>,
    now: u64,
) -> (Vec<ExaminedUser>, Vec<DoctorFinding>) {
    let mut findings = Vec::new();
    // Of one user the records of others are not listed.
    let listed = store.filter(|_| only.is_none());
    let names = RosterNames::readable(listed, |fault| findings.push(unreadable(fault)));
    let roster = match only {
        Some(account) => UserRoster::new(store, [account.name.clone()]),
        None => UserRoster::new(store, names.all()),
    };
    let administrators = AdministratorGroups::look_up();
    let found = roster.look_up(|entry| match entry {
        RosterEntry::Listed(user) => {
            let ListedUser {
                account, factor, ..
            } = *user;
            let (factor, found) = examined(factor, throttle, &account, now);
            let user = ExaminedUser {
                role: administrators.role(&account),
                factor,
                account,
            };
            (Some(user), found)
        }
        RosterEntry::Vanished(name) => (None, vec![vanished(&name)]),
        RosterEntry::Unanswered(name, error) => (None, vec![unknown(&name, error)]),
    });
    let mut users = Vec::new();
    let found = roster::once_each(found, |(user, _)| user.as_ref().map(|user| &user.account));
    for (user, found) in found {
        findings.extend(found);
        users.extend(user);
    }
    findings.extend(shared(&users, &names.local, only));
    (users, findings)
}

/// A source of names that cannot be read.
fn unreadable(fault: RosterFault) -> DoctorFinding {
    let fix = "See what the system says: dmesg";
    match fault {
        RosterFault::Accounts(failure) => DoctorFinding::of("passwd", "/etc/passwd", failure, fix),
        RosterFault::Records(error) => {
            let path = error.path.display().to_string();
            DoctorFinding::of("state-directory", path, error.into(), fix)
        }
    }
}

fn unknown(name: &str, error: LookupFailed) -> DoctorFinding {
    DoctorFinding::problem(
        "lookup",
        name,
        format!("{error}, so {name} is refused wherever a code is asked for"),
        format!(
            "See what this says: {}",
            suggested_command::other("getent passwd", name)
        ),
    )
}

fn vanished(name: &str) -> DoctorFinding {
    DoctorFinding::problem(
        "vanished",
        name,
        format!(
            "there is a record of {name}, but no such user: the next user of that name is refused, or gets the old devices"
        ),
        format!(
            "If the user is gone: {}. If not, the user database does not answer: {}",
            suggested_command::twofactor("unset", &[name], &[]),
            suggested_command::other("getent passwd", name)
        ),
    )
}

fn examined(
    factor: Result<Option<FactorSnapshot>, store::StoreError>,
    throttle: &ThrottlePolicy,
    account: &Account,
    now: u64,
) -> (FactorStatus, Vec<DoctorFinding>) {
    match factor {
        Ok(None) => (
            FactorStatus::Usable(EnrollmentStatus::NotEnrolled),
            Vec::new(),
        ),
        Ok(Some(FactorSnapshot { record, state, .. })) => {
            let status = EnrollmentStatus::of(&record, &state, now);
            if status.has_device() {
                enrolled(status, throttle, &record, &state, now)
            } else {
                (FactorStatus::Usable(status), Vec::new())
            }
        }
        Err(error) => {
            let check = if error.fixed_by_unlock() {
                "state"
            } else {
                "record"
            };
            let mut failure = for_user(error, &account.name);
            failure.what = format!("{} is refused: {}", account.name, failure.what);
            let otherwise = "See what the system says: journalctl -p err";
            let finding = DoctorFinding::of(check, &account.name, failure, otherwise);
            (FactorStatus::Unusable, vec![finding])
        }
    }
}

/// A user with a device, at `now` (seconds since 1970-01-01 UTC).
fn enrolled(
    status: EnrollmentStatus,
    throttle: &ThrottlePolicy,
    record: &UserRecord,
    state: &UserState,
    now: u64,
) -> (FactorStatus, Vec<DoctorFinding>) {
    let throttled = verify::gate(throttle, state, now);
    let mut findings: Vec<DoctorFinding> = Vec::new();
    findings.extend(locked_out(throttled, &record.user, state.failures));
    findings.extend(lost_counters(record, state));
    findings.extend(without_way_in(record, state));
    let factor = if throttled == ThrottleStatus::Open {
        FactorStatus::Usable(status)
    } else {
        FactorStatus::LockedOut
    };
    (factor, findings)
}

fn locked_out(status: ThrottleStatus, user: &str, failures: u32) -> Option<DoctorFinding> {
    let unlock = suggested_command::twofactor("unlock", &[user], &[]);
    match status {
        ThrottleStatus::Open => None,
        ThrottleStatus::LockedFor(seconds) => Some(DoctorFinding::warning(
            "locked-out",
            user,
            format!(
                "after {failures} wrong codes {user} is locked out for {}",
                span(seconds)
            ),
            format!("Wait, or: {unlock}. Another person may know the password"),
        )),
        ThrottleStatus::LockedUntilUnlock => Some(DoctorFinding::problem(
            "locked-until-unlock",
            user,
            format!("after {failures} wrong codes {user} is locked out until that is ended"),
            format!("{unlock}. Another person may know the password: let it be changed"),
        )),
    }
}

fn lost_counters(record: &UserRecord, state: &UserState) -> Vec<DoctorFinding> {
    let user = &record.user;
    let is_lost = |device: &&Device| {
        let entry = state.device(device.id);
        device.kind == OtpKind::Hotp && entry.is_some_and(|entry| entry.next == COUNTER_UNKNOWN)
    };
    let finding = |device: &Device| {
        DoctorFinding::warning(
            "resync",
            user,
            format!(
                "the counter of {} of {user} is unknown, so its codes are refused",
                device.name
            ),
            suggested_command::twofactor("resync", &[user, device.name.as_str()], &[]),
        )
    };
    let lost = record.devices.iter().filter(is_lost);
    lost.map(finding).collect()
}

/// One device, and nothing in its place where it is lost.
fn without_way_in(record: &UserRecord, state: &UserState) -> Option<DoctorFinding> {
    let [device] = record.devices.as_slice() else {
        return None;
    };
    if verify::recovery_codes_left(record, state) > 0 {
        return None;
    }
    let user = &record.user;
    Some(DoctorFinding::warning(
        "single-device",
        user,
        format!(
            "{user} has one device ({}) and no recovery codes left: without it there is no way in",
            device.name
        ),
        format!(
            "{}, or a second device: {}",
            suggested_command::twofactor("recovery-codes", &[user], &[]),
            suggested_command::twofactor("enroll", &[user], &[("--device", "NAME")])
        ),
    ))
}

/// Names that share a uid: the same person to the system, and two to the policy.
fn shared(
    users: &[ExaminedUser],
    local: &[(String, u32)],
    only: Option<&Account>,
) -> Vec<DoctorFinding> {
    let mut names: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for user in users {
        names
            .entry(user.account.uid)
            .or_default()
            .insert(&user.account.name);
    }
    for (name, uid) in local {
        names.entry(*uid).or_default().insert(name);
    }
    let mut findings = Vec::new();
    for (uid, names) in names.iter().filter(|(_, names)| names.len() > 1) {
        if only.is_some_and(|account| account.uid != *uid) {
            continue;
        }
        let listed: Vec<&str> = names.iter().copied().collect();
        let listed = listed.join(", ");
        findings.push(DoctorFinding::warning(
            "shared-uid",
            listed.clone(),
            format!("{listed} are names of one user (uid {uid}): a name without a device of its own is asked for the codes of the other"),
            "If they are one person, nothing. If not, give each name a uid of its own.",
        ));
    }
    findings
}
