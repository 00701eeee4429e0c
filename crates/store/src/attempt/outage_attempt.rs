//! A code that this host judges by itself, while the store of its fleet cannot be reached.
//!
//! Each host that is cut off accepts a code once at most: by its own file, under the lock of that file, which a code that the store has
//! judged meanwhile is in as well.

use std::path::Path;

use twofactor_core::device::OtpKind;
use twofactor_core::policy::{OutageRule, Policy};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::UserState;
use twofactor_core::verify::{AnswerForm, FailureCounter};

use super::code_commit::lock_recorded;
use super::{
    AttemptFailure, AttemptResult, CredentialSet, JudgingHost, LoginAttempt, OutageRefusal,
};
use crate::files::UnmirroredUsers;
use crate::fleet_contact::FleetContact;
use crate::sys::clock::BeforeEpoch;
use crate::sys::{local_accounts, name_sources};

/// Seconds since the last contact after which an outage is known to last, for users without a device.
const KNOWN_OUTAGE: u64 = 180;

/// The contact of a host, as far as its note tells.
fn contact(state: &Path) -> Result<Option<FleetContact>, OutageRefusal> {
    FleetContact::read(state).map_err(OutageRefusal::Contact)
}

impl LoginAttempt<'_> {
    /// Judges what was typed by this host's file alone.
    ///
    /// # Errors
    /// [`AttemptFailure::Outage`] where the policy does not let this host judge; [`AttemptFailure`].
    pub fn outage_attempt(
        &mut self,
        (input, form): (&[u8], AnswerForm),
        counter: FailureCounter,
    ) -> Result<AttemptResult, AttemptFailure> {
        let recorded = lock_recorded(self.store, self.holder, None)?;
        let Some((locked, loaded)) = recorded.filter(|(_, it)| it.record.is_enrolled()) else {
            return Ok(AttemptResult::Gone);
        };
        // A host may have waited for its fleet, and for the lock: what it may judge is what the policy says now.
        self.current_policy()?;
        let is_local = self.loaded.policy.fleet.is_local(self.service);
        let hosts = match contact(self.store.path()) {
            // The console judges with what it has.
            _ if is_local => Ok(None),
            known => known.map_err(AttemptFailure::from).and_then(|known| {
                let hosts = self.known_hosts(known)?;
                self.check_alone(locked.state())?;
                Ok(Some(hosts))
            }),
        };
        let policy = &self.loaded.policy;
        let mut record = loaded.record.clone();
        let hosts = match hosts {
            Err(_) if has_open_code(&record, locked.state(), (self.clock)()?) => {
                leave_bypass_alone(&mut record);
                None
            }
            hosts => hosts?,
        };
        if !is_local && !policy.fleet.outage_recovery {
            without_lasting_codes(&mut record);
        }
        let credentials = CredentialSet::Devices(counter);
        let host = JudgingHost::CutOff(hosts);
        let judged = self.judge(locked, &record, (input, form), credentials, host);
        self.known.record = Some(loaded);
        judged
    }

    /// The number of hosts of the fleet, if this one may judge by itself.
    fn known_hosts(&self, contact: Option<FleetContact>) -> Result<u32, AttemptFailure> {
        let fleet = &self.loaded.policy.fleet;
        if fleet.on_outage == OutageRule::Deny {
            return Err(OutageRefusal::Denied.into());
        }
        let contact = contact.ok_or(OutageRefusal::NeverMet)?;
        let age = contact.age((self.clock)()?);
        let age = age.ok_or(OutageRefusal::NeverMet)?;
        if fleet.outage_local_for != 0 && age > fleet.outage_local_for.into() {
            return Err(OutageRefusal::TooLong(age).into());
        }
        Ok(contact.hosts)
    }

    /// Limits the time for which this host judges a user by itself if the state cannot be joined with that of the fleet. The
    /// limit is that of a host that is cut off. If the beginning is not known, the time begins with this code.
    fn check_alone(&self, state: &UserState) -> Result<(), AttemptFailure> {
        let limit = u64::from(self.loaded.policy.fleet.outage_local_for);
        let Some(since) = state.outage_since().filter(|_| limit != 0) else {
            return Ok(());
        };
        let alone = (self.clock)()?.saturating_sub(since);
        if alone > limit {
            return Err(OutageRefusal::AloneTooLong(alone).into());
        }
        Ok(())
    }
}

