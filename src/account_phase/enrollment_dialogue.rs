//! The dialogue in which a user who gave the right password gets a device.

use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, DeviceName, OtpKind};
use twofactor_core::enroll::{self, ConfirmedDevice, PendingDevice};
use twofactor_core::log::audit_line::AuditEvent;
use twofactor_core::policy::decision::{LoginRequest, PolicyDecision};
use twofactor_core::record::recent_changes::ChangeOrigin;
use twofactor_core::verify::{CodeOutcome, CodeRejection, ThrottleStatus, is_blank};
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::attempt::{
    AttemptFailure, AttemptResult, LoginAttempt, PreCheck, prove_unenrolled,
};
use twofactor_store::login_decision::RecordedUser;
use twofactor_store::operations::{self, AuditSink, DevicesBefore, NewEnrollment, UserFactor};
use twofactor_store::sys::{clock, host_name};

use super::enrollment_text::{DisplayForm, DrawingStyle};
use super::shown_invitation::{ShownInvitation, StillAllowed};
use super::{EnrollmentAbort, EnrollmentMode, account, enrollment_text, withdrawn};
use crate::login_dialogue::{DialogueMedium, LoginDialogue};
use crate::transaction::{LogPriority, PamTransaction};
use crate::{code_log_lines, login_origin, login_text};
use twofactor_core::log::event::{LoginEvent, NoInvitation};
use twofactor_core::log::log_line::LogLine;

/// Number of times that a QR code is drawn in another way.
const MOST_REDRAWN: u32 = 20;

/// A user without a device.
pub struct EnrollmentDialogue<'a> {
    /// The login, with the policy as it was last read.
    pub attempt: LoginAttempt<'a>,
    /// The account that logs in.
    pub account: &'a Account,
    /// Mode of the enrollment: whether the device may be skipped.
    pub mode: EnrollmentMode,
    /// Beginning of the log lines about this login.
    pub about: &'a LogLine,
}

