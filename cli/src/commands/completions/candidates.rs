//! The names that may complete a word: users, devices, services and settings of this machine. Nothing secret, no question,
//! no error: what cannot be read is not offered.

use std::path::PathBuf;

use twofactor_core::{POLICY_FILE, STATE_DIR};

use super::request::{CompletionRequest, WantedValue};
use crate::args::GlobalOptions;
use crate::command_context::CommandContext;
use crate::commands::policy::policy_report;
use crate::doctor::{installed_system, is_service};
use crate::escaping::is_hostile;
use crate::invoking_user;
use crate::roster::RosterNames;

/// The most candidates that are offered.
const LIMIT: usize = 1000;

/// The whole words that are possible, sorted, each with what it means. Of very many, some from the first to the last, so that
/// what they have in common is what all have in common.
pub fn candidates(request: &CompletionRequest) -> Vec<(String, String)> {
    let found = match &request.value {
        WantedValue::Words(words) => return begun(request, words.clone()),
        WantedValue::User => users(request),
        WantedValue::Device(user) => devices(request, user.as_deref()).unwrap_or_default(),
        WantedValue::Service => services(),
        WantedValue::Key => keys(&request.begun),
        WantedValue::File | WantedValue::Directory | WantedValue::Text => Vec::new(),
    };
    // A name that looks like an option would be one.
    let safe = |name: &String| !name.contains(is_hostile) && !name.starts_with('-');
    let mut names: Vec<String> = found.into_iter().filter(safe).collect();
    names.retain(|name| name.starts_with(&request.begun));
    names.sort_unstable();
    names.dedup();
    let named = sample(names).into_iter().map(|name| (name, String::new()));
    begun(request, named.collect())
}

/// The candidates that begin with the typed text, with the option before it in the same word.
fn begun(request: &CompletionRequest, words: Vec<(String, String)>) -> Vec<(String, String)> {
    let words = words
        .into_iter()
        .filter(|(word, _)| word.starts_with(&request.begun));
    words
        .map(|(word, help)| (format!("{}{word}", request.option), help))
        .collect()
}

/// At most [`LIMIT`] of sorted names, the first and the last among them.
fn sample(names: Vec<String>) -> Vec<String> {
    let step = names.len().div_ceil(LIMIT - 1).max(1);
    let last = names.last().cloned();
    let mut some: Vec<String> = names.into_iter().step_by(step).collect();
    if some.last() != last.as_ref() {
        some.extend(last);
    }
    some
}

fn context(request: &CompletionRequest) -> CommandContext {
    let path = |given: &Option<String>, default| PathBuf::from(given.as_deref().unwrap_or(default));
    CommandContext::new(&GlobalOptions {
        policy: path(&request.policy, POLICY_FILE),
        state: path(&request.state, STATE_DIR),
        json: false,
        yes: true,
    })
}

/// The local users, and for root all users with a record or a state.
fn users(request: &CompletionRequest) -> Vec<String> {
    let store = context(request).store().ok().flatten();
    let names = RosterNames::readable(store.as_ref(), |_| {});
    names.all().into_iter().collect()
}

/// The names of a user's devices, which only root can read.
fn devices(request: &CompletionRequest, user: Option<&str>) -> Option<Vec<String>> {
    let context = context(request);
    let account = match user {
        Some(user) => context.account(user).ok()?,
        None => invoking_user::account().ok()?.0,
    };
    let record = context.store().ok()??.holder(&account).ok()?.record?;
    let names = record.devices.iter().map(|device| device.name.to_string());
    Some(names.collect())
}

fn services() -> Vec<String> {
    let directories = installed_system::service_directories()
        .into_iter()
        .filter_map(|path| std::fs::read_dir(path).ok());
    let entries = directories.flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_service(name)).collect()
}

/// The settings; those of services once their table is named.
fn keys(begun: &str) -> Vec<String> {
    let mut keys = policy_report::keys();
    if begun.starts_with("services.") {
        keys.extend(
            services()
                .into_iter()
                .map(|name| format!("services.{name}")),
        );
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_both_ends_and_its_limit() {
        for count in [0, 1, 2, 999, 1000, 1001, 1999, 100_000] {
            let names: Vec<String> = (0..count).map(|number| format!("u{number:06}")).collect();
            let some = sample(names.clone());
            assert!(some.len() <= LIMIT, "{count}");
            assert_eq!(some.first(), names.first());
            assert_eq!(some.last(), names.last());
            assert!(count > 999 || some == names, "{count}");
        }
    }
}
