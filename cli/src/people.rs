//! Who may log in to this machine, as far as it can be listed: local accounts, and everybody with a device.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_core::policy::{Policy, Subject};
use twofactor_store::Store;
use twofactor_store::attempt::KnownGroups;
use twofactor_store::sys::accounts;
use twofactor_store::sys::clock;

use crate::accounts::{AccountLookup, RecordOwner};
use crate::error::Failure;
use crate::impact::{AffectedUser, Enrolment, ExemptionScope};
use crate::shell;

pub use crate::impact::AccountRole;

/// The local accounts. Accounts of a directory are not listed: there may be very many.
const PASSWD: &str = "/etc/passwd";
/// Uids of people: from the first, before the last (Debian policy 9.2.2, systemd's UIDS-GIDS).
const PEOPLE: std::ops::Range<u32> = 1000..65_534;
/// Groups whose members may become root.
const ADMINISTRATORS: [&str; 2] = ["sudo", "wheel"];

/// Everybody who can be listed, and a warning for each whose files are unusable.
pub fn all(policy: &Policy, store: &Store) -> Result<(Vec<AffectedUser>, Vec<String>), Failure> {
    let recorded = store.users()?;
    let listed = AccountLookup::for_names(recorded.len());
    let (mut found, mut warnings) = (BTreeMap::new(), Vec::new());
    for name in &recorded {
        match RecordOwner::of(&listed, store, name)?.account() {
            Some(account) => _ = found.insert(account.name.clone(), account),
            None => warnings.push(format!(
                "there is a record of {name}, but no such user: {}",
                shell::twofactor("unset", &[name], &[])
            )),
        }
    }
    for (name, _) in local() {
        if let Some(account) = listed.find(&name)? {
            found.insert(name, account);
        }
    }
    let administrators = administrator_groups();
    let mut groups = KnownGroups::default();
    let now = clock::now()?;
    let mut people = Vec::new();
    for (name, account) in found {
        let (kept_as, enrolment) = match enrolment(store, &account, now) {
            Ok(enrolment) => enrolment,
            Err(error) => {
                warnings.push(format!("{name} will be refused: {error}"));
                continue;
            }
        };
        let mut own = groups.of(Some(&account));
        let (exemption, exempt_at) =
            exemption(policy, &account.name, &mut |group| own.include(group));
        people.push(AffectedUser {
            enrolment,
            role: role(&account, &administrators),
            exemption,
            exempt_at,
            kept_as,
            name: account.name,
        });
    }
    Ok((people, warnings))
}

/// All with a record, by the names of the files alone: none of them is read, no lock is taken, and no account or group is
/// looked up, which may take its time or fail. Who is only invited counts as enrolled, and no user as a member of a group.
pub fn recorded(policy: &Policy, store: &Store) -> Result<Vec<AffectedUser>, Failure> {
    let of_file = |name: String| {
        let (exemption, exempt_at) = exemption(policy, &name, &mut |_| false);
        AffectedUser {
            enrolment: Enrolment::Untried,
            role: AccountRole::User,
            exemption,
            exempt_at,
            kept_as: name.clone(),
            name,
        }
    };
    Ok(store.users()?.into_iter().map(of_file).collect())
}

/// Name and uid of the local accounts that people log in with, root included.
pub fn local() -> Vec<(String, u32)> {
    let text = std::fs::read(PASSWD).unwrap_or_default();
    parse(&String::from_utf8_lossy(&text))
}

/// passwd(5): `name:password:uid:gid:gecos:home:shell`.
fn parse(passwd: &str) -> Vec<(String, u32)> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let shell = fields.nth(3)?;
        let may_log_in = !["nologin", "false"].iter().any(|end| shell.ends_with(end));
        let person = uid == 0 || PEOPLE.contains(&uid);
        (may_log_in && person && !name.is_empty()).then(|| (name.to_owned(), uid))
    };
    passwd.lines().filter_map(entry).collect()
}

/// Whether an account is root's, or in one of these groups.
pub fn role(account: &Account, administrators: &[u32]) -> AccountRole {
    let groups = accounts::group_ids(account).unwrap_or_default();
    match account.uid == 0 || groups.iter().any(|gid| administrators.contains(gid)) {
        true => AccountRole::Administrator,
        false => AccountRole::User,
    }
}

/// The numeric ids of the groups whose members may become root. One that cannot be looked up has no members.
pub fn administrator_groups() -> Vec<u32> {
    let found = |group| accounts::group_id(group).ok().flatten();
    ADMINISTRATORS.into_iter().filter_map(found).collect()
}

/// Under which name the record is kept, and how far the enrolment has come.
fn enrolment(
    store: &Store,
    account: &Account,
    now: u64,
) -> Result<(String, Enrolment), twofactor_store::Error> {
    let Some(snapshot) = store.snapshot(account)? else {
        return Ok((account.name.clone(), Enrolment::None));
    };
    let mut devices = snapshot.state.devices.iter();
    let enrolment = match () {
        () if !snapshot.record.is_enrolled() && snapshot.record.is_invited(now) => {
            Enrolment::Invited
        }
        () if !snapshot.record.is_enrolled() => Enrolment::None,
        () if devices.any(|device| device.last_used > 0) => Enrolment::Verified,
        () => Enrolment::Untried,
    };
    Ok((snapshot.account.name, enrolment))
}

/// Whether an entry without condition on service and network covers the account, and at which services one without
/// condition on the network does. No service has an empty name, and a login without an address matches no network.
fn exemption(
    policy: &Policy,
    user: &str,
    member: &mut dyn FnMut(&str) -> bool,
) -> (ExemptionScope, Vec<String>) {
    if !policy.enabled {
        return (ExemptionScope::No, Vec::new());
    }
    let mut exempt = |service: &str| {
        let subject = Subject {
            user,
            service,
            address: None,
        };
        policy.exemption(&subject, member).is_some()
    };
    if exempt("") {
        return (ExemptionScope::Everywhere, Vec::new());
    }
    let services = policy.exempt.iter().flat_map(|entry| entry.services());
    let exempt_at = services.filter(|service| exempt(service)).cloned();
    (ExemptionScope::No, exempt_at.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_from_services() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                      backup:x:34:34:backup:/var/backups:/bin/sh\n\
                      alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n\
                      locked:x:1001:1001::/home/locked:/bin/false\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n\
                      broken:line\n";
        assert_eq!(
            parse(passwd),
            [("root".to_owned(), 0), ("alice".to_owned(), 1000)]
        );
    }
}
