//! Users without a device, and the dialogue in which nothing tells them from others.

use twofactor_core::account::Account;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::policy::Policy;
use twofactor_core::policy::decision::{AskedLogin, PolicyDecision};
use twofactor_core::verify;
use twofactor_store::attempt::{AttemptFailure, prove_unenrolled};
use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, LoadedPolicy, PolicyFile};

use super::uniform_timing::{RemainingTries, UniformTiming};
use super::{AuthAbort, LoginContext, is_enrolled};
use crate::code_prompt::EmptyAnswer;
use crate::module_arguments::{FirstPass, PromptLayout};
use crate::return_codes::AuthResult;
use crate::transaction::{LogPriority, PamTransaction};
use crate::unenrolled_mark::UnenrolledMark;
use crate::{answer_source, login_text, ticket_issue};

impl LoginContext<'_> {
    /// The files of this host have no device of the user.
    pub(super) fn unenrolled_by_files(
        &self,
        transaction: &mut dyn PamTransaction,
        (store, loaded, asked): (&FactorStore, &LoadedPolicy, AskedLogin<'_>),
        service: &str,
        account: Option<&Account>,
        timing: UniformTiming,
    ) -> Result<AuthResult, AuthAbort> {
        let policy = &loaded.policy;
        // Where the account is not found, its name may have a note all the same.
        let given = || std::str::from_utf8(&self.user).ok();
        let name = account.map(|it| it.name.as_str()).or_else(given);
        let user = (name, account.map(|it| it.uid));
        let prove = || {
            let state = &self.arguments.state;
            prove_unenrolled(policy, state, user, service, clock::now)
        };
        prove()?;
        let decide = |transaction: &dyn PamTransaction| {
            asked.without_device(self.requirement(transaction, loaded, account))
        };
        let is_enrolled = |was_asked: bool| {
            let (state, policy) = (&self.arguments.state, &self.arguments.policy);
            let holder = if was_asked {
                // The fleet may have got a device of the user, and the state directory may be another one by now. A note is forgotten
                // once the record is in place, so the record is looked at last.
                prove()?;
                self.holder(&FactorStore::open_for_login(state, policy)?, account)?
            } else {
                self.holder(store, account)?
            };
            Ok(holder.as_ref().is_some_and(is_enrolled))
        };
        self.unenrolled(
            transaction,
            loaded,
            &decide,
            &is_enrolled,
            (account, timing),
        )
    }

    /// No device. A user who may or must get one is left to the account phase: it comes after the whole stack has
    /// agreed, so that no user enrolls who did not give the password. With `uniform_prompt` the dialogue is the one
    /// that a user with a device gets.
    pub(super) fn unenrolled(
        &self,
        transaction: &mut dyn PamTransaction,
        loaded: &LoadedPolicy,
        decide: &dyn Fn(&dyn PamTransaction) -> PolicyDecision,
        is_enrolled: &dyn Fn(bool) -> Result<bool, AttemptFailure>,
        (account, mut timing): (Option<&Account>, UniformTiming),
    ) -> Result<AuthResult, AuthAbort> {
        let policy = &loaded.policy;
        let decision = decide(transaction);
        if decision == PolicyDecision::DeviceRequired {
            transaction.log(
                LogPriority::Notice,
                self.line(LoginEvent::DeviceRequired).as_str(),
            );
            if timing.is_even() {
                return self.refuse_like_a_wrong_code(transaction, policy, timing, account);
            }
        }
        // Question and result come as late as those of the users who are refused.
        timing.wait();
        let is_asked = match self.arguments.layout {
            PromptLayout::PasswordThenCode => {
                self.forward_whole(transaction, login_text::PASSWORD_AND_CODE)?
            }
            PromptLayout::Code
                if policy.uniform_prompt && self.arguments.first_pass != FirstPass::Only =>
            {
                transaction.ask(&policy.prompt, policy.echo)?;
                true
            }
            PromptLayout::Code => false,
        };
        timing.answered();
        timing.wait();
        if decision == PolicyDecision::DeviceRequired {
            self.last_word(transaction, login_text::DEVICE_REQUIRED);
            return Ok(AuthResult::Refused);
        }
        // A question may stay open until a requirement is in force, or until its user is in a group that is named. All other decisions are
        // made again in the account phase.
        let is_still = |transaction: &dyn PamTransaction| {
            decision != PolicyDecision::NotRequired || decide(transaction) == decision
        };
        if is_asked
            && !(PolicyFile::new(&self.arguments.policy).is_as(loaded)? && is_still(transaction))
        {
            return Ok(self.policy_changed(transaction));
        }
        if is_enrolled(is_asked)? {
            transaction.log(
                LogPriority::Notice,
                self.line(LoginEvent::EnrolledMeanwhile).as_str(),
            );
            return Ok(AuthResult::Refused);
        }
        ticket_issue::claim_with_password(transaction, self.arguments, policy, account);
        self.leave_to_account_phase(transaction, policy, decision, account)
    }

    /// The end without a question: a user who may or must get a device is marked for the account phase.
    fn leave_to_account_phase(
        &self,
        transaction: &mut dyn PamTransaction,
        policy: &Policy,
        decision: PolicyDecision,
        account: Option<&Account>,
    ) -> Result<AuthResult, AuthAbort> {
        match (decision, account) {
            (
                PolicyDecision::EnrollmentOffered | PolicyDecision::EnrollmentRequired,
                Some(account),
            ) => {
                // Without the mark the account phase would let in a user who must enroll.
                let own = UnenrolledMark::new(self.arguments, &account.name);
                let mut marks = transaction.unenrolled_marks();
                marks.retain(|mark| !mark.is_of(self.arguments));
                marks.push(own);
                transaction.set_unenrolled_marks(marks)?;
            }
            // A name that no user has: no user will be there to enroll, and nothing is said that would tell.
            (PolicyDecision::EnrollmentRequired, None) => {
                transaction.log(
                    LogPriority::Notice,
                    self.line(LoginEvent::DeviceRequired).as_str(),
                );
                transaction.delay_failure(policy.throttle.delay);
                return Ok(AuthResult::Refused);
            }
            _ => {}
        }
        transaction.log(
            LogPriority::Info,
            self.line(LoginEvent::Unenrolled).as_str(),
        );
        Ok(AuthResult::NotAsked)
    }

    /// The dialogue of a user who has a device and types wrong codes.
    pub(super) fn refuse_like_a_wrong_code(
        &self,
        transaction: &mut dyn PamTransaction,
        policy: &Policy,
        timing: UniformTiming,
        account: Option<&Account>,
    ) -> Result<AuthResult, AuthAbort> {
        let all = self.all_tries(policy, account);
        self.refuse_all(transaction, policy, timing, all)
    }

    /// The rest of that dialogue.
    pub(super) fn refuse_all(
        &self,
        transaction: &mut dyn PamTransaction,
        policy: &Policy,
        mut timing: UniformTiming,
        mut rest: RemainingTries<'_>,
    ) -> Result<AuthResult, AuthAbort> {
        for _ in 0..rest.left {
            timing.wait();
            let Some(input) =
                answer_source::next(transaction, self.arguments, &rest.prompt, policy.echo)?
            else {
                return Ok(AuthResult::Refused);
            };
            timing.answered();
            let bytes = input.bytes();
            let again = verify::is_blank(bytes) && rest.prompt.left_empty() == EmptyAnswer::Again;
            let refused = rest.refused.as_ref();
            let names = &rest.names;
            if let Some(cause) =
                answer_source::not_for_us(transaction, self.arguments, &input, refused, names)
            {
                self.log_passed_over(transaction, cause);
            }
            self.refuse_in_time(
                transaction,
                policy,
                &timing,
                &mut rest.prompt,
                login_text::WRONG,
            );
            if self.arguments.first_pass == FirstPass::Only {
                self.tell_last_try(transaction, &rest);
                return Ok(AuthResult::Refused);
            }
            if again {
                self.tell_last_try(transaction, &rest);
                return Ok(AuthResult::NoMoreTries);
            }
            rest.refused = Some(input.into_bytes());
        }
        self.tell_last_try(transaction, &rest);
        Ok(AuthResult::NoMoreTries)
    }
}
