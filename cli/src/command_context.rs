//! The things that every subcommand needs: the terminal, the files, and the accounts.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twofactor_core::policy::{Policy, PolicyTime};
use twofactor_core::record::UserRecord;

use twofactor_core::account::Account;
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_fleet::host_files::host_settings;
use twofactor_store::sys::{accounts, clock};
use twofactor_store::{
    FactorSnapshot, FactorStore, FoundBy, LoadedPolicy, MarkDisagreement, MarkResult, PolicyFile,
    RecordHolder, StoreError, directory_mark,
};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::GlobalOptions;
use crate::command_failure::{CommandFailure, for_user};
use crate::failure_kind::FailureKind;
use crate::formatting::plain;
use crate::invoking_user;
use crate::output::{CommandReport, OutputFormat};
use crate::output_stream::OutputStream;
use crate::suggested_command;
use crate::terminal::{ConfirmMode, Terminal};

/// The things that every subcommand needs.
pub struct CommandContext {
    /// The person's side.
    pub terminal: Terminal,
    /// Format in which reports are written.
    pub format: OutputFormat,
    /// The policy file.
    pub policy: PolicyFile,
    state: PathBuf,
    /// The name of the account, where its record is kept under another one.
    alias: OnceCell<String>,
}

impl CommandContext {
    /// Takes the global options.
    pub fn new(global: &GlobalOptions) -> Self {
        let (format, outlet) = if global.json {
            (OutputFormat::Json, OutputStream::Stderr)
        } else {
            (OutputFormat::Text, OutputStream::Stdout)
        };
        let confirm = if global.yes {
            ConfirmMode::Yes
        } else {
            ConfirmMode::Ask
        };
        Self {
            terminal: Terminal::new(outlet, confirm),
            format,
            policy: PolicyFile::new(&global.policy),
            state: global.state.clone(),
            alias: OnceCell::new(),
        }
    }

    /// The state directory, which has to exist: only `twofactor init` makes it.
    ///
    /// # Errors
    /// A refusal without a state directory, or with one that cannot be used.
    pub fn existing_store(&self) -> Result<FactorStore, CommandFailure> {
        self.store()?
            .ok_or_else(|| self.without_store("is missing or not complete"))
    }

    /// Makes and marks the state directory.
    ///
    /// # Errors
    /// The directory cannot be made, or has the mark of another one.
    pub fn initialize(
        &self,
        disagreement: MarkDisagreement,
    ) -> Result<(FactorStore, MarkResult), CommandFailure> {
        FactorStore::initialize(&self.state, self.policy_path(), disagreement).map_err(|error| {
            if error.is_missing() && disagreement == MarkDisagreement::Refuse {
                return vanished(&error);
            }
            error.into()
        })
    }

    /// The state directory; `None` only on a machine on which there never was one.
    ///
    /// # Errors
    /// A state directory that cannot be used, or that is missing and should be there.
    pub fn store(&self) -> Result<Option<FactorStore>, CommandFailure> {
        match FactorStore::open(&self.state, self.policy_path()) {
            Err(error) if error.is_missing() => {
                if directory_mark::is_noted(&self.state, self.policy_path())? {
                    return Err(vanished(&error));
                }
                Ok(None)
            }
            other => Ok(Some(self.in_fleet(other?))),
        }
    }

    /// The store whose changes are made in the fleet of this host first, where it is in one.
    fn in_fleet(&self, store: FactorStore) -> FactorStore {
        let settings = host_settings::beside(self.policy_path());
        store.with_fleet(Arc::new(FleetChanges::new(&settings, &self.state)))
    }

    /// This store with changes that count on this host alone, while it is cut off from its fleet.
    ///
    /// # Errors
    /// A refusal on a host that is in no fleet.
    pub fn on_this_host(&self, store: FactorStore) -> Result<FactorStore, CommandFailure> {
        if !store.is_in_fleet()? {
            let text = "this host is in no fleet, so that --this-host says nothing";
            return Err(CommandFailure::refused(text).of_kind(FailureKind::Fleet));
        }
        let settings = host_settings::beside(self.policy_path());
        let fleet = FleetChanges::on_this_host(&settings, &self.state);
        Ok(store.with_fleet(Arc::new(fleet)))
    }

