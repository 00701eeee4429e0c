//! The questions of a user with a device: up to `tries` answers are judged, and each refusal is told.

use std::ops::ControlFlow;

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::policy::Policy;
use twofactor_core::verify::{
    AnswerForm, CodeAcceptance, CodeOutcome, CodeRejection, ThrottleStatus,
};
use twofactor_store::attempt::{AttemptResult, PreCheck, RunningSession};

use super::uniform_timing::{RemainingTries, UniformTiming};
use super::verdict_source::VerdictSource;
use super::{AuthAbort, LoginContext, expected_session};
use crate::answer_source::{self, LoginAnswer, NonCodeAnswer};
use crate::code_prompt::{CodePrompt, EmptyAnswer};
use crate::login_dialogue::is_told_by_question;
use crate::module_arguments::{FirstPass, PromptLayout};
use crate::return_codes::AuthResult;
use crate::transaction::{LogPriority, MessageMode, PamTransaction};
use crate::{login_text, notice_delivery, ticket_issue};

/// An answer's judgement, or the reason why it was neither compared nor counted.
type JudgedAnswer = Result<AttemptResult, NonCodeAnswer>;

/// A login before a question.
enum QuestionGate {
    /// The question is asked.
    Open,
    /// The question is asked after one for the password alone.
    OpenAgain,
    /// Each answer is refused like a wrong code, right or not.
    RefuseAll,
    /// The login has ended without it.
    Ended(AuthResult),
}

