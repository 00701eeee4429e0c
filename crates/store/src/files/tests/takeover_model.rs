//! An exhaustive model of `state_generations.rs`, `user_relocation.rs` and `LockedFactor::remove`. Some processes each judge one
//! attempt with the same code, or change the files. Each may stop for ever, or be killed, between any two system calls. After a
//! power cut any part of what was not flushed is lost.
//!
//! The model proves: one code succeeds once at most. An attempt whose outcome was told is counted for good, in the file that a
//! login finds, and there always is such a file. No code is judged after its device was removed. A process alone comes to an end,
//! whatever the others were stopped in, and a new login learns about its code. A removal that comes to its end leaves no device
//! that counts and has no record. Each part of the design is needed: without it the model finds what breaks.
//!
//! The heartbeat (`LockedFactor::write_heartbeat`) is no step of it: it writes what is there. Patience is none either: a process may take a state
//! over at any moment, so that what is held here does not depend on how long others wait.

mod changes;
mod power;
mod search;
mod steps;
mod world;

use search::explore;
use world::ProcessRole::{self, Login, Mover, Rebuilder, Remover};
use world::{OmittedPart, SearchRules};

const fn rules(without: OmittedPart) -> SearchRules {
    SearchRules {
        without,
        power_cuts: false,
        claims: 1,
    }
}

fn holds(roles: &[ProcessRole], rules: SearchRules) {
    let worlds = explore(roles, rules);
    println!("{roles:?} {rules:?}: {worlds:?}");
    assert!(
        worlds.is_ok_and(|worlds| worlds > 100),
        "{roles:?}: {worlds:?}"
    );
}

fn breaks(roles: &[ProcessRole], rules: SearchRules) {
    let found = explore(roles, rules);
    println!("{roles:?} {rules:?}: {found:?}");
    assert!(found.is_err(), "{roles:?} {rules:?}");
}

const fn with_power_cuts(without: OmittedPart) -> SearchRules {
    SearchRules {
        power_cuts: true,
        ..rules(without)
    }
}

#[test]
fn two_processes_and_power_cuts_do_not_break_it() {
    for other in [Login, Mover, Remover, Rebuilder] {
        holds(&[Login, other], with_power_cuts(OmittedPart::Nothing));
    }
    holds(&[Mover; 2], with_power_cuts(OmittedPart::Nothing));
}

#[test]
fn without_these_parts_two_processes_break_it() {
    for without in [OmittedPart::Copy, OmittedPart::LastLook, OmittedPart::Flush] {
        breaks(&[Login; 2], with_power_cuts(without));
    }
    for without in [OmittedPart::Moved, OmittedPart::OtherBase] {
        breaks(&[Login, Mover], with_power_cuts(without));
    }
    breaks(&[Login, Remover], rules(OmittedPart::Anew));
}

/// Some millions of worlds, in an optimized program within some minutes: `make races`.
#[cfg(feature = "whole-sweeps")]
mod whole {
    use super::*;

    #[test]
    fn no_order_of_steps_stops_and_kills_breaks_it() {
        holds(&[Login; 3], rules(OmittedPart::Nothing));
        for other in [Mover, Remover, Rebuilder] {
            holds(&[Login, Login, other], rules(OmittedPart::Nothing));
        }
    }

    #[test]
    fn a_rename_that_is_given_again_completes_it() {
        holds(&[Login, Mover, Mover], rules(OmittedPart::Nothing));
    }

    #[test]
    fn each_part_of_the_design_is_needed() {
        for without in [
            OmittedPart::Provisional,
            OmittedPart::Order,
            OmittedPart::Exclusion,
            OmittedPart::Gaps,
        ] {
            breaks(&[Login; 3], rules(without));
        }
        breaks(&[Login, Login, Rebuilder], rules(OmittedPart::Note));
    }
}
