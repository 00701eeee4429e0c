//! What every subcommand needs: the terminal, the files, and the accounts.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use pam_twofactor::policy::Policy;
use pam_twofactor::record::Record;
use pam_twofactor::store::{Disagreement, Initialized, LoadedPolicy, PolicyFile, Store, mark};
use pam_twofactor::sys::accounts::{self, Account};

use crate::args::Global;
use crate::error::Failure;
use crate::output::Format;
use crate::terminal::{Confirm, Dialogue, Terminal};

/// What every subcommand needs.
pub struct Context {
    /// The person's side.
    pub terminal: Terminal,
    /// How reports are written.
    pub format: Format,
    /// Where the policy is.
    pub policy: PolicyFile,
    state: PathBuf,
}

impl Context {
    /// Takes the global options.
    pub fn new(global: &Global) -> Self {
        let (format, dialogue) = match global.json {
            true => (Format::Json, Dialogue::Stderr),
            false => (Format::Text, Dialogue::Stdout),
        };
        let confirm = if global.yes {
            Confirm::Yes
        } else {
            Confirm::Ask
        };
        Self {
            terminal: Terminal::new(dialogue, confirm),
            format,
            policy: PolicyFile::new(&global.policy),
            state: global.state.clone(),
        }
    }

    /// The state directory, which has to exist: only `twofactor init` makes it.
    pub fn existing_store(&self) -> Result<Store, Failure> {
        self.store()?
            .ok_or_else(|| self.without_store("is missing or not complete"))
    }

    /// Makes and marks the state directory.
    pub fn initialize(&self, disagreement: Disagreement) -> Result<(Store, Initialized), Failure> {
        Ok(Store::initialize(
            &self.state,
            self.policy_path(),
            disagreement,
        )?)
    }

    /// The state directory; `None` only on a machine on which there never was one.
    pub fn store(&self) -> Result<Option<Store>, Failure> {
        match Store::open(&self.state, self.policy_path()) {
            Err(error)
                if error.is_missing() && !mark::is_noted(&self.state, self.policy_path())? =>
            {
                Ok(None)
            }
            other => Ok(Some(other?)),
        }
    }

    /// Why logins are refused although the policy is valid: it is on, and there is no state directory.
    pub fn missing_store(&self, policy: &Policy) -> Result<Option<Failure>, Failure> {
        let missing = policy.enabled && self.store()?.is_none();
        Ok(missing.then(|| self.without_store("is missing or not complete, so logins are refused")))
    }

    fn without_store(&self, what: &str) -> Failure {
        Failure::invalid(format!("{}: {what}", self.state.display()))
            .next("To make it: twofactor init")
    }

    /// The policy; its defaults, switched off, when there is no file yet.
    pub fn policy_or_default(&self) -> Result<Policy, Failure> {
        match self.policy.load() {
            Err(error) if error.is_missing() => Ok(Policy::default()),
            other => Ok(other?.policy),
        }
    }

    /// The policy, which has to exist.
    pub fn existing_policy(&self) -> Result<LoadedPolicy, Failure> {
        match self.policy.load() {
            Err(error) if error.is_missing() => {
                let path = self.policy_path().display();
                Err(Failure::refused(format!("there is no policy: {path}"))
                    .next("To make one, switched off: twofactor policy set enabled false"))
            }
            other => Ok(other?),
        }
    }

    /// The account with that login name, with the name under which its record is kept: that of an alias or of a renamed
    /// user may be another one.
    pub fn holder(&self, store: &Store, user: &str) -> Result<Account, Failure> {
        let account = self.account(user)?;
        let holder = store
            .holder(&account)
            .map_err(|error| for_user(error, &account.name))?;
        Ok(holder.account)
    }

    /// The account with that login name.
    pub fn account(&self, user: &str) -> Result<Account, Failure> {
        accounts::by_name(user)?.ok_or_else(|| {
            Failure::refused(format!("there is no user {}", crate::text::plain(user)))
                .next("To list the users: getent passwd")
        })
    }

    /// Account, files and record of somebody who has a device.
    pub fn enrolled(&self, user: &str) -> Result<(Account, Store, Record), Failure> {
        let account = self.account(user)?;
        let Some(store) = self.store()? else {
            return Err(not_enrolled(&account.name));
        };
        let holder = store
            .holder(&account)
            .map_err(|error| for_user(error, &account.name))?;
        match holder.record {
            Some(record) if record.is_enrolled() => Ok((holder.account, store, record)),
            _ => Err(not_enrolled(&account.name)),
        }
    }

    /// Account and files of somebody about whom something is kept: a device, or an invitation.
    pub fn recorded(&self, user: &str) -> Result<(Account, Store), Failure> {
        let account = self.account(user)?;
        let store = self.store()?.ok_or_else(|| not_enrolled(&account.name))?;
        let holder = store
            .holder(&account)
            .map_err(|error| for_user(error, &account.name))?;
        match holder.record {
            Some(_) => Ok((holder.account, store)),
            None => Err(not_enrolled(&account.name)),
        }
    }

    /// Where records and states are.
    pub fn state_path(&self) -> &Path {
        &self.state
    }

    /// Where the policy is.
    pub fn policy_path(&self) -> &Path {
        self.policy.path()
    }
}

/// Somebody has no device.
pub fn not_enrolled(user: &str) -> Failure {
    Failure::refused(format!("{user} has no device"))
        .next(format!("To enrol one: twofactor enroll {user}"))
}

/// An error with the user's name in the step that mends it.
pub fn for_user(error: impl Into<Failure>, user: &str) -> Failure {
    let mut failure = error.into();
    failure.next = failure.next.map(|step| step.replace("USER", user));
    failure
}
