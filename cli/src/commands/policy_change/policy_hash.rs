//! `--dry-run` and `--if-policy`: a change that is looked at first, and made only of the policy that was looked at.

use twofactor_core::policy::hex_digest;

use crate::args::PreviewOptions;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;

use super::current_text;

/// Stands for the hash where there is no file.
const NO_FILE: &str = "none";

/// The hash of a policy's text, as `--if-policy` takes it.
pub fn hash_of(text: Option<&str>) -> String {
    text.map_or_else(|| NO_FILE.to_owned(), hex_digest)
}

/// The hash of the policy in use; `None` where its file cannot be read.
pub fn current_hash(context: &CommandContext) -> Option<String> {
    let text = current_text(context).ok()?;
    Some(hash_of(text.as_deref()))
}

/// Refuses where the policy is another one than the caller has looked at.
///
/// # Errors
/// A refusal that says so.
pub fn check(options: &PreviewOptions, current: Option<&str>) -> Result<(), CommandFailure> {
    let other = "the policy is not the one that was named, so nothing was changed";
    check_hash(options.if_policy.as_deref(), current, other)
}

/// Refuses where a hash was named and is not the current one. `other` says so.
///
/// # Errors
/// That refusal.
pub fn check_hash(
    named: Option<&str>,
    current: Option<&str>,
    other: &str,
) -> Result<(), CommandFailure> {
    match named {
        Some(named) if current.is_none_or(|now| !now.eq_ignore_ascii_case(named)) => {
            Err(CommandFailure::refused(other)
                .of_kind(FailureKind::ChangedMeanwhile)
                .next("Look at it again: --dry-run"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_policy_that_was_named_is_taken() {
        let named = |hash: &str| PreviewOptions {
            dry_run: false,
            if_policy: Some(hash.to_owned()),
        };
        let (text, none) = (hash_of(Some("enabled = true\n")), hash_of(None));
        for (options, current, taken) in [
            (named(&text), Some(text.as_str()), true),
            (named(&text.to_uppercase()), Some(&text), true),
            (named(&text), Some(&none), false),
            (named(&none), Some(&text), false),
            (named(&none), Some(&none), true),
            (named(""), Some(&text), false),
            (named(text.get(..8).unwrap()), Some(&text), false),
            (named(&text), None, false),
            (PreviewOptions::default(), None, true),
        ] {
            assert_eq!(check(&options, current).is_ok(), taken, "{options:?}");
        }
    }
}
