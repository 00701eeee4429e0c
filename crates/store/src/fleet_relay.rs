//! Changes of what a user has, made in the fleet by its service on this host: for the module and the users' daemon, which do not speak
//! with the store themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base16ct::lower::encode_string as hex;
use twofactor_core::{POLICY_FILE, STATE_DIR, state};
use twofactor_protocol::fleet_attempt_call::FLEET_SOCKET;
use twofactor_protocol::fleet_change_call::{FactorText, FleetChangeAnswer, FleetChangeCall};
use twofactor_protocol::reply::ReplyError;

use crate::daemon_client::{DaemonClient, DaemonError, DaemonFault};
use crate::files::{FactorStore, ShareFault, SharedChange, SharedFactors};
use crate::sys::lock_heartbeat::LockHeartbeat;

/// Longest time of a change: that of the service, and the way there and back. The lock of the user is held meanwhile, for which logins
/// wait 5 s.
const PATIENCE: Duration = Duration::from_millis(4500);

/// The store of one who is not root's command: on a host of a fleet its changes go by the service of the fleet, which serves this
/// machine's own files and no others.
#[must_use]
pub fn relayed(store: FactorStore, policy: &Path) -> FactorStore {
    if store.path() == Path::new(STATE_DIR) && policy == Path::new(POLICY_FILE) {
        store.with_fleet(Arc::new(FleetRelay))
    } else {
        store
    }
}

/// The service of the fleet, as those see it who change a factor.
struct FleetRelay;

impl SharedFactors for FleetRelay {
    fn commit(
        &self,
        user: &str,
        change: &SharedChange<'_>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault> {
        let Some(call) = message(user, change) else {
            let text = "only root's command makes this change on a host of a fleet";
            return Err(ShareFault::NotMade(text.to_owned()));
        };
        let client = DaemonClient::new(Path::new(FLEET_SOCKET), user).asking_once(PATIENCE);
        match client.ask_with_heartbeat(&call, FleetChangeAnswer::read, heartbeat) {
            Ok(FleetChangeAnswer::Committed) => Ok(()),
            Ok(FleetChangeAnswer::Conflict) => Err(ShareFault::Conflict),
            Ok(FleetChangeAnswer::Outage) => Err(ShareFault::NotMade(
                "the store of the fleet cannot be used; nothing was changed".to_owned(),
            )),
            Ok(FleetChangeAnswer::Unknown) => Err(ShareFault::Unknown(
                "the store of the fleet cannot be used any more, and the change may have been made"
                    .to_owned(),
            )),
            Err(error) => Err(unanswered(&error)),
        }
    }
}

/// The call for a change; `None` for one that is not relayed.
fn message(user: &str, change: &SharedChange<'_>) -> Option<Vec<u8>> {
    let (old, new) = match *change {
        SharedChange::Put { old, record, local } => (old, Some((record, local))),
        SharedChange::Remove { old: Some(old) } => (Some(old), None),
        SharedChange::Remove { old: None }
        | SharedChange::RemoveUnusable
        | SharedChange::State(_) => return None,
    };
    let base = old.map(|old| hex(&old.digest()));
    let new = new.map(|(record, local)| {
        let state = hex(&state::encode(local, 1));
        (record.uid, record.to_toml(), state)
    });
    let uid = new.as_ref().map(|(uid, ..)| *uid);
    let call = FleetChangeCall {
        user,
        uid: uid.or(old.map(|old| old.uid))?,
        base: base.as_deref(),
        factor: new
            .as_ref()
            .map(|(_, record, state)| FactorText { record, state }),
    };
    Some(call.message())
}