    /// The reason why logins are refused although the policy is valid: it is on, and there is no state directory.
    ///
    /// # Errors
    /// A policy or state directory that cannot be looked at.
    pub fn missing_store(&self, policy: &Policy) -> Result<Option<CommandFailure>, CommandFailure> {
        let missing = policy.enabled && self.store()?.is_none();
        Ok(
            missing
                .then(|| self.without_store("is missing or not complete, so logins are refused")),
        )
    }

    fn without_store(&self, what: &str) -> CommandFailure {
        CommandFailure::invalid(format!("{}: {what}", self.state.display()))
            .of_kind(FailureKind::NoStore)
            .next("To make it: twofactor init")
    }

    /// The clock, beside the time of the policy file: by both logins tell which `[[require]]` is in force.
    pub fn policy_time(&self) -> PolicyTime {
        let now = clock::now();
        match self.policy.load() {
            Ok(loaded) => loaded.time(now),
            Err(_) => PolicyTime {
                now: now.ok(),
                changed: 0,
            },
        }
    }

    /// The policy; its defaults, switched off, when there is no file yet.
    ///
    /// # Errors
    /// A policy that cannot be read, or is invalid.
    pub fn policy_or_default(&self) -> Result<Policy, CommandFailure> {
        let loaded = self.policy.load_if_present()?;
        Ok(loaded.map_or_else(Policy::default, |loaded| loaded.policy))
    }

    /// The policy, which has to exist.
    ///
    /// # Errors
    /// A policy that is missing, cannot be read, or is invalid.
    pub fn existing_policy(&self) -> Result<LoadedPolicy, CommandFailure> {
        self.policy.load_if_present()?.ok_or_else(|| {
            let path = self.policy_path().display();
            CommandFailure::refused(format!("there is no policy: {path}"))
                .of_kind(FailureKind::NoPolicy)
                .next("To make one, switched off: twofactor policy set enabled false")
        })
    }

    /// The record of an account: that of an alias or of a renamed user may be kept under another name, which is said.
    ///
    /// # Errors
    /// Files of the user that cannot be used.
    pub fn holder_of(
        &self,
        store: &FactorStore,
        account: &Account,
    ) -> Result<RecordHolder, CommandFailure> {
        self.noted(account, store.holder(account))
    }

    /// [`CommandContext::holder_of`] for a change that also helps where logins are refused for another record of the uid.
    ///
    /// # Errors
    /// Files of the user that cannot be used.
    pub fn holder_for_change(
        &self,
        store: &FactorStore,
        account: &Account,
    ) -> Result<RecordHolder, CommandFailure> {
        self.noted(account, store.holder_for_change(account))
    }

    fn noted(
        &self,
        account: &Account,
        found: Result<RecordHolder, StoreError>,
    ) -> Result<RecordHolder, CommandFailure> {
        let holder = found.map_err(|error| for_user(error, &account.name))?;
        if holder.found_by == FoundBy::Uid {
            self.note_alias(&account.name, &holder.account);
        }
        Ok(holder)
    }

    /// Says once that a name stands for a record under another one. On standard error, since a key that is shown stands
    /// alone on standard output.
    pub fn note_alias(&self, given: &str, kept: &Account) {
        if self.alias.set(given.to_owned()).is_ok() && self.format != OutputFormat::Dialogue {
            // The report holds it, too.
            let _ = OutputStream::Stderr.prose(&format!(
                "{} has the user id of {} ({}), whose record counts.\n",
                plain(given),
                plain(&kept.name),
                kept.uid
            ));
        }
    }

