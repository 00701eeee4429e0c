//! A host that joins a fleet: it brings the users that the fleet does not know, and gets the others. Nothing is overwritten.

use std::collections::BTreeMap;
use std::path::Path;

use twofactor_core::record::UserRecord;
use twofactor_store::sys::accounts;

use super::fleet_membership::{
    LocalHost, MembershipRun, STEP_TIME, UserProgress, add_users, bring_all, check_certificate,
    check_clock, ensured_place, known_place, readable_users,
};
use super::membership_error::MembershipError;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::EtcdGateway;
use crate::etcd::store_values::ChangeAnswer;
use crate::factor_changes::fleet_changes::is_same;
use crate::host::fleet_host::{FleetHost, REQUEST_TIME, opened_meta};
use crate::host_files::host_error::{HostError, HostFault};
use crate::host_files::host_file::{FleetDirectory, HostPlace};
use crate::host_files::host_settings::HostSettings;
use crate::host_files::key_file::KeyFile;
use crate::mirror::mirror_marks::MirrorMarks;
use crate::mirror::record_mirror::MirrorProgress;
use crate::mirror::user_mirror::MirrorNotes;
use crate::sealed_values::fleet_entry::EpochPhase;
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::host_entry::{HostEntry, HostMembership};
use crate::sealed_values::shared_record::SharedRecord;
use crate::sealed_values::store_key::{KeyKind, StoreKey};

/// A host that joined a fleet, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JoinReport {
    /// Id of this host in the fleet; empty where it did not join.
    pub host: String,
    /// Users whose records this host brings.
    pub brought: usize,
    /// Users with the same record here and there.
    pub same: usize,
    /// Users whose records this host gets, also in the place of an older copy.
    pub fetched: usize,
    /// Users with another record here than there, with the reason. While there is one, the host does not join.
    pub conflicts: Vec<(String, String)>,
    /// Users whose record could not be put in place here, or with something in the store that no host can use, with the reason. The
    /// daemon tries again.
    pub failed: Vec<(String, String)>,
}

/// The notes of a host that is in this fleet already on its copies: it was cut off, or an earlier call was interrupted.
struct KnownCopies {
    marks: MirrorMarks,
    noted: Vec<String>,
}

/// The records of this host beside those of the fleet.
#[derive(Default)]
struct JoinPlan {
    bring: Vec<String>,
    report: JoinReport,
}

/// Joins the fleet whose key is in `key_file`. After an interruption the same call goes on.
///
/// # Errors
/// [`MembershipError`]. Conflicts are no error, but nothing is changed then.
pub fn join(
    local: LocalHost<'_>,
    settings: &HostSettings,
    key_file: &Path,
    run: MembershipRun,
    progress: UserProgress<'_>,
) -> Result<JoinReport, MembershipError> {
    let keys = KeyFile::load(key_file)?;
    if keys.old.is_some() {
        return Err(HostError::new(key_file, HostFault::KeyRotation).into());
    }
    refuse_other_key(settings, key_file, &keys)?;
    let place = known_place(local.state)?;
    if place.as_ref().is_some_and(|it| it.meta.fleet != keys.fleet) {
        return Err(MembershipError::Refused(
            "this host is in another fleet; to leave it: twofactor fleet leave".to_owned(),
        ));
    }
    check_certificate(settings)?;
    let gateway = settings.gateway(REQUEST_TIME)?;
    let time = WorkDeadline::after(STEP_TIME);
    let meta = patient(&time, || gateway.values(&[StoreKey::meta()], &time))?;
    check_clock(&gateway)?;
    let sealed = meta.into_iter().next().and_then(|(_, value)| value);
    let meta = opened_meta(&keys.key, sealed.as_deref())?;
    if meta.fleet != keys.fleet {
        return Err(OutageReason::OtherFleet.into());
    }
    if meta.phase == EpochPhase::Restoring {
        return Err(OutageReason::Restoration.into());
    }
    let copies = place.as_ref().map(|_| KnownCopies::of(local.state));
    let plan = planned(local, &gateway, &keys.key, copies.transpose()?.as_ref())?;
    if run == MembershipRun::DryRun || !plan.report.conflicts.is_empty() {
        return Ok(plan.report);
    }
    keys.write(&settings.key_file)?;
    let directory = FleetDirectory::ensure(local.state)?;
    let place = ensured_place(place, &directory, meta)?;
    enter(local, &gateway, &keys.key, &place, sealed)?;
    let host = FleetHost::new(gateway, keys.key, directory, place)?;
    finish(local, &host, plan, progress)
}

