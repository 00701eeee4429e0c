//! The service of the fleet: codes are judged with the store that many hosts share. It runs in a process of its own, since it is the
//! only part of the daemon that speaks to the network, and answers root's programs alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::verify::{AnswerForm, FailureCounter};
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::etcd::etcd_gateway::TimeLeft as _;
use twofactor_protocol::fleet_attempt_call::{CodePurpose, FLEET_INTERFACE, FleetAnswer};
use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::reply::{self, ServiceError};
use twofactor_protocol::service::{FleetCall, ServiceInfo};
use twofactor_protocol::verify_call::{CodeLayout, VerifyAnswer};
use twofactor_store::attempt::{
    AttemptFailure, LoginAttempt, ProofCodes, SharedEnd, SharedPurpose,
};
use twofactor_store::sys::accounts;
use twofactor_store::{FactorStore, PolicyFile, RecordHolder};

use crate::calling_process::CallingProcess;
use crate::connection_memory::ConnectionMemory;
use crate::daemon_log;
use crate::dispatch::{CallResponse, MessageService};
use crate::file_factors::verify_answer;
use crate::store_breaker::StoreBreaker;
use crate::store_link::FleetStoreLink;
use crate::user_mutex::UserMutexes;

/// The part of a policy's deadline that is left for what comes after the store: this host's file, the reply, and the verdict of a login
/// that hears of an outage. Codes are judged in a few milliseconds; on a busy machine it takes more.
const AFTER_STORE: Duration = Duration::from_millis(100);

/// The name in the log and in the files in place of a PAM service.
const SERVICE: &str = "twofactord";

/// The service.
pub struct FleetService {
    policy: PathBuf,
    state: PathBuf,
    fleet: Arc<dyn FleetStoreLink>,
    breaker: Arc<StoreBreaker>,
    mutexes: UserMutexes,
}

/// Reason why a code gets no answer of the fleet.
enum AttemptRefusal {
    /// Too many codes of the user at once.
    Busy,
    /// The policy of this host has no fleet.
    NotInFleet,
    /// The record of the user is older here than in the store: why it stays so. By this one devices and codes may count that count no
    /// more.
    Outdated(OutageReason),
    /// A file, the clock or a database cannot be used.
    Failed(AttemptFailure),
}

impl<E: Into<AttemptFailure>> From<E> for AttemptRefusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Try at the judgement of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttemptTry {
    /// The first.
    First,
    /// One more, after the record of the user was brought here.
    AfterMirror,
}

/// A code, as it came.
struct TypedCode<'a> {
    user: &'a str,
    text: &'a str,
    layout: CodeLayout,
    purpose: CodePurpose,
}

impl FleetService {
    /// The service of this host.
    pub fn new(
        (policy, state): (&Path, &Path),
        fleet: Arc<dyn FleetStoreLink>,
        breaker: Arc<StoreBreaker>,
    ) -> Self {
        Self {
            policy: policy.to_owned(),
            state: state.to_owned(),
            fleet,
            breaker,
            mutexes: UserMutexes::default(),
        }
    }

    fn answer(
        &self,
        code: &TypedCode<'_>,
        caller: CallingProcess,
    ) -> Result<FleetAnswer, ServiceError> {
        match self.judged(code, caller) {
            Ok(answer) => Ok(answer),
            Err(AttemptRefusal::Busy) => {
                daemon_log::refused(caller.uid, LoginEvent::Busy);
                Err(ServiceError::Busy)
            }
            Err(AttemptRefusal::NotInFleet) => {
                daemon_log::outage(code.user, caller, &"the policy of this host has no fleet");
                Err(ServiceError::Unavailable)
            }
            Err(AttemptRefusal::Outdated(reason)) => {
                daemon_log::outage(code.user, caller, &reason);
                Err(ServiceError::Unavailable)
            }
            Err(AttemptRefusal::Failed(failure)) => {
                daemon_log::unavailable(code.user, caller, &failure);
                Err(ServiceError::Unavailable)
            }
        }
    }

