//! `unset`: removes a device, or everything that is kept about a user.

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::device::Id;
use twofactor_core::record::Record;
use twofactor_store::operations::{self, RootChange};
use twofactor_store::sys::accounts::{self, PasswdEntry};
use twofactor_store::{Cause, FoundBy, Store};
use zeroize::Zeroizing;

use super::change::LockoutGuard;
use super::removal_impact::{RemainingDevices, announce};
use super::renew::chosen;
use crate::args::UnsetArgs;
use crate::audit;
use crate::caller;
use crate::context::{Context, not_enrolled};
use crate::error::{Failure, for_user};
use crate::formatting::plain;
use crate::output::Report;
use crate::roster::{AccountLookup, RecordOwner};

/// Runs it.
pub fn run(context: &Context, args: &UnsetArgs) -> Result<(), Failure> {
    if args.user.is_none() && context.terminal.is_confirmed() {
        // A command that removes something without a question names the user.
        return Err(caller::unnamed("--yes answers the question for which user"));
    }
    let user = &context.user_or_caller(args.user.as_deref())?;
    let Some(store) = context.store()? else {
        return Err(nothing_kept(context, user));
    };
    let danger = LockoutGuard::new(&args.force);
    let target = RemovalTarget::find(context, &store, user)?;
    match (&target.account, &args.device) {
        (Some(account), Some(device)) => one(context, &store, account, device, danger),
        (Some(_), None) => all(context, &store, &target, danger),
        (None, Some(_)) => Err(nothing_kept(context, user)),
        // The data kept about an account that no longer exists can still be removed.
        (None, None) => all(context, &store, &target, LockoutGuard::Accept),
    }
}

/// The devices and codes to remove.
struct RemovalTarget {
    /// The name under which it is kept.
    name: String,
    /// The account whose logins it belongs to, with that name; `None` where there is none.
    account: Option<Account>,
}

impl RemovalTarget {
    fn find(context: &Context, store: &Store, user: &str) -> Result<Self, Failure> {
        let Some(account) = accounts::by_name(user)? else {
            return Self::without_account(context, store, user);
        };
        let name = match store.holder(&account) {
            Ok(holder) => {
                if holder.found_by == FoundBy::Uid {
                    context.note_alias(&account.name, &holder.account);
                }
                holder.account.name
            }
            // The rest of a record that is gone is removed under its own name, also where another name of the same uid
            // was given.
            Err(error) if error.cause == Cause::LostRecord => {
                error.user().unwrap_or_else(|| account.name.clone())
            }
            Err(error) if matches!(error.cause, Cause::SeveralRecords(_)) => {
                return Err(for_user(error, &account.name));
            }
            Err(_) => account.name.clone(),
        };
        Ok(Self::of(name, &account))
    }

    /// The name of a user who was renamed, or is gone.
    fn without_account(context: &Context, store: &Store, user: &str) -> Result<Self, Failure> {
        match RecordOwner::of(&AccountLookup::for_names(1), store, user)? {
            RecordOwner::Renamed(PasswdEntry { account, .. }) => {
                context.terminal.prose(&format!(
                    "{} is now called {} (uid {}), and asked for the codes of this record.\n",
                    plain(user),
                    plain(&account.name),
                    account.uid
                ))?;
                Ok(Self::of(user.to_owned(), &account))
            }
            RecordOwner::Named(_) | RecordOwner::Gone => Ok(Self {
                name: user.to_owned(),
                account: None,
            }),
        }
    }

    fn of(name: String, account: &Account) -> Self {
        let account = Account {
            name: name.clone(),
            ..account.clone()
        };
        Self {
            name,
            account: Some(account),
        }
    }
}

/// No device, or not even such a user.
fn nothing_kept(context: &Context, name: &str) -> Failure {
    match context.account(name) {
        Ok(account) => not_enrolled(&account.name),
        Err(unknown) => unknown,
    }
}