/// A service that gives no answer has the change, unless it is known that it did not get it.
fn unanswered(error: &DaemonError) -> ShareFault {
    match error.cause {
        DaemonFault::Connect(_)
        | DaemonFault::NotRoot(_)
        | DaemonFault::OtherFiles
        | DaemonFault::Ended
        | DaemonFault::Reply(ReplyError::Service(_) | ReplyError::Unknown) => {
            ShareFault::NotMade(format!("{error}; nothing was changed"))
        }
        DaemonFault::Lost(_) | DaemonFault::Closed | DaemonFault::Reply(ReplyError::Malformed) => {
            ShareFault::Unknown(format!("{error}; the change may have been made"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FileFault;
    use crate::testing::{ScratchStore, alice, device, fresh, record_of, token};
    use rustix::io::Errno;
    use std::fs;
    use std::os::unix::fs::DirBuilderExt as _;
    use twofactor_core::device::{MAX_DEVICES, OtpKind};
    use twofactor_core::record::recent_changes::{
        ChangeChannel, ChangeOrigin, ChangeWord, MAX_CHANGES, OriginName, RecentChange,
    };
    use twofactor_core::record::{MAX_RECOVERY_CODES, UserRecord};
    use twofactor_core::recovery::{OneTimeCode, RecoverySet};
    use twofactor_core::secret::{MAX_LEN, Secret};
    use twofactor_core::state::UserState;
    use twofactor_protocol::MAX_CHANGE;
    use twofactor_protocol::reply::ServiceError;

    fn record() -> UserRecord {
        UserRecord::new("alice".to_owned(), 1000)
    }

    #[test]
    fn only_changes_with_a_known_base_are_relayed() {
        let (record, local) = (record(), UserState::new(1000));
        let put = |old| SharedChange::Put {
            old,
            record: &record,
            local: &local,
        };
        let text = |change: &SharedChange<'_>| {
            message("alice", change).map(|it| String::from_utf8(it).unwrap())
        };
        let digest = hex(&record.digest());
        let first = text(&put(None)).unwrap();
        assert!(!first.contains("base") && first.contains("\"uid\":1000"));
        assert!(text(&put(Some(&record))).unwrap().contains(&digest));
        let removed = text(&SharedChange::Remove { old: Some(&record) }).unwrap();
        assert!(removed.contains(&digest) && !removed.contains("record"));
        assert!(message("alice", &SharedChange::Remove { old: None }).is_none());
        let step = |state: &UserState| state.clone();
        assert!(message("alice", &SharedChange::State(&step)).is_none());
    }

    /// A change that is not known to have been left alone may have been made.
    #[test]
    fn only_a_change_that_did_not_arrive_is_none() {
        for (cause, is_made) in [
            (DaemonFault::Connect(Errno::NOENT), false),
            (DaemonFault::Connect(Errno::AGAIN), false),
            (DaemonFault::NotRoot(1000), false),
            (DaemonFault::OtherFiles, false),
            (DaemonFault::Ended, false),
            (DaemonFault::Reply(ReplyError::Unknown), false),
            (
                DaemonFault::Reply(ReplyError::Service(ServiceError::Unavailable)),
                false,
            ),
            (DaemonFault::Reply(ReplyError::Malformed), true),
            (DaemonFault::Lost(Errno::AGAIN), true),
            (DaemonFault::Closed, true),
        ] {
            let client = DaemonClient::new(Path::new("/run/x"), "alice");
            let fault = unanswered(&client.fault(cause));
            assert_eq!(
                matches!(fault, ShareFault::Unknown(_)),
                is_made,
                "{cause:?}"
            );
        }
    }

    /// The service serves the machine's own files.
    #[test]
    fn other_files_are_not_relayed() {
        let scratch = ScratchStore::new();
        let store = relayed(scratch.store(), Path::new(POLICY_FILE));
        let fleet = scratch.top().join("fleet");
        fs::DirBuilder::new().mode(0o700).create(&fleet).unwrap();
        fs::write(fleet.join("host"), "").unwrap();
        let mut locked = store.lock_for_change(&alice()).unwrap();
        let record = record_of(&alice(), &[token()]);
        let refused = locked.replace_record(&record, &[fresh(&token())]);
        assert_eq!(refused.unwrap_err().cause, FileFault::InFleet);
        assert_eq!(store.users().unwrap(), [""; 0]);
    }

    #[test]
    fn the_largest_record_fits_into_a_call() {
        let mut record = record();
        record.user = "u".repeat(100);
        for number in 1..=MAX_DEVICES as u64 {
            let name = format!("{}{number}", "d".repeat(31));
            let mut device = device(&name, u64::MAX - number, OtpKind::Hotp);
            device.secret = Secret::from_bytes(vec![7; MAX_LEN].into()).unwrap();
            record.devices.push(device);
        }
        let (mut set, _) = RecoverySet::generate(u64::MAX / 2).unwrap();
        set.hashes = vec![[0xff; 32]; MAX_RECOVERY_CODES];
        record.recovery = Some(set);
        record.bypass = Some(OneTimeCode::generate(u64::MAX / 2).unwrap().0);
        let name = OriginName::of(&[b'a'; 64]).unwrap();
        for number in 0..MAX_CHANGES as u64 {
            record.changes.push(RecentChange {
                time: u64::MAX / 2 - number,
                kind: ChangeWord::DeviceRenewed,
                device: Some(record.devices[0].name.clone()),
                origin: ChangeOrigin {
                    channel: ChangeChannel::Login(name.clone()),
                    uid: u32::MAX,
                    terminal: Some(name.clone()),
                    address: Some(name.clone()),
                },
            });
        }
        let change = SharedChange::Put {
            old: Some(&record),
            record: &record,
            local: &UserState::new(u32::MAX),
        };
        let size = message(&record.user, &change).unwrap().len();
        assert!(size <= MAX_CHANGE / 2, "{size} bytes");
    }
}