    fn judged(
        &self,
        code: &TypedCode<'_>,
        caller: CallingProcess,
    ) -> Result<FleetAnswer, AttemptRefusal> {
        let file = PolicyFile::new(&self.policy);
        let loaded = file.load()?;
        let fleet = &loaded.policy.fleet;
        if !fleet.enabled {
            return Err(AttemptRefusal::NotInFleet);
        }
        let time = WorkDeadline::after(store_time(fleet.deadline_ms));
        if self.breaker.is_open() {
            return Ok(FleetAnswer::Outage);
        }
        let Some(account) = accounts::by_name(code.user)? else {
            return Ok(FleetAnswer::Judged(VerifyAnswer::Unenrolled));
        };
        let Some(_guard) = self.mutexes.take(account.uid, time.left()) else {
            return Err(AttemptRefusal::Busy);
        };
        let store = FactorStore::open(&self.state, &self.policy)?;
        let RecordHolder {
            account, record, ..
        } = store.holder(&account)?;
        if !record.is_some_and(|record| record.is_enrolled()) {
            return Ok(FleetAnswer::Judged(VerifyAnswer::Unenrolled));
        }
        let mut attempt = LoginAttempt::new(&file, loaded, &store, &account, SERVICE);
        match self.judged_by_store(&mut attempt, &account, code, time)? {
            SharedEnd::Judged(result) => Ok(FleetAnswer::Judged(verify_answer(result))),
            SharedEnd::Outage(None) => Err(AttemptRefusal::Busy),
            SharedEnd::Outage(Some(reason)) => {
                daemon_log::outage(code.user, caller, &reason);
                self.breaker.note(&reason);
                Ok(FleetAnswer::Outage)
            }
        }
    }

    /// A newer record of the user in the store than on this host is brought here first.
    fn judged_by_store(
        &self,
        attempt: &mut LoginAttempt<'_>,
        account: &Account,
        code: &TypedCode<'_>,
        time: WorkDeadline,
    ) -> Result<SharedEnd<Option<OutageReason>>, AttemptRefusal> {
        let first = self.settled(attempt, account, code, (AttemptTry::First, time))?;
        if first != SharedEnd::Outage(Some(OutageReason::OlderRecord)) {
            return Ok(first);
        }
        self.mirrored(&account.name, time)
            .map_err(AttemptRefusal::Outdated)?;
        // From now on also a login that waits no longer is judged by the new record.
        match self.settled(attempt, account, code, (AttemptTry::AfterMirror, time))? {
            SharedEnd::Outage(Some(reason)) => Err(AttemptRefusal::Outdated(reason)),
            end => Ok(end),
        }
    }

    /// Brings the record of one user here, in a thread that may go on after the time. A login that gets no answer in time is
    /// judged by this host alone, and should not be judged by a record that is known to be old.
    fn mirrored(&self, user: &str, time: WorkDeadline) -> Result<(), OutageReason> {
        let failed = |text: String| OutageReason::NotMirrored(text);
        let (done, end) = sync_channel(1);
        let (fleet, user) = (Arc::clone(&self.fleet), user.to_owned());
        let (state, policy) = (self.state.clone(), self.policy.clone());
        let work = move || {
            let store = FactorStore::open(&state, &policy);
            let store = store.map_err(|error| OutageReason::NotMirrored(error.to_string()));
            let _ = done.send(store.and_then(|store| fleet.mirror(&store, &user, &time)));
        };
        let thread = thread::Builder::new().name("fleet-record".to_owned());
        thread
            .spawn(work)
            .map_err(|error| failed(error.to_string()))?;
        let late = |_| Err(failed("that takes longer than a code may".to_owned()));
        end.recv_timeout(time.left()).unwrap_or_else(late)
    }

