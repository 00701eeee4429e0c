//! Proofs that a user gives for a change, and the parts of them that must hold when it is made.

use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, FirstDevice, Policy};
use twofactor_core::record::UserRecord;
use twofactor_core::verify::{CodeOutcome, CodeRejection, ThrottleStatus};
use twofactor_protocol::service::{ChangeReply, ChangeResult};
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, ProofCodes};
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::operations::{ChangeSteps, UserFactor};
use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, LoadedPolicy, LockedFactor, PolicyFile};

use crate::calling_process::CallingProcess;
use crate::change_denial::ChangeDenial;
use crate::change_log::ChangeLog;
use crate::connection_memory::{self, ChangeProof};
use crate::daemon_log;
use crate::factor_access::AskedAccount;
use crate::factor_report;

/// Kind of a change: what it takes besides a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A device comes, is renewed, or goes while another is left: nothing.
    OneDevice,
    /// No device is left: a ticket, and a policy that allows it.
    AllDevices,
    /// New recovery codes: a ticket. A recovery code is no proof, and stays as it is.
    RecoveryCodes,
}

/// A user who asks for a change, and all that the decision depends on.
pub struct ProofContext<'a> {
    /// The policy file.
    pub file: &'a PolicyFile,
    /// The policy as it was read for this call.
    pub loaded: LoadedPolicy,
    /// Records and states.
    pub store: &'a FactorStore,
    /// The tickets of users who logged in.
    pub tickets: &'a TicketStore,
    /// The account, with the name under which its record is kept.
    pub account: &'a Account,
    /// The login name.
    pub login: &'a str,
    /// The record as it was read for this call.
    pub record: Option<UserRecord>,
    /// The process that asks.
    pub caller: CallingProcess,
    /// The word that stands in the files in place of a PAM service.
    pub service: &'a str,
}