/// True if a bypass code that root made on this host for an outage still works at `now` (seconds since 1970-01-01 UTC).
fn has_open_code(record: &UserRecord, state: &UserState, now: u64) -> bool {
    let mut codes = record.bypass.iter();
    codes.any(|code| {
        code.scope == CodeScope::ThisHost && code.is_running(now) && state.bypass != Some(code.id)
    })
}

/// Keeps the bypass code of this host alone. It is judged in any outage, since no other host accepts it.
fn leave_bypass_alone(record: &mut UserRecord) {
    record.recovery = None;
    record.devices.clear();
}

/// Recovery codes and codes of a counter do not expire: each host that is cut off would accept them.
fn without_lasting_codes(record: &mut UserRecord) {
    record.recovery = None;
    record.devices.retain(|device| device.kind != OtpKind::Hotp);
}

/// Checks that a user who has no device on this host has none on any. In a fleet the copies of records must have been those of
/// the store at the last contact, and the user's record must not be one that could not be copied. This host's notes of such users
/// count also if the policy has no fleet any more. `name` is that of the account, or the one that was given if no account is
/// found; `uid` is the account's.
///
/// # Errors
/// [`AttemptFailure::Outage`] if this is not known; [`AttemptFailure`].
pub fn prove_unenrolled(
    policy: &Policy,
    state: &Path,
    (name, uid): (Option<&str>, Option<u32>),
    service: &str,
    now: impl FnOnce() -> Result<u64, BeforeEpoch>,
) -> Result<(), AttemptFailure> {
    let fleet = &policy.fleet;
    // Also at the console: a user who has a device here logs in there with a code.
    if is_unmirrored(state, name, uid)? {
        return Err(OutageRefusal::Unmirrored.into());
    }
    // At the console the copies may be of any age. A note of a record that could not be copied still refuses.
    if !fleet.enabled || fleet.is_local(service) {
        return Ok(());
    }
    let contact = contact(state)?.ok_or(OutageRefusal::NeverMet)?;
    let age = contact.age(now()?).ok_or(OutageRefusal::NeverMet)?;
    if !contact.is_mirror_fresh() {
        return Err(OutageRefusal::StaleMirror.into());
    }
    let longest = match (fleet.on_outage, fleet.outage_local_for) {
        (OutageRule::Deny, _) => KNOWN_OUTAGE,
        (OutageRule::Local, 0) => u64::MAX,
        (OutageRule::Local, seconds) => u64::from(seconds).max(KNOWN_OUTAGE),
    };
    if age > longest {
        return Err(OutageRefusal::TooLong(age).into());
    }
    Ok(())
}

/// True if this name, or another name of this uid, is noted as a user whose record could not be put in place.
fn is_unmirrored(
    state: &Path,
    name: Option<&str>,
    uid: Option<u32>,
) -> Result<bool, AttemptFailure> {
    let Some(notes) = UnmirroredUsers::found(state).map_err(OutageRefusal::Notes)? else {
        return Ok(false);
    };
    let is_noted = name.map_or(Ok(false), |name| notes.have(name));
    if is_noted.map_err(OutageRefusal::Notes)? {
        return Ok(true);
    }
    let Some(uid) = uid else {
        return Ok(false);
    };
    // There is hardly ever a note. One that tells no uid is that of its name, which is looked up: it refuses no other user.
    let mut unnumbered = Vec::new();
    for user in notes.users().map_err(OutageRefusal::Notes)? {
        match notes.uid_of(&user) {
            _ if Some(user.as_str()) == name => return Ok(true),
            Some(noted) if noted == uid => return Ok(true),
            Some(_) => {}
            None => unnumbered.push(user),
        }
    }
    is_uid_of_any(&unnumbered, uid)
}

/// True if one of these names is of this uid. Their notes have none. A name that cannot be looked up is of a source that is away. If
/// passwd(5) has the uid, it is taken for another user's, so that the note of one user shuts no local user out.
fn is_uid_of_any(noted: &[String], uid: u32) -> Result<bool, AttemptFailure> {
    let mut unanswered = None;
    for name in noted {
        match name_sources::proven_account(name.as_bytes()) {
            Ok(Some(account)) if account.uid == uid => return Ok(true),
            Ok(_) => {}
            Err(error) => unanswered = Some(error),
        }
    }
    match unanswered {
        Some(error) if local_accounts::first_of_uid(&local_accounts::passwd()?, uid).is_none() => {
            Err(error.into())
        }
        _ => Ok(false),
    }
}
