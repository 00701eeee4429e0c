//! `unset`: removes a device, or everything that is kept about a user.

mod removal_target;

use std::os::fd::OwnedFd;

use twofactor_core::account::Account;
use twofactor_core::device::CredentialId;
use twofactor_core::record::UserRecord;
use twofactor_store::files::{FileFault, FoundRecord, RemovalResult};
use twofactor_store::operations::{self, ChangeSteps, ShownRecord};
use twofactor_store::{FactorStore, LockedFactor};

use self::removal_target::RemovalTarget;
use super::policy_change::{DangerDecision, policy_hash};
use super::removal_impact::{RemainingDevices, RemovalEffect};
use super::removal_report::{RemovalReport, RemovedPart};
use super::renew::chosen;
use crate::args::{PreviewOptions, UnsetArgs};
use crate::command_context::{CommandContext, not_enrolled};
use crate::command_failure::{CommandFailure, for_user};
use crate::command_log;
use crate::command_turn;
use crate::failure_kind::FailureKind;
use crate::invoking_user;
use crate::suggested_command;

/// Runs it.
pub fn run(context: &CommandContext, args: &UnsetArgs) -> Result<(), CommandFailure> {
    if args.user.is_none() && context.terminal.is_confirmed() {
        // A command that removes something without a question names the user.
        return Err(invoking_user::unnamed(
            "--yes answers the question for which user",
        ));
    }
    let user = &context.user_or_caller(args.user.as_deref())?;
    let policy_hash = policy_hash::current_hash(context);
    policy_hash::check(&args.preview, policy_hash.as_deref())?;
    let Some(store) = &context.store()? else {
        return Err(nothing_kept(context, user));
    };
    let target = RemovalTarget::find(context, store, user)?;
    let removal = RequestedRemoval {
        context,
        store,
        danger: match target.account {
            Some(_) => DangerDecision::new(&args.force),
            // The data kept about an account that no longer exists can still be removed.
            None => DangerDecision::Accept,
        },
        preview: &args.preview,
        if_devices: args.if_devices.as_deref(),
        policy_hash,
    };
    match (&target.account, &args.device) {
        (Some(account), Some(device)) => removal.one(account, device),
        (None, Some(_)) => Err(nothing_kept(context, user)),
        (_, None) => removal.all(&target),
    }
}

/// No device, or not even such a user.
fn nothing_kept(context: &CommandContext, name: &str) -> CommandFailure {
    match context.account(name) {
        Ok(account) => not_enrolled(&account.name),
        Err(unknown) => unknown,
    }
}

/// Stands for the hash of devices in a record that cannot be read.
const UNREADABLE_HASH: &str = "unreadable";

/// The command that waits for no other one.
const FORCED: &str = "unset --force";

/// A removal, as it was asked for.
struct RequestedRemoval<'a> {
    context: &'a CommandContext,
    store: &'a FactorStore,
    danger: DangerDecision,
    /// The policy on the condition of which it is made, or that it is only shown.
    preview: &'a PreviewOptions,
    /// The hash of the devices on the condition of which it is made.
    if_devices: Option<&'a str>,
    policy_hash: Option<String>,
}

/// One device of several, removed while policy and devices are those that were looked at.
struct DeviceRemoval<'a> {
    removal: &'a RequestedRemoval<'a>,
    user: &'a str,
    /// The devices that were shown.
    shown: &'a [CredentialId],
}

impl ChangeSteps for DeviceRemoval<'_> {
    type Error = CommandFailure;

    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), CommandFailure> {
        if record.is_none_or(|record| ids(record) != self.shown) {
            return Err(changed_meanwhile(
                self.user,
                "the devices were changed meanwhile",
            ));
        }
        self.removal.check_policy()
    }
}

