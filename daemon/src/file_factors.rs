//! The users' factors in the files that logins use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::verify::{
    self, AnswerForm, CodeAcceptance, CodeOutcome, CodeRejection, Credential, FailureCounter,
    ThrottleStatus,
};
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::reply::ServiceError;
use twofactor_protocol::service::{CallError, ChangeCall, ChangeReply, ChangeResult, StatusReply};
use twofactor_protocol::verify_call::{AcceptedCode, CodeOrigin, LaggingClock, VerifyAnswer};
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, prove_unenrolled};
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::fleet_relay;
use twofactor_store::sys::{accounts, clock};
use twofactor_store::{FactorStore, PolicyFile, RecordHolder};

use crate::calling_process::CallingProcess;
use crate::change_denial::ChangeDenial;
use crate::change_proof::{ProofContext, may_unset_last, requirement};
use crate::connection_memory::ConnectionMemory;
use crate::daemon_log;
use crate::factor_access::{AskedAccount, FactorAccess, FactorUnavailable};
use crate::factor_report::{allowed_changes, entry, seconds, told};
use crate::own_changes;
use crate::user_mutex::UserMutexes;

/// The name in the log and in the files in place of a PAM service. Clients do not send one.
const SERVICE: &str = "twofactord";

/// Time limit for waiting for earlier codes of the same user.
const MUTEX_PATIENCE: Duration = Duration::from_secs(5);

/// Policy, records and states.
#[derive(Debug)]
pub struct FileFactors {
    policy: PathBuf,
    state: PathBuf,
    tickets: TicketStore,
    mutexes: UserMutexes,
}

impl FileFactors {
    /// The factors in these files.
    pub fn new(policy: &Path, state: &Path, tickets: TicketStore) -> Self {
        Self {
            policy: policy.to_owned(),
            state: state.to_owned(),
            tickets,
            mutexes: UserMutexes::default(),
        }
    }

    fn store(&self) -> Result<FactorStore, AttemptFailure> {
        Ok(FactorStore::open(&self.state, &self.policy)?)
    }

    /// Runs a function on the lock-outs and codes of an account, if it has a device.
    fn of_enrolled<T>(
        &self,
        account: &Account,
        act: impl FnOnce(&mut LoginAttempt<'_>) -> Result<T, AttemptFailure>,
    ) -> Result<Option<T>, AttemptFailure> {
        let file = PolicyFile::new(&self.policy);
        let loaded = file.load()?;
        let store = self.store()?;
        let RecordHolder {
            account, record, ..
        } = store.holder(account)?;
        if !record.is_some_and(|record| record.is_enrolled()) {
            let user = (Some(account.name.as_str()), Some(account.uid));
            prove_unenrolled(&loaded.policy, &self.state, user, SERVICE, clock::now)?;
            return Ok(None);
        }
        let mut attempt = LoginAttempt::new(&file, loaded, &store, &account, SERVICE);
        act(&mut attempt).map(Some)
    }

    /// The entry of the policy whose account has this uid. One that cannot be looked up may be it.
    fn verifier_of(&self, uid: u32) -> Result<Option<String>, AttemptFailure> {
        let loaded = PolicyFile::new(&self.policy).load()?;
        Ok(accounts::named_with_uid(&loaded.policy.self_service.verifiers, uid)?.cloned())
    }

    fn status_of(&self, account: &Account) -> Result<StatusReply, AttemptFailure> {
        let loaded = PolicyFile::new(&self.policy).load()?;
        let now = clock::now()?;
        let mut reply = StatusReply {
            user: account.name.clone(),
            devices: Vec::new(),
            recovery_codes_left: 0,
            failures: 0,
            locked: false,
            locked_for_seconds: None,
            may: allowed_changes(
                &loaded.policy,
                may_unset_last(&loaded.policy, || requirement(&loaded, account)),
            ),
            changes: Vec::new(),
        };
        if let Some(snapshot) = self.store()?.snapshot(account)? {
            let (record, state) = (&snapshot.record, &snapshot.state);
            let throttle = verify::daemon_gate(&loaded.policy.throttle, state, now);
            reply.devices = record.devices.iter().map(|own| entry(own, state)).collect();
            reply.recovery_codes_left = verify::recovery_codes_left(record, state);
            reply.failures = state.daemon.in_a_row;
            reply.locked = throttle != ThrottleStatus::Open;
            reply.locked_for_seconds = seconds(throttle);
            reply.changes = told(record, now);
        }
        Ok(reply)
    }
}

impl FileFactors {
    fn changed(
        &self,
        account: &Account,
        caller: CallingProcess,
        call: &ChangeCall,
        memory: &mut ConnectionMemory,
    ) -> Result<Vec<u8>, ChangeDenial> {
        let caller = memory
            .origin()
            .map_or(caller, |origin| caller.located(origin));
        let file = PolicyFile::new(&self.policy);
        let loaded = file.load()?;
        let store = fleet_relay::relayed(self.store()?, &self.policy);
        let login = account.name.as_str();
        let RecordHolder {
            account, record, ..
        } = store.holder(account)?;
        let claimant = ProofContext {
            file: &file,
            loaded,
            store: &store,
            tickets: &self.tickets,
            account: &account,
            login,
            record,
            caller,
            service: SERVICE,
        };
        Ok(own_changes::change(&claimant, call, memory)?.message())
    }
}

impl FactorAccess for FileFactors {
    fn account(
        &self,
        user: &str,
        caller: CallingProcess,
    ) -> Result<Option<Account>, FactorUnavailable> {
        let found = accounts::by_name(user).map_err(AttemptFailure::from);
        logged(found, user, caller)
    }

