//! The codes that a host has judged by itself, made known to all hosts at once when the store is there again.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use twofactor_core::account::Account;
use twofactor_core::record::Record;
use twofactor_core::state::State;
use twofactor_core::verify::joined_with_own;

use super::shared_code::write_through;
use super::{AttemptFailure, lock_recorded};
use crate::files::Store;

/// The state that follows from the one of all hosts, and from the record that all have.
pub type SharedStep<'a> = &'a dyn Fn(&State, &Record) -> State;

/// States that are made known to all hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushedStates {
    /// Those with the mark of an outage.
    Marked,
    /// All: before this host's policy had a fleet, codes were judged without a mark.
    All,
}

/// Joins the state of a user with the one of all hosts, if it is one of `which`. `push` stores what follows there, and returns when it
/// is known to be stored; it gets the name of the record. Returns true if something was stored.
///
/// # Errors
/// [`AttemptFailure`]; inside, what `push` says. The next attempt joins the states then.
pub fn push_outage<O>(
    store: &Store,
    account: &Account,
    which: PushedStates,
    push: impl FnOnce(&str, SharedStep<'_>) -> Result<(), O>,
) -> Result<Result<bool, O>, AttemptFailure> {
    let is_pushed = |state: &State| which == PushedStates::All || state.outage_mark().is_some();
    if !store.peek(account)?.is_some_and(|state| is_pushed(&state)) {
        return Ok(Ok(false));
    }
    let Some((locked, loaded)) = lock_recorded(store, account, None)? else {
        return Ok(Ok(false));
    };
    let own = locked.state().clone();
    if !is_pushed(&own) {
        return Ok(Ok(false));
    }
    let next = RefCell::new(None);
    let step = |shared: &State, record: &Record| {
        next.replace(None);
        // A store without the user's devices gets none from here.
        if shared.devices.is_empty() {
            return shared.clone();
        }
        let state = joined_with_own(shared, &own, record);
        next.replace(Some(state.clone()));
        state
    };
    if let Err(reason) = push(&account.name, &step) {
        return Ok(Err(reason));
    }
    match next.into_inner() {
        Some(state) => write_through(locked, (&loaded.record, &own), state)?,
        None => return Ok(Ok(false)),
    }
    Ok(Ok(true))
}