    /// Writes a report; as JSON with the name that was given, where the record is kept under another one.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn write(&self, report: &impl CommandReport) -> Result<(), CommandFailure> {
        match self.alias.get() {
            Some(alias) => self.format.write(&AliasedReport { report, alias }),
            None => self.format.write(report),
        }
    }

    /// The name under which what is kept about a user is shown, also where it cannot be used.
    ///
    /// # Errors
    /// A user database that does not answer.
    pub fn shown_name(&self, store: &FactorStore, user: &str) -> Result<String, CommandFailure> {
        let account = self.account(user)?;
        Ok(self
            .holder_of(store, &account)
            .map_or(account.name, |holder| holder.account.name))
    }

    /// The login name that was given; without one the caller's, which is said on standard error.
    ///
    /// # Errors
    /// A caller without a login name.
    pub fn user_or_caller(&self, given: Option<&str>) -> Result<String, CommandFailure> {
        if let Some(user) = given {
            return Ok(user.to_owned());
        }
        let (account, how) = invoking_user::account()?;
        if self.format != OutputFormat::Dialogue {
            OutputStream::Stderr.prose(&invoking_user::sentence(&account, how))?;
        }
        Ok(account.name)
    }

    /// The account with that login name.
    ///
    /// # Errors
    /// No account of that name, or a user database that does not answer.
    pub fn account(&self, user: &str) -> Result<Account, CommandFailure> {
        accounts::by_name(user)?.ok_or_else(|| {
            CommandFailure::refused(format!(
                "there is no user {}",
                crate::formatting::plain(user)
            ))
            .of_kind(FailureKind::UnknownUser)
            .next("To list the users: getent passwd")
        })
    }

    /// Account, files and record of a user who has a device.
    ///
    /// # Errors
    /// No account of that name, no device, or files that cannot be used.
    pub fn enrolled(
        &self,
        user: &str,
    ) -> Result<(Account, FactorStore, UserRecord), CommandFailure> {
        let (holder, store) = self.found(user)?;
        match holder.record {
            Some(record) if record.is_enrolled() => Ok((holder.account, store, record)),
            _ => Err(not_enrolled(&holder.account.name)),
        }
    }

    /// Record and state of a user with a device, read without a lock: for displays.
    ///
    /// # Errors
    /// No device, or files that cannot be used.
    pub fn snapshot(&self, user: &str) -> Result<FactorSnapshot, CommandFailure> {
        let (holder, store) = self.found(user)?;
        let name = &holder.account.name;
        let snapshot = store.snapshot(&holder.account);
        match snapshot.map_err(|error| for_user(error, name))? {
            Some(snapshot) if snapshot.record.is_enrolled() => Ok(snapshot),
            _ => Err(not_enrolled(name)),
        }
    }

    /// Account and files of a user about which something is kept: a device, or an invitation.
    ///
    /// # Errors
    /// No account of that name, nothing that is kept about it, or files that cannot be used.
    pub fn recorded(&self, user: &str) -> Result<(Account, FactorStore), CommandFailure> {
        let (holder, store) = self.found(user)?;
        match holder.record {
            Some(_) => Ok((holder.account, store)),
            None => Err(not_enrolled(&holder.account.name)),
        }
    }

    fn found(&self, user: &str) -> Result<(RecordHolder, FactorStore), CommandFailure> {
        let account = self.account(user)?;
        let store = self.store()?.ok_or_else(|| not_enrolled(&account.name))?;
        Ok((self.holder_of(&store, &account)?, store))
    }

    /// Directory of records and states.
    pub fn state_path(&self) -> &Path {
        &self.state
    }

    /// Path of the policy.
    pub fn policy_path(&self) -> &Path {
        self.policy.path()
    }
}

/// The directory was in use, and is not there.
fn vanished(error: &twofactor_store::StoreError) -> CommandFailure {
    CommandFailure::invalid(format!("{}: is missing, and was in use", error.path.display())).of_kind(FailureKind::NoStore).next(
        "Mount or restore it. To begin with an empty one, in which no user has a device: twofactor init --force",
    )
}

/// A report about a user who was named by an alias.
#[derive(Serialize)]
struct AliasedReport<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    /// The name that was given; `user` is the one under which the record is kept.
    alias: &'a str,
}

impl<R: CommandReport> CommandReport for AliasedReport<'_, R> {
    fn text(&self) -> Zeroizing<String> {
        self.report.text()
    }
}

/// A user has no device.
pub fn not_enrolled(user: &str) -> CommandFailure {
    CommandFailure::refused(format!("{user} has no device"))
        .of_kind(FailureKind::NotEnrolled)
        .next(format!(
            "To enroll one: {}",
            suggested_command::twofactor("enroll", &[user], &[])
        ))
}
