//! `unset`: removes a device, or everything that is kept about a user.

use twofactor_core::account::Account;
use twofactor_core::device::Id;
use twofactor_core::record::Record;
use twofactor_store::operations::{self, RootChange};
use twofactor_store::sys::accounts::{self, PasswdEntry};
use twofactor_store::{Cause, FoundBy, Store};

use super::change::{LockoutGuard, policy_hash};
use super::removal_impact::{RemainingDevices, RemovalEffect};
use super::removal_report::{RemovalReport, RemovedPart};
use super::renew::chosen;
use crate::args::{PreviewOptions, UnsetArgs};
use crate::audit;
use crate::caller;
use crate::context::{Context, not_enrolled};
use crate::error::{Failure, for_user};
use crate::formatting::plain;
use crate::roster::{AccountLookup, RecordOwner};

/// Runs it.
pub fn run(context: &Context, args: &UnsetArgs) -> Result<(), Failure> {
    if args.user.is_none() && context.terminal.is_confirmed() {
        // A command that removes something without a question names the user.
        return Err(caller::unnamed("--yes answers the question for which user"));
    }
    let user = &context.user_or_caller(args.user.as_deref())?;
    let policy_hash = policy_hash::current_hash(context);
    policy_hash::check(&args.preview, policy_hash.as_deref())?;
    let Some(store) = &context.store()? else {
        return Err(nothing_kept(context, user));
    };
    let target = RemovalTarget::find(context, store, user)?;
    let removal = Removal {
        context,
        store,
        danger: match target.account {
            Some(_) => LockoutGuard::new(&args.force),
            // The data kept about an account that no longer exists can still be removed.
            None => LockoutGuard::Accept,
        },
        preview: &args.preview,
        policy_hash,
    };
    match (&target.account, &args.device) {
        (Some(account), Some(device)) => removal.one(account, device),
        (None, Some(_)) => Err(nothing_kept(context, user)),
        (_, None) => removal.all(&target),
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

/// A removal, as it was asked for.
struct Removal<'a> {
    context: &'a Context,
    store: &'a Store,
    danger: LockoutGuard,
    /// The policy on the condition of which it is made, or that it is only shown.
    preview: &'a PreviewOptions,
    policy_hash: Option<String>,
}

impl Removal<'_> {
    fn one(&self, account: &Account, device: &str) -> Result<(), Failure> {
        let (context, store) = (self.context, self.store);
        let user = &account.name;
        let named = |error| for_user(Failure::from(error), user);
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
        if self.preview.dry_run {
            return context.write(&report.planned(effect));
        }
        effect.announce(context, user, self.danger)?;
        context
            .terminal
            .confirm(&format!("Remove the device {device} of {user}?"))?;
        self.check_policy()?;
        let factor = audit::factor(store, account);
        let removed = operations::remove_device(&factor, id, &mut RootChange)?;
        report.devices_left = removed.left;
        context.write(&report.done(effect))
    }

    /// Works with a record or state that is damaged or alone, too: this is how one gets rid of it.
    fn all(&self, target: &RemovalTarget) -> Result<(), Failure> {
        let (context, store, name) = (self.context, self.store, target.name.as_str());
        let mut effect = RemovalEffect::UNKNOWN;
        let mut report = self.report(name, RemovedPart::All);
        let (said, question, shown) = match store.record_named(name) {
            Ok(None) if store.has_traces(name)? => (
                format!(
                    "The record of {name} is gone. What is left of it keeps {name} from logging in.\n"
                ),
                format!("Remove it, so that {name} has no device any more?"),
                None,
            ),
            Ok(None) => return Err(nothing_kept(context, name)),
            Ok(Some(record)) if !record.is_enrolled() => {
                report.part = RemovedPart::Invitation;
                let question = format!("Withdraw the invitation of {name}?");
                (String::new(), question, Some(ids(&record)))
            }
            Ok(Some(record)) => {
                if target.account.is_some() {
                    let left = RemainingDevices::NOTHING;
                    effect = RemovalEffect::of(context, store, name, &left, self.danger)?;
                }
                report.removed = names(&record);
                let devices = report.removed.join(", ");
                let question =
                    format!("Remove all devices ({devices}) and the recovery codes of {name}?");
                (String::new(), question, Some(ids(&record)))
            }
            Err(error) => (
                format!("{error}\n"),
                format!("Remove everything that is kept about {name}?"),
                None,
            ),
        };
        if self.preview.dry_run {
            report.said = said;
            return context.write(&report.planned(effect));
        }
        context.terminal.prose(&said)?;
        effect.announce(context, name, self.danger)?;
        context.terminal.confirm(&question)?;
        self.check_policy()?;
        match (&target.account, &shown) {
            (Some(account), Some(devices)) => {
                operations::clear(&audit::factor(store, account), devices)?;
            }
            _ => audit::discard(store, name)?,
        }
        context.write(&report.done(effect))
    }

    /// Refuses where the policy became another one while the question stood.
    fn check_policy(&self) -> Result<(), Failure> {
        let now = policy_hash::current_hash(self.context);
        policy_hash::check(self.preview, now.as_deref())
    }

    fn report<'r>(&self, user: &'r str, part: RemovedPart) -> RemovalReport<'r> {
        RemovalReport::new(user, part, self.policy_hash.clone())
    }
}

fn names(record: &Record) -> Vec<String> {
    let names = record.devices.iter().map(|device| device.name.to_string());
    names.collect()
}

fn ids(record: &Record) -> Vec<Id> {
    record.devices.iter().map(|device| device.id).collect()
}
