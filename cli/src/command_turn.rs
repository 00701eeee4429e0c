//! The turn of a command among others that remove devices or change the policy: the wait for it, and the refusal without it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use twofactor_store::FactorStore;
use twofactor_store::files::{LockWait, OTHER_COMMANDS, StoreError};

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::lock_holder::LockHolder;
use crate::output::OutputFormat;
use crate::output_stream::OutputStream;

/// A wait that is no longer is not told.
const SILENCE: Duration = Duration::from_secs(1);

/// Takes the lock of the state directory. `None` when another process has held it for [`OTHER_COMMANDS`].
///
/// # Errors
/// [`StoreError`] when the directory cannot be opened.
pub fn wait(context: &CommandContext, store: &FactorStore) -> Result<Option<OwnedFd>, StoreError> {
    if let Some(lock) = store.lock_whole(SILENCE)? {
        return Ok(Some(lock));
    }
    tell(context, store);
    store.lock_whole(OTHER_COMMANDS.saturating_sub(SILENCE))
}

/// Tells of the holder of the lock where a change of the policy, which waits for it, would wait without a word.
pub fn announce(context: &CommandContext, store: Option<&FactorStore>, wait: LockWait) {
    let is_told = context.format == OutputFormat::Text && matches!(wait, LockWait::Required(_));
    // What keeps it from being opened is told by the change.
    if let Some(store) = store.filter(|_| is_told)
        && matches!(store.lock_whole(SILENCE), Ok(None))
    {
        tell(context, store);
    }
}

fn tell(context: &CommandContext, store: &FactorStore) {
    if context.format != OutputFormat::Text {
        return;
    }
    let holder = named(LockHolder::of(store.whole_holder()).as_ref());
    let seconds = OTHER_COMMANDS.as_secs();
    let line = format!("Waiting for {holder}, at most {seconds} seconds ...\n");
    // It is only a courtesy: what cannot be shown stops nothing.
    let _ = OutputStream::Stderr.prose(&line);
}

/// The failure of a change whose turn did not come. `undone` says so of the change, `all_the_same` is the step that makes it without the lock.
pub fn missed(holder: Option<u32>, undone: &str, all_the_same: &str) -> CommandFailure {
    let holder = LockHolder::of(holder);
    let who = named(holder.as_ref());
    let look = holder.map_or_else(String::new, |holder| format!(" {}", holder.look()));
    CommandFailure::system(format!(
        "{who} is changing the policy or devices, so {undone}"
    ))
    .of_kind(FailureKind::Busy)
    .next(format!("Try again.{look}\n{all_the_same}"))
}

fn named(holder: Option<&LockHolder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), LockHolder::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_is_seen_is_named() {
        let own = std::process::id();
        let failure = missed(Some(own), "nothing was removed", "Then: x");
        let (who, rest) = failure.what.split_once(") ").unwrap();
        assert!(who.starts_with(&format!("process {own} (")), "{who}");
        assert_eq!(
            rest,
            "is changing the policy or devices, so nothing was removed"
        );
        let next = format!("Try again. To see that process: ps -fp {own}\nThen: x");
        assert_eq!(failure.next, Some(next));
    }

    #[test]
    fn a_holder_that_is_not_seen_is_another_process() {
        // No process has a number that high (PID_MAX_LIMIT of Linux).
        for pid in [None, Some(u32::MAX)] {
            let failure = missed(pid, "nothing was removed", "Then: x");
            let text = "another process is changing the policy or devices, so nothing was removed";
            assert_eq!(failure.what, text);
            assert_eq!(failure.next.as_deref(), Some("Try again.\nThen: x"));
        }
    }
}
