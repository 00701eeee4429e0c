//! The service of the fleet as root's programs see it.

use std::path::Path;
use std::time::Duration;

use twofactor_core::policy::FleetPolicy;
use twofactor_core::verify::SentAnswer;
use twofactor_protocol::fleet_attempt_call::{
    CodePurpose, FLEET_SOCKET, FleetAnswer, FleetAttemptCall,
};
use twofactor_protocol::reply::ReplyError;
use twofactor_protocol::verify_call::{CodeLayout, VerifyAnswer};

use crate::daemon_client::{DaemonClient, DaemonError, DaemonFault};

/// Time for the way to the service and back, beyond that of the verdict.
const MARGIN: Duration = Duration::from_millis(500);

/// A client of the service, for one user.
#[derive(Debug, Clone)]
pub struct FleetClient {
    user: String,
    purpose: CodePurpose,
    client: DaemonClient,
}

/// The fleet's word on a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetVerdict {
    /// The verdict, which is stored.
    Judged(VerifyAnswer),
    /// There is none: the store cannot be used, or the service gives no answer, with the reason. Nothing is known of the code.
    Outage(Option<DaemonError>),
}

impl FleetClient {
    /// Asks about `user`, in the time that the policy has for it.
    #[must_use]
    pub fn new(policy: &FleetPolicy, user: &str, purpose: CodePurpose) -> Self {
        let patience = Duration::from_millis(policy.deadline_ms.into()) + MARGIN;
        let client = DaemonClient::new(Path::new(FLEET_SOCKET), user);
        Self {
            user: user.to_owned(),
            purpose,
            client: client.asking_once(patience),
        }
    }

    /// A client of a service that listens at `socket`.
    #[cfg(test)]
    pub(crate) fn listening_at(self, socket: &Path) -> Self {
        let client = DaemonClient::new(socket, &self.user).asking_once(MARGIN);
        Self { client, ..self }
    }

    /// Has a code judged.
    ///
    /// # Errors
    /// [`DaemonError`] where the service answers, and has no verdict: it is busy, or cannot use its files.
    pub fn judge(
        &self,
        sent: &SentAnswer,
        layout: CodeLayout,
    ) -> Result<FleetVerdict, DaemonError> {
        let call = FleetAttemptCall {
            user: &self.user,
            code: &sent.text,
            layout,
            purpose: self.purpose,
        };
        match self.client.ask(&call.message(), FleetAnswer::read) {
            Ok(FleetAnswer::Judged(answer)) => Ok(FleetVerdict::Judged(answer)),
            Ok(FleetAnswer::Outage) => Ok(FleetVerdict::Outage(None)),
            Err(error) if is_silence(error.cause) => Ok(FleetVerdict::Outage(Some(error))),
            Err(error) => Err(error),
        }
    }

    /// The error of a reply that is no answer.
    #[must_use]
    pub fn error(&self, error: ReplyError) -> DaemonError {
        self.client.error(error)
    }

    /// The error of something that went wrong.
    #[must_use]
    pub fn fault(&self, cause: DaemonFault) -> DaemonError {
        self.client.fault(cause)
    }
}

/// True where no service answers: a full queue is that of one which does not come up, since one that runs takes all out of it. One that
/// is busy, is not root's, or tells an error is no outage: a flood of codes would make each of them work once more.
const fn is_silence(cause: DaemonFault) -> bool {
    match cause {
        DaemonFault::Connect(_)
        | DaemonFault::Lost(_)
        | DaemonFault::Closed
        | DaemonFault::Ended => true,
        DaemonFault::NotRoot(_) | DaemonFault::Reply(_) | DaemonFault::OtherFiles => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use twofactor_protocol::reply::ServiceError;

    #[test]
    fn only_silence_is_an_outage() {
        for (cause, is_outage) in [
            (DaemonFault::Connect(Errno::NOENT), true),
            (DaemonFault::Connect(Errno::CONNREFUSED), true),
            (DaemonFault::Connect(Errno::AGAIN), true),
            (DaemonFault::Lost(Errno::AGAIN), true),
            (DaemonFault::Closed, true),
            (DaemonFault::Ended, true),
            (DaemonFault::NotRoot(1000), false),
            (DaemonFault::OtherFiles, false),
            (DaemonFault::Reply(ReplyError::Malformed), false),
            (
                DaemonFault::Reply(ReplyError::Service(ServiceError::Busy)),
                false,
            ),
            (
                DaemonFault::Reply(ReplyError::Service(ServiceError::Unavailable)),
                false,
            ),
        ] {
            assert_eq!(is_silence(cause), is_outage, "{cause:?}");
        }
    }
}
