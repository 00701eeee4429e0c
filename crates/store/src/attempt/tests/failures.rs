//! The text that an administrator reads about a login that could not be judged: the cause, and what to do.

use std::error::Error as _;
use std::path::Path;

use super::*;

fn failure(cause: FileFault) -> AttemptFailure {
    AttemptFailure::Store(error_at(Path::new("/x"), cause))
}

#[test]
fn each_failure_with_a_fix_names_it() {
    let hint = |failure: AttemptFailure| failure.hint();
    assert_eq!(
        hint(AttemptFailure::Vanished(1000)),
        Some(
            "if that user is gone: twofactor unset USER; if not, the user database does not answer"
        )
    );
    let invalid = twofactor_core::policy::parse("").unwrap_err();
    assert_eq!(
        hint(failure(FileFault::Policy(invalid))),
        Some("twofactor policy check shows the error")
    );
    assert_eq!(
        hint(failure(FileFault::OtherUser("bob".into()))),
        Some(
            "twofactor adopt USER gives it to this user, twofactor unset USER removes what a former user left"
        )
    );
    assert_eq!(
        hint(failure(FileFault::MissingState)),
        Some("twofactor unlock USER makes a new state")
    );
    assert_eq!(hint(AttemptFailure::Clock(BeforeEpoch)), None);
}

#[test]
fn the_cause_can_be_followed_to_its_origin() {
    let clock = AttemptFailure::Clock(BeforeEpoch);
    assert_eq!(
        clock.source().map(ToString::to_string),
        Some(BeforeEpoch.to_string())
    );
    assert_eq!(clock.to_string(), BeforeEpoch.to_string());
    let store = failure(FileFault::MissingState);
    assert_eq!(
        store.source().map(ToString::to_string),
        Some(store.to_string())
    );
    assert!(AttemptFailure::Vanished(1000).source().is_none());
}
