//! The authentication phase: who is asked, for what, how often, and how it ends.

mod as_user;
mod code_questions;
mod daemon_verdict_source;
mod expected_session;
mod fleet_verdict_source;
mod forwarded_password;
mod login_log;
mod recovery_offer;
mod refusal_dialogue;
mod requirement;
mod unenrolled;
pub mod uniform_timing;
mod verdict_source;
pub mod wrong_password;

use std::net::IpAddr;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{
    AskedLogin, LoginRequest, PolicyDecision, decide, switched_off,
};
use twofactor_core::policy::{Policy, rhost_address};
use twofactor_core::record::UserRecord;
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::attempt::{AttemptFailure, KnownFactor, LoginAttempt};
use twofactor_store::sys::{accounts, clock, name_sources};
use twofactor_store::{FactorStore, LoadedPolicy, PolicyFile, RecordHolder};

use crate::code_log_lines;
use crate::login_service;
use crate::login_text;
use crate::module_arguments::{FirstPass, ModuleArguments, PromptLayout};
use crate::return_codes::AuthResult;
use crate::ticket_issue;
use crate::transaction::{EchoMode, LogPriority, MessageMode, NoAnswer, PamTransaction};
use as_user::FactorSource;
use fleet_verdict_source::FleetVerdictSource;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use uniform_timing::UniformTiming;

/// Runs the authentication phase. Whatever goes wrong ends in something else than
/// [`AuthResult::Verified`] and [`AuthResult::NotAsked`].
pub fn authenticate(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    messages: MessageMode,
) -> AuthResult {
    let Ok(user) = transaction.user() else {
        let line = LogLine::default().result(LoginEvent::Aborted);
        transaction.log(LogPriority::Notice, line.as_str());
        return AuthResult::NoAnswer;
    };
    // In one field a mark is made before the password is checked: that of an attempt that failed goes.
    let forgotten = match arguments.layout {
        PromptLayout::Code => forget_others(transaction, &user),
        PromptLayout::PasswordThenCode => forget_own(transaction, arguments),
    };
    if forgotten.is_err() {
        return AuthResult::NoAnswer;
    }
    forget_claims(transaction);
    let mut login = LoginContext {
        user,
        rhost: transaction.rhost().unwrap_or_default(),
        arguments,
        messages,
        uniform: false,
    };
    match login.run(transaction) {
        // The judgement is no verdict on another user, which the application or another module has put in that place
        // while a question was open.
        Ok(AuthResult::Verified | AuthResult::NotAsked)
            if transaction.user().as_ref() != Ok(&login.user) =>
        {
            transaction.log(
                LogPriority::Notice,
                login.line(LoginEvent::AnotherUser).as_str(),
            );
            forget_claims(transaction);
            match forget_own(transaction, arguments) {
                Ok(()) => AuthResult::Refused,
                Err(NoAnswer) => AuthResult::NoAnswer,
            }
        }
        Ok(ending) => ending,
        Err(AuthAbort::Failed(failure)) => {
            login.log_failed(transaction, &failure);
            login.last_word(transaction, login_text::UNUSABLE);
            AuthResult::Unavailable
        }
        Err(AuthAbort::NoAnswer) => {
            transaction.log(
                LogPriority::Notice,
                login.line(LoginEvent::Aborted).as_str(),
            );
            AuthResult::NoAnswer
        }
    }
}

/// Forgets what an earlier attempt of the transaction left for its later phases.
fn forget_claims(transaction: &mut dyn PamTransaction) {
    ticket_issue::forget(transaction);
    recovery_offer::forget(transaction);
    expected_session::forget(transaction);
}