impl<'a> ProofContext<'a> {
    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.loaded.policy
    }

    /// Checks that users may change something at all.
    pub const fn may_manage(&self) -> Result<(), ChangeDenial> {
        if self.policy().self_service.manage {
            Ok(())
        } else {
            Err(ChangeDenial::NotAllowed)
        }
    }

    /// The record, which has to have a device.
    pub fn enrolled(&self) -> Result<&UserRecord, ChangeDenial> {
        let record = self.record.as_ref().filter(|record| record.is_enrolled());
        record.ok_or_else(|| ChangeResult::Unenrolled.into())
    }

    /// The log of this user's changes.
    pub fn log(&self) -> ChangeLog<'_> {
        ChangeLog {
            caller: self.caller,
            program: self.policy().notify.as_deref(),
        }
    }

    /// The change.
    pub fn factor<'f>(&'f self, log: &'f ChangeLog<'f>) -> UserFactor<'f> {
        UserFactor {
            store: self.store,
            account: self.account,
            audit: log,
        }
    }

    /// The proof for one more device: for the first one an invitation or a ticket, as the policy says, otherwise a code.
    pub fn prove_new_device(&self, code: Option<&str>) -> Result<ChangeProof, ChangeDenial> {
        if self.enrolled().is_ok() {
            return self.prove(code, ChangeKind::OneDevice);
        }
        // Without an invitation that counts there is nothing to compare a code with.
        let is_invited = match &self.record {
            Some(record) => record.is_invited(clock::now()?),
            None => false,
        };
        let code = code.filter(|_| is_invited);
        match (self.policy().first_device(), code) {
            (FirstDevice::Off, _) => Err(ChangeDenial::NotAllowed),
            (FirstDevice::Invite, None) => Err(ChangeResult::InvitationRequired.into()),
            (FirstDevice::Invite | FirstDevice::Login, Some(code)) => self.prove_invitation(code),
            (FirstDevice::Login, None) => Ok(ChangeProof::Login(self.ticket()?)),
        }
    }

    /// The proof of a user with a device: a code of it or a recovery code, and what the kind of the change needs besides. The
    /// code is charged to the daemon's counter before it is compared.
    pub fn prove(&self, code: Option<&str>, kind: ChangeKind) -> Result<ChangeProof, ChangeDenial> {
        let record = self.enrolled()?;
        let (accepts, session) = match kind {
            ChangeKind::OneDevice => (ProofCodes::All, None),
            ChangeKind::AllDevices if !self.may_unset_last() => {
                return Err(ChangeDenial::NotAllowed);
            }
            ChangeKind::AllDevices => (ProofCodes::All, Some(self.ticket()?)),
            ChangeKind::RecoveryCodes => (ProofCodes::OfDevices, Some(self.ticket()?)),
        };
        let code = code.ok_or(ChangeResult::CodeRequired)?;
        accepted(self.judge_proof(code, accepts)?)?;
        Ok(ChangeProof::Code {
            devices: record.devices.iter().map(|it| it.id).collect(),
            recovery: record.recovery.as_ref().map(|it| it.id),
            session,
        })
    }

    /// The audit session of the caller, for which there is a ticket.
    fn ticket(&self) -> Result<u32, ChangeDenial> {
        if let Some(session) = self.caller.session
            && self.tickets.holds(self.account.uid, session)?
        {
            return Ok(session);
        }
        Err(ChangeResult::LoginRequired.into())
    }

    fn may_unset_last(&self) -> bool {
        may_unset_last(self.policy(), || requirement(&self.loaded, self.account))
    }

    /// The steps of a change with a proof.
    pub fn steps(&self, proof: ChangeProof, kind: ChangeKind) -> ProvenChange<'a> {
        ProvenChange {
            file: self.file,
            tickets: self.tickets,
            uid: self.account.uid,
            judged_by: self.loaded.fingerprint(),
            proof,
            kind,
        }
    }

    fn prove_invitation(&self, code: &str) -> Result<ChangeProof, ChangeDenial> {
        let mut invitation = None;
        let judged = self.judge(|attempt| {
            let (judged, id) = attempt.daemon_invitation(code.as_bytes())?;
            invitation = id;
            Ok(judged)
        })?;
        accepted(judged)?;
        let invitation = invitation.map(ChangeProof::Invitation);
        invitation.ok_or_else(|| ChangeResult::InvitationRequired.into())
    }

    /// Judges the code of a user with a device. In a fleet a lock-out is that of all hosts, which its service tells.
    fn judge_proof(&self, code: &str, accepts: ProofCodes) -> Result<AttemptResult, ChangeDenial> {
        if !self.policy().fleet.enabled {
            return self.judge(|attempt| attempt.daemon_proof(code.as_bytes(), accepts));
        }
        let attempt = self.attempt();
        let judged = attempt.fleet_proof(self.login, code.as_bytes(), accepts)?;
        self.log_judged(&judged);
        Ok(judged)
    }

    /// Judges a code by the files of this host, and logs the result. Codes that are not compared need no lock, which logins wait for.
    fn judge(
        &self,
        judge: impl FnOnce(&mut LoginAttempt<'_>) -> Result<AttemptResult, AttemptFailure>,
    ) -> Result<AttemptResult, ChangeDenial> {
        let mut attempt = self.attempt();
        let judged = match attempt.daemon_gate()? {
            ThrottleStatus::Open => judge(&mut attempt)?,
            closed => AttemptResult::Refused(closed),
        };
        self.log_judged(&judged);
        Ok(judged)
    }

    fn attempt(&self) -> LoginAttempt<'a> {
        let loaded = self.loaded.clone();
        LoginAttempt::new(self.file, loaded, self.store, self.account, self.service)
    }

    fn log_judged(&self, judged: &AttemptResult) {
        let asked = AskedAccount {
            account: self.account.clone(),
            verifier: None,
        };
        daemon_log::judged(&asked, self.caller, judged);
    }
}

/// True if the policy lets a user remove the last device. Groups are looked up only where they can matter: a directory may be slow.
pub fn may_unset_last(policy: &Policy, requirement: impl FnOnce() -> DeviceRequirement) -> bool {
    policy.allows_unset_last(DeviceRequirement::None) && policy.allows_unset_last(requirement())
}

/// The requirement of `[[require]]` on a user without a device. What cannot be looked up counts as a match.
pub fn requirement(loaded: &LoadedPolicy, account: &Account) -> DeviceRequirement {
    let time = loaded.time(clock::now());
    KnownGroups::default().requirement(&loaded.policy, time, Some(account))
}

/// A change whose proof was given; checked again under the lock.
pub struct ProvenChange<'a> {
    file: &'a PolicyFile,
    tickets: &'a TicketStore,
    uid: u32,
    /// Fingerprint of the policy that the proof was judged by.
    judged_by: u64,
    proof: ChangeProof,
    kind: ChangeKind,
}

