//! Merges codes that this host has judged by itself into the store of the fleet, as soon as the store is there again, and after
//! each number of the host.
//!
//! A code that was judged while the policy had no fleet has no mark. So the states of all users are merged once when the service
//! first sees a policy with the fleet.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::etcd::etcd_gateway::TimeLeft as _;
use twofactor_fleet::factor_changes::factor_commit::CommitFault;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host::host_handle::HostHandle;
use twofactor_fleet::mirror::host_heartbeat::BeatFiles;
use twofactor_store::attempt::{AttemptFailure, PushedStates, push_outage};
use twofactor_store::{FactorStore, PolicyFile};

use crate::daemon_log;
use crate::store_breaker::concerns_all;

/// Longest time for one user. The user's lock is held meanwhile, for which logins wait 5 s.
const PUSH: Duration = Duration::from_secs(3);
/// Shortest time.
const SHORTEST: Duration = Duration::from_millis(250);
/// Time that a code has left after its wait for the lock, before this host judges it alone. That is at half of its deadline.
const AFTER_LOCK: Duration = Duration::from_millis(200);

/// Time for one user at first, with this deadline of codes: a code that waits for the user's lock is not late after that.
fn push_time(deadline_ms: u32) -> Duration {
    let half = Duration::from_millis(deadline_ms.into()) / 2;
    half.saturating_sub(AFTER_LOCK).clamp(SHORTEST, PUSH)
}

/// Time for a user who needs more than that. A code that waits meanwhile is refused by its deadline: judged by this host alone it may
/// be one that the store knows as used.
fn longest_time(deadline_ms: u32) -> Duration {
    let deadline = Duration::from_millis(deadline_ms.into());
    deadline.saturating_sub(AFTER_LOCK).clamp(SHORTEST, PUSH)
}

/// Asks the thread that merges states to do so.
#[derive(Clone)]
pub struct PushRequest(SyncSender<()>);

impl PushRequest {
    /// Asks once more. A request that has not begun yet is enough.
    pub fn ask(&self) {
        let _ = self.0.try_send(());
    }
}

/// Begins the thread that merges states. It ends with the last request that can be made.
///
/// # Errors
/// When the system gives no thread.
pub fn start(host: Arc<HostHandle>, files: BeatFiles) -> std::io::Result<PushRequest> {
    let (sender, asked) = sync_channel(1);
    let work = move || {
        let mut progress = PushProgress::default();
        while asked.recv().is_ok() {
            if let Err(failure) = progress.push(&host.host(), &files) {
                daemon_log::store_not_met(&failure);
            }
        }
    };
    thread::Builder::new()
        .name("fleet-rejoin".to_owned())
        .spawn(work)?;
    Ok(PushRequest(sender))
}

/// Version of a policy file. Each write makes another one, also with the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PolicyVersion {
    inode: u64,
    changed: (i64, i64),
}