impl LoginContext<'_> {
    /// The user has a device: up to `tries` answers are judged.
    pub(super) fn ask(
        &self,
        transaction: &mut dyn PamTransaction,
        source: &mut dyn VerdictSource,
        mut timing: UniformTiming,
        account: Option<&Account>,
    ) -> Result<AuthResult, AuthAbort> {
        let mut rest = self.all_tries(source.policy(), account);
        for left in (1..=rest.left).rev() {
            rest.left = left;
            match self.question_gate(transaction, source, &timing)? {
                QuestionGate::Open => {}
                // That was a password alone, and no first pass with a code.
                QuestionGate::OpenAgain => rest.prompt.repeat(),
                QuestionGate::RefuseAll => {
                    return self.refuse_all(transaction, source.policy(), timing, rest);
                }
                QuestionGate::Ended(ending) => return Ok(ending),
            }
            timing.wait();
            let echo = source.policy().echo;
            let Some(input) = answer_source::next(transaction, self.arguments, &rest.prompt, echo)?
            else {
                transaction.log(
                    LogPriority::Notice,
                    self.line(LoginEvent::NoFirstPass).as_str(),
                );
                return Ok(AuthResult::Refused);
            };
            timing.answered();
            let judged = self.judged(transaction, source, &input, &rest)?;
            let was_closed = matches!(judged, Ok(AttemptResult::Refused(_)));
            let is_empty = matches!(judged, Err(NonCodeAnswer::Empty));
            let bytes = input.into_bytes();
            match self.after_answer(transaction, source, &timing, judged, (account, &bytes))? {
                ControlFlow::Break(ending) => return Ok(ending),
                ControlFlow::Continue(words) => {
                    self.refuse_in_time(
                        transaction,
                        source.policy(),
                        &timing,
                        &mut rest.prompt,
                        words,
                    );
                }
            }
            if self.arguments.first_pass == FirstPass::Only {
                self.tell_last_try(transaction, &rest);
                return Ok(AuthResult::Refused);
            }
            if is_empty && rest.prompt.left_empty() == EmptyAnswer::Again {
                self.tell_last_try(transaction, &rest);
                return Ok(AuthResult::NoMoreTries);
            }
            // An answer that was not looked at may be right.
            rest.refused = (!was_closed).then_some(bytes);
        }
        self.tell_last_try(transaction, &rest);
        Ok(AuthResult::NoMoreTries)
    }

    /// All questions of a login, before the first of them.
    pub(super) fn all_tries<'n>(
        &'n self,
        policy: &Policy,
        account: Option<&'n Account>,
    ) -> RemainingTries<'n> {
        RemainingTries {
            prompt: CodePrompt::new(match self.arguments.layout {
                PromptLayout::Code => &policy.prompt,
                PromptLayout::PasswordThenCode => login_text::PASSWORD_AND_CODE,
            }),
            refused: None,
            all: policy.tries,
            left: policy.tries,
            names: self.names(account),
        }
    }

    /// The user's name as the application gave it, and as the passwd database has it.
    fn names<'n>(&'n self, account: Option<&'n Account>) -> Vec<&'n [u8]> {
        let canonical = account.map(|account| account.name.as_bytes());
        [&self.user[..]].into_iter().chain(canonical).collect()
    }

    /// Decides before a question whether it is asked: not during grace, and not while the user is locked out.
    fn question_gate(
        &self,
        transaction: &mut dyn PamTransaction,
        source: &dyn VerdictSource,
        timing: &UniformTiming,
    ) -> Result<QuestionGate, AuthAbort> {
        let mut found = source.before()?;
        let mut open = QuestionGate::Open;
        if !matches!(found, PreCheck::Throttle(_)) {
            let was_asked = self.forward_password(transaction, source)?;
            // A question may stay open for long, this one or one before it, and not every answer has the policy read again.
            if !source.has_policy_of_now()? {
                return Ok(match self.arguments.layout {
                    // Nothing was typed for this grace: a code is asked for, which is judged by the policy as it is then.
                    PromptLayout::Code => QuestionGate::Open,
                    PromptLayout::PasswordThenCode => {
                        QuestionGate::Ended(self.policy_changed(transaction))
                    }
                });
            }
            if was_asked {
                // It may have been longer than the grace.
                found = source.before()?;
                open = QuestionGate::OpenAgain;
            }
        }
        let line = match found {
            PreCheck::Throttle(ThrottleStatus::Open) => return Ok(open),
            // A user without a device is never locked out.
            PreCheck::Throttle(closed) if timing.is_even() => {
                self.log_closed(transaction, closed);
                return Ok(QuestionGate::RefuseAll);
            }
            PreCheck::Throttle(closed) => {
                return Ok(QuestionGate::Ended(self.closed(transaction, closed)));
            }
            PreCheck::Grace(left) => self.line(LoginEvent::Grace).with("left", &left),
            PreCheck::SessionGrace(RunningSession { id, left }) => {
                let line = self.line(LoginEvent::Grace).with("left", &left);
                line.with("session", &id)
            }
        };
        transaction.log(LogPriority::Info, line.as_str());
        Ok(QuestionGate::Ended(AuthResult::NotAsked))
    }

    /// Has an answer judged, unless it is none to this question.
    fn judged(
        &self,
        transaction: &dyn PamTransaction,
        source: &mut dyn VerdictSource,
        input: &LoginAnswer,
        rest: &RemainingTries<'_>,
    ) -> Result<JudgedAnswer, AuthAbort> {
        let before = rest.refused.as_ref();
        if let Some(cause) =
            answer_source::not_for_us(transaction, self.arguments, input, before, &rest.names)
        {
            return Ok(Err(cause));
        }
        let judged = source.attempt(input.bytes(), self.form());
        self.log_outage(transaction, source.outage());
        Ok(Ok(judged?))
    }

    /// Decides what follows from an answer: the end of the login, or a refusal in these words and the next question.
    fn after_answer(
        &self,
        transaction: &mut dyn PamTransaction,
        source: &dyn VerdictSource,
        timing: &UniformTiming,
        judged: JudgedAnswer,
        (account, input): (Option<&Account>, &[u8]),
    ) -> Result<ControlFlow<AuthResult, &'static str>, AuthAbort> {
        let cause = match judged {
            Ok(AttemptResult::Compared(CodeOutcome::Accepted(accepted))) => {
                let ending = self.accepted(transaction, source, account, &accepted, input)?;
                return Ok(ControlFlow::Break(ending));
            }
            Ok(AttemptResult::Compared(CodeOutcome::Rejected(why))) => {
                let words = self.rejected(transaction, source, timing, &why);
                return Ok(ControlFlow::Continue(words));
            }
            Ok(AttemptResult::Refused(closed)) if timing.is_even() => {
                self.log_closed(transaction, closed);
                return Ok(ControlFlow::Continue(login_text::WRONG));
            }
            Ok(AttemptResult::Refused(closed)) => {
                return Ok(ControlFlow::Break(self.closed(transaction, closed)));
            }
            Ok(AttemptResult::Gone) => {
                transaction.log(
                    LogPriority::Notice,
                    self.line(LoginEvent::UnenrolledMeanwhile).as_str(),
                );
                return Ok(ControlFlow::Break(AuthResult::Refused));
            }
            Ok(AttemptResult::Repeated) => NonCodeAnswer::RepeatedCode,
            Err(cause) => cause,
        };
        self.log_passed_over(transaction, cause);
        // With an even timing, ending the login here would tell which users sshd refuses.
        if !cause.ends_login() || timing.is_even() {
            return Ok(ControlFlow::Continue(timing.words_of(cause)));
        }
        let is_told = self.may_tell() && self.messages == MessageMode::Wanted;
        if let Some(text) = login_text::passed_over(cause).filter(|_| is_told) {
            self.tell_at_the_end(transaction, text);
        }
        Ok(ControlFlow::Break(AuthResult::Refused))
    }

    /// Logs a code that was compared and is not right. Returns the words for the user.
    fn rejected(
        &self,
        transaction: &dyn PamTransaction,
        source: &dyn VerdictSource,
        timing: &UniformTiming,
        why: &CodeRejection,
    ) -> &'static str {
        let line = self.about().rejected(why);
        transaction.log(LogPriority::Notice, line.as_str());
        match why {
            CodeRejection::Wrong | CodeRejection::ClockDiffers { .. }
                if self.may_tell() && source.has_recovery_codes() =>
            {
                login_text::WRONG_OF_MANY
            }
            _ => timing.words(why),
        }
    }

    /// Does what follows from a right code, whose use is on the disk.
    pub(super) fn accepted(
        &self,
        transaction: &mut dyn PamTransaction,
        source: &dyn VerdictSource,
        account: Option<&Account>,
        accepted: &CodeAcceptance,
        input: &[u8],
    ) -> Result<AuthResult, AuthAbort> {
        self.claim_recovery(transaction, account, source.recovery_login(accepted));
        expected_session::expect(transaction, source.policy());
        // A code that this host judged alone may be used up in the fleet: no change that counts on all hosts follows from it.
        if source.outage().is_none() {
            ticket_issue::claim_with_code(transaction, self.arguments, source.policy(), account);
        }
        let changes = notice_delivery::told_here(transaction, || source.changes_to_tell());
        if self.arguments.layout == PromptLayout::PasswordThenCode {
            let password = input.get(..accepted.password_len).unwrap_or_default();
            transaction.set_password(password)?;
        }
        // A user who has given a code has a device by now, in the state directory of this line.
        transaction.keep_marks(&|mark| !mark.is_in(&self.arguments.state))?;
        let line = self.about().accepted(accepted);
        transaction.log(LogPriority::Info, line.as_str());
        match (self.messages, self.arguments.layout) {
            (MessageMode::Unwanted, _) => {}
            (MessageMode::Wanted, PromptLayout::Code) => {
                notice_delivery::tell(transaction, accepted, source.few_recovery_codes(), &changes);
            }
            // The password is yet to be checked: only its owner may be told.
            (MessageMode::Wanted, PromptLayout::PasswordThenCode) => {
                notice_delivery::leave(transaction, &changes)
            }
        }
        Ok(AuthResult::Verified)
    }

    fn closed(&self, transaction: &mut dyn PamTransaction, status: ThrottleStatus) -> AuthResult {
        self.log_closed(transaction, status);
        self.last_word(transaction, &login_text::closed(status));
        AuthResult::NoMoreTries
    }

    /// Refuses an answer after the time that every refusal takes.
    pub(super) fn refuse_in_time(
        &self,
        transaction: &mut dyn PamTransaction,
        policy: &Policy,
        timing: &UniformTiming,
        prompt: &mut CodePrompt,
        why: &str,
    ) {
        timing.wait();
        transaction.delay_failure(policy.throttle.delay);
        self.refuse(transaction, prompt, why);
    }

    /// Says why a code was refused: as a message, or before the next prompt where a message would be lost. In one field the
    /// password is yet to be checked: a stranger learns no more than that something was wrong.
    fn refuse(&self, transaction: &mut dyn PamTransaction, prompt: &mut CodePrompt, why: &str) {
        let why = match self.arguments.layout {
            PromptLayout::Code => why,
            PromptLayout::PasswordThenCode => login_text::WRONG,
        };
        prompt.repeat();
        if is_told_by_question(transaction, self.messages) {
            prompt.explain(why);
        } else {
            transaction.complain(why);
        }
    }

    const fn form(&self) -> AnswerForm {
        match self.arguments.layout {
            PromptLayout::Code => AnswerForm::Code,
            PromptLayout::PasswordThenCode => AnswerForm::PasswordThenCode,
        }
    }
}
