//! A device that the daemon made, and that waits for a code of it in one connection.

use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::enroll::UnconfirmedCode;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::policy::Policy;
use twofactor_core::secret::Secret;
use twofactor_core::verify::CodeRejection;
use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_protocol::service::{ChangeCall, ChangeReply, ChangeResult, CodeCall};
use twofactor_store::daemon_client::{DaemonError, DaemonFault, HeldConnection};
use zeroize::Zeroizing;

use super::own_failure::{refusal, uncertain};
use super::{OwnFactor, needs_root, unanswered};
use crate::command_failure::CommandFailure;
use crate::commands::waiting_device::{CodeResult, WaitingDevice};
use crate::device_info;
use crate::failure_kind::FailureKind;

/// A device that the daemon made. It ends with the connection.
pub struct OwnDevice<'a> {
    own: &'a OwnFactor,
    policy: &'a Policy,
    conversation: HeldConnection,
    device: Device,
    uri: Zeroizing<String>,
}

impl<'a> OwnDevice<'a> {
    /// Takes the reply that shows it.
    ///
    /// # Errors
    /// [`CommandFailure`] where the reply is none.
    pub fn new(
        own: &'a OwnFactor,
        policy: &'a Policy,
        conversation: HeldConnection,
        reply: &ChangeReply,
    ) -> Result<Self, CommandFailure> {
        let malformed = || unanswered(&own.client.error(ReplyError::Malformed));
        let uri = reply.uri.clone().map(Zeroizing::new);
        Ok(Self {
            own,
            policy,
            conversation,
            device: shown(reply).ok_or_else(malformed)?,
            uri: uri.ok_or_else(malformed)?,
        })
    }

    /// The key in base32.
    pub fn secret(&self) -> Zeroizing<String> {
        self.device.secret.to_base32()
    }
}

impl WaitingDevice for OwnDevice<'_> {
    type Confirmed = ChangeReply;

    fn device(&self) -> &Device {
        &self.device
    }

    fn user(&self) -> &str {
        &self.own.user
    }

    fn uris(&self) -> Vec<Zeroizing<String>> {
        let forms = device_info::uris(&self.device, &self.own.user, self.policy, None);
        // The whole one is the daemon's.
        let shorter = forms.into_iter().skip(1);
        std::iter::once(self.uri.clone()).chain(shorter).collect()
    }

    fn confirm(&mut self, code: &str) -> Result<CodeResult<ChangeReply>, CommandFailure> {
        let call = ChangeCall::Confirm(CodeCall {
            user: self.own.user.clone(),
            code: Some(code.to_owned()),
        });
        let reply = self.conversation.ask(&call.message(), ChangeReply::read);
        let reply = reply.map_err(|error| lost(&error))?;
        let why = match reply.result {
            ChangeResult::Stored => return Ok(CodeResult::Confirmed(reply)),
            ChangeResult::Wrong => CodeRejection::Wrong,
            ChangeResult::Clock => CodeRejection::ClockDiffers {
                device: self.device.name.to_string(),
                steps: reply.steps.unwrap_or(0),
            },
            _ => return Err(refusal(self.own, &reply)),
        };
        Ok(CodeResult::Refused(UnconfirmedCode {
            why,
            tries_left: reply.tries_left.unwrap_or(0),
        }))
    }

    fn vouch(self) -> Result<ChangeReply, CommandFailure> {
        Err(needs_root("a device without a code of it needs root"))
    }
}

/// The connection is gone, and the device with it, unless the code arrived.
fn lost(error: &DaemonError) -> CommandFailure {
    let why = match error.cause {
        DaemonFault::Ended => "the key is older than 10 minutes, or twofactord was restarted",
        // It has looked at no code, and the device ends with this command's connection.
        DaemonFault::Reply(ReplyError::Service(ServiceError::Busy)) => {
            "twofactord has too much to do, and the key is void"
        }
        _ => return uncertain(error),
    };
    CommandFailure::refused(format!("{why}, so nothing was stored"))
        .of_kind(FailureKind::Cancelled)
        .next("Begin again.")
}

/// The device of a reply; `None` where its settings are not known.
fn shown(reply: &ChangeReply) -> Option<Device> {
    let entry = reply.device.as_ref()?;
    let algorithms = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    let mut algorithms = algorithms.into_iter();
    Some(Device {
        // The one that counts is the daemon's.
        id: CredentialId::generate().ok()?,
        name: entry.name.parse().ok()?,
        kind: match (entry.kind.as_ref(), entry.interval) {
            ("totp", Some(seconds)) => OtpKind::Totp {
                interval: Interval::new(seconds)?,
            },
            ("hotp", None) => OtpKind::Hotp,
            _ => return None,
        },
        algorithm: algorithms.find(|it| it.name() == entry.algorithm)?,
        digits: Digits::new(entry.digits)?,
        secret: Secret::from_base32(reply.secret.as_deref()?)?,
        created: entry.enrolled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use twofactor_store::daemon_client::DaemonClient;

    #[test]
    fn a_lost_device_differs_from_one_that_may_be_stored() {
        let client = DaemonClient::new(Path::new("/run/x"), "alice");
        let told = |cause| lost(&client.fault(cause));
        for cause in [
            DaemonFault::Ended,
            DaemonFault::Reply(ReplyError::Service(ServiceError::Busy)),
        ] {
            let failure = told(cause);
            assert!(failure.what.ends_with(", so nothing was stored"));
            assert_eq!(failure.kind, FailureKind::Cancelled);
            assert_eq!(failure.next.as_deref(), Some("Begin again."));
        }
        for cause in [
            DaemonFault::Closed,
            DaemonFault::Lost(rustix::io::Errno::AGAIN),
            DaemonFault::Reply(ReplyError::Malformed),
            DaemonFault::Reply(ReplyError::Service(ServiceError::Unavailable)),
        ] {
            let failure = told(cause);
            assert!(
                failure.what.contains("may have made the change"),
                "{cause:?}"
            );
            assert_eq!(failure.kind, FailureKind::System);
        }
    }
}
