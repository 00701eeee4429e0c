//! What is wrong with the records, states and accounts of users.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::account::Account;
use twofactor_core::device::Kind;
use twofactor_core::policy::Throttle;
use twofactor_core::record::Record;
use twofactor_core::state::{COUNTER_UNKNOWN, State};
use twofactor_core::verify::{self, Gate};
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::{Snapshot, Store};

use super::finding::DoctorFinding;
use crate::accounts::{AccountLookup, RecordOwner};
use crate::error::for_user;
use crate::formatting::span;
use crate::people::{self, AccountRole};
use crate::shell;

/// Somebody who may log in.
pub struct User {
    /// The account.
    pub account: Account,
    /// Whether this user could repair things.
    pub role: AccountRole,
    /// What is kept about this user.
    pub kept: Kept,
}

/// What is kept about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: no device.
    Nothing,
    /// No device, but an invitation to enrol one that has not expired.
    Invited,
    /// A device.
    Device,
    /// A device, and too many wrong codes.
    Locked,
    /// Files that cannot be used: refused.
    Unusable,
}

impl Kept {
    /// Whether there is no device.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Nothing | Self::Invited)
    }
}

/// Everybody who can be listed, or one user, and what is wrong with each at the time `now`.
pub fn check(
    store: Option<&Store>,
    throttle: &Throttle,
    only: Option<&Account>,
    now: u64,
) -> (Vec<User>, Vec<DoctorFinding>) {
    let local = people::local();
    let (mut users, mut findings) = (Vec::new(), Vec::new());
    let recorded = match store.map(Store::users).transpose() {
        Ok(recorded) => recorded.unwrap_or_default(),
        Err(error) => {
            let path = error.path.display().to_string();
            let fix = "See what the system says: dmesg";
            findings.push(DoctorFinding::of(
                "state-directory",
                path,
                error.into(),
                fix,
            ));
            Vec::new()
        }
    };
    let names: BTreeSet<String> = match only {
        Some(account) => BTreeSet::from([account.name.clone()]),
        None => recorded
            .iter()
            .cloned()
            .chain(local.iter().map(|(name, _)| name.clone()))
            .collect(),
    };
    let administrators = people::administrator_groups();
    let listed = AccountLookup::for_names(names.len());
    let mut seen = BTreeSet::new();
    for name in names {
        let looked_up = match store {
            Some(store) => RecordOwner::of(&listed, store, &name).map(RecordOwner::account),
            None => listed.find(&name),
        };
        let account = match looked_up {
            Ok(Some(account)) => account,
            Ok(None) => {
                findings.push(vanished(&name));
                continue;
            }
            Err(error) => {
                findings.push(unknown(&name, error));
                continue;
            }
        };
        // A user who was renamed is listed under both names.
        if !seen.insert(account.name.clone()) {
            continue;
        }
        let (kept, found) = kept(store, throttle, &account, now);
        findings.extend(found);
        users.push(User {
            role: people::role(&account, &administrators),
            kept,
            account,
        });
    }
    findings.extend(shared(&users, &local, only));
    (users, findings)
}

fn unknown(name: &str, error: LookupFailed) -> DoctorFinding {
    DoctorFinding::problem(
        "lookup",
        name,
        format!("{error}, so {name} is refused wherever a code is asked for"),
        format!(
            "See what this says: {}",
            shell::other("getent passwd", name)
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
            shell::twofactor("unset", &[name], &[]),
            shell::other("getent passwd", name)
        ),
    )
}

fn kept(
    store: Option<&Store>,
    throttle: &Throttle,
    account: &Account,
    now: u64,
) -> (Kept, Vec<DoctorFinding>) {
    let read = || -> Result<(Kept, Vec<DoctorFinding>), twofactor_store::Error> {
        let nothing = (Kept::Nothing, Vec::new());
        let snapshot = store.map(|store| store.snapshot(account)).transpose()?;
        let Some(Snapshot { record, state, .. }) = snapshot.flatten() else {
            return Ok(nothing);
        };
        // An invitation to enrol is no device.
        if !record.is_enrolled() {
            return Ok(match record.is_invited(now) {
                true => (Kept::Invited, Vec::new()),
                false => nothing,
            });
        }
        Ok(enrolled(throttle, &record, &state, now))
    };
    match read() {
        Ok(kept) => kept,
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
            (Kept::Unusable, vec![finding])
        }
    }
}

fn enrolled(
    throttle: &Throttle,
    record: &Record,
    state: &State,
    now: u64,
) -> (Kept, Vec<DoctorFinding>) {
    let user = &record.user;
    let mut findings = Vec::new();
    let gate = verify::gate(throttle, state, now);
    let unlock = shell::twofactor("unlock", &[user], &[]);
    match gate {
        Gate::Open => {}
        Gate::LockedFor(seconds) => findings.push(DoctorFinding::warning(
            "locked-out",
            user,
            format!(
                "after {} wrong codes {user} is locked out for {}",
                state.failures,
                span(seconds)
            ),
            format!("Wait, or: {unlock}. Another person may know the password"),
        )),
        Gate::LockedUntilUnlock => findings.push(DoctorFinding::problem(
            "locked-until-unlock",
            user,
            format!(
                "after {} wrong codes {user} is locked out until that is ended",
                state.failures
            ),
            format!("{unlock}. Another person may know the password: let it be changed"),
        )),
    }
    for device in &record.devices {
        let lost = state
            .device(device.id)
            .is_some_and(|entry| entry.next == COUNTER_UNKNOWN);
        if device.kind == Kind::Hotp && lost {
            findings.push(DoctorFinding::warning(
                "resync",
                user,
                format!(
                    "the counter of {} of {user} is unknown, so its codes are refused",
                    device.name
                ),
                shell::twofactor("resync", &[user, device.name.as_str()], &[]),
            ));
        }
    }
    if let [device] = record.devices.as_slice()
        && verify::recovery_codes_left(record, state) == 0
    {
        findings.push(DoctorFinding::warning(
            "single-device",
            user,
            format!("{user} has one device ({}) and no recovery codes left: without it there is no way in", device.name),
            format!(
                "{}, or a second device: {}",
                shell::twofactor("recovery-codes", &[user], &[]),
                shell::twofactor("enroll", &[user], &[("--device", "NAME")])
            ),
        ));
    }
    let kept = if gate == Gate::Open {
        Kept::Device
    } else {
        Kept::Locked
    };
    (kept, findings)
}

/// Names that share a uid: the same person to the system, and two to the policy.
fn shared(users: &[User], local: &[(String, u32)], only: Option<&Account>) -> Vec<DoctorFinding> {
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