    fn settled(
        &self,
        attempt: &mut LoginAttempt<'_>,
        account: &Account,
        code: &TypedCode<'_>,
        (number, time): (AttemptTry, WorkDeadline),
    ) -> Result<SharedEnd<Option<OutageReason>>, AttemptFailure> {
        let deadline = attempt.loaded.policy.fleet.deadline_ms;
        let form = match code.layout {
            CodeLayout::Code => AnswerForm::Code,
            CodeLayout::AfterPassword => AnswerForm::PasswordThenCode,
        };
        let purpose = match code.purpose {
            CodePurpose::Login => SharedPurpose::Code(FailureCounter::Logins),
            CodePurpose::Program => SharedPurpose::Code(FailureCounter::Daemon),
            CodePurpose::Proof => SharedPurpose::Proof(ProofCodes::All),
            CodePurpose::DeviceProof => SharedPurpose::Proof(ProofCodes::OfDevices),
        };
        attempt.shared_attempt((code.text.as_bytes(), form), purpose, |shared| {
            if number == AttemptTry::First && is_too_late(time.left(), deadline) {
                return Ok(SharedEnd::Outage(None));
            }
            let end = self.fleet.settle(&account.name, shared, &time)?;
            Ok(match end {
                SharedEnd::Judged(result) => SharedEnd::Judged(result),
                SharedEnd::Outage(reason) => SharedEnd::Outage(Some(reason)),
            })
        })
    }
}

/// Longest time for the store, so that the verdict is there by the deadline of the policy.
fn store_time(deadline_ms: u32) -> Duration {
    Duration::from_millis(deadline_ms.into()).saturating_sub(AFTER_STORE)
}

/// True where so much of the time went by before the store was asked, after other codes of the user, that its silence would say nothing
/// of the store. A flood of codes is no outage: it is refused.
fn is_too_late(left: Duration, deadline_ms: u32) -> bool {
    left < Duration::from_millis(deadline_ms.into()) / 2
}

impl MessageService for FleetService {
    /// A caller that has closed the connection knows that the end is not known, or has judged the code by itself. No program
    /// waits for a verdict or a change any more.
    fn is_dropped(
        &self,
        message: &[u8],
        caller: CallingProcess,
        has_left: &dyn Fn() -> bool,
    ) -> bool {
        if !has_left() {
            return false;
        }
        let user = match FleetCall::read(message) {
            Ok(FleetCall::Change(change)) => change.user,
            Ok(FleetCall::Attempt { user, .. }) => user,
            Ok(FleetCall::Introspection(_)) | Err(_) => return false,
        };
        daemon_log::outage(
            &user,
            caller,
            &"the program that asked has gone; nothing was done",
        );
        true
    }

    /// A call that carries a record is longer than others.
    fn buffer(&self) -> MessageBuffer {
        MessageBuffer::of_changes()
    }

    fn response(
        &self,
        message: &[u8],
        caller: CallingProcess,
        _: &mut ConnectionMemory,
    ) -> CallResponse {
        // The mode of the socket says the same.
        if caller.uid != 0 {
            daemon_log::refused(caller.uid, LoginEvent::NotYours);
            return CallResponse::Close;
        }
        let call = match FleetCall::read(message) {
            Ok(call) => call,
            Err(error) => {
                return error
                    .message()
                    .map_or(CallResponse::Close, CallResponse::Reply);
            }
        };
        CallResponse::Reply(match call {
            FleetCall::Introspection(call) => call.reply(ServiceInfo {
                version: twofactor_core::VERSION,
                interface: FLEET_INTERFACE,
            }),
            FleetCall::Attempt {
                user,
                code,
                layout,
                purpose,
            } => {
                let code = TypedCode {
                    user: &user,
                    text: &code,
                    layout,
                    purpose,
                };
                let answered = self.answer(&code, caller);
                answered.map_or_else(ServiceError::message, |answer| {
                    reply::message(answer.parameters())
                })
            }
            FleetCall::Change(change) => self.fleet.change(&change, caller, &self.breaker),
        })
    }
}

#[cfg(test)]
mod judging_tests;

#[cfg(test)]
mod tests {
    use super::*;

    /// 500 is the shortest that a policy may have.
    #[test]
    fn the_deadline_has_room_for_the_verdict() {
        for (deadline, store) in [(500, 400), (3000, 2900), (4000, 3900)] {
            assert_eq!(store_time(deadline), Duration::from_millis(store));
            let left = store_time(deadline);
            assert!(!is_too_late(left, deadline), "a code that waited for none");
        }
    }

    #[test]
    fn a_flood_of_codes_is_no_outage() {
        for (left, is_late) in [(0, true), (1499, true), (1500, false), (3000, false)] {
            assert_eq!(is_too_late(Duration::from_millis(left), 3000), is_late);
        }
    }
}
