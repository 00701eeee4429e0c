//! The codes that a host has judged by itself, made known to all hosts at once when the store is there again.

use std::cell::RefCell;

use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;
use twofactor_core::verify::merged_with_own;

use super::AttemptFailure;
use super::code_commit::lock_recorded;
use super::outage_count::{OutageCount, name_outage};
use super::shared_code::write_through;
use crate::files::FactorStore;

/// Update of a user's shared state with the codes that this host has judged by itself.
pub struct StatePush<'a> {
    /// The name of the record.
    pub user: &'a str,
    /// The wrong codes that are added. The store remembers them in the same transaction.
    pub count: Option<OutageCount>,
    /// The state that follows from the one of all hosts, from the record that all have, and from the number of those wrong codes that the
    /// store knows of already.
    pub step: &'a dyn Fn(&UserState, &UserRecord, u32) -> UserState,
}

/// States that are made known to all hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushedStates {
    /// States with the mark of an outage.
    Marked,
    /// All states: before this host's policy had a fleet, codes were judged without a mark.
    All,
}

/// Joins the state of a user with the one of all hosts, if it is one of `which`. `push` stores what follows there, and returns when it
/// is known to be stored. Returns true if something was stored. It has no heartbeat: a login passes it, and may count on.
///
/// # Errors
/// [`AttemptFailure`]; inside, what `push` says. The next attempt joins the states then.
pub fn push_outage<O>(
    store: &FactorStore,
    account: &Account,
    which: PushedStates,
    push: impl FnOnce(&StatePush<'_>) -> Result<(), O>,
) -> Result<Result<bool, O>, AttemptFailure> {
    let is_pushed = |state: &UserState| which == PushedStates::All || state.outage_mark().is_some();
    if !store.peek(account)?.is_some_and(|state| is_pushed(&state)) {
        return Ok(Ok(false));
    }
    let Some((mut locked, loaded)) = lock_recorded(store, account, None)? else {
        return Ok(Ok(false));
    };
    if !is_pushed(locked.state()) {
        return Ok(Ok(false));
    }
    name_outage(&mut locked)?;
    let own = locked.state().clone();
    let next = RefCell::new(None);
    let step = |shared: &UserState, record: &UserRecord, known: u32| {
        next.replace(None);
        // A store without the user's devices gets none from here.
        if shared.devices.is_empty() {
            return shared.clone();
        }
        let mut rest = own.clone();
        rest.know_counted(known);
        let state = merged_with_own(shared, &rest, record);
        next.replace(Some(state.clone()));
        state
    };
    let pushed = push(&StatePush {
        user: &account.name,
        count: OutageCount::of(&own),
        step: &step,
    });
    if let Err(reason) = pushed {
        return Ok(Err(reason));
    }
    match next.into_inner() {
        Some(state) => write_through(locked, (&loaded.record, &own), state)?,
        None => return Ok(Ok(false)),
    }
    Ok(Ok(true))
}
