//! A code of a login, as an attempt against the store of the fleet asks for its decision.

use twofactor_core::record::Record;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::State;
use twofactor_core::verify::Outcome;
use twofactor_fleet::attempt_id::AttemptId;
use twofactor_fleet::deadline::WorkDeadline;
use twofactor_fleet::fleet_host::FleetHost;
use twofactor_fleet::fleet_run;
use twofactor_fleet::gateway_message::AttemptKeys;
use twofactor_fleet::mirror_marks::MirrorMarks;
use twofactor_fleet::outage::OutageReason;
use twofactor_fleet::shared_attempt::{AttemptDecision, AttemptJudge, FleetAttempt};
use twofactor_fleet::shared_state::SharedOutcome;
use twofactor_fleet::store_key::StoreKey;
use twofactor_store::attempt::{
    AttemptFailure, AttemptResult, SharedCode, SharedEnd, SharedEpoch, SharedVerdict,
};

/// Has a code judged on the state in the store, whose name is that of the record. When this returns, what was judged is stored there.
///
/// # Errors
/// [`AttemptFailure`] where the kernel gives no randomness.
pub fn settle(
    host: &FleetHost,
    user: &str,
    code: &mut SharedCode<'_>,
    time: &WorkDeadline,
) -> Result<SharedEnd<OutageReason>, AttemptFailure> {
    let revision = MirrorMarks::open(host.directory().path())
        .and_then(|marks| marks.revision_of(user, Some(code.record())));
    let revision = match revision {
        // The record of the fleet comes first: a code of this host alone ends with it.
        Ok(_) if has_code_of_this_host(code.record()) => 0,
        Ok(revision) => revision,
        Err(error) => {
            let reason = OutageReason::NotMirrored(error.to_string());
            return Ok(SharedEnd::Outage(reason));
        }
    };
    let id = AttemptId::random()?;
    let keys = AttemptKeys {
        meta: StoreKey::meta(),
        host: host.host_key().clone(),
        state: StoreKey::state(user),
    };
    let places = (keys.state.clone(), keys.host.clone());
    let judge = LockedCodeJudge { code, revision };
    let mut attempt = FleetAttempt::new(id, host.key(), places, host, judge);
    match fleet_run::run(host.gateway(), &keys, &mut attempt, time) {
        Ok(result) => result.map(SharedEnd::Judged),
        Err(reason) => Ok(SharedEnd::Outage(reason)),
    }
}

/// True if root made a bypass code on this host, while it was cut off.
fn has_code_of_this_host(record: &Record) -> bool {
    let mut codes = record.bypass.iter();
    codes.any(|code| code.scope == CodeScope::ThisHost)
}

/// A code whose user's lock is held.
struct LockedCodeJudge<'a, 'c> {
    code: &'a mut SharedCode<'c>,
    /// Of the record of this host.
    revision: u64,
}

impl AttemptJudge for LockedCodeJudge<'_, '_> {
    type End = Result<AttemptResult, AttemptFailure>;

    fn record(&self) -> u64 {
        self.revision
    }

    fn decide(&mut self, shared: &State, epoch: SharedEpoch) -> AttemptDecision<Self::End> {
        match self.code.decide(shared, epoch) {
            Ok(SharedVerdict::Unchanged(result)) => AttemptDecision::Unchanged(Ok(result)),
            Ok(SharedVerdict::Compared(outcome, state)) => AttemptDecision::Judged {
                state,
                outcome: match outcome {
                    Outcome::Accepted(_) => SharedOutcome::Accepted,
                    Outcome::Rejected(_) => SharedOutcome::Rejected,
                },
                end: Ok(AttemptResult::Compared(outcome)),
            },
            Err(failure) => AttemptDecision::Unchanged(Err(failure)),
        }
    }
}
