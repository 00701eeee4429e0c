//! The authentication phase: who is asked, for what, how often, and how it ends.

mod as_user;
mod expected_session;
mod judge;
mod last_word;
mod recovered;
mod requirement;
mod uncounted;
mod unenrolled;
pub mod uniform_timing;
pub mod wrong_password;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{
    LoginRequest, PolicyDecision, UserEnrollment, decide_without_device, switched_off,
};
use twofactor_core::policy::{Policy, rhost_address};
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{Accepted, Form, Outcome, Rejected, ThrottleStatus};
use twofactor_store::attempt::{
    AttemptFailure, AttemptResult, KnownFactor, KnownGroups, LoginAttempt, PreCheck, RunningSession,
};
use twofactor_store::decision::decide_before_enrollment;
use twofactor_store::sys::accounts;
use twofactor_store::sys::clock;
use twofactor_store::{FoundBy, Holder, PolicyFile, Store};

use crate::answer_source::{self, NonCodeAnswer};
use crate::arguments::{FirstPass, LogDetail, ModuleArguments, PromptLayout};
use crate::later;
use crate::login_service;
use crate::prompt::{EmptyAnswer, Prompt};
use crate::report;
use crate::return_codes::AuthResult;
use crate::text;
use crate::ticket;
use crate::transaction::{Echo, MessageMode, NoAnswer, PamTransaction, Priority};
use as_user::FactorSource;
use judge::CodeJudge;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::line::Line;
use uniform_timing::{RemainingTries, UniformTiming};

/// Runs the authentication phase. Whatever goes wrong ends in something else than
/// [`AuthResult::Verified`] and [`AuthResult::NotAsked`].
pub fn authenticate(
    host: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    messages: MessageMode,
) -> AuthResult {
    let Ok(user) = host.user() else {
        let line = Line::default().result(LoginEvent::Aborted);
        host.log(Priority::Notice, line.as_str());
        return AuthResult::NoAnswer;
    };
    // In one field a mark is made before the password is checked: that of an attempt that failed goes.
    let forgotten = match arguments.layout {
        PromptLayout::Code => forget_others(host, &user),
        PromptLayout::PasswordThenCode => host.unmark(),
    };
    if forgotten.is_err() {
        return AuthResult::NoAnswer;
    }
    ticket::forget(host);
    recovered::forget(host);
    expected_session::forget(host);
    let mut login = LoginContext {
        user,
        rhost: host.rhost().unwrap_or_default(),
        arguments,
        messages,
        uniform: false,
    };
    match login.run(host) {
        // The judgement is no verdict on another user, which the application or another module has put in that place
        // while a question was open.
        Ok(AuthResult::Verified | AuthResult::NotAsked)
            if host.user().as_ref() != Ok(&login.user) =>
        {
            host.log(
                Priority::Notice,
                login.line(LoginEvent::AnotherUser).as_str(),
            );
            match host.unmark() {
                Ok(()) => AuthResult::Refused,
                Err(NoAnswer) => AuthResult::NoAnswer,
            }
        }
        Ok(ending) => ending,
        Err(AuthAbort::Failed(failure)) => {
            login.log_failed(host, &failure);
            login.last_word(host, text::UNUSABLE);
            AuthResult::Unavailable
        }
        Err(AuthAbort::NoAnswer) => {
            host.log(Priority::Notice, login.line(LoginEvent::Aborted).as_str());
            AuthResult::NoAnswer
        }
    }
}

/// An earlier attempt of this transaction may have been another user's. A mark of the same account stays: another line
/// of the module, with another policy, may have made it.
fn forget_others(host: &mut dyn PamTransaction, user: &[u8]) -> Result<(), NoAnswer> {
    let Some(marked) = host.marked_unenrolled() else {
        return Ok(());
    };
    let name = std::str::from_utf8(user).unwrap_or_default();
    match accounts::by_name(name) {
        Ok(Some(account)) if account.name == marked => Ok(()),
        _ => host.unmark(),
    }
}

