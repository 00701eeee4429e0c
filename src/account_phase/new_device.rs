//! The account phase after a login with a recovery or bypass code: a user who has lost the phone sets up a new one.
//!
//! The code that was given is the proof. Nothing here refuses the login, and nothing is stored that the user has not confirmed. A
//! new device is confirmed by a code of it, a removal and new recovery codes by a yes or a name.

use twofactor_core::device::{Device, DeviceName, MAX_DEVICES};
use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::policy::decision::PolicyDecision;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{FEW_CODES, RecoverySet};
use twofactor_core::verify;
use twofactor_store::LockedFactor;
use twofactor_store::attempt::LoginAttempt;
use twofactor_store::operations::{self, ChangeSteps, DevicesBefore, UserFactor};
use twofactor_store::sys::clock;

use super::enrollment_dialogue::{DialogueLog, EnrollmentDialogue};
use super::login_files::LoginFiles;
use super::{
    EnrollmentAbort, EnrollmentMode, EnrollmentPermission, account, enrollment_text,
    new_device_text as text, withdrawn,
};
use crate::login_dialogue::{DialogueClose, LoginDialogue};
use crate::module_arguments::ModuleArguments;
use crate::recovery_claim::RecoveryClaim;
use crate::transaction::{LogPriority, MessageMode, PamTransaction};
use crate::{code_log_lines, notice_delivery};

/// Number of times that the name of a device is asked for.
const MOST_NAMES: usize = 5;

/// Offers a new device, the removal of old ones, and new recovery codes where few are left.
pub fn offer(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    messages: MessageMode,
    claim: RecoveryClaim,
) {
    if messages == MessageMode::Unwanted || transaction.user().as_ref() != Ok(&claim.user) {
        return;
    }
    let about = LogLine::about(&claim.user, &transaction.rhost().unwrap_or_default());
    let mut dialogue = LoginDialogue::new(transaction, messages);
    if let Err(stop) = run(&mut dialogue, arguments, claim, &about) {
        let (priority, line) = match &stop {
            EnrollmentAbort::Failed(failure) => {
                dialogue.say(text::FAILED);
                let service = dialogue.transaction().service().unwrap_or_default();
                (
                    LogPriority::Error,
                    code_log_lines::failed(about, failure, &service),
                )
            }
            EnrollmentAbort::Enrolled => {
                dialogue.say(text::CHANGED);
                let line = about.result(LoginEvent::EnrolledMeanwhile);
                (LogPriority::Notice, line)
            }
            EnrollmentAbort::Withdrawn(what) => {
                dialogue.say(text::CHANGED);
                (LogPriority::Notice, withdrawn(about, *what))
            }
            EnrollmentAbort::Refused(why) => (LogPriority::Notice, about.result(*why)),
            _ => (
                LogPriority::Info,
                about.result(LoginEvent::EnrollmentSkipped),
            ),
        };
        dialogue.transaction().log(priority, line.as_str());
    }
    dialogue.close(DialogueClose::Open);
}

fn run(
    dialogue: &mut LoginDialogue<'_>,
    arguments: &ModuleArguments,
    claim: RecoveryClaim,
    about: &LogLine,
) -> Result<(), EnrollmentAbort> {
    let account = account(dialogue.transaction(), &claim.account)?;
    if account.uid != claim.uid {
        return Err(EnrollmentAbort::Refused(LoginEvent::AnotherUser));
    }
    let files = LoginFiles::open(dialogue.transaction(), arguments, &account)?;
    let mut recovered = RecoveredUser {
        enrollment: EnrollmentDialogue {
            attempt: files.attempt()?,
            account: &account,
            mode: EnrollmentMode::Offered,
            about,
        },
        login: claim.login,
    };
    recovered.run(dialogue)
}

/// A user who has logged in with a recovery or bypass code.
struct RecoveredUser<'a> {
    enrollment: EnrollmentDialogue<'a>,
    login: RecoveryLogin,
}