impl PolicyVersion {
    /// The version of this file; `None` if it cannot be read.
    fn of(path: &Path) -> Option<Self> {
        let stat = rustix::fs::stat(path).ok()?;
        Some(Self {
            inode: stat.st_ino,
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }
}

/// Progress of the merge.
#[derive(Default)]
struct PushProgress {
    /// The policy with the fleet since which all states were merged.
    policy: Option<PolicyVersion>,
    /// Users whose states were not merged.
    left: BTreeSet<String>,
}

impl PushProgress {
    /// Merges the states that are due. A state that cannot be merged now is due the next time, or is merged by the next attempt
    /// of the user.
    fn push(&mut self, host: &FleetHost, files: &BeatFiles) -> Result<(), AttemptFailure> {
        // Taken before the text is read: a text that is written meanwhile has a later version.
        let version = PolicyVersion::of(&files.policy);
        let fleet = PolicyFile::new(&files.policy).load()?.policy.fleet;
        let store = FactorStore::open(&files.state, &files.policy)?;
        let users = store.users()?;
        if !fleet.enabled {
            self.policy = None;
            self.left.clear();
        } else if version.is_none() || self.policy != version {
            self.left = users.iter().cloned().collect();
            self.policy = version;
        }
        let limits = [
            push_time(fleet.deadline_ms),
            longest_time(fleet.deadline_ms),
        ];
        let mut push = |user: &str, limit: Duration| {
            let which = if self.left.contains(user) {
                PushedStates::All
            } else {
                PushedStates::Marked
            };
            let end = push_one(host, &store, (user, which), limit);
            let end = end.unwrap_or_else(|failure| PushEnd::Left(failure.to_string()));
            if end == PushEnd::Merged {
                self.left.remove(user);
            }
            end
        };
        push_all(&users, limits, &mut push, &mut |user, reason| {
            daemon_log::not_pushed(user, &reason);
        });
        Ok(())
    }
}

/// Merges the states of these users, in the short time for each, and in the long one for those who need more. Only the last result of
/// each of them is logged.
fn push_all(
    users: &[String],
    [short, long]: [Duration; 2],
    push: &mut dyn FnMut(&str, Duration) -> PushEnd,
    log: &mut dyn FnMut(&str, &str),
) {
    let (mut late, mut is_over) = (Vec::new(), false);
    for user in users {
        match push(user, short) {
            PushEnd::Merged => {}
            PushEnd::Left(reason) => log(user, &reason),
            PushEnd::Late(reason) => late.push((user, reason)),
            PushEnd::Stop(reason) => {
                log(user, &reason);
                is_over = true;
                break;
            }
        }
    }
    for (user, reason) in late {
        let end = if is_over {
            PushEnd::Late(reason)
        } else {
            push(user, long)
        };
        match end {
            PushEnd::Merged => {}
            PushEnd::Left(reason) => log(user, &reason),
            // A store that is too slow for one of them is so for the others.
            PushEnd::Late(reason) | PushEnd::Stop(reason) => {
                log(user, &reason);
                is_over = true;
            }
        }
    }
}

/// Result for one user, with the reason where it is no merge.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PushEnd {
    /// Nothing is left to be merged.
    Merged,
    /// The store refused this user.
    Left(String),
    /// The time was over, which says nothing of the store where it is short.
    Late(String),
    /// The store is gone again.
    Stop(String),
}

fn push_one(
    host: &FleetHost,
    store: &FactorStore,
    (user, which): (&str, PushedStates),
    limit: Duration,
) -> Result<PushEnd, AttemptFailure> {
    let Some(record) = store.record_named(user)? else {
        return Ok(PushEnd::Merged);
    };
    let account = Account {
        name: user.to_owned(),
        uid: record.uid,
        gid: record.uid,
    };
    let is_late = Cell::new(false);
    let pushed = push_outage(store, &account, which, |push| {
        let time = WorkDeadline::after(limit);
        let merged = host.merge_state(push, &time);
        is_late.set(time.left().is_zero());
        merged
    })?;
    let Err(fault) = pushed else {
        return Ok(PushEnd::Merged);
    };
    Ok(end_of(&fault, is_late.get()))
}

/// Result for a state that the store did not take.
fn end_of(fault: &CommitFault, is_late: bool) -> PushEnd {
    let text = fault.to_string();
    match fault {
        CommitFault::Outage(reason) | CommitFault::UnknownEnd(reason) if concerns_all(reason) => {
            if is_late {
                PushEnd::Late(text)
            } else {
                PushEnd::Stop(text)
            }
        }
        _ => PushEnd::Left(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_fleet::attempt_steps::outage_reason::OutageReason;

    #[test]
    fn a_push_ends_before_the_half_of_a_code() {
        for (deadline, limit, longest) in [
            (500, 250, 300),
            (900, 250, 700),
            (1000, 300, 800),
            (3000, 1300, 2800),
            (4000, 1800, 3000),
        ] {
            let times = [push_time(deadline), longest_time(deadline)];
            assert_eq!(times, [limit, longest].map(Duration::from_millis));
        }
        assert_eq!(push_time(u32::MAX), PUSH);
    }

    #[test]
    fn only_a_store_that_is_gone_stops_all() {
        let gone = CommitFault::Outage(OutageReason::NoFleet);
        assert!(matches!(end_of(&gone, false), PushEnd::Stop(_)));
        assert!(matches!(end_of(&gone, true), PushEnd::Late(_)));
        let one = CommitFault::Outage(OutageReason::NoState);
        assert!(matches!(end_of(&one, false), PushEnd::Left(_)));
    }

    /// The calls and the lines of the log, where the store has these answers in the short time and in the long one.
    fn pushed(short: [PushEnd; 3], long: [PushEnd; 3]) -> (Vec<String>, Vec<String>) {
        let users = ["a", "b", "c"].map(str::to_owned);
        let limits = [SHORTEST, PUSH];
        let (mut calls, mut lines) = (Vec::new(), Vec::new());
        let mut push = |user: &str, limit: Duration| {
            let ends = if limit == SHORTEST { &short } else { &long };
            calls.push(format!("{user}{}", limit.as_millis()));
            let place = users.iter().position(|other| other == user).unwrap();
            ends[place].clone()
        };
        push_all(&users, limits, &mut push, &mut |user, reason| {
            lines.push(format!("{user} {reason}"));
        });
        (calls, lines)
    }

    #[test]
    fn only_the_last_result_of_a_push_is_logged() {
        let late = || PushEnd::Late("late".to_owned());
        let left = || PushEnd::Left("left".to_owned());
        let stop = || PushEnd::Stop("stop".to_owned());
        let merged = || PushEnd::Merged;
        for (short, long, calls, lines) in [
            (
                [late(), left(), late()],
                [merged(), merged(), left()],
                &["a250", "b250", "c250", "a3000", "c3000"][..],
                &["b left", "c left"][..],
            ),
            (
                [late(), late(), merged()],
                [stop(), merged(), merged()],
                &["a250", "b250", "c250", "a3000"],
                &["a stop", "b late"],
            ),
            (
                [late(), late(), merged()],
                [late(), merged(), merged()],
                &["a250", "b250", "c250", "a3000"],
                &["a late", "b late"],
            ),
            (
                [late(), stop(), merged()],
                [merged(), merged(), merged()],
                &["a250", "b250"],
                &["b stop", "a late"],
            ),
        ] {
            let (called, logged) = pushed(short, long);
            assert_eq!(called, calls);
            assert_eq!(logged, lines);
        }
    }
}
