//! The parts that founding a fleet and joining one have in common.

use std::path::Path;
use std::time::Duration;

use data_encoding::HEXLOWER;
use twofactor_core::account::Account;
use twofactor_store::FactorStore;
use twofactor_store::sys::file::FileAccess;
use twofactor_store::sys::host_name;

use super::membership_error::MembershipError;
use crate::etcd::certificate_facts;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::EtcdGateway;
use crate::factor_changes::factor_commit::{CommitFault, ExpectedRecord, FactorCommit, RecordPart};
use crate::factor_changes::fleet_changes::{content, is_same, stored_kind};
use crate::host::fleet_host::FleetHost;
use crate::host_files::host_error::{HostError, HostFault};
use crate::host_files::host_file::{FleetDirectory, HostPlace, MAX_HOST_ID};
use crate::host_files::host_settings::{HostSettings, read};
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mark::MarkKind;
use crate::sealed_values::fleet_entry::{FleetMeta, HostBeat};
use crate::sealed_values::host_entry::HostReport;
use crate::sealed_values::shared_state_merge;

/// Longest time of one step with the store.
pub(crate) const STEP_TIME: Duration = Duration::from_secs(20);

/// Seconds by which the clock of a host may be off when it joins.
const MAX_CLOCK_DIFFERENCE: u64 = 15;

/// Checks what keeps a host from using a store, and is not seen from its errors: a certificate with a name, which etcd's gateway refuses
/// once there are users.
///
/// # Errors
/// [`MembershipError::Refused`].
pub(crate) fn check_certificate(settings: &HostSettings) -> Result<(), MembershipError> {
    let pem = read(&settings.certificate, FileAccess::Readable)?;
    let facts = certificate_facts::of_pem(&pem).ok();
    let own = facts.as_deref().and_then(<[_]>::first);
    let path = settings.certificate.display();
    let refused = |what| Err(MembershipError::Refused(format!("{path}: {what}")));
    match own.map(|it| it.has_common_name) {
        Some(false) => Ok(()),
        Some(true) => refused(
            "the certificate has a common name, and etcd refuses it for that: the host needs one with an empty CN",
        ),
        None => refused("is not a certificate in PEM"),
    }
}

/// Checks that the clock of this host is that of the store, by the last reply.
///
/// # Errors
/// [`MembershipError::Refused`].
pub(crate) fn check_clock(gateway: &EtcdGateway) -> Result<(), MembershipError> {
    match gateway.clock_ahead() {
        Some(ahead) if ahead.unsigned_abs() > MAX_CLOCK_DIFFERENCE => {
            Err(MembershipError::Refused(format!(
                "the clock of this host is {} seconds off that of etcd",
                ahead.unsigned_abs()
            )))
        }
        Some(_) => Ok(()),
        None => Err(MembershipError::Refused(
            "etcd does not say its time".to_owned(),
        )),
    }
}

/// True for a change, and false for a look at what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipRun {
    /// Nothing is changed.
    DryRun,
    /// The change is made.
    Apply,
}

/// Told after each user that was looked at: how many were, and of how many.
pub type UserProgress<'a> = &'a dyn Fn(usize, usize);

/// The host and its users, as a command of the fleet has them.
#[derive(Clone, Copy)]
pub struct LocalHost<'a> {
    /// The records and states.
    pub store: &'a FactorStore,
    /// Their directory.
    pub state: &'a Path,
    /// The host's report on itself.
    pub report: HostReport,
}

/// The place of this host, `None` where it is in no fleet.
pub(crate) fn known_place(state: &Path) -> Result<Option<HostPlace>, HostError> {
    let directory = FleetDirectory::open(state);
    match directory.and_then(|directory| directory.place()) {
        Err(error) if error.is_not_joined() => Ok(None),
        other => other.map(Some),
    }
}

/// The known place, or else a new one, which is written: from then on no record changes without the store.
pub(crate) fn ensured_place(
    known: Option<HostPlace>,
    directory: &FleetDirectory,
    meta: FleetMeta,
) -> Result<HostPlace, HostError> {
    if let Some(known) = known {
        return Ok(known);
    }
    let place = new_place(directory, meta)?;
    directory.write(&place, &directory.lock()?)?;
    Ok(place)
}