    fn status(
        &self,
        account: &Account,
        caller: CallingProcess,
    ) -> Result<StatusReply, FactorUnavailable> {
        logged(self.status_of(account), &account.name, caller)
    }

    fn gate(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
    ) -> Result<GateAnswer, FactorUnavailable> {
        let gate = self.of_enrolled(&asked.account, |attempt| {
            // A lock-out is that of all hosts, which the attempt tells: this host's file may not know of its end.
            if attempt.loaded.policy.fleet.enabled {
                return Ok(ThrottleStatus::Open);
            }
            attempt.daemon_gate()
        });
        Ok(match logged(gate, &asked.account.name, caller)? {
            None => GateAnswer::Unenrolled,
            Some(ThrottleStatus::Open) => GateAnswer::Ask,
            Some(closed) => GateAnswer::Locked(seconds(closed)),
        })
    }

    fn verify(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
        code: &str,
        form: AnswerForm,
    ) -> Result<VerifyAnswer, ServiceError> {
        let account = &asked.account;
        let Some(_guard) = self.mutexes.take(account.uid, MUTEX_PATIENCE) else {
            daemon_log::refused(caller.uid, LoginEvent::Busy);
            return Err(ServiceError::Busy);
        };
        // Codes that are not compared need no lock, which logins wait for. The attempt checks again under the lock.
        let answer = (code.as_bytes(), form);
        let judged = self.of_enrolled(account, |attempt| {
            if attempt.loaded.policy.fleet.enabled {
                let judged =
                    attempt.fleet_attempt(&account.name, answer, FailureCounter::Daemon)?;
                daemon_log::judged_alone(&account.name, caller, judged.outage.as_deref());
                return Ok(judged.result);
            }
            match attempt.daemon_gate()? {
                ThrottleStatus::Open => attempt.daemon_attempt(answer.0, form),
                closed => Ok(AttemptResult::Refused(closed)),
            }
        });
        let judged = logged(judged, &account.name, caller)?.unwrap_or(AttemptResult::Gone);
        daemon_log::judged(asked, caller, &judged);
        Ok(verify_answer(judged))
    }

    fn change(
        &self,
        account: &Account,
        caller: CallingProcess,
        call: &ChangeCall,
        memory: &mut ConnectionMemory,
    ) -> Result<Vec<u8>, ServiceError> {
        let Some(_guard) = self.mutexes.take(account.uid, MUTEX_PATIENCE) else {
            daemon_log::refused(caller.uid, LoginEvent::Busy);
            return Err(ServiceError::Busy);
        };
        match self.changed(account, caller, call, memory) {
            Ok(reply) => Ok(reply),
            Err(ChangeDenial::Told(reply)) => {
                if reply.result == ChangeResult::LoginRequired {
                    daemon_log::not_changed(&account.name, caller, LoginEvent::LoginRequired);
                }
                Ok(reply.message())
            }
            Err(ChangeDenial::NotAllowed) => {
                daemon_log::not_changed(&account.name, caller, LoginEvent::NotAllowed);
                Err(ServiceError::NotAllowed)
            }
            Err(ChangeDenial::Unmade(failure)) => {
                daemon_log::unavailable(&account.name, caller, &failure);
                Ok(ChangeReply::new(ChangeResult::Outage).message())
            }
            Err(ChangeDenial::Parameter(name)) => Ok(CallError::InvalidParameter(name)
                .message()
                .unwrap_or_default()),
            Err(ChangeDenial::Failed(failure)) => {
                daemon_log::unavailable(&account.name, caller, &failure);
                Err(ServiceError::Unavailable)
            }
        }
    }