/// Puts the entry of this host into the store, unless it is there.
fn enter(
    local: LocalHost<'_>,
    gateway: &EtcdGateway,
    key: &FleetKey,
    place: &HostPlace,
    meta: Option<Vec<u8>>,
) -> Result<(), MembershipError> {
    let time = WorkDeadline::after(STEP_TIME);
    let here = patient(&time, || gateway.values(&[place.key()], &time))?;
    if here.first().is_some_and(|(_, value)| value.is_some()) {
        // Its number is looked at before it is used.
        return Ok(());
    }
    if place.was_in_store() {
        return Err(OutageReason::WentBack.into());
    }
    let entry = HostEntry::of(place.current, HostMembership::Member, local.report);
    let sealed = key.seal(&place.key(), &entry.encode());
    let sealed = sealed.map_err(OutageReason::Sealing)?;
    let base = [(StoreKey::meta(), meta), (place.key(), None)];
    let made = gateway.change(&base, &[(place.key(), sealed)], &time);
    match made.map_err(OutageReason::Unreachable)? {
        ChangeAnswer::Done => Ok(()),
        ChangeAnswer::Refused => Err(OutageReason::OtherEpoch.into()),
    }
}

fn finish(
    local: LocalHost<'_>,
    host: &FleetHost,
    plan: JoinPlan,
    progress: UserProgress<'_>,
) -> Result<JoinReport, MembershipError> {
    let mut failed = plan.report.failed;
    add_users(
        &mut failed,
        bring_all(host, local.store, &plan.bring, progress)?,
    );
    let lock = host.directory().lock()?;
    let time = WorkDeadline::after(STEP_TIME * 15);
    host.settle(&lock, &time)?;
    let mirrored = host.mirror(local.store, &mut MirrorProgress::default(), &time)?;
    add_users(&mut failed, mirrored.failed);
    Ok(JoinReport {
        host: host.host_id().to_owned(),
        failed,
        ..plan.report
    })
}

/// Refuses to replace the key of a fleet on this host by that of another one.
fn refuse_other_key(
    settings: &HostSettings,
    key_file: &Path,
    keys: &KeyFile,
) -> Result<(), MembershipError> {
    match KeyFile::load(&settings.key_file) {
        Err(error) if error.is_missing() => Ok(()),
        Err(error) => Err(error.into()),
        // A new key of the same fleet is looked at in the store before it is taken.
        Ok(here) if here.fleet == keys.fleet => Ok(()),
        Ok(_) => Err(MembershipError::Refused(format!(
            "{} has the key of another fleet than {}",
            settings.key_file.display(),
            key_file.display()
        ))),
    }
}