impl<'a> RecoveredUser<'a> {
    fn run(&mut self, dialogue: &mut LoginDialogue<'_>) -> Result<(), EnrollmentAbort> {
        let decision = self.enrollment.wanted(dialogue.transaction())?;
        let attempt = &self.enrollment.attempt;
        let snapshot = attempt.store.snapshot(attempt.holder)?;
        let Some(snapshot) = snapshot.filter(|it| self.login.holds_in(&it.record)) else {
            return Ok(());
        };
        let is_permitted = decision == PolicyDecision::CodeRequired
            && self.login.is_permitted(&attempt.loaded.policy);
        if !is_permitted {
            return Ok(());
        }
        let record = snapshot.record;
        let mut left = verify::recovery_codes_left(&record, &snapshot.state);
        let device = match self.new_device(dialogue, &record) {
            Ok(new_codes) => {
                left += new_codes;
                Ok(())
            }
            // The codes are a question of their own.
            Err(EnrollmentAbort::Skipped) => Err(EnrollmentAbort::Skipped),
            Err(stop) => return Err(stop),
        };
        if left <= FEW_CODES {
            match self.new_codes(dialogue, left) {
                Ok(()) => return Ok(()),
                Err(EnrollmentAbort::Skipped) => {}
                Err(stop) => return Err(stop),
            }
        }
        device
    }

    /// Sets up a device. Returns the number of recovery codes that came with it.
    fn new_device(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        record: &UserRecord,
    ) -> Result<usize, EnrollmentAbort> {
        let devices = &record.devices;
        if devices.len() >= MAX_DEVICES {
            return self.replace_one(dialogue, devices);
        }
        dialogue.say(text::OFFER);
        if !enrollment_text::is_yes(&dialogue.ask(text::RENEW_OR_SKIP)?) {
            return Err(EnrollmentAbort::Skipped);
        }
        let changes = record.changes.iter();
        let lately: Vec<_> = changes.filter_map(|it| it.device.clone()).collect();
        let name = DeviceName::next_to(devices, &lately);
        let new = self
            .enrollment
            .confirmed(dialogue, name, EnrollmentMode::Offered)?;
        self.enrollment.same_user(dialogue)?;
        let audit = self.enrollment.origin(dialogue.transaction());
        let (factor, mut steps) = self.change(&audit);
        let before = DevicesBefore::Any;
        let new = operations::enroll(&factor, new, before, clock::now()?, &mut steps)?;
        self.login.added(new.device.id);
        self.log(dialogue, LoginEvent::Enrolled, &new.device.name);
        dialogue.confirm(&text::stored(&new.device));
        if !new.recovery_codes.is_empty() {
            let medium = self.enrollment.medium();
            dialogue.say(&text::codes(&new.recovery_codes, medium));
        }
        // The new device counts, whatever becomes of the old ones.
        match self.remove_old(dialogue, devices) {
            Ok(()) | Err(EnrollmentAbort::Skipped) => Ok(new.recovery_codes.len()),
            Err(stop) => Err(stop),
        }
    }

    /// Sets up a device in the place of another one, where there is no room for one more.
    fn replace_one(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        devices: &[Device],
    ) -> Result<usize, EnrollmentAbort> {
        dialogue.say(&text::full(devices));
        let old = named(dialogue, devices, text::REPLACE_OR_SKIP)?.clone();
        let new = self
            .enrollment
            .confirmed(dialogue, old.name.clone(), EnrollmentMode::Offered)?;
        self.enrollment.same_user(dialogue)?;
        let audit = self.enrollment.origin(dialogue.transaction());
        let (factor, mut steps) = self.change(&audit);
        let new = operations::renew(&factor, old.id, new, &mut steps)?;
        self.login.replaced(old.id, new.id);
        self.log(dialogue, LoginEvent::DeviceReplaced, &new.name);
        dialogue.confirm(text::REPLACED);
        Ok(0)
    }

