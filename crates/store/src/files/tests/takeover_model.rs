//! An exhaustive model of `generations.rs`, `relocate.rs` and `LockedFactor::remove`: some processes that each judge one attempt
//! with the same code, or change the files, each of which may stop for ever, or be killed, between any two system calls;
//! and power cuts, after which any part of what was not flushed is lost.
//!
//! Held: one code succeeds once at most; an attempt whose outcome was told is counted for good, in the file that a login
//! finds; there always is such a file; no code is judged after its device was removed; a process alone comes to an end,
//! whatever the others were stopped in, and one that begins to log in learns about its code; a removal that comes to its end
//! leaves no device that counts and has no record. And each part of the design is
//! needed: without it the model finds what breaks.
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
use world::{SearchRules, Without};

const fn rules(without: Without) -> SearchRules {
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

const fn with_power_cuts(without: Without) -> SearchRules {
    SearchRules {
        power_cuts: true,
        ..rules(without)
    }
}

#[test]
fn two_processes_and_power_cuts_do_not_break_it() {
    for other in [Login, Mover, Remover, Rebuilder] {
        holds(&[Login, other], with_power_cuts(Without::Nothing));
    }
    holds(&[Mover; 2], with_power_cuts(Without::Nothing));
}

#[test]
fn without_these_parts_two_processes_break_it() {
    for without in [Without::Copy, Without::LastLook, Without::Flush] {
        breaks(&[Login; 2], with_power_cuts(without));
    }
    for without in [Without::Moved, Without::OtherBase] {
        breaks(&[Login, Mover], with_power_cuts(without));
    }
    breaks(&[Login, Remover], rules(Without::Anew));
}

/// Some millions of worlds, in an optimized program within some minutes: `make races`.
#[cfg(feature = "whole-sweeps")]
mod whole {
    use super::*;

    #[test]
    fn no_order_of_steps_stops_and_kills_breaks_it() {
        holds(&[Login; 3], rules(Without::Nothing));
        for other in [Mover, Remover, Rebuilder] {
            holds(&[Login, Login, other], rules(Without::Nothing));
        }
    }

    #[test]
    fn a_rename_that_is_given_again_completes_it() {
        holds(&[Login, Mover, Mover], rules(Without::Nothing));
    }

    #[test]
    fn each_part_of_the_design_is_needed() {
        for without in [
            Without::Provisional,
            Without::Order,
            Without::Exclusion,
            Without::Gaps,
        ] {
            breaks(&[Login; 3], rules(without));
        }
        breaks(&[Login, Login, Rebuilder], rules(Without::Note));
    }
}
