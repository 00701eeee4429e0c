//! The judge of a code in a fleet: the store that all hosts share, through the service of the fleet; this host's files during an outage.
#![forbid(unsafe_code)]

use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{Accepted, AnswerTail, FailureCounter, Form, ThrottleStatus};
use twofactor_protocol::fleet::CodePurpose;
use twofactor_protocol::reply::ReplyError;
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, PreCheck};
use twofactor_store::daemon::DaemonFault;
use twofactor_store::fleet_client::{FleetClient, FleetVerdict};

use super::as_user::is_of_daemon;
use super::judge::{CodeJudge, judged, layout_of};
use crate::arguments::ModuleArguments;

/// The fleet, and the files of this host.
pub struct FleetJudge<'a> {
    files: LoginAttempt<'a>,
    client: FleetClient,
    outage: Option<String>,
}

impl<'a> FleetJudge<'a> {
    /// The judge of a user's codes; `name` is the login name.
    ///
    /// # Errors
    /// [`AttemptFailure`] where the arguments of the module name other files than those of the service.
    pub fn new(
        files: LoginAttempt<'a>,
        name: &str,
        arguments: &ModuleArguments,
    ) -> Result<Self, AttemptFailure> {
        let client = FleetClient::new(&files.loaded.policy.fleet, name, CodePurpose::Login);
        if !is_of_daemon(arguments) {
            return Err(client.fault(DaemonFault::OtherFiles).into());
        }
        Ok(Self {
            files,
            client,
            outage: None,
        })
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
        let tail = AnswerTail::of(input, form);
        match self.client.judge(&tail, layout_of(form))? {
            FleetVerdict::Judged(answer) => {
                self.outage = None;
                let result = judged(answer, &tail)
                    .ok_or_else(|| self.client.error(ReplyError::Malformed))?;
                self.files.after_shared(&result)?;
                Ok(result)
            }
            FleetVerdict::Outage(why) => {
                let why = why.map(|error| error.to_string());
                self.outage = Some(why.unwrap_or_default());
                self.files
                    .outage_attempt((input, form), FailureCounter::Logins)
            }
        }
    }

    fn has_recovery_codes(&self) -> bool {
        self.files.has_recovery_codes()
    }

    fn recovery_login(&self, accepted: &Accepted) -> Option<RecoveryLogin> {
        self.files.recovery_login(accepted)
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