fn is_enrolled(holder: &Holder) -> bool {
    UserEnrollment::of(holder.record.as_ref()) == UserEnrollment::Enrolled
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
    fn run(&mut self, host: &mut dyn PamTransaction) -> Result<AuthResult, AuthAbort> {
        let began = clock::monotonic();
        let file = PolicyFile::new(&self.arguments.policy);
        let loaded = file.load()?;
        self.uniform = loaded.policy.uniform_prompt;
        let service = host.service().and_then(|name| String::from_utf8(name).ok());
        // A service without a readable name follows the policy's default.
        let service = service.unwrap_or_default();
        if let Some(decision) = switched_off(&loaded.policy, &service) {
            return self.not_asked(host, decision);
        }
        let address = std::str::from_utf8(&self.rhost)
            .ok()
            .and_then(rhost_address);
        let account = self.account()?;
        let request = LoginRequest {
            account: account.as_ref(),
            service: &service,
            address,
        };
        let mut groups = KnownGroups::default();
        let decision = decide_before_enrollment(&loaded.policy, &request, &mut groups);
        for group in groups.unusable() {
            let line = report::unusable_group(self.about(), &group);
            host.log(Priority::Warning, line.as_str());
        }
        if let Some(decision) = decision {
            return self.not_asked(host, decision);
        }
        let time = loaded.time(clock::now());
        let pace = UniformTiming::of(&loaded.policy, time, began);
        let store = match self.source()? {
            FactorSource::Files(store) => store,
            FactorSource::Daemon(uid) => {
                return self.through_daemon(host, &loaded, account.as_ref(), uid, pace);
            }
        };
        let holder = match self.holder(&store, account.as_ref()) {
            Err(failure) if pace.is_even() && failure.is_contradiction() => {
                self.log_failed(host, &failure);
                return self.refuse_like_a_wrong_code(host, &loaded.policy, pace, account.as_ref());
            }
            known => known?,
        };
        let Some(holder) = holder.filter(is_enrolled) else {
            let account = account.as_ref();
            let requirement = self.requirement(host, &loaded, account);
            let decision = decide_without_device(&loaded.policy, requirement);
            let is_enrolled = || {
                Ok(self
                    .holder(&store, account)?
                    .as_ref()
                    .is_some_and(is_enrolled))
            };
            return self.unenrolled(
                host,
                &loaded.policy,
                decision,
                &is_enrolled,
                (account, pace),
            );
        };
        if holder.found_by == FoundBy::Uid {
            let line = self.line(LoginEvent::FoundByUid);
            let line = line.with("record", &holder.account.name);
            host.log(Priority::Notice, line.as_str());
        }
        let (holder, known) = holder.into_loaded();
        let mut session = LoginAttempt {
            address,
            role: login_service::session_role(host),
            known: KnownFactor::found(known),
            ..LoginAttempt::new(&file, loaded, &store, &holder, &service)
        };
        self.ask(host, &mut session, pace, account.as_ref())
    }

    /// The account behind `PAM_USER`, `None` when no user has that name.
    fn account(&self) -> Result<Option<Account>, AttemptFailure> {
        Ok(accounts::by_bytes(&self.user)?)
    }

    /// The record that counts for the account, `None` where no account has the name. A name that has a record but no
    /// account is an error: either the record is of a user who is gone, or the passwd database did not tell the truth.
    fn holder(
        &self,
        store: &Store,
        account: Option<&Account>,
    ) -> Result<Option<Holder>, AttemptFailure> {
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

    /// Nothing is asked. A stack that leaves the password to this module still needs it.
    fn not_asked(
        &self,
        host: &mut dyn PamTransaction,
        decision: PolicyDecision,
    ) -> Result<AuthResult, AuthAbort> {
        let line = match decision {
            PolicyDecision::Exempt(entry) => {
                self.line(LoginEvent::Exempt).with("entry", &(entry + 1))
            }
            PolicyDecision::ServiceOff => self.line(LoginEvent::ServiceOff),
            _ => self.line(LoginEvent::Disabled),
        };
        match decision {
            PolicyDecision::Exempt(_) => host.log(Priority::Info, line.as_str()),
            _ => self.debug(host, &line),
        }
        self.forward_whole(host, text::PASSWORD)?;
        Ok(AuthResult::NotAsked)
    }

    fn prompt(&self, policy: &Policy) -> Prompt {
        Prompt::new(match self.arguments.layout {
            PromptLayout::Code => &policy.prompt,
            PromptLayout::PasswordThenCode => text::PASSWORD_AND_CODE,
        })
    }

    /// The user has a device: up to `tries` answers are judged.
    fn ask(
        &self,
        host: &mut dyn PamTransaction,
        judge: &mut dyn CodeJudge,
        mut pace: UniformTiming,
        account: Option<&Account>,
    ) -> Result<AuthResult, AuthAbort> {
        let names = self.names(account);
        let mut prompt = self.prompt(judge.policy());
        let tries = judge.policy().tries;
        let mut refused = None;
        for tried in 0..tries {
            match judge.before()? {
                PreCheck::Grace(left) => {
                    let line = self.line(LoginEvent::Grace).with("left", &left);
                    host.log(Priority::Info, line.as_str());
                    self.forward_password(host, judge)?;
                    return Ok(AuthResult::NotAsked);
                }
                PreCheck::SessionGrace(RunningSession { id, left }) => {
                    let line = self.line(LoginEvent::Grace);
                    let line = line.with("left", &left).with("session", &id);
                    host.log(Priority::Info, line.as_str());
                    self.forward_password(host, judge)?;
                    return Ok(AuthResult::NotAsked);
                }
                PreCheck::Throttle(ThrottleStatus::Open) => {}
                // A user without a device is never locked out.
                PreCheck::Throttle(closed) if pace.is_even() => {
                    self.log_closed(host, closed);
                    let rest = RemainingTries {
                        prompt,
                        refused,
                        left: tries - tried,
                        names,
                    };
                    return self.refuse_all(host, judge.policy(), pace, rest);
                }
                PreCheck::Throttle(closed) => return Ok(self.closed(host, closed)),
            }
            pace.wait();
            let echo = judge.policy().echo;
            let Some(input) = answer_source::next(host, self.arguments, &prompt, echo)? else {
                host.log(
                    Priority::Notice,
                    self.line(LoginEvent::NoFirstPass).as_str(),
                );
                return Ok(AuthResult::Refused);
            };
            pace.answered();
            let before = refused.as_ref();
            let judged =
                match answer_source::not_for_us(host, self.arguments, &input, before, &names) {
                    // With an even pace, ending the login here would tell which users sshd refuses.
                    Some(cause) if cause.ends_login() && !pace.is_even() => {
                        return Ok(self.passed_over(host, cause));
                    }
                    Some(cause) => Err(cause),
                    None => Ok(judge.attempt(input.bytes(), self.form())?),
                };
            let was_closed = matches!(judged, Ok(AttemptResult::Refused(_)));
            let is_empty = matches!(judged, Err(NonCodeAnswer::Empty));
            let bytes = input.into_bytes();
            let policy = judge.policy();
            match judged {
                Ok(AttemptResult::Compared(Outcome::Accepted(accepted))) => {
                    self.claim_recovery(host, account, judge.recovery_login(&accepted));
                    expected_session::expect(host, policy);
                    ticket::claim_with_code(host, self.arguments, policy, account);
                    let changes = later::told_here(host, || judge.changes_to_tell());
                    return self.accepted(host, &accepted, &changes, &bytes);
                }
                Ok(AttemptResult::Compared(Outcome::Rejected(why))) => {
                    let line = report::rejected(self.about(), &why);
                    host.log(Priority::Notice, line.as_str());
                    let words = match why {
                        Rejected::Wrong | Rejected::ClockDiffers { .. }
                            if self.may_tell() && judge.has_recovery_codes() =>
                        {
                            text::WRONG_OF_MANY
                        }
                        _ => pace.words(&why),
                    };
                    self.refuse_in_time(host, policy, &pace, &mut prompt, words);
                }
                Ok(AttemptResult::Refused(closed)) if pace.is_even() => {
                    self.log_closed(host, closed);
                    self.refuse_in_time(host, policy, &pace, &mut prompt, text::WRONG);
                }
                Ok(AttemptResult::Refused(closed)) => return Ok(self.closed(host, closed)),
                Ok(AttemptResult::Gone) => {
                    host.log(
                        Priority::Notice,
                        self.line(LoginEvent::UnenrolledMeanwhile).as_str(),
                    );
                    return Ok(AuthResult::Refused);
                }
                Ok(AttemptResult::Repeated) => {
                    let cause = NonCodeAnswer::RepeatedCode;
                    self.refuse_uncounted(host, policy, &pace, &mut prompt, cause);
                }
                Err(cause) => self.refuse_uncounted(host, policy, &pace, &mut prompt, cause),
            }
            if self.arguments.first_pass == FirstPass::Only {
                return Ok(AuthResult::Refused);
            }
            if is_empty && prompt.left_empty() == EmptyAnswer::Again {
                return Ok(AuthResult::NoMoreTries);
            }
            // An answer that was not looked at may be right.
            refused = (!was_closed).then_some(bytes);
        }
        Ok(AuthResult::NoMoreTries)
    }

    /// An answer that is neither compared nor counted, where it ends the login.
    fn passed_over(&self, host: &mut dyn PamTransaction, cause: NonCodeAnswer) -> AuthResult {
        self.log_passed_over(host, cause);
        if let Some(text) = text::passed_over(cause).filter(|_| self.may_tell()) {
            self.complain(host, text);
        }
        AuthResult::Refused
    }

    fn log_passed_over(&self, host: &dyn PamTransaction, cause: NonCodeAnswer) {
        let line = match cause {
            NonCodeAnswer::SshdStandIn => self.line(LoginEvent::SshdStandIn),
            NonCodeAnswer::Repeated => self.line(LoginEvent::RepeatedAnswer),
            NonCodeAnswer::RepeatedCode => self.line(LoginEvent::RepeatedCode),
            NonCodeAnswer::UserName => self.line(LoginEvent::UserNameAsCode),
            NonCodeAnswer::Empty => self.line(LoginEvent::EmptyAnswer),
            NonCodeAnswer::Password => {
                let service = host.service().unwrap_or_default();
                self.line(LoginEvent::PasswordAsCode)
                    .saying("hint", &report::password_as_code(&service))
            }
        };
        host.log(Priority::Notice, line.as_str());
    }

    fn accepted(
        &self,
        host: &mut dyn PamTransaction,
        accepted: &Accepted,
        changes: &[RecentChange],
        input: &[u8],
    ) -> Result<AuthResult, AuthAbort> {
        if self.arguments.layout == PromptLayout::PasswordThenCode {
            let password = input.get(..accepted.password_len).unwrap_or_default();
            host.set_password(password)?;
        }
        // A user who has given a code has a device by now.
        host.unmark()?;
        let line = report::accepted(self.about(), accepted);
        host.log(Priority::Info, line.as_str());
        match (self.messages, self.arguments.layout) {
            (MessageMode::Unwanted, _) => {}
            (MessageMode::Wanted, PromptLayout::Code) => later::tell(host, accepted, changes),
            // The password is yet to be checked: only its owner may be told.
            (MessageMode::Wanted, PromptLayout::PasswordThenCode) => later::leave(host, changes),
        }
        Ok(AuthResult::Verified)
    }

    fn log_closed(&self, host: &dyn PamTransaction, gate: ThrottleStatus) {
        let line = report::closed(self.about(), gate);
        host.log(Priority::Warning, line.as_str());
    }

    fn closed(&self, host: &mut dyn PamTransaction, gate: ThrottleStatus) -> AuthResult {
        self.log_closed(host, gate);
        self.last_word(host, &text::closed(gate));
        AuthResult::NoMoreTries
    }

    fn log_failed(&self, host: &dyn PamTransaction, failure: &AttemptFailure) {
        let service = host.service().unwrap_or_default();
        let line = report::failed(self.about(), failure, &service);
        host.log(Priority::Error, line.as_str());
    }

    /// Hands the whole input to the modules behind, as the password.
    fn forward_whole(&self, host: &mut dyn PamTransaction, prompt: &str) -> Result<(), AuthAbort> {
        let wanted = self.arguments.layout == PromptLayout::PasswordThenCode
            && self.arguments.first_pass != FirstPass::Only
            && !(self.arguments.first_pass == FirstPass::Try && host.password().is_some());
        if wanted {
            let password = host.ask(prompt, Echo::Hidden)?;
            host.set_password(&password)?;
        }
        Ok(())
    }

    /// Refuses an answer after the time that every refusal takes.
    fn refuse_in_time(
        &self,
        host: &mut dyn PamTransaction,
        policy: &Policy,
        pace: &UniformTiming,
        prompt: &mut Prompt,
        why: &str,
    ) {
        pace.wait();
        host.delay_failure(policy.throttle.delay);
        self.refuse(host, prompt, why);
    }

    /// Says why a code was refused: as a message, or before the next prompt where messages are not wanted. In one field
    /// the password is yet to be checked: a stranger learns no more than that something was wrong.
    fn refuse(&self, host: &mut dyn PamTransaction, prompt: &mut Prompt, why: &str) {
        let why = match self.arguments.layout {
            PromptLayout::Code => why,
            PromptLayout::PasswordThenCode => text::WRONG,
        };
        prompt.repeat();
        match self.messages {
            MessageMode::Wanted => host.complain(why),
            MessageMode::Unwanted => prompt.explain(why),
        }
    }

    fn complain(&self, host: &mut dyn PamTransaction, text: &str) {
        if self.messages == MessageMode::Wanted {
            host.complain(text);
        }
    }

    fn debug(&self, host: &dyn PamTransaction, line: &Line) {
        if self.arguments.detail == LogDetail::Debug {
            host.log(Priority::Debug, line.as_str());
        }
    }

    const fn form(&self) -> Form {
        match self.arguments.layout {
            PromptLayout::Code => Form::Code,
            PromptLayout::PasswordThenCode => Form::PasswordThenCode,
        }
    }

    /// A log line about this login.
    fn line(&self, event: LoginEvent) -> Line {
        self.about().result(event)
    }

    fn about(&self) -> Line {
        Line::about(&self.user, &self.rhost)
    }
}
