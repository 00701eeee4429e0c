//! What this host has judged by itself goes to the store of the fleet as soon as that is there again.

use std::path::Path;
use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_fleet::deadline::WorkDeadline;
use twofactor_fleet::factor_commit::CommitFault;
use twofactor_fleet::fleet_host::FleetHost;
use twofactor_store::attempt::{AttemptFailure, push_outage};
use twofactor_store::{SharedChange, Store};

use crate::log;

/// Longest time for one user. The user's lock is held meanwhile, for which logins wait 5 s.
const PUSH: Duration = Duration::from_secs(3);

/// Joins the states of all users that this host has judged by itself. One that cannot be joined now is joined by the next
/// attempt of the user.
pub fn push_all(host: &FleetHost, policy: &Path, state: &Path) {
    let pushed = Store::open(state, policy)
        .map_err(AttemptFailure::from)
        .and_then(|store| {
            for user in store.users()? {
                match push_one(host, &store, &user) {
                    Ok(PushEnd::Next) => {}
                    Ok(PushEnd::Stop) => break,
                    Err(failure) => log::not_pushed(&user, &failure),
                }
            }
            Ok(())
        });
    if let Err(failure) = pushed {
        log::store_not_met(&failure);
    }
}

/// Whether the next user can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PushEnd {
    Next,
    Stop,
}

fn push_one(host: &FleetHost, store: &Store, user: &str) -> Result<PushEnd, AttemptFailure> {
    let Some(record) = store.record_named(user)? else {
        return Ok(PushEnd::Next);
    };
    let account = Account {
        name: user.to_owned(),
        uid: record.uid,
        gid: record.uid,
    };
    let pushed = push_outage(store, &account, |name, step| {
        let time = WorkDeadline::after(PUSH);
        host.commit(name, &SharedChange::State(step), &time)
            .map(|_| ())
    })?;
    let Err(fault) = pushed else {
        return Ok(PushEnd::Next);
    };
    log::not_pushed(user, &fault);
    Ok(match fault {
        CommitFault::Conflict => PushEnd::Next,
        // The store is gone again.
        CommitFault::Outage(_) | CommitFault::UnknownEnd(_) => PushEnd::Stop,
    })
}