impl RequestedRemoval<'_> {
    fn one(&self, account: &Account, device: &str) -> Result<(), CommandFailure> {
        let (context, store) = (self.context, self.store);
        let user = &account.name;
        let named = |error| for_user(CommandFailure::from(error), user);
        let Some(snapshot) = store.snapshot(account).map_err(named)? else {
            return Err(not_enrolled(user));
        };
        let record = &snapshot.record;
        if !record.is_enrolled() {
            return Err(not_enrolled(user));
        }
        let id = chosen(record, Some(device))?.id;
        if record.devices.len() == 1 {
            return self.all(&RemovalTarget::of(user.clone(), account));
        }
        let left = RemainingDevices::without(record, &snapshot.state, device);
        let effect = RemovalEffect::of(context, store, user, &left, self.danger)?;
        let mut report = self.report(user, RemovedPart::Device);
        report.device = Some(device);
        report.devices_left = record.devices.len().saturating_sub(1);
        report.removed.push(device.to_owned());
        report.devices_hash = Some(devices_hash(Some(record)));
        report.everywhere = Some(store.is_in_fleet()?);
        self.check_devices(report.devices_hash.as_deref())?;
        if self.preview.dry_run {
            return context.write(&report.planned(effect));
        }
        effect.announce(context, user, self.danger)?;
        context
            .terminal
            .confirm(&format!("Remove the device {device} of {user}?"))?;
        let force = suggested_command::twofactor(FORCED, &[user], &[("--device", device)]);
        let _held = self.hold(&force, &effect, || {
            RemovalEffect::of(context, store, user, &left, self.danger)
        })?;
        let mut steps = DeviceRemoval {
            removal: self,
            user,
            shown: &ids(record),
        };
        let factor = command_log::factor(store, account);
        let removed = operations::remove_device(&factor, id, &mut steps)
            .map_err(|failure| for_user(failure, user))?;
        report.devices_left = removed.left;
        context.write(&report.done(effect))
    }

    /// Works with a record or state that is damaged or alone, too: this is how one gets rid of it.
    fn all(&self, target: &RemovalTarget) -> Result<(), CommandFailure> {
        let (context, store, name) = (self.context, self.store, target.name.as_str());
        let mut report = self.report(name, RemovedPart::All);
        let found = store.record_named(name);
        report.devices_hash = Some(found_hash(&found));
        let shown_record = ShownRecord::of(&found);
        let (fault, question) = self.question(name, &found)?;
        report.fault = fault;
        report.everywhere = Some(self.is_everywhere(name, &found)?);
        let effect = self.effect_of_all(target, &found)?;
        let shown = found.ok().flatten().map(|record| {
            if record.is_enrolled() {
                report.removed = names(&record);
            } else {
                report.part = RemovedPart::Invitation;
            }
            ids(&record)
        });
        self.check_devices(report.devices_hash.as_deref())?;
        if self.preview.dry_run {
            return context.write(&report.planned(effect));
        }
        if let Some(fault) = &report.fault {
            context.terminal.prose(&format!("{fault}\n"))?;
        }
        effect.announce(context, name, self.danger)?;
        context.terminal.confirm(&question)?;
        let force = suggested_command::twofactor(FORCED, &[name], &[]);
        let _held = self.hold(&force, &effect, || {
            self.effect_of_all(target, &store.record_named(name))
        })?;
        let result = match (&target.account, &shown) {
            (Some(account), Some(devices)) => {
                let factor = command_log::factor(store, account);
                operations::clear(&factor, devices, || self.check_policy())?
            }
            _ => {
                self.check_policy()?;
                command_log::discard(store, name, &shown_record).map_err(|error| {
                    match error.cause {
                        FileFault::Changed => {
                            changed_meanwhile(name, "the record was changed meanwhile")
                        }
                        _ => error.into(),
                    }
                })?
            }
        };
        if result == RemovalResult::NothingLeft {
            report.removed.clear();
            report.is_by_another = true;
        }
        context.write(&report.done(effect))
    }

    /// The fault of the files, if there is one, and the question.
    fn question(
        &self,
        name: &str,
        found: &FoundRecord,
    ) -> Result<(Option<String>, String), CommandFailure> {
        let store = self.store;
        let (fault, question) = match found {
            Ok(None) if store.is_brought_again(name)? => (
                format!(
                    "The record of {name} is gone on this host, and its remaining files keep twofactord from bringing the record of the fleet."
                ),
                format!(
                    "Remove these files, so that twofactord brings the record of {name} again?"
                ),
            ),
            Ok(None) if store.has_traces(name)? => (
                format!(
                    "The record of {name} is gone. Its remaining files keep {name} from logging in."
                ),
                format!("Remove them, so that {name} has no device any more?"),
            ),
            Ok(None) if store.is_unmirrored(name)? => (
                format!("The fleet has a record of {name} that this host could not put in place."),
                format!("Remove it, so that {name} has no device on any host?"),
            ),
            Ok(None) => return Err(nothing_kept(self.context, name)),
            Ok(Some(record)) if !record.is_enrolled() => {
                return Ok((None, format!("Withdraw the invitation of {name}?")));
            }
            Ok(Some(record)) => {
                let devices = names(record).join(", ");
                let question =
                    format!("Remove all devices ({devices}) and the recovery codes of {name}?");
                return Ok((None, question));
            }
            Err(error) => {
                let all = format!("Remove everything that is kept about {name}");
                let question = match store.is_in_fleet()? {
                    true => format!("{all}, so that {name} has no device on any host?"),
                    false => format!("{all}?"),
                };
                (error.to_string(), question)
            }
        };
        Ok((Some(fault), question))
    }

    /// True if the removal counts on all hosts of a fleet. What is left on this host alone is no record of the fleet.
    fn is_everywhere(&self, name: &str, found: &FoundRecord) -> Result<bool, CommandFailure> {
        let store = self.store;
        let is_here_alone =
            matches!(found, Ok(None)) && (store.has_traces(name)? || !store.is_unmirrored(name)?);
        Ok(!is_here_alone && store.is_in_fleet()?)
    }

    /// The effect on the user and on all users.
    fn effect_of_all(
        &self,
        target: &RemovalTarget,
        found: &FoundRecord,
    ) -> Result<RemovalEffect, CommandFailure> {
        let name = target.name.as_str();
        let is_device_kept = match found {
            Ok(Some(record)) => !record.is_enrolled(),
            Ok(None) => self.store.is_brought_again(name)?,
            Err(_) => false,
        };
        if target.account.is_none() || is_device_kept {
            return Ok(RemovalEffect::UNKNOWN);
        }
        let left = RemainingDevices::NOTHING;
        RemovalEffect::of(self.context, self.store, name, &left, self.danger)
    }

    /// Keeps other commands from changing the policy and from removing devices until the end, and looks at the effect once more.
    /// During the question another command may have removed the last device that made this removal harmless. Not with `--force`,
    /// unless it depends on the policy. `force` is the command that does not wait.
    fn hold(
        &self,
        force: &str,
        shown: &RemovalEffect,
        look: impl FnOnce() -> Result<RemovalEffect, CommandFailure>,
    ) -> Result<Option<OwnedFd>, CommandFailure> {
        let is_judged = self.danger == DangerDecision::Refuse;
        if !is_judged && self.preview.if_policy.is_none() {
            return Ok(None);
        }
        let Some(lock) = command_turn::wait(self.context, self.store)? else {
            let holder = self.store.whole_holder();
            let force =
                format!("To remove it all the same, whatever that means for logins: {force}");
            return Err(command_turn::missed(holder, "nothing was removed", &force));
        };
        if is_judged {
            let now = look()?;
            if let Some(new) = now.dangers.iter().find(|it| !shown.dangers.contains(it)) {
                let text = format!("not done, since something was changed meanwhile: {new}");
                return Err(CommandFailure::refused(text).of_kind(FailureKind::ChangedMeanwhile));
            }
        }
        Ok(Some(lock))
    }

    /// Refuses where the user has other devices than those that were named.
    fn check_devices(&self, current: Option<&str>) -> Result<(), CommandFailure> {
        let other = "the devices are not those that were named, so nothing was removed";
        policy_hash::check_hash(self.if_devices, current, other)
    }

    /// Refuses where the policy became another one since the call began.
    fn check_policy(&self) -> Result<(), CommandFailure> {
        let now = policy_hash::current_hash(self.context);
        policy_hash::check(self.preview, now.as_deref())
    }

    fn report<'r>(&self, user: &'r str, part: RemovedPart) -> RemovalReport<'r> {
        RemovalReport::new(user, part, self.policy_hash.clone())
    }
}

/// The refusal where files are not those that were shown.
fn changed_meanwhile(user: &str, text: &str) -> CommandFailure {
    CommandFailure::refused(text)
        .of_kind(FailureKind::ChangedMeanwhile)
        .next(format!(
            "Look at them again: {}",
            suggested_command::twofactor("status", &[user], &[])
        ))
}

fn names(record: &UserRecord) -> Vec<String> {
    let names = record.devices.iter().map(|device| device.name.to_string());
    names.collect()
}

/// The hash of the devices of a record, as `--if-devices` takes it.
fn devices_hash(record: Option<&UserRecord>) -> String {
    let lines = |record: &UserRecord| -> String {
        let ids = record.devices.iter();
        ids.map(|device| format!("{}\n", device.id)).collect()
    };
    policy_hash::hash_of(record.map(lines).as_deref())
}

/// The hash of the devices of a record that may be missing, or cannot be read.
fn found_hash(found: &FoundRecord) -> String {
    match found {
        Ok(record) => devices_hash(record.as_ref()),
        Err(_) => UNREADABLE_HASH.to_owned(),
    }
}

fn ids(record: &UserRecord) -> Vec<CredentialId> {
    record.devices.iter().map(|device| device.id).collect()
}
