//! Changes of users' factors, which the module and the users' daemon ask of the service of the fleet.
//!
//! The caller is a process of root. It has checked that the change is allowed, and holds the lock of the user's state. This
//! module checks that user, uid and record belong together, so that no mistake of a caller reaches another user. The transaction
//! checks that the change was made from the record of the fleet.

use std::time::Duration;

use data_encoding::HEXLOWER;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{self, FILE_LEN, SLOT_LEN, UserState};
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::factor_changes::factor_commit::CommitFault;
use twofactor_fleet::factor_changes::relayed_factor::RelayedFactor;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_protocol::fleet_change_call::FleetChangeAnswer;
use twofactor_protocol::reply::{self, ServiceError};
use twofactor_protocol::service::{CallError, FleetChangeParameters};
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::sys::accounts;

use crate::calling_process::CallingProcess;
use crate::daemon_log;
use crate::store_breaker::StoreBreaker;

/// Longest time of a change. The user's lock is held meanwhile, for which logins wait 5 s, and its holder waits a second longer than this.
const RELAY_TIME: Duration = Duration::from_millis(3500);

/// The way of a change into the fleet.
pub struct ChangeRelay<'a> {
    /// This host.
    pub host: &'a FleetHost,
    /// Open where no change is to wait for the store.
    pub breaker: &'a StoreBreaker,
}

/// Reason why a change is not tried.
enum RelayRefusal {
    /// A parameter is none; its name.
    Parameter(&'static str),
    /// User, uid and record are not of one user.
    Foreign,
    /// The account cannot be looked up.
    Failed(AttemptFailure),
}

/// A factor as it was sent.
struct SentFactor {
    record: UserRecord,
    state: UserState,
}

impl ChangeRelay<'_> {
    /// Makes a change, and returns the message that reports it.
    pub fn response(&self, call: &FleetChangeParameters, caller: CallingProcess) -> Vec<u8> {
        let time = WorkDeadline::after(RELAY_TIME);
        match self.answer(call, caller, &time) {
            Ok(answer) => reply::message(answer.parameters()),
            Err(RelayRefusal::Parameter(name)) => CallError::InvalidParameter(name)
                .message()
                .unwrap_or_default(),
            Err(RelayRefusal::Foreign) => {
                daemon_log::not_yours(&call.user, caller);
                ServiceError::NotYours.message()
            }
            Err(RelayRefusal::Failed(failure)) => {
                daemon_log::unavailable(&call.user, caller, &failure);
                ServiceError::Unavailable.message()
            }
        }
    }

    fn answer(
        &self,
        call: &FleetChangeParameters,
        caller: CallingProcess,
        time: &WorkDeadline,
    ) -> Result<FleetChangeAnswer, RelayRefusal> {
        let base = call.base.as_deref().map(digest).transpose()?;
        let factor = sent(call)?;
        if base.is_none() && factor.is_none() {
            return Err(RelayRefusal::Parameter("base"));
        }
        if !is_account(call, base.is_some())? {
            return Err(RelayRefusal::Foreign);
        }
        if self.breaker.is_open() {
            return Ok(FleetChangeAnswer::Outage);
        }
        let change = RelayedFactor {
            user: &call.user,
            uid: call.uid,
            base,
            next: factor.as_ref().map(|it| (&it.record, &it.state)),
        };
        let fault = match self.host.relay(&change, time) {
            Ok(()) => return Ok(FleetChangeAnswer::Committed),
            Err(fault) => fault,
        };
        if fault != CommitFault::Conflict {
            daemon_log::outage(&call.user, caller, &fault);
        }
        Ok(match fault {
            // The caller's log has it.
            CommitFault::Conflict => FleetChangeAnswer::Conflict,
            CommitFault::Outage(reason) => {
                self.breaker.note(&reason);
                FleetChangeAnswer::Outage
            }
            CommitFault::UnknownEnd(reason) => {
                self.breaker.note(&reason);
                FleetChangeAnswer::Unknown
            }
        })
    }
}

/// True if the uid is that of the user. A record may have the name of an account that is gone, since the account was renamed.
/// Then the record that the change was made from has the uid, and the transaction compares it.
fn is_account(call: &FleetChangeParameters, has_base: bool) -> Result<bool, RelayRefusal> {
    let account = accounts::by_name(&call.user);
    let account = account.map_err(|error| RelayRefusal::Failed(error.into()))?;
    Ok(account.map_or(has_base, |account| account.uid == call.uid))
}

