//! The questions of a user with a device: up to `tries` answers are judged, and each refusal is told.

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{Accepted, Form, Outcome, Rejected, ThrottleStatus};
use twofactor_store::attempt::{AttemptResult, PreCheck, RunningSession};

use super::judge::CodeJudge;
use super::uniform_timing::{RemainingTries, UniformTiming};
use super::{AuthAbort, LoginContext, expected_session};
use crate::answer_source::{self, NonCodeAnswer};
use crate::arguments::{FirstPass, PromptLayout};
use crate::prompt::{EmptyAnswer, Prompt};
use crate::return_codes::AuthResult;
use crate::transaction::{MessageMode, PamTransaction, Priority};
use crate::{later, report, text, ticket};

impl LoginContext<'_> {
    /// The user has a device: up to `tries` answers are judged.
    pub(super) fn ask(
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
                    None => {
                        let judged = judge.attempt(input.bytes(), self.form());
                        self.log_outage(host, judge.outage());
                        Ok(judged?)
                    }
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

    pub(super) fn prompt(&self, policy: &Policy) -> Prompt {
        Prompt::new(match self.arguments.layout {
            PromptLayout::Code => &policy.prompt,
            PromptLayout::PasswordThenCode => text::PASSWORD_AND_CODE,
        })
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

    /// An answer that is neither compared nor counted, where it ends the login.
    fn passed_over(&self, host: &mut dyn PamTransaction, cause: NonCodeAnswer) -> AuthResult {
        self.log_passed_over(host, cause);
        if let Some(text) = text::passed_over(cause).filter(|_| self.may_tell()) {
            self.complain(host, text);
        }
        AuthResult::Refused
    }

    fn closed(&self, host: &mut dyn PamTransaction, gate: ThrottleStatus) -> AuthResult {
        self.log_closed(host, gate);
        self.last_word(host, &text::closed(gate));
        AuthResult::NoMoreTries
    }

    /// Refuses an answer after the time that every refusal takes.
    pub(super) fn refuse_in_time(
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

    const fn form(&self) -> Form {
        match self.arguments.layout {
            PromptLayout::Code => Form::Code,
            PromptLayout::PasswordThenCode => Form::PasswordThenCode,
        }
    }
}
