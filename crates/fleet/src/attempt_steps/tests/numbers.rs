//! Attempts while their host writes its number.

use std::cell::RefCell;

use super::*;
use crate::attempt_steps::shared_attempt::StandingSource;

/// A host that writes numbers.
struct WritingHost(RefCell<FleetStanding>);

impl StandingSource for WritingHost {
    fn standing(&self) -> FleetStanding {
        self.0.borrow().clone()
    }
}

fn right_code<'a>(key: &'a FleetKey, host: &'a WritingHost) -> FleetAttempt<'a, OnceJudge> {
    let id = AttemptId::random().unwrap();
    let places = (place(), super::host());
    FleetAttempt::new(id, key, places, host, OnceJudge { is_right: true })
}

#[test]
fn a_number_on_its_way_is_the_hosts() {
    let (key, old, new) = (key(), standing(1, 1), standing(1, 2));
    let host = WritingHost(RefCell::new(FleetStanding {
        coming: Some(new.beat),
        ..old.clone()
    }));
    for number in [&old, &new] {
        write_of(right_code(&key, &host).after_read(fresh_store(number)));
    }
    let went_back = fresh_store(&standing(1, 0));
    assert_eq!(
        right_code(&key, &host).after_read(went_back),
        AttemptStep::Outage(OutageReason::WentBack)
    );
}

#[test]
fn what_was_read_before_a_number_is_read_again() {
    let (key, old, new) = (key(), standing(1, 1), standing(1, 2));
    let host = WritingHost(RefCell::new(old.clone()));
    let mut one = right_code(&key, &host);
    host.0.replace(new.clone());
    assert_eq!(one.after_read(fresh_store(&old)), AttemptStep::Read);
    write_of(one.after_read(fresh_store(&new)));
    // With no number in between it is a store that went back.
    assert_eq!(
        one.after_read(fresh_store(&old)),
        AttemptStep::Outage(OutageReason::WentBack)
    );
}

/// A write whose end is unknown keeps its id over a number that comes in between.
#[test]
fn an_unknown_end_is_read_over_a_new_number() {
    let (key, old, new) = (key(), standing(1, 1), standing(1, 2));
    let host = WritingHost(RefCell::new(old.clone()));
    let mut one = right_code(&key, &host);
    let mut view = fresh_store(&old);
    let write = write_of(one.after_read(view.clone()));
    apply(&mut view, &write);
    assert_eq!(one.after_write(WriteEnd::Unknown), AttemptStep::Read);
    host.0.replace(new.clone());
    assert_eq!(one.after_read(view.clone()), AttemptStep::Read);
    view.host = fresh_store(&new).host;
    assert_eq!(one.after_read(view), AttemptStep::Ended(CodeEnd::Accepted));
}