fn one(
    context: &Context,
    store: &Store,
    account: &Account,
    device: &str,
    danger: LockoutGuard,
) -> Result<(), Failure> {
    let named = |error| for_user(Failure::from(error), &account.name);
    let Some(snapshot) = store.snapshot(account).map_err(named)? else {
        return Err(not_enrolled(&account.name));
    };
    let record = &snapshot.record;
    if !record.is_enrolled() {
        return Err(not_enrolled(&account.name));
    }
    let id = chosen(record, Some(device))?.id;
    if record.devices.len() == 1 {
        let target = RemovalTarget::of(account.name.clone(), account);
        return all(context, store, &target, danger);
    }
    let left = RemainingDevices::without(record, &snapshot.state, device);
    announce(context, store, &account.name, &left, danger)?;
    context
        .terminal
        .confirm(&format!("Remove the device {device} of {}?", account.name))?;
    let removed = operations::remove_device(&audit::factor(store, account), id, &mut RootChange)?;
    report(context, &account.name, Some(device), removed.left)
}

/// Works with a record or state that is damaged or alone, too: this is how one gets rid of it.
fn all(
    context: &Context,
    store: &Store,
    target: &RemovalTarget,
    danger: LockoutGuard,
) -> Result<(), Failure> {
    let name = target.name.as_str();
    let shown = match store.record_named(name) {
        Ok(None) if store.has_traces(name)? => {
            context.terminal.prose(&format!(
                "The record of {name} is gone. What is left of it keeps {name} from logging in.\n"
            ))?;
            context.terminal.confirm(&format!(
                "Remove it, so that {name} has no device any more?"
            ))?;
            None
        }
        Ok(None) => return Err(nothing_kept(context, name)),
        Ok(Some(record)) if !record.is_enrolled() => {
            context
                .terminal
                .confirm(&format!("Withdraw the invitation of {name}?"))?;
            Some(ids(&record))
        }
        Ok(Some(record)) => {
            if target.account.is_some() {
                announce(context, store, name, &RemainingDevices::NOTHING, danger)?;
            }
            context.terminal.confirm(&format!(
                "Remove all devices ({}) and the recovery codes of {name}?",
                names(&record).join(", ")
            ))?;
            Some(ids(&record))
        }
        Err(error) => {
            context.terminal.prose(&format!("{error}\n"))?;
            context
                .terminal
                .confirm(&format!("Remove everything that is kept about {name}?"))?;
            None
        }
    };
    match (&target.account, &shown) {
        (Some(account), Some(devices)) => {
            operations::clear(&audit::factor(store, account), devices)?;
        }
        _ => audit::discard(store, name)?,
    }
    match shown {
        Some(devices) if devices.is_empty() => withdrawn(context, name),
        _ => report(context, name, None, 0),
    }
}

/// There was nothing but an invitation.
fn withdrawn(context: &Context, user: &str) -> Result<(), Failure> {
    context.write(&InvitationRemovalReport {
        user,
        devices_left: 0,
    })
}

/// Report of `unset` after it withdrew an invitation.
#[derive(Serialize)]
struct InvitationRemovalReport<'a> {
    user: &'a str,
    devices_left: usize,
}

impl Report for InvitationRemovalReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Removed: the invitation of {}.\n", self.user))
    }
}

fn names(record: &Record) -> Vec<&str> {
    let names = record.devices.iter().map(|device| device.name.as_str());
    names.collect()
}

fn ids(record: &Record) -> Vec<Id> {
    record.devices.iter().map(|device| device.id).collect()
}

fn report(context: &Context, user: &str, device: Option<&str>, left: usize) -> Result<(), Failure> {
    context.write(&RemovalReport {
        user,
        device,
        devices_left: left,
    })
}

/// Report of `unset`; `device` is `null` when everything was removed.
#[derive(Serialize)]
struct RemovalReport<'a> {
    user: &'a str,
    device: Option<&'a str>,
    devices_left: usize,
}

impl Report for RemovalReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(match self.device {
            Some(device) => format!("Removed: device {device} of {}.\n", self.user),
            None => format!(
                "Removed: all devices and recovery codes of {}.\n",
                self.user
            ),
        })
    }
}