impl EnrollmentDialogue<'_> {
    /// The policy's present decision on this login. What cannot be looked up for it is logged.
    pub fn wanted(
        &self,
        transaction: &dyn PamTransaction,
    ) -> Result<PolicyDecision, AttemptFailure> {
        let attempt = &self.attempt;
        let policy = &attempt.loaded.policy;
        let request = LoginRequest {
            account: Some(self.account),
            service: attempt.service,
            address: attempt.address,
        };
        let mut groups = KnownGroups::default();
        let mut user = RecordedUser {
            policy,
            time: attempt.loaded.time((attempt.clock)()),
            groups: groups.of(Some(self.account)),
            has_device: self.has_device()?,
            requirement: None,
        };
        let mut decision = user.decision(&request);
        if lets_in_without_device(decision) {
            let named = (Some(self.account.name.as_str()), Some(self.account.uid));
            let state = attempt.store.path();
            prove_unenrolled(policy, state, named, attempt.service, attempt.clock)?;
            // A note is forgotten once the record is in place, so the record is looked at last.
            user.has_device = self.has_device()?;
            decision = user.decision(&request);
        }
        for name in groups.unanswered() {
            let line = code_log_lines::unanswered_name(self.about.clone(), name);
            transaction.log(LogPriority::Warning, line.as_str());
        }
        Ok(decision)
    }

    fn has_device(&self) -> Result<bool, AttemptFailure> {
        let record = self.attempt.store.holder(self.account)?.record;
        Ok(record.is_some_and(|record| record.is_enrolled()))
    }

    /// The whole dialogue. Nothing is stored before a code of the new device was typed.
    pub fn enroll(&mut self, dialogue: &mut LoginDialogue<'_>) -> Result<(), EnrollmentAbort> {
        let invite = self.begin(dialogue)?;
        let new = self.confirmed(dialogue, DeviceName::first(), self.mode)?;
        let (new, shown) = self.store_first(dialogue, new, invite)?;
        self.log(dialogue, LoginEvent::Enrolled, &new.device.name);
        dialogue.say(enrollment_text::STORED);
        dialogue.say(&enrollment_text::recovery(
            &new.recovery_codes,
            self.medium(),
        ));
        // The first device counts, whatever becomes of the second.
        match self.second(dialogue, new.device.id, shown) {
            Ok(second) => {
                self.log(dialogue, LoginEvent::Enrolled, &second.device.name);
                dialogue.confirm(enrollment_text::SECOND_STORED);
                if !second.recovery_codes.is_empty() {
                    dialogue.say(&enrollment_text::recovery(
                        &second.recovery_codes,
                        self.medium(),
                    ));
                    // A message may get into a log; a question does not.
                    let _ = dialogue.ask(login_text::GO_ON);
                }
            }
            Err(EnrollmentAbort::Failed(failure)) => {
                let line = code_log_lines::failed(
                    self.about.clone(),
                    &failure,
                    self.attempt.service.as_bytes(),
                );
                dialogue
                    .transaction()
                    .log(LogPriority::Error, line.as_str());
                dialogue.say(enrollment_text::SECOND_FAILED);
            }
            Err(EnrollmentAbort::Withdrawn(what)) => {
                let line = withdrawn(self.about.clone(), what);
                dialogue
                    .transaction()
                    .log(LogPriority::Notice, line.as_str());
                dialogue.say(enrollment_text::SECOND_FAILED);
            }
            Err(EnrollmentAbort::Enrolled) => dialogue.say(enrollment_text::SECOND_FAILED),
            Err(stop @ EnrollmentAbort::Refused(_)) => return Err(stop),
            Err(_) => {}
        }
        Ok(())
    }

    /// Asks whether to begin: for the administrator's invitation, where the policy wants one. A client that cannot
    /// answer ends here, before anything secret is shown.
    fn begin(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
    ) -> Result<Option<CredentialId>, EnrollmentAbort> {
        let invited = self.attempt.loaded.policy.enroll_needs_invite;
        if invited {
            self.invitation()?;
        }
        dialogue.say(match self.mode {
            EnrollmentMode::Demanded => enrollment_text::DEMAND,
            EnrollmentMode::Offered => enrollment_text::OFFER,
        });
        if invited {
            self.ask_for_invitation(dialogue)
        } else {
            self.ask_to_begin(dialogue)
        }
    }

    fn ask_to_begin(
        &self,
        dialogue: &mut LoginDialogue<'_>,
    ) -> Result<Option<CredentialId>, EnrollmentAbort> {
        match self.mode {
            EnrollmentMode::Demanded => {
                dialogue.ask(enrollment_text::BEGIN)?;
            }
            EnrollmentMode::Offered => {
                if !enrollment_text::is_yes(&dialogue.ask(enrollment_text::BEGIN_OR_SKIP)?) {
                    return Err(EnrollmentAbort::Skipped);
                }
            }
        }
        Ok(None)
    }

    /// Checks that there is an invitation that counts.
    fn invitation(&self) -> Result<(), EnrollmentAbort> {
        let record = self.attempt.store.record(self.attempt.holder)?;
        let now = clock::now()?;
        match record.and_then(|record| record.invite) {
            None => Err(EnrollmentAbort::Uninvited(NoInvitation::Missing)),
            Some(invite) if now >= invite.expires => {
                Err(EnrollmentAbort::Uninvited(NoInvitation::Expired))
            }
            Some(_) => Ok(()),
        }
    }

    fn ask_for_invitation(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
    ) -> Result<Option<CredentialId>, EnrollmentAbort> {
        for _ in 0..self.attempt.loaded.policy.tries {
            if let PreCheck::Throttle(closed) = self.attempt.before()?
                && closed != ThrottleStatus::Open
            {
                return Err(self.throttled(dialogue, closed));
            }
            let typed = dialogue.ask(enrollment_text::invitation(self.mode))?;
            if is_blank(&typed) {
                return Err(EnrollmentAbort::Skipped);
            }
            let (judged, invite) = self.attempt.invitation(&typed)?;
            match judged {
                AttemptResult::Compared(CodeOutcome::Accepted(_)) => return Ok(invite),
                AttemptResult::Compared(CodeOutcome::Rejected(CodeRejection::BypassExpired)) => {
                    return Err(self.gone(dialogue, NoInvitation::Expired));
                }
                AttemptResult::Compared(CodeOutcome::Rejected(why)) => {
                    let line = self.about.clone().result(LoginEvent::InviteWrong);
                    dialogue
                        .transaction()
                        .log(LogPriority::Notice, line.as_str());
                    dialogue.say(login_text::rejected(&why));
                }
                AttemptResult::Refused(closed) => return Err(self.throttled(dialogue, closed)),
                // Invitations are not remembered.
                AttemptResult::Repeated => dialogue.say(login_text::WRONG),
                AttemptResult::Gone => return Err(self.gone(dialogue, NoInvitation::Missing)),
            }
        }
        Err(EnrollmentAbort::Skipped)
    }

    /// The invitation went while its code was typed. A user who needs a device is told at the end.
    fn gone(&self, dialogue: &mut LoginDialogue<'_>, invitation: NoInvitation) -> EnrollmentAbort {
        if self.mode == EnrollmentMode::Offered {
            dialogue.say(enrollment_text::no_longer_invited(invitation));
        }
        EnrollmentAbort::Uninvited(invitation)
    }

    fn throttled(
        &self,
        dialogue: &mut LoginDialogue<'_>,
        closed: ThrottleStatus,
    ) -> EnrollmentAbort {
        let line = self.about.clone().closed(closed);
        dialogue
            .transaction()
            .log(LogPriority::Warning, line.as_str());
        dialogue.say(&login_text::closed(closed));
        EnrollmentAbort::Skipped
    }

    /// Makes a device, shows it, and asks for a code of it.
    pub(super) fn confirmed(
        &self,
        dialogue: &mut LoginDialogue<'_>,
        name: DeviceName,
        mode: EnrollmentMode,
    ) -> Result<ConfirmedDevice, EnrollmentAbort> {
        let policy = &self.attempt.loaded.policy;
        let account = self.account;
        let settings = policy.new_devices;
        let kind = OtpKind::Totp {
            interval: settings.interval,
        };
        let mut pending = PendingDevice::generate(name, kind, settings, clock::now()?)?;
        let device = pending.device();
        let uris = enroll::uris(device, &account.name, policy, &host_name::name(), 0);
        let mut style = DrawingStyle::FIRST;
        let columns = dialogue.transaction().columns();
        let (text, shown) = enrollment_text::device(device, &uris, self.medium(), style, columns);
        dialogue.say(&text);
        let mut redrawn = 0;
        loop {
            let typed = dialogue.ask(enrollment_text::code(mode, shown))?;
            if is_blank(&typed) {
                return Err(EnrollmentAbort::Skipped);
            }
            // No code, so it is not counted as one; a client that answers so by itself comes to an end all the same.
            if shown == DisplayForm::Picture
                && redrawn < MOST_REDRAWN
                && let Some(other) = style.asked_for(&typed)
            {
                style = other;
                redrawn += 1;
                let (text, _) =
                    enrollment_text::device(pending.device(), &uris, self.medium(), style, columns);
                dialogue.say(&text);
                continue;
            }
            let refused = match pending.confirm(policy, account, &typed, clock::now()?) {
                Ok(confirmed) => return Ok(confirmed),
                Err(refused) => refused,
            };
            let device = pending.device();
            dialogue.say(&enrollment_text::unconfirmed(device, &typed, &refused.why));
            if refused.tries_left == 0 {
                dialogue.say(enrollment_text::UNCONFIRMED);
                return Err(EnrollmentAbort::Skipped);
            }
        }
    }

    /// Stores the first device, if the user still has none and the policy still lets it be done. Returns it with the recovery
    /// codes, and the invitation that this took.
    fn store_first(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        new: ConfirmedDevice,
        invite: Option<CredentialId>,
    ) -> Result<(NewEnrollment, ShownInvitation), EnrollmentAbort> {
        let (new, shown) = self.stored(dialogue, new, DevicesBefore::None, (invite, None))?;
        Ok((new, shown.unwrap_or(ShownInvitation::NotAsked)))
    }

    /// Stores a device beside those of `before`; `invite` and `shown` are those of [`StillAllowed`].
    fn stored(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        new: ConfirmedDevice,
        before: DevicesBefore,
        (invite, shown): (Option<CredentialId>, Option<ShownInvitation>),
    ) -> Result<(NewEnrollment, Option<ShownInvitation>), EnrollmentAbort> {
        self.same_user(dialogue)?;
        let factor = UserFactor {
            store: self.attempt.store,
            account: self.attempt.holder,
            audit: &self.origin(dialogue.transaction()),
        };
        let mut allowed = StillAllowed {
            attempt: &mut self.attempt,
            invite,
            shown,
        };
        let new = operations::enroll(&factor, new, before, clock::now()?, &mut allowed)?;
        Ok((new, allowed.shown))
    }

    /// Refuses where another module has put another user in this place since.
    pub(super) fn same_user(
        &self,
        dialogue: &mut LoginDialogue<'_>,
    ) -> Result<(), EnrollmentAbort> {
        let account = account(dialogue.transaction(), &self.account.name)?;
        if account.uid == self.account.uid {
            Ok(())
        } else {
            Err(EnrollmentAbort::Refused(LoginEvent::AnotherUser))
        }
    }

    /// Offers one more device, as a backup.
    fn second(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        first: CredentialId,
        shown: ShownInvitation,
    ) -> Result<NewEnrollment, EnrollmentAbort> {
        if !enrollment_text::is_yes(&dialogue.ask(enrollment_text::ANOTHER)?) {
            return Err(EnrollmentAbort::Skipped);
        }
        let new = self.confirmed(dialogue, DeviceName::second(), EnrollmentMode::Offered)?;
        let before = DevicesBefore::With(first);
        let (new, _) = self.stored(dialogue, new, before, (None, Some(shown)))?;
        Ok(new)
    }

    /// The place of this login.
    pub(super) fn origin(&self, transaction: &dyn PamTransaction) -> DialogueLog {
        DialogueLog(login_origin::of(transaction, self.account.uid))
    }

    pub(super) fn medium(&self) -> DialogueMedium {
        DialogueMedium::of(self.attempt.service)
    }

    pub(super) fn log(
        &self,
        dialogue: &mut LoginDialogue<'_>,
        event: LoginEvent,
        device: &DeviceName,
    ) {
        let line = self.about.clone().result(event);
        let line = line.with("device", device);
        dialogue
            .transaction()
            .log(LogPriority::Notice, line.as_str());
    }
}

/// True where the lack of a device is what lets the user in, or get one. No other decision needs a proof of that, so a fleet that is away
/// hinders none of them.
const fn lets_in_without_device(decision: PolicyDecision) -> bool {
    use PolicyDecision::{EnrollmentOffered, EnrollmentRequired, NotRequired};
    matches!(
        decision,
        NotRequired | EnrollmentOffered | EnrollmentRequired
    )
}

/// The log of a login: [`EnrollmentDialogue::log`] writes the result of the dialogue, with the address that it came from.
pub(super) struct DialogueLog(ChangeOrigin);

impl AuditSink for DialogueLog {
    fn origin(&self) -> ChangeOrigin {
        self.0.clone()
    }

    fn changed(&self, _: &AuditEvent<'_>) {}
}
