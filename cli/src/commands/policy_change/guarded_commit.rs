//! A change of the policy is made: other commands wait, and users are looked at once more.

use twofactor_core::log::policy_event::PolicyEvent;
use twofactor_store::files::{FileFault, OtherWriters, StoreError};
use twofactor_store::operations::{self, PolicyRefusal, PolicyReplacement};

use super::change_impact::assess;
use super::danger_decision::only_switches_off;
use super::{DangerDecision, PolicyChange};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::command_turn;
use crate::failure_kind::FailureKind;
use crate::interrupt;

/// Warning of a change that was accepted while another process held the lock.
const UNSEEN: &str =
    "another process holds the lock: what it changes at this moment was not looked at";

impl PolicyChange {
    /// Makes it, and logs it.
    ///
    /// # Errors
    /// A refusal when another text stands there by now, and once a signal has come; a system error when it cannot be written.
    pub fn commit(&mut self, context: &CommandContext) -> Result<(), CommandFailure> {
        let store = self.store.as_ref();
        let wait = self.danger.lock_wait(self.only_switches_off());
        command_turn::announce(context, store, wait);
        let place = command_log::policy(&context.policy, store);
        let settings = self.settings.iter();
        let settings: Vec<PolicyEvent<'_>> = settings
            .map(|setting| PolicyEvent::of(&setting.key, &setting.value))
            .collect();
        let replacement = PolicyReplacement {
            shown: self.text.as_deref(),
            text: &self.edited,
            settings: &settings,
            wait,
        };
        let others = operations::replace_policy(place, &replacement, || self.look_again())
            .map_err(ended_wait)?;
        let is_judged = self.danger == DangerDecision::Accept && !self.only_switches_off();
        if is_judged && others == OtherWriters::MayWrite {
            let warning = UNSEEN.to_owned();
            // The change is made, whatever can be shown of it.
            let _ = context.terminal.prose(&format!("Warning: {warning}\n"));
            self.made.impact.warnings.push(warning);
        }
        command_log::unmatched_names(context.policy_path(), &self.unmatched);
        Ok(())
    }

    /// Refuses dangers that were not there when the question was asked: another command may have removed a device since.
    ///
    /// # Errors
    /// A refusal that names one; a system error when users cannot be looked at.
    pub fn look_again(&self) -> Result<(), CommandFailure> {
        if self.danger == DangerDecision::Unchecked {
            return Ok(());
        }
        // What puts files back goes on.
        interrupt::check()?;
        if self.only_switches_off() {
            return Ok(());
        }
        let (before, after) = (self.before.as_ref(), &self.after);
        let store = self.store.as_ref();
        let mut now = assess(store, before, after, self.danger, &self.unmatched)?;
        // The policy may have the risk already, where it shuts out no user.
        now.add_risks_at(&self.newly_asking);
        now.add_risks_of_ended_exemptions(&self.used);
        let known = self.dangers();
        match now.dangers.iter().find(|danger| !known.contains(danger)) {
            None => Ok(()),
            Some(new) => {
                let text = format!("not done, since something was changed meanwhile: {new}");
                Err(CommandFailure::refused(text).of_kind(FailureKind::ChangedMeanwhile))
            }
        }
    }

    /// True if it only switches off, and comes with no PAM lines that ask newly.
    fn only_switches_off(&self) -> bool {
        self.newly_asking.is_empty() && only_switches_off(self.before.as_ref(), &self.after)
    }
}

/// The failure of a policy that was not changed. A signal ends the wait for others.
fn ended_wait(refusal: PolicyRefusal<CommandFailure>) -> CommandFailure {
    let failure = refused(refusal, |failure| failure);
    match interrupt::check() {
        Err(interrupted) if failure.kind == FailureKind::Busy => interrupted,
        _ => failure,
    }
}

/// The failure of a policy that was not changed.
pub(super) fn refused<E>(
    refusal: PolicyRefusal<E>,
    denied: impl FnOnce(E) -> CommandFailure,
) -> CommandFailure {
    match refusal {
        PolicyRefusal::Changed => {
            CommandFailure::refused("the policy was changed meanwhile; try again")
                .of_kind(FailureKind::ChangedMeanwhile)
        }
        PolicyRefusal::Failed(StoreError {
            cause: FileFault::Busy(holder),
            ..
        }) => {
            let all_the_same = "To change it while that process holds the lock: --force";
            command_turn::missed(holder, "the policy was not changed", all_the_same)
        }
        PolicyRefusal::Failed(error) => error.into(),
        PolicyRefusal::Denied(error) => denied(error),
    }
}
