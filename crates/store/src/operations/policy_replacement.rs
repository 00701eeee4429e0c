//! Another text in the place of the policy that was shown.

use twofactor_core::log::policy_event::PolicyEvent;
use twofactor_core::policy::DEFAULT_POLICY;

use crate::files::{
    FactorStore, FileFault, LockWait, OtherWriters, PolicyFile, StoreError, UnusablePolicy,
};

/// Log of changes of the policy.
pub trait PolicyAudit {
    /// Reports a setting that is on the disk. A log that cannot be reached must neither delay nor fail a change.
    fn policy_changed(&self, event: &PolicyEvent<'_>);
}

/// The policy file, where its changes are reported, and the state directory, whose lock keeps other writers out. Without one nothing
/// waits, so that a broken state directory keeps no administrator from switching off.
#[derive(Clone, Copy)]
pub struct PolicyPlace<'a> {
    /// The file.
    pub file: &'a PolicyFile,
    /// The state directory.
    pub store: Option<&'a FactorStore>,
    /// The log that gets one event for each setting.
    pub audit: &'a dyn PolicyAudit,
}

/// A text for the policy.
#[derive(Debug, Clone, Copy)]
pub struct PolicyReplacement<'a> {
    /// The text that was shown; `None` where there was no file.
    pub shown: Option<&'a str>,
    /// The new one, which is another one.
    pub text: &'a str,
    /// The settings in which they differ, as they were announced.
    pub settings: &'a [PolicyEvent<'a>],
    /// The wait for other writers.
    pub wait: LockWait,
}

/// Reason why the policy was not changed. `E` is the caller's.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyRefusal<E> {
    /// The policy is another one than was shown.
    Changed,
    /// The policy cannot be read or written, or the new text is no valid one.
    Failed(StoreError),
    /// The caller refuses.
    Denied(E),
}

impl<E> From<StoreError> for PolicyRefusal<E> {
    fn from(error: StoreError) -> Self {
        if error.cause == FileFault::Changed {
            return Self::Changed;
        }
        Self::Failed(error)
    }
}

/// Replaces the policy that was shown. `permit` is asked under the lock, if that was had, with that policy still in place.
///
/// # Errors
/// [`PolicyRefusal`]. The file is as it was then, unless the very last flush failed.
pub fn replace_policy<E>(
    place: PolicyPlace<'_>,
    change: &PolicyReplacement<'_>,
    permit: impl FnOnce() -> Result<(), E>,
) -> Result<OtherWriters, PolicyRefusal<E>> {
    let done = place.file.edit((place.store, change.wait), |now| {
        if now != change.shown {
            return Err(PolicyRefusal::Changed);
        }
        permit().map_err(PolicyRefusal::Denied)?;
        Ok(change.text.to_owned())
    });
    report(place, change.text, change.settings, &done);
    done
}

/// Puts the default policy, which asks no user, in the place of one that cannot be used, and keeps that one beside it.
///
/// # Errors
/// [`PolicyRefusal`]. The file is as it was then, unless the very last flush failed.
pub fn replace_unusable_policy(
    place: PolicyPlace<'_>,
    shown: &UnusablePolicy,
) -> Result<(), PolicyRefusal<std::convert::Infallible>> {
    let done = place
        .file
        .replace_unusable(place.store, shown, DEFAULT_POLICY)
        .map_err(PolicyRefusal::from);
    let event = PolicyEvent {
        replaces_invalid: true,
        ..PolicyEvent::of("enabled", "false")
    };
    report(place, DEFAULT_POLICY, &[event], &done);
    done
}

/// Reports a change that was made, also where something has failed after the new text was in place.
fn report<T, E>(
    place: PolicyPlace<'_>,
    text: &str,
    settings: &[PolicyEvent<'_>],
    done: &Result<T, PolicyRefusal<E>>,
) {
    let is_made = match done {
        Ok(_) => true,
        Err(PolicyRefusal::Failed(_)) => place.file.text().is_ok_and(|now| now == text),
        Err(PolicyRefusal::Changed | PolicyRefusal::Denied(_)) => false,
    };
    if is_made {
        for event in settings {
            place.audit.policy_changed(event);
        }
    }
}