    /// Offers to remove devices that were there before the new one.
    fn remove_old(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        devices: &[Device],
    ) -> Result<(), EnrollmentAbort> {
        let mut old = devices.to_vec();
        while !old.is_empty() {
            let lost = match old.as_slice() {
                [only] => {
                    dialogue.say(&text::still_works(only));
                    let answer = dialogue.ask(&text::remove_or_keep(only))?;
                    if !enrollment_text::is_yes(&answer) {
                        return Ok(());
                    }
                    only.clone()
                }
                several => {
                    dialogue.say(&text::still_work(several));
                    named(dialogue, several, text::REMOVE_OR_KEEP)?.clone()
                }
            };
            self.enrollment.same_user(dialogue)?;
            let audit = self.enrollment.origin(dialogue.transaction());
            let (factor, mut steps) = self.change(&audit);
            operations::remove_device(&factor, lost.id, &mut steps)?;
            self.login.removed(lost.id);
            self.log(dialogue, LoginEvent::DeviceRemoved, &lost.name);
            dialogue.confirm(&text::removed(&lost));
            old.retain(|device| device.id != lost.id);
        }
        Ok(())
    }

    /// Offers new recovery codes. They are seen before they count, so that a client that goes away takes none with it.
    fn new_codes(
        &mut self,
        dialogue: &mut LoginDialogue<'_>,
        left: usize,
    ) -> Result<(), EnrollmentAbort> {
        dialogue.say(&text::codes_left(left));
        if !enrollment_text::is_yes(&dialogue.ask(text::CODES_OR_KEEP)?) {
            return Err(EnrollmentAbort::Skipped);
        }
        let (set, codes) = RecoverySet::generate(clock::now()?)?;
        dialogue.say(&text::codes(&codes, self.enrollment.medium()));
        if !enrollment_text::is_yes(&dialogue.ask(text::CODES_SEEN)?) {
            dialogue.confirm(text::CODES_KEPT);
            return Err(EnrollmentAbort::Skipped);
        }
        self.enrollment.same_user(dialogue)?;
        let audit = self.enrollment.origin(dialogue.transaction());
        let (factor, mut steps) = self.change(&audit);
        operations::adopt_recovery_codes(&factor, set, &mut steps)?;
        notice_delivery::forget_codes(dialogue.transaction());
        let line = self.enrollment.about.clone();
        let line = line.result(LoginEvent::NewRecoveryCodes);
        dialogue
            .transaction()
            .log(LogPriority::Notice, line.as_str());
        dialogue.confirm(text::CODES_STORED);
        Ok(())
    }

    /// The factor, and the conditions of a change of it.
    fn change<'f>(
        &'f mut self,
        audit: &'f DialogueLog,
    ) -> (UserFactor<'f>, StillRecovered<'f, 'a>) {
        let factor = UserFactor {
            store: self.enrollment.attempt.store,
            account: self.enrollment.attempt.holder,
            audit,
        };
        let steps = StillRecovered {
            attempt: &mut self.enrollment.attempt,
            login: &self.login,
        };
        (factor, steps)
    }

    fn log(&self, dialogue: &mut LoginDialogue<'_>, event: LoginEvent, device: &DeviceName) {
        self.enrollment.log(dialogue, event, device);
    }
}

/// The device that the user names. Nothing is a no.
fn named<'d>(
    dialogue: &mut LoginDialogue<'_>,
    devices: &'d [Device],
    question: &str,
) -> Result<&'d Device, EnrollmentAbort> {
    for _ in 0..MOST_NAMES {
        let typed = dialogue.ask(question)?;
        if verify::is_blank(&typed) {
            break;
        }
        let is_named = |device: &&Device| device.name.as_str().as_bytes() == typed.trim_ascii();
        match devices.iter().find(is_named) {
            Some(device) => return Ok(device),
            None => dialogue.say(text::NO_SUCH_DEVICE),
        }
    }
    Err(EnrollmentAbort::Skipped)
}

/// Conditions that must still hold when something is stored: everything is read anew, under the lock.
struct StillRecovered<'s, 'a> {
    attempt: &'s mut LoginAttempt<'a>,
    login: &'s RecoveryLogin,
}

impl ChangeSteps for StillRecovered<'_, '_> {
    type Error = EnrollmentAbort;

    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), EnrollmentAbort> {
        if !record.is_some_and(|record| self.login.holds_in(record)) {
            return Err(EnrollmentAbort::Enrolled);
        }
        let service = self.attempt.service;
        let policy = self.attempt.current_policy()?;
        if policy.asks_at(service) && self.login.is_permitted(policy) {
            Ok(())
        } else {
            Err(EnrollmentAbort::Withdrawn(EnrollmentPermission::Policy))
        }
    }
}