impl ProvenChange<'_> {
    /// True if the policy allows the change with this proof.
    fn is_allowed(&self, policy: &Policy) -> bool {
        match (&self.proof, self.kind) {
            // By the same policy it was allowed before the lock, under which no directory is waited for.
            (_, ChangeKind::AllDevices) => policy.allows_unset_last(DeviceRequirement::None),
            (ChangeProof::Code { .. }, _) => policy.self_service.manage,
            (ChangeProof::Login(_), _) => policy.first_device() == FirstDevice::Login,
            (ChangeProof::Invitation(_), _) => policy.first_device() != FirstDevice::Off,
        }
    }

    /// Checks that what the proof was given for is still there.
    fn holds(&self, record: Option<&UserRecord>) -> Result<(), ChangeDenial> {
        let ids = record.iter().flat_map(|record| &record.devices);
        let ids: Vec<_> = ids.map(|device| device.id).collect();
        let is_same = match &self.proof {
            ChangeProof::Login(_) | ChangeProof::Invitation(_) => ids.is_empty(),
            ChangeProof::Code {
                devices, recovery, ..
            } => {
                let set = record.and_then(|record| record.recovery.as_ref());
                ids == *devices && set.map(|set| set.id) == *recovery
            }
        };
        if !is_same {
            return Err(ChangeResult::Changed.into());
        }
        let ChangeProof::Invitation(id) = &self.proof else {
            return Ok(());
        };
        let now = clock::now()?;
        let record = record.filter(|record| record.is_invited(now));
        let invite = record.and_then(|record| record.invite.as_ref());
        if invite.is_some_and(|invite| invite.id == *id) {
            Ok(())
        } else {
            Err(ChangeResult::InvitationRequired.into())
        }
    }
}

impl ChangeSteps for ProvenChange<'_> {
    type Error = ChangeDenial;

    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), ChangeDenial> {
        let loaded = self.file.load()?;
        if !self.is_allowed(&loaded.policy) {
            return Err(ChangeDenial::NotAllowed);
        }
        if self.kind == ChangeKind::AllDevices && loaded.fingerprint() != self.judged_by {
            return Err(ChangeResult::Changed.into());
        }
        self.holds(record)?;
        let patience = connection_memory::PATIENCE.as_secs();
        match self.proof.session() {
            Some(session) if !self.tickets.take(self.uid, session, patience)? => {
                Err(ChangeResult::LoginRequired.into())
            }
            _ => Ok(()),
        }
    }
}

/// Ok where the code was right and its use is on the disk. A code that will be right soon is a wrong one, as in `Verify`.
fn accepted(judged: AttemptResult) -> Result<(), ChangeDenial> {
    let result = match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(_)) => return Ok(()),
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => match why {
            CodeRejection::Wrong | CodeRejection::ClockDiffers { .. } => ChangeResult::Wrong,
            CodeRejection::Used { .. } => ChangeResult::Used,
            CodeRejection::ClockSetBack { .. } => ChangeResult::Clock,
            CodeRejection::Spent => ChangeResult::Spent,
            CodeRejection::BypassExpired => ChangeResult::Expired,
        },
        AttemptResult::Refused(throttle) => {
            let mut reply = ChangeReply::new(ChangeResult::Locked);
            reply.seconds = factor_report::seconds(throttle);
            return Err(ChangeDenial::Told(Box::new(reply)));
        }
        AttemptResult::Repeated => ChangeResult::Repeated,
        AttemptResult::Gone => ChangeResult::Changed,
    };
    Err(result.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_group_is_looked_up_where_none_matters() {
        let mut policy = Policy::default();
        policy.self_service.manage = true;
        policy.self_service.unset_last = true;
        for (requirement, may) in [
            (DeviceRequirement::None, true),
            (DeviceRequirement::InForce, false),
        ] {
            assert_eq!(may_unset_last(&policy, || requirement), may);
        }
        policy.self_service.unset_last = false;
        assert!(!may_unset_last(&policy, || panic!("looked up")));
        policy.self_service.unset_last = true;
        policy.self_service.manage = false;
        assert!(!may_unset_last(&policy, || panic!("looked up")));
    }
}