fn digest(text: &str) -> Result<[u8; 32], RelayRefusal> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let digest = bytes.and_then(|bytes| bytes.try_into().ok());
    digest.ok_or(RelayRefusal::Parameter("base"))
}

/// The factor in a call; `None` in one that removes it.
fn sent(call: &FleetChangeParameters) -> Result<Option<SentFactor>, RelayRefusal> {
    let (record, state) = match (&call.record, &call.state) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(RelayRefusal::Parameter("record")),
        (Some(_), None) => return Err(RelayRefusal::Parameter("state")),
        (Some(record), Some(state)) => (record, state),
    };
    // The text of the error says nothing of the record's, and neither goes anywhere.
    let record = UserRecord::parse(record).map_err(|_| RelayRefusal::Parameter("record"))?;
    if record.user != call.user || record.uid != call.uid {
        return Err(RelayRefusal::Foreign);
    }
    let state = slot(state).ok_or(RelayRefusal::Parameter("state"))?;
    let mut devices = record.devices.iter();
    if state.uid != call.uid || !devices.all(|device| state.device(device.id).is_some()) {
        return Err(RelayRefusal::Parameter("state"));
    }
    Ok(Some(SentFactor { record, state }))
}

/// The state in a slot.
fn slot(text: &str) -> Option<UserState> {
    let mut bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    if bytes.len() != SLOT_LEN {
        return None;
    }
    // The reader of files wants a whole one.
    bytes.resize(FILE_LEN, 0);
    Some(state::decode_file(&bytes).ok()?.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_store::testing::{account, fresh, record_of, token};

    fn call() -> FleetChangeParameters {
        let record = record_of(&account("alice", 1000), &[token()]);
        let mut state = UserState::new(1000);
        state.devices.push(fresh(&token()));
        FleetChangeParameters {
            user: "alice".to_owned(),
            uid: 1000,
            base: None,
            record: Some(record.to_toml().to_string()),
            state: Some(HEXLOWER.encode(&state::encode(&state, 1))),
        }
    }

    /// The result of the checks on a call's factor.
    fn word(call: &FleetChangeParameters) -> &'static str {
        match sent(call) {
            Ok(Some(_)) => "sent",
            Ok(None) => "removed",
            Err(RelayRefusal::Parameter(name)) => name,
            Err(RelayRefusal::Foreign) => "foreign",
            Err(RelayRefusal::Failed(_)) => "failed",
        }
    }

    #[test]
    fn a_record_of_another_user_is_refused() {
        assert_eq!(word(&call()), "sent");
        let other = |user: &str, uid| FleetChangeParameters {
            user: user.to_owned(),
            uid,
            ..call()
        };
        assert_eq!(word(&other("bob", 1000)), "foreign");
        assert_eq!(word(&other("alice", 0)), "foreign");
    }

    #[test]
    fn a_state_that_does_not_know_its_devices_is_refused() {
        let with = |state: &UserState| FleetChangeParameters {
            state: Some(HEXLOWER.encode(&state::encode(state, 1))),
            ..call()
        };
        assert_eq!(word(&with(&UserState::new(1000))), "state");
        let mut foreign = UserState::new(1001);
        foreign.devices.push(fresh(&token()));
        assert_eq!(word(&with(&foreign)), "state");
        for state in ["", "00", "zz", &"00".repeat(SLOT_LEN)] {
            let state = Some(state.to_owned());
            assert_eq!(word(&FleetChangeParameters { state, ..call() }), "state");
        }
    }

    #[test]
    fn half_a_factor_is_none() {
        let call = call();
        for (record, state, expected) in [
            (None, None, "removed"),
            (call.record.clone(), None, "state"),
            (None, call.state.clone(), "record"),
            (Some("x".to_owned()), call.state.clone(), "record"),
        ] {
            let call = FleetChangeParameters {
                record,
                state,
                ..call.clone()
            };
            assert_eq!(word(&call), expected);
        }
        for text in ["", "ab", &"AB".repeat(32), &"00".repeat(33)] {
            assert!(digest(text).is_err(), "{text}");
        }
        assert!(digest(&"ab".repeat(32)).is_ok());
    }
}
