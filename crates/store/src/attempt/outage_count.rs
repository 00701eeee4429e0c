//! The wrong codes that a host counted by itself, named so that they are added once to those of all hosts.
//!
//! The name is in the host's own file before a count is sent, and in the store by the transaction that adds it. So a host that was killed
//! after that, or whose state another process took over meanwhile, adds what is missing there alone.

use twofactor_core::state::{OutageId, OutageName, UserState};

use super::AttemptFailure;
use crate::files::LockedFactor;
use crate::sys::random;

/// Wrong codes of one outage on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutageCount {
    /// The outage, up to a code that was accepted in it: that ends the wrong codes before it.
    pub id: OutageId,
    /// Number of wrong codes since the outage began, at least 1.
    pub counted: u32,
}

impl OutageCount {
    /// The count of a host's own state; `None` if nothing was counted, or the outage has no name yet.
    #[must_use]
    pub fn of(own: &UserState) -> Option<Self> {
        let (id, counted) = (own.outage_id()?, own.counted_alone());
        (counted > 0).then_some(Self { id, counted })
    }
}

/// Names the outage of a state with wrong codes that the host counted by itself, durably. A process that takes the state over has it too.
pub(super) fn name_outage(locked: &mut LockedFactor<'_>) -> Result<(), AttemptFailure> {
    let mut state = locked.state().clone();
    if state.counted_alone() == 0 || state.outage_name().is_some() {
        return Ok(());
    }
    let mut name = OutageName::default();
    while name == OutageName::default() {
        random::fill(&mut name)?;
    }
    state.name_outage(name);
    locked.write(state)?;
    locked.flush()?;
    locked.confirm()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fresh, phone};
    use twofactor_core::device::CredentialId;

    fn counted() -> UserState {
        let mut state = UserState::new(7);
        state.devices.push(fresh(&phone()));
        state.failures = 2;
        state.begin_outage(0);
        state.name_outage([1, 2, 3, 4, 5]);
        state.failures = 5;
        state
    }

    #[test]
    fn a_count_has_the_name_of_its_outage() {
        let state = counted();
        let count = OutageCount::of(&state).unwrap();
        assert_eq!((&count.id[..5], count.counted), (&[1, 2, 3, 4, 5][..], 3));
        let mut more = state.clone();
        (more.failures, more.unreported, more.last_failure) = (6, 6, 9);
        let more = OutageCount::of(&more).unwrap();
        assert_eq!((more.id, more.counted), (count.id, 4));
        let mut none = state.clone();
        none.failures = 2;
        assert_eq!(OutageCount::of(&none), None);
        let mut unnamed = state;
        unnamed.name_outage(OutageName::default());
        assert_eq!(OutageCount::of(&unnamed), None);
    }

    /// It ends the wrong codes before it: those after it are others, though they may be fewer.
    #[test]
    fn after_an_accepted_code_it_is_another_count() {
        let before = OutageCount::of(&counted()).unwrap().id;
        let accepts: [fn(&mut UserState); 4] = [
            |state| state.devices[0].next += 1,
            |state| state.devices[0].last_used += 1,
            |state| state.recovery.bits |= 1,
            |state| state.bypass = CredentialId::from_number(3),
        ];
        for accept in accepts {
            let mut state = counted();
            accept(&mut state);
            assert_ne!(OutageCount::of(&state).unwrap().id, before);
        }
    }
}
