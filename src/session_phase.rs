//! The session phase: one line that tells users without a device that they can have one, and grace for sessions that began with a code.

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{LoginRequest, decide, switched_off};
use twofactor_core::policy::{DeviceRequirement, LoginProspect, StartDay, rhost_address};
use twofactor_core::record::{EnrollmentStatus, UserRecord};
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::sys::{accounts, clock, process};
use twofactor_store::{FactorStore, LoadedPolicy, PolicyFile};

use crate::login_service;
use crate::login_text;
use crate::module_arguments::ModuleArguments;
use crate::session_grace_claim;
use crate::transaction::{LogPriority, MessageMode, PamTransaction};
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;

/// The uid of root.
const ROOT: u32 = 0;

/// Shows the line where it belongs, and begins the grace of a session that began with a code. Nothing here can refuse a session.
pub fn open(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
    messages: MessageMode,
) {
    let is_shown = messages == MessageMode::Wanted && transaction.has_terminal();
    if !is_shown && !transaction.expects_session() {
        return;
    }
    match line(transaction, arguments) {
        Ok(Some(text)) if is_shown => transaction.inform(&text),
        Ok(_) => {}
        Err(error) => {
            let line = LogLine::default()
                .result(LoginEvent::Error)
                .saying("error", &error);
            transaction.log(LogPriority::Error, line.as_str());
        }
    }
}

fn line(
    transaction: &mut dyn PamTransaction,
    arguments: &ModuleArguments,
) -> Result<Option<String>, AttemptFailure> {
    let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let (Some(user), Some(service)) = (
        text(transaction.user().ok()),
        login_service::name(transaction),
    ) else {
        return Ok(None);
    };
    if login_service::is_quiet(&service) {
        return Ok(None);
    }
    let file = PolicyFile::new(&arguments.policy);
    let loaded = file.load()?;
    let policy = &loaded.policy;
    if switched_off(policy, &service).is_some() {
        return Ok(None);
    }
    let Some(account) = accounts::by_name(&user)? else {
        return Ok(None);
    };
    let store = match FactorStore::open_for_login(&arguments.state, &arguments.policy) {
        // A program that runs as a user reads no file of root's; what it has to say it said before.
        Err(_) if process::ordinary_uid().is_some() => return Ok(None),
        opened => opened?,
    };
    let holder = store.holder(&account)?;
    if holder.record.as_ref().is_some_and(UserRecord::is_enrolled) {
        session_grace_claim::begin(transaction, &store, &holder.account, &loaded)?;
        return Ok(None);
    }
    let request = LoginRequest {
        account: Some(&account),
        service: &service,
        address: text(transaction.rhost()).as_deref().and_then(rhost_address),
    };
    without_device(&loaded, &account, &request, holder.record.as_ref())
}

/// The line for a user without a device, if the policy lets the user get one.
fn without_device(
    loaded: &LoadedPolicy,
    account: &Account,
    request: &LoginRequest<'_>,
    record: Option<&UserRecord>,
) -> Result<Option<String>, AttemptFailure> {
    let policy = &loaded.policy;
    let mut groups = KnownGroups::default();
    let mut own = groups.of(Some(account));
    // A requirement in force changes nothing of what is said, so that no session waits for one to be looked up.
    // No group is looked up for root, who counts as a member here, and is told nothing then: a directory that hangs may not delay
    // the session that is to set it right.
    let mut member = |group: &str| account.uid == ROOT || own.include(group);
    let decision = match decide(policy, request, &mut member) {
        Err(decision) => decision,
        Ok(asked) => asked.without_device(DeviceRequirement::None),
    };
    let enrollment = if policy.enroll_needs_invite && is_invited(record)? {
        EnrollmentStatus::Invited
    } else {
        EnrollmentStatus::NotEnrolled
    };
    let prospect = LoginProspect::of(policy, decision, enrollment);
    let text = match prospect {
        // In mandatory mode a session without a device is one that was opened with a key.
        LoginProspect::LetIn | LoginProspect::Refused => login_text::can_enroll(&account.name),
        LoginProspect::LetInUninvited | LoginProspect::RefusedUninvited => {
            login_text::CAN_BE_INVITED.to_owned()
        }
        LoginProspect::MayEnroll | LoginProspect::MustEnroll => {
            login_text::CAN_ENROLL_AT_LOGIN.to_owned()
        }
        LoginProspect::NotAsked | LoginProspect::CodeAsked => return Ok(None),
    };
    let from = if prospect.demands_device() {
        None
    } else {
        days_left(loaded, account, &mut groups)
    };
    Ok(Some(login_text::availability(from) + &text))
}

/// The day from which the account needs a device, and the days until then. Root is never told, for the same reason.
fn days_left(
    loaded: &LoadedPolicy,
    account: &Account,
    groups: &mut KnownGroups,
) -> Option<(StartDay, u64)> {
    let time = loaded.time(clock::now());
    if account.uid == ROOT || !loaded.policy.requires_later(time) {
        return None;
    }
    match groups.requirement(&loaded.policy, time, Some(account)) {
        DeviceRequirement::Later(day) => time.now.map(|now| (day, day.days_left(now))),
        DeviceRequirement::None | DeviceRequirement::InForce => None,
    }
}

fn is_invited(record: Option<&UserRecord>) -> Result<bool, AttemptFailure> {
    let now = clock::now()?;
    Ok(record.is_some_and(|record| record.is_invited(now)))
}