    fn verifier(
        &self,
        user: &str,
        caller: CallingProcess,
    ) -> Result<Option<String>, FactorUnavailable> {
        logged(self.verifier_of(caller.uid), user, caller)
    }

    fn note_foreign(&self, user: &str, caller: CallingProcess) {
        daemon_log::not_yours(user, caller);
    }
}

fn logged<T>(
    outcome: Result<T, AttemptFailure>,
    user: &str,
    caller: CallingProcess,
) -> Result<T, FactorUnavailable> {
    outcome.map_err(|failure| {
        daemon_log::unavailable(user, caller, &failure);
        FactorUnavailable
    })
}

/// The answer to the caller. A code that is right at another time is "wrong" here, as at a login: a guessing program must
/// not learn that it will be right soon.
pub fn verify_answer(judged: AttemptResult) -> VerifyAnswer {
    match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(accepted)) => {
            VerifyAnswer::Accepted(accepted_code(accepted))
        }
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => match why {
            CodeRejection::Wrong | CodeRejection::ClockDiffers { .. } => VerifyAnswer::Wrong,
            CodeRejection::Used { device } => VerifyAnswer::Used(device),
            CodeRejection::ClockSetBack { device, seconds } => {
                VerifyAnswer::Clock(LaggingClock { device, seconds })
            }
            CodeRejection::Spent => VerifyAnswer::Spent,
            CodeRejection::BypassExpired => VerifyAnswer::Expired,
        },
        AttemptResult::Refused(throttle) => VerifyAnswer::Locked(seconds(throttle)),
        AttemptResult::Repeated => VerifyAnswer::Repeated,
        AttemptResult::Gone => VerifyAnswer::Unenrolled,
    }
}

fn accepted_code(accepted: CodeAcceptance) -> AcceptedCode {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    AcceptedCode {
        by: match accepted.by {
            Credential::Device { name, .. } => CodeOrigin::Device(name),
            Credential::RecoveryCode { left } => CodeOrigin::RecoveryCode(count(left)),
            Credential::Bypass => CodeOrigin::Bypass,
        },
        password_length: count(accepted.password_len),
        failures_before: u64::from(accepted.failures_before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_store::UnmirroredUsers;
    use twofactor_store::attempt::OutageRefusal;
    use twofactor_store::fleet_contact::FleetContact;
    use twofactor_store::testing::{ScratchStore, account};

    /// The record is one of the uid.
    #[test]
    fn another_name_of_a_noted_user_has_a_device() {
        let scratch = ScratchStore::new();
        scratch.store();
        let (state, now) = (scratch.top(), clock::now().unwrap());
        let met = FleetContact {
            met: now,
            mirrored: now,
            hosts: 2,
        };
        met.write(&state).unwrap();
        let notes = UnmirroredUsers::open(&state.join("fleet")).unwrap();
        notes.note("root").unwrap();
        let policy = "enabled = true\n[fleet]\nenabled = true\n";
        std::fs::write(scratch.policy(), policy).unwrap();
        let files = FileFactors::new(&scratch.policy(), &state, TicketStore::default());
        let asked = |name, uid| files.of_enrolled(&account(name, uid), |_| Ok(()));
        let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
        assert_eq!(asked("toor", 0), refused);
        assert_eq!(asked("bob", 64002), Ok(None));
    }

    #[test]
    fn a_code_that_will_be_right_soon_is_a_wrong_one() {
        let device = || "phone".to_owned();
        for (why, answer) in [
            (CodeRejection::Wrong, VerifyAnswer::Wrong),
            (
                CodeRejection::ClockDiffers {
                    device: device(),
                    steps: 2,
                },
                VerifyAnswer::Wrong,
            ),
            (
                CodeRejection::Used { device: device() },
                VerifyAnswer::Used(device()),
            ),
            (
                CodeRejection::ClockSetBack {
                    device: device(),
                    seconds: 9,
                },
                VerifyAnswer::Clock(LaggingClock {
                    device: device(),
                    seconds: 9,
                }),
            ),
            (CodeRejection::Spent, VerifyAnswer::Spent),
            (CodeRejection::BypassExpired, VerifyAnswer::Expired),
        ] {
            let judged = AttemptResult::Compared(CodeOutcome::Rejected(why));
            assert_eq!(verify_answer(judged), answer);
        }
        let locked = AttemptResult::Refused(ThrottleStatus::LockedUntilUnlock);
        assert_eq!(verify_answer(locked), VerifyAnswer::Locked(None));
    }
}
