//! The record that `unset` removes, found by a name.

use twofactor_core::account::Account;
use twofactor_store::sys::accounts::{self, PasswdEntry};
use twofactor_store::{FactorStore, FileFault, FoundBy};

use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, for_user};
use crate::formatting::plain;
use crate::roster::{AccountLookup, RecordOwner};

/// The devices and codes to remove.
pub struct RemovalTarget {
    /// The name under which it is kept.
    pub name: String,
    /// The account whose logins it belongs to, with that name; `None` where there is none.
    pub account: Option<Account>,
}

impl RemovalTarget {
    /// Finds it for a name that was given, also of a user who was renamed, or is gone.
    ///
    /// # Errors
    /// When accounts cannot be looked up, or several records claim to be the user's.
    pub fn find(
        context: &CommandContext,
        store: &FactorStore,
        user: &str,
    ) -> Result<Self, CommandFailure> {
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
            // was given. If that one has a record, such as an invitation, this is what goes: the rest of the other tells of a device.
            Err(error)
                if error.cause == FileFault::LostRecord
                    && matches!(store.record_named(&account.name), Ok(None)) =>
            {
                error.user().unwrap_or_else(|| account.name.clone())
            }
            // A name that has one of them is that of the one to remove.
            Err(error) if matches!(&error.cause, FileFault::SeveralRecords(names) if !names.contains(&account.name)) =>
            {
                return Err(for_user(error, &account.name));
            }
            Err(_) => account.name.clone(),
        };
        Ok(Self::of(name, &account))
    }

    /// The name of a user who was renamed, or is gone.
    fn without_account(
        context: &CommandContext,
        store: &FactorStore,
        user: &str,
    ) -> Result<Self, CommandFailure> {
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

    /// The files kept under this name for an account.
    pub fn of(name: String, account: &Account) -> Self {
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
