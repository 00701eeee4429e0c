//! The judge of a code in a fleet: the store that all hosts share, through the service of the fleet; this host's files during an outage.
#![forbid(unsafe_code)]

use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{Accepted, FailureCounter, Form, ThrottleStatus};
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, PreCheck};

use super::judge::CodeJudge;

/// The fleet, and the files of this host.
pub struct FleetJudge<'a> {
    files: LoginAttempt<'a>,
    name: &'a str,
    outage: Option<String>,
}

impl<'a> FleetJudge<'a> {
    /// The judge of a user's codes; `name` is the login name.
    pub const fn new(files: LoginAttempt<'a>, name: &'a str) -> Self {
        Self {
            files,
            name,
            outage: None,
        }
    }
}

impl CodeJudge for FleetJudge<'_> {
    fn policy(&self) -> &Policy {
        self.files.policy()
    }

    /// Grace is that of the host. A lock-out is that of all hosts, which the attempt tells: this host's file may not know of its end.
    fn before(&self) -> Result<PreCheck, AttemptFailure> {
        Ok(match self.files.before()? {
            PreCheck::Throttle(_) => PreCheck::Throttle(ThrottleStatus::Open),
            grace => grace,
        })
    }

    fn attempt(&mut self, input: &[u8], form: Form) -> Result<AttemptResult, AttemptFailure> {
        self.outage = None;
        let answer = (input, form);
        let judged = self
            .files
            .fleet_attempt(self.name, answer, FailureCounter::Logins)?;
        self.outage = judged.outage;
        Ok(judged.result)
    }

    fn has_recovery_codes(&self) -> bool {
        self.files.has_recovery_codes()
    }

    /// A code that this host judged alone may be used up in the fleet: no change that counts on all hosts follows from it.
    fn recovery_login(&self, accepted: &Accepted) -> Option<RecoveryLogin> {
        match self.outage {
            Some(_) => None,
            None => self.files.recovery_login(accepted),
        }
    }

    fn changes_to_tell(&self) -> Vec<RecentChange> {
        self.files.changes_to_tell()
    }

    fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure> {
        self.files.password_len(input)
    }

    fn outage(&self) -> Option<&str> {
        self.outage.as_deref()
    }
}