fn planned(
    local: LocalHost<'_>,
    gateway: &EtcdGateway,
    key: &FleetKey,
    copies: Option<&KnownCopies>,
) -> Result<JoinPlan, MembershipError> {
    let time = WorkDeadline::after(STEP_TIME * 3);
    let list = patient(&time, || gateway.list(KeyKind::Record, 0, &time))?;
    let mut there = BTreeMap::new();
    let mut plan = JoinPlan::default();
    for (user, sealed) in list.entries {
        match opened_record(key, &user, &sealed) {
            Ok(record) => drop(there.insert(user, record)),
            // It is compared with nothing, and this host changes nothing of it.
            Err(reason) if reason.is_of_value() => {
                plan.report.failed.push((user, reason.to_string()));
            }
            Err(reason) => return Err(reason.into()),
        }
    }
    for user in readable_users(local.store)? {
        if plan.report.failed.iter().any(|(failed, _)| *failed == user) {
            continue;
        }
        let Some(here) = local.store.record_named(&user)? else {
            continue;
        };
        match there.remove(&user).as_ref().map(|it| it.content.text()) {
            // The store has lost it: another host may have removed the user since.
            None if copies.map_or(Ok(false), |it| it.knows(&user))? => {
                let reason = "the store lacks the record that this host had from it";
                plan.report.failed.push((user, reason.to_owned()));
            }
            None => plan.bring.push(user),
            Some(text) if is_same(text, Some(&here)) => {
                plan.report.same += 1;
                plan.bring.push(user);
            }
            Some(_) if copies.map_or(Ok(false), |it| it.has(&user, &here))? => {
                plan.report.fetched += 1;
            }
            Some(text) => {
                let reason = difference(text, &here);
                plan.report.conflicts.push((user, reason.to_owned()));
            }
        }
    }
    plan.report.brought = plan.bring.len() - plan.report.same;
    add_fetched(&mut plan, there)?;
    Ok(plan)
}

/// Adds the users whose record the store alone has.
fn add_fetched(
    plan: &mut JoinPlan,
    there: BTreeMap<String, SharedRecord>,
) -> Result<(), MembershipError> {
    for (user, record) in there {
        let Some(text) = record.content.text() else {
            continue;
        };
        let uid = UserRecord::parse(text).ok().map(|record| record.uid);
        let account = accounts::by_name(&user)
            .map_err(|error| MembershipError::Refused(error.to_string()))?;
        if account.is_some_and(|it| Some(it.uid) != uid) {
            let reason = "the user has another uid on this host than in the fleet";
            plan.report.conflicts.push((user, reason.to_owned()));
        } else {
            plan.report.fetched += 1;
        }
    }
    Ok(())
}

fn opened_record(key: &FleetKey, user: &str, sealed: &[u8]) -> Result<SharedRecord, OutageReason> {
    let plain = key.open(&StoreKey::record(user), sealed);
    let plain = plain.map_err(OutageReason::UserSeal)?;
    SharedRecord::decode(&plain).map_err(OutageReason::Record)
}

impl KnownCopies {
    fn of(state: &Path) -> Result<Self, HostError> {
        let fleet = FleetDirectory::open(state)?;
        let notes = MirrorNotes::open(fleet.path())?;
        let noted = notes.unmirrored.users();
        Ok(Self {
            marks: notes.marks,
            noted: noted.map_err(HostError::file(fleet.path()))?,
        })
    }

    /// True if the fleet has had a record of this user.
    fn knows(&self, user: &str) -> Result<bool, HostError> {
        Ok(self.marks.of(user)?.is_some())
    }

    /// True if the record of this host is one that the fleet had, also with a bypass code of this host alone. It is only old: the
    /// mirror replaces it by the record of the fleet, and its state keeps the codes that were used here.
    fn has(&self, user: &str, here: &UserRecord) -> Result<bool, HostError> {
        let is_noted = self.noted.iter().any(|it| it == user);
        Ok(is_noted || self.marks.revision_of(user, Some(here))? > 0)
    }
}

fn difference(there: Option<&str>, here: &UserRecord) -> &'static str {
    let Some(text) = there else {
        return "the fleet has removed the devices that this host still has";
    };
    match UserRecord::parse(text) {
        Err(_) => "the record of the fleet cannot be read",
        Ok(there) if there.uid != here.uid => {
            "the user has another uid on this host than in the fleet"
        }
        Ok(there)
            if there
                .devices
                .iter()
                .map(|it| it.id)
                .ne(here.devices.iter().map(|it| it.id)) =>
        {
            "the fleet has other devices than this host"
        }
        Ok(_) => "the fleet has another record than this host",
    }
}