/// A place for this host, with a new id.
fn new_place(directory: &FleetDirectory, meta: FleetMeta) -> Result<HostPlace, HostError> {
    let mut random = [0; 12];
    getrandom::fill(&mut random)
        .map_err(|_| HostError::new(directory.path(), HostFault::Random))?;
    let (id, run) = random.split_at(4);
    let name: String = host_name::name()
        .chars()
        .filter(|it| it.is_ascii_alphanumeric() || "-.".contains(*it))
        .take(MAX_HOST_ID - 9)
        .collect();
    let mut beat = HostBeat {
        count: 1,
        run: [0; 8],
    };
    beat.run.copy_from_slice(run);
    Ok(HostPlace {
        meta,
        begun: None,
        host: format!("{name}-{}", HEXLOWER.encode(id)),
        previous: beat,
        current: beat,
    })
}

/// All users with a record here, if each record and state can be read: one that cannot would be missing in the fleet.
pub(crate) fn readable_users(store: &FactorStore) -> Result<Vec<String>, MembershipError> {
    let users = store.users()?;
    for user in &users {
        if let Some(record) = store.record_named(user)? {
            let account = account_of(user, record.uid);
            if store.peek(&account)?.is_none() {
                return Err(store.missing_state(&account).into());
            }
        }
    }
    Ok(users)
}

/// Users, each with a reason.
pub(crate) type UserReasons = Vec<(String, String)>;

/// Adds the users who are not in the list yet.
pub(crate) fn add_users(list: &mut UserReasons, users: UserReasons) {
    for (user, reason) in users {
        if list.iter().all(|(known, _)| *known != user) {
            list.push((user, reason));
        }
    }
}

/// Brings the records and states of these users to the fleet, one after the other. Those with something in the store that no host can
/// use are left as they are, and returned.
pub(crate) fn bring_all(
    host: &FleetHost,
    store: &FactorStore,
    users: &[String],
    progress: UserProgress<'_>,
) -> Result<UserReasons, MembershipError> {
    let mut left = UserReasons::new();
    for (number, user) in users.iter().enumerate() {
        match bring(host, store, user) {
            Err(MembershipError::User(user, CommitFault::Outage(reason)))
                if reason.is_of_value() =>
            {
                left.push((user, reason.to_string()));
            }
            other => other?,
        }
        progress(number + 1, users.len());
    }
    Ok(left)
}

/// Brings a user's record and state to the fleet, which has no record of that user, or the same one. Each code that was used there or
/// here counts as used. A user who was removed there is no new one: that is a conflict.
fn bring(host: &FleetHost, store: &FactorStore, user: &str) -> Result<(), MembershipError> {
    let Some(record) = store.record_named(user)? else {
        // Removed meanwhile.
        return Ok(());
    };
    let locked = store.lock(&account_of(user, record.uid))?;
    let Some(record) = locked.record()? else {
        return Ok(());
    };
    let lock = host.directory().lock()?;
    let time = WorkDeadline::after(STEP_TIME);
    host.settle(&lock, &time)?;
    let merge =
        |shared: Option<&_>, _| shared_state_merge::of_record(&record, locked.state(), shared);
    let change = |expected, part| FactorCommit {
        user,
        expected,
        record: part,
        state: &merge,
        count: None,
    };
    let is_same = |stored: Option<&str>| is_same(stored, Some(&record));
    let first = change(ExpectedRecord::Absent, RecordPart::Write(content(&record)));
    let revision = match host.commit_factor(&first, &time) {
        Err(CommitFault::Conflict) => {
            let again = change(ExpectedRecord::Matching(&is_same), RecordPart::Keep);
            host.commit_factor(&again, &time)
        }
        other => other,
    }
    .map_err(|fault| MembershipError::User(user.to_owned(), fault))?;
    let marks = MirrorMarks::open(host.directory().path())?;
    // A code of this host alone is in the record here, and not in the one that the mirror puts in its place.
    let here = MarkKind::of(Some(&record));
    marks.note(user, revision, here)?;
    marks.note_coming(user, (revision, stored_kind(Some(&record))), here)?;
    Ok(())
}

pub(crate) fn account_of(user: &str, uid: u32) -> Account {
    Account {
        name: user.to_owned(),
        uid,
        gid: uid,
    }
}
