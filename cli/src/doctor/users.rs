//! What is wrong with the records, states and accounts of users.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use pam_twofactor::device::Kind;
use pam_twofactor::policy::Throttle;
use pam_twofactor::record::Record;
use pam_twofactor::state::{COUNTER_UNKNOWN, State};
use pam_twofactor::store::Store;
use pam_twofactor::sys::accounts::{self, Account, LookupFailed};
use pam_twofactor::verify::{self, Gate};

use super::finding::Finding;
use crate::context::for_user;
use crate::people::{self, Role};
use crate::shell;
use crate::text::span;

/// Somebody who may log in.
pub struct User {
    /// The account.
    pub account: Account,
    /// Whether this user could repair things.
    pub role: Role,
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
) -> (Vec<User>, Vec<Finding>) {
    let local = people::local();
    let (mut users, mut findings) = (Vec::new(), Vec::new());
    let recorded = match store.map(Store::users).transpose() {
        Ok(recorded) => recorded.unwrap_or_default(),
        Err(error) => {
            let path = error.path.display().to_string();
            let fix = "See what the system says: dmesg";
            findings.push(Finding::of("state-directory", path, error.into(), fix));
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
    for name in names {
        let account = match accounts::by_name(&name) {
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

fn unknown(name: &str, error: LookupFailed) -> Finding {
    Finding::problem(
        "lookup",
        name,
        format!("{error}, so {name} is refused wherever a code is asked for"),
        format!(
            "See what this says: {}",
            shell::other("getent passwd", name)
        ),
    )
}

fn vanished(name: &str) -> Finding {
    Finding::problem(
        "vanished",
        name,
        format!(
            "there is a record of {name}, but no such user: whoever gets that name next is refused, or gets the old devices"
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
) -> (Kept, Vec<Finding>) {
    let read = || -> Result<(Kept, Vec<Finding>), pam_twofactor::store::Error> {
        let nothing = (Kept::Nothing, Vec::new());
        let Some(record) = store
            .map(|store| store.record(account))
            .transpose()?
            .flatten()
        else {
            return Ok(nothing);
        };
        // An invitation to enrol is no device.
        if !record.is_enrolled() {
            return Ok(match record.is_invited(now) {
                true => (Kept::Invited, Vec::new()),
                false => nothing,
            });
        }
        let Some(store) = store else {
            return Ok(nothing);
        };
        let locked = store.lock(account)?;
        Ok(locked.record()?.map_or(nothing, |record| {
            enrolled(throttle, &record, locked.state(), now)
        }))
    };
    match read() {
        Ok(kept) => kept,
        Err(error) => {
            let check = if error.mended_by_unlock() {
                "state"
            } else {
                "record"
            };
            let mut failure = for_user(error, &account.name);
            failure.what = format!("{} is refused: {}", account.name, failure.what);
            let otherwise = "See what the system says: journalctl -p err";
            let finding = Finding::of(check, &account.name, failure, otherwise);
            (Kept::Unusable, vec![finding])
        }
    }
}

fn enrolled(throttle: &Throttle, record: &Record, state: &State, now: u64) -> (Kept, Vec<Finding>) {
    let user = &record.user;
    let mut findings = Vec::new();
    let gate = verify::gate(throttle, state, now);
    let unlock = shell::twofactor("unlock", &[user], &[]);
    match gate {
        Gate::Open => {}
        Gate::LockedFor(seconds) => findings.push(Finding::warning(
            "locked-out",
            user,
            format!(
                "after {} wrong codes {user} is locked out for {}",
                state.failures,
                span(seconds)
            ),
            format!("Wait, or: {unlock}. Somebody may know the password"),
        )),
        Gate::LockedUntilUnlock => findings.push(Finding::problem(
            "locked-until-unlock",
            user,
            format!(
                "after {} wrong codes {user} is locked out until somebody ends it",
                state.failures
            ),
            format!("{unlock}. Somebody may know the password: let it be changed"),
        )),
    }
    for device in &record.devices {
        let lost = state
            .device(device.id)
            .is_some_and(|entry| entry.next == COUNTER_UNKNOWN);
        if device.kind == Kind::Hotp && lost {
            findings.push(Finding::warning(
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
        findings.push(Finding::warning(
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
fn shared(users: &[User], local: &[(String, u32)], only: Option<&Account>) -> Vec<Finding> {
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
    let kept = |name: &str| {
        let user = users.iter().find(|user| user.account.name == name);
        user.map_or(Kept::Nothing, |user| user.kept)
    };
    let mut findings = Vec::new();
    for (uid, names) in names.iter().filter(|(_, names)| names.len() > 1) {
        if only.is_some_and(|account| account.uid != *uid) {
            continue;
        }
        let listed: Vec<&str> = names.iter().copied().collect();
        let listed = listed.join(", ");
        let bare = names.iter().find(|name| kept(name).is_bare());
        let some = names.iter().any(|name| !kept(name).is_bare());
        findings.push(match bare.filter(|_| some) {
            Some(bare) => Finding::problem(
                "shared-uid",
                listed.clone(),
                format!("{listed} are names of one user (uid {uid}), and {bare} has no device: who logs in under that name is not asked for the code of the other"),
                format!(
                    "{}, or remove the name: {} (first see who uses it)",
                    shell::twofactor("enroll", &[bare], &[]),
                    shell::other("userdel", bare)
                ),
            ),
            None => Finding::warning(
                "shared-uid",
                listed.clone(),
                format!("{listed} are names of one user (uid {uid}): each needs a device of its own"),
                "Give each name a uid of its own, or enrol each.",
            ),
        });
    }
    findings
}