/// An earlier attempt of this transaction may have been another user's. A mark of the same account stays: another line
/// of the module, with another policy, may have made it. Where that cannot be told all stay, and the account phase refuses
/// another user.
fn forget_others(transaction: &mut dyn PamTransaction, user: &[u8]) -> Result<(), NoAnswer> {
    if transaction.unenrolled_marks().is_empty() {
        return Ok(());
    }
    match accounts::by_bytes(user) {
        Ok(Some(account)) => transaction.keep_marks(&|mark| mark.account == account.name),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Forgets what a line with these arguments found.
fn forget_own(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
) -> Result<(), NoAnswer> {
    transaction.keep_marks(&|mark| !mark.is_of(arguments))
}

fn is_enrolled(holder: &RecordHolder) -> bool {
    holder.record.as_ref().is_some_and(UserRecord::is_enrolled)
}

/// Reason that ends a login without a verdict.
enum AuthAbort {
    Failed(AttemptFailure),
    NoAnswer,
}

impl<E: Into<AttemptFailure>> From<E> for AuthAbort {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NoAnswer> for AuthAbort {
    fn from(_: NoAnswer) -> Self {
        Self::NoAnswer
    }
}

/// One login, as far as it does not change.
struct LoginContext<'a> {
    user: Vec<u8>,
    rhost: Vec<u8>,
    arguments: &'a ModuleArguments,
    messages: MessageMode,
    /// Policy `uniform_prompt`, once it is known: what only some users could meet is not told then.
    uniform: bool,
}

impl LoginContext<'_> {
    fn run(&mut self, transaction: &mut dyn PamTransaction) -> Result<AuthResult, AuthAbort> {
        let began = clock::monotonic();
        let file = PolicyFile::new(&self.arguments.policy);
        let loaded = file.load()?;
        self.uniform = loaded.policy.uniform_prompt;
        // A service without a readable name follows the policy's default.
        let service = login_service::name(transaction).unwrap_or_default();
        if let Some(decision) = switched_off(&loaded.policy, &service) {
            return self.switched_off(transaction, (&file, &loaded), decision);
        }
        // One that is not found is named by no entry.
        let found = accounts::by_bytes(&self.user)?;
        let request = LoginRequest {
            account: found.as_ref(),
            service: &service,
            address: self.address(),
        };
        let asked = match self.decided(transaction, &loaded.policy, &request) {
            Ok(asked) => asked,
            Err(decision) => {
                return self.exempt(transaction, (&file, &loaded), decision, &request);
            }
        };
        let known = match found {
            None => self.account()?,
            known => known,
        };
        let account = known.as_ref();
        self.log_unusable_name(transaction, &loaded.policy, account);
        let timing = UniformTiming::of(&loaded.policy, loaded.time(clock::now()), began);
        let store = match self.source()? {
            FactorSource::Files(store) => store,
            FactorSource::Daemon(uid) => {
                return self.through_daemon(transaction, (&loaded, asked), account, uid, timing);
            }
        };
        let holder = match self.holder(&store, account) {
            Err(failure) if timing.is_even() && failure.is_contradiction() => {
                self.log_failed(transaction, &failure);
                let policy = &loaded.policy;
                return self.refuse_like_a_wrong_code(transaction, policy, timing, account);
            }
            holder => holder?,
        };
        let Some(holder) = holder.filter(is_enrolled) else {
            let files = (&store, &loaded, asked);
            return self.unenrolled_by_files(transaction, files, &service, account, timing);
        };
        self.log_found_by_uid(transaction, &holder);
        let (files, login) = ((&file, loaded, &store), (&*service, account));
        self.ask_enrolled(transaction, files, holder, login, timing)
    }

    /// Ends a login at which the policy is switched off, everywhere or for the service.
    fn switched_off(
        &self,
        transaction: &mut dyn PamTransaction,
        (file, loaded): (&PolicyFile, &LoadedPolicy),
        decision: PolicyDecision,
    ) -> Result<AuthResult, AuthAbort> {
        if decision == PolicyDecision::Disabled {
            let policy = &loaded.policy;
            ticket_issue::claim_while_disabled(transaction, self.arguments, policy, &self.user);
        }
        self.not_asked(transaction, (file, loaded), decision, &|_| Ok(true))
    }

    /// Ends a login that an entry exempts, if one still does after a question.
    fn exempt(
        &self,
        transaction: &mut dyn PamTransaction,
        (file, loaded): (&PolicyFile, &LoadedPolicy),
        decision: PolicyDecision,
        request: &LoginRequest<'_>,
    ) -> Result<AuthResult, AuthAbort> {
        let is_still = |transaction: &dyn PamTransaction| {
            let account = accounts::by_bytes(&self.user)?;
            let account = account.as_ref();
            let request = LoginRequest {
                account,
                ..*request
            };
            let decided = self.decided(transaction, &loaded.policy, &request);
            Ok(decided.is_err())
        };
        self.not_asked(transaction, (file, loaded), decision, &is_still)
    }

    /// Asks a user who has a device, and judges what is typed: by the files of this host, or with the fleet.
    fn ask_enrolled(
        &self,
        transaction: &mut dyn PamTransaction,
        (file, loaded, store): (&PolicyFile, LoadedPolicy, &FactorStore),
        holder: RecordHolder,
        (service, account): (&str, Option<&Account>),
        timing: UniformTiming,
    ) -> Result<AuthResult, AuthAbort> {
        let (holder, known) = holder.into_loaded();
        let mut attempt = LoginAttempt {
            address: self.address(),
            role: login_service::session_role(transaction, &loaded.policy, &holder),
            known: KnownFactor::found(known),
            ..LoginAttempt::new(file, loaded, store, &holder, service)
        };
        if attempt.loaded.policy.fleet.enabled {
            let name = account.map_or("", |account| &account.name);
            let mut source = FleetVerdictSource::new(attempt, name);
            return self.ask(transaction, &mut source, timing, account);
        }
        self.ask(transaction, &mut attempt, timing, account)
    }

    /// The address that the login comes from; `None` where the application names none.
    fn address(&self) -> Option<IpAddr> {
        let rhost = std::str::from_utf8(&self.rhost).ok()?;
        rhost_address(rhost)
    }

    /// The policy's decision, as far as it needs no record. Groups that cannot be used for it are logged.
    fn decided<'p>(
        &self,
        transaction: &dyn PamTransaction,
        policy: &'p Policy,
        request: &LoginRequest<'_>,
    ) -> Result<AskedLogin<'p>, PolicyDecision> {
        let mut groups = KnownGroups::default();
        let mut own = groups.of(request.account);
        let decided = decide(policy, request, &mut |group| own.include(group));
        for group in groups.unusable() {
            let line = code_log_lines::unusable_group(self.about(), &group);
            transaction.log(LogPriority::Warning, line.as_str());
        }
        decided
    }

    /// The account of `PAM_USER`, `None` when no user has that name, as every source of accounts says: a source that fails
    /// may hide another name of a user with a device.
    fn account(&self) -> Result<Option<Account>, AttemptFailure> {
        Ok(name_sources::proven_account(&self.user)?)
    }

    /// The record that counts for the account, `None` where no account has the name. A name that has a record but no
    /// account is an error: either the record is of a user who is gone, or the passwd database did not tell the truth.
    fn holder(
        &self,
        store: &FactorStore,
        account: Option<&Account>,
    ) -> Result<Option<RecordHolder>, AttemptFailure> {
        if let Some(account) = account {
            return Ok(Some(store.holder(account)?));
        }
        let Ok(name) = std::str::from_utf8(&self.user) else {
            return Ok(None);
        };
        match store.record_named(name)? {
            None => {
                store.prove_removed(name)?;
                Ok(None)
            }
            Some(record) => Err(AttemptFailure::Vanished(record.uid)),
        }
    }

    /// Nothing is asked. A stack that leaves the password to this module still needs it; the reason is looked at again after
    /// that question.
    fn not_asked(
        &self,
        transaction: &mut dyn PamTransaction,
        (file, loaded): (&PolicyFile, &LoadedPolicy),
        decision: PolicyDecision,
        is_still: &dyn Fn(&dyn PamTransaction) -> Result<bool, AttemptFailure>,
    ) -> Result<AuthResult, AuthAbort> {
        let line = match decision {
            PolicyDecision::Exempt(entry) => {
                self.line(LoginEvent::Exempt).with("entry", &(entry + 1))
            }
            PolicyDecision::ServiceOff => self.line(LoginEvent::ServiceOff),
            _ => self.line(LoginEvent::Disabled),
        };
        match decision {
            PolicyDecision::Exempt(_) => transaction.log(LogPriority::Info, line.as_str()),
            _ => self.debug(transaction, &line),
        }
        // A question may stay open for long.
        if self.forward_whole(transaction, login_text::PASSWORD)?
            && !(file.is_as(loaded)? && is_still(transaction)?)
        {
            return Ok(self.policy_changed(transaction));
        }
        Ok(AuthResult::NotAsked)
    }

    /// Hands the whole input to the modules after this one, as the password. True if it was asked for.
    fn forward_whole(
        &self,
        transaction: &mut dyn PamTransaction,
        prompt: &str,
    ) -> Result<bool, AuthAbort> {
        let wanted = self.arguments.layout == PromptLayout::PasswordThenCode
            && self.arguments.first_pass != FirstPass::Only
            && !(self.arguments.first_pass == FirstPass::Try && transaction.password().is_some());
        if wanted {
            let password = transaction.ask(prompt, EchoMode::Hidden)?;
            transaction.set_password(&password)?;
        }
        Ok(wanted)
    }

    /// The end of a login that asks for no code, by a policy, or an exemption of a group, that is another one since its question was
    /// asked. The password is yet to be checked, or all questions look alike: the log alone is told.
    fn policy_changed(&self, transaction: &mut dyn PamTransaction) -> AuthResult {
        forget_claims(transaction);
        let line = self.line(LoginEvent::PolicyChanged);
        transaction.log(LogPriority::Notice, line.as_str());
        AuthResult::Refused
    }
}
