//! A code of a login, as an attempt against the store of the fleet asks for its decision.

use twofactor_core::record::UserRecord;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::UserState;
use twofactor_core::verify::CodeOutcome;
use twofactor_fleet::attempt_steps::fleet_run;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::attempt_steps::shared_attempt::{AttemptDecision, AttemptJudge, FleetAttempt};
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::etcd::gateway_message::AttemptKeys;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::mirror::mirror_marks::MirrorMarks;
use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_fleet::sealed_values::shared_state::SharedOutcome;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::attempt::{
    AttemptFailure, AttemptResult, OutageCount, SharedCode, SharedEnd, SharedEpoch, SharedVerdict,
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
        record: StoreKey::record(user),
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
fn has_code_of_this_host(record: &UserRecord) -> bool {
    let mut codes = record.bypass.iter();
    codes.any(|code| code.scope == CodeScope::ThisHost)
}

/// A code whose user's lock is held.
struct LockedCodeJudge<'a, 'c> {
    code: &'a mut SharedCode<'c>,
    /// Revision of this host's record.
    revision: u64,
}

impl AttemptJudge for LockedCodeJudge<'_, '_> {
    type End = Result<AttemptResult, AttemptFailure>;

    fn record(&self) -> u64 {
        self.revision
    }

    fn outage_count(&self) -> Option<OutageCount> {
        self.code.outage_count()
    }

    fn decide(
        &mut self,
        shared: &UserState,
        known: u32,
        epoch: SharedEpoch,
    ) -> AttemptDecision<Self::End> {
        match self.code.decide(shared, known, epoch) {
            Ok(SharedVerdict::Unchanged(result)) => AttemptDecision::Unchanged(Ok(result)),
            Ok(SharedVerdict::Compared(outcome, state)) => AttemptDecision::Judged {
                state,
                outcome: match outcome {
                    CodeOutcome::Accepted(_) => SharedOutcome::Accepted,
                    CodeOutcome::Rejected(_) => SharedOutcome::Rejected,
                },
                end: Ok(AttemptResult::Compared(outcome)),
            },
            Err(failure) => AttemptDecision::Unchanged(Err(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use twofactor_core::verify::{AnswerForm, FailureCounter};
    use twofactor_store::PolicyFile;
    use twofactor_store::attempt::{LoginAttempt, SharedPurpose};
    use twofactor_store::testing::{ScratchStore, alice, enroll_devices, phone};

    /// The wrong codes that this host counted by itself are added to the store, without those that it knows already.
    #[test]
    fn a_code_brings_what_its_host_counted_by_itself() {
        let scratch = ScratchStore::new();
        let (store, alice) = (scratch.store(), alice());
        enroll_devices(&store, &alice, &[phone()]);
        let mut locked = store.lock(&alice).unwrap();
        let mut own = locked.state().clone();
        own.begin_outage(9);
        own.failures = 3;
        locked.write(own).unwrap();
        drop(locked);
        fs::write(scratch.policy(), "enabled = true\n").unwrap();
        let file = PolicyFile::new(&scratch.policy());
        let loaded = file.load().unwrap();
        let mut attempt = LoginAttempt::new(&file, loaded, &store, &alice, "twofactord");
        let purpose = SharedPurpose::Code(FailureCounter::Logins);
        let end = attempt.shared_attempt((b"000", AnswerForm::Code), purpose, |code| {
            let mut shared = scratch.stored().state;
            shared.failures = 0;
            let mut judge = LockedCodeJudge { code, revision: 0 };
            assert_eq!(judge.outage_count().unwrap().counted, 3);
            for (known, failures) in [(0, 4), (2, 2), (3, 1)] {
                let decision = judge.decide(&shared, known, SharedEpoch::Current);
                let AttemptDecision::Judged { state, .. } = decision else {
                    panic!("nothing was judged");
                };
                assert_eq!(state.failures, failures);
            }
            Ok(SharedEnd::Outage(()))
        });
        assert_eq!(end, Ok(SharedEnd::Outage(())));
    }
}
