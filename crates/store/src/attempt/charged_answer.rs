//! A typed answer on one state: it is charged first, then compared, and the verdict comes with the state that follows. The rule by which
//! it is right is `verify::verdict` of the core.
//!
//! It reads and writes no file. The caller says where the state comes from, and tells nothing before the state that follows is
//! stored.

use twofactor_core::policy::Policy;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;
use twofactor_core::verify::refused_codes::{self, RefusedKey};
use twofactor_core::verify::{
    self, AnswerForm, ChargedState, CodeOutcome, FailureCounter, ThrottleStatus, TypedAnswer,
};

use super::{AttemptResult, CredentialSet};

/// All that the verdict depends on beside the state and the answer.
#[derive(Debug, Clone, Copy)]
pub struct VerdictTerms<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The record of the user.
    pub record: &'a UserRecord,
    /// The credentials that the answer is compared with.
    pub credentials: CredentialSet,
    /// Seconds since 1970-01-01 UTC. The state is not from later: [`verify::rebased`] comes first.
    pub now: u64,
}

/// An answer that is charged, and not compared yet.
pub struct ChargedAnswer<'a> {
    terms: VerdictTerms<'a>,
    charged: ChargedState,
    answer: TypedAnswer,
    key: RefusedKey,
}

/// Reason why an answer is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeStop<E> {
    /// The state says so, and does not change.
    Ended(AttemptResult),
    /// There is no randomness: nothing may be concluded about the answer.
    Failed(E),
}

impl<'a> ChargedAnswer<'a> {
    /// Charges an answer. `fill` is asked for randomness only where an answer may have to be remembered as refused.
    ///
    /// # Errors
    /// [`ChargeStop`]. Nothing has been compared, so that it tells nothing of the code.
    pub fn begin<E>(
        terms: VerdictTerms<'a>,
        state: UserState,
        (input, form): (&[u8], AnswerForm),
        fill: impl FnOnce(&mut RefusedKey) -> Result<(), E>,
    ) -> Result<Self, ChargeStop<E>> {
        let VerdictTerms {
            policy,
            record,
            credentials,
            now,
        } = terms;
        let state = committed(state, record);
        let charged = match verify::charge_to(&policy.throttle, &state, credentials.counter(), now)
        {
            Ok(charged) => charged,
            Err(closed) => return Err(ChargeStop::Ended(AttemptResult::Refused(closed))),
        };
        let answer = TypedAnswer::read(input, form, &verify::code_lengths(record));
        if !matches!(credentials, CredentialSet::Invitation(_))
            && refused_codes::is_repeated(&state.refused, &answer)
        {
            return Err(ChargeStop::Ended(AttemptResult::Repeated));
        }
        let mut key = state.refused.key;
        if refused_codes::needs_key(&state.refused, &answer) {
            fill(&mut key).map_err(ChargeStop::Failed)?;
        }
        Ok(Self {
            terms,
            charged: charged.for_answer(&answer),
            answer,
            key,
        })
    }

    /// The state with the charge: what counts if nothing more is done.
    #[must_use]
    pub const fn charge(&self) -> &UserState {
        self.charged.state()
    }

    /// Compares the answer. Returns the result, and the state that must be stored before it is told. `grant` adds what an accepted
    /// code of a login grants on this host: grace.
    #[must_use]
    pub fn verdict(&self, grant: impl FnOnce(&mut UserState)) -> (CodeOutcome, UserState) {
        let VerdictTerms {
            policy,
            record,
            credentials,
            now,
        } = self.terms;
        let verdict = verify::verdict(policy, record, &self.charged, &self.answer, now);
        let mut state = verdict.state;
        match (&verdict.outcome, credentials) {
            (CodeOutcome::Accepted(_), CredentialSet::Devices(FailureCounter::Logins)) => {
                grant(&mut state);
            }
            (CodeOutcome::Accepted(_), CredentialSet::Invitation(_)) => {
                state.bypass = self.charge().bypass;
            }
            (CodeOutcome::Rejected(_), CredentialSet::Devices(_)) => {
                refused_codes::remember(&mut state.refused, &self.answer, self.key);
            }
            (CodeOutcome::Accepted(_), CredentialSet::Devices(FailureCounter::Daemon))
            | (CodeOutcome::Rejected(_), CredentialSet::Invitation(_))
            | (_, CredentialSet::ChangeProof) => {}
        }
        // A lock-out ends all grace.
        if verify::gate(&policy.throttle, &state, now) != ThrottleStatus::Open {
            state.end_grace();
        }
        (verdict.outcome, state)
    }
}

/// The state in which every device of the record is committed: a change that was stopped after the record is completed.
fn committed(mut state: UserState, record: &UserRecord) -> UserState {
    for device in &record.devices {
        if let Some(entry) = state.device_mut(device.id) {
            entry.committed = true;
        }
    }
    state
}
