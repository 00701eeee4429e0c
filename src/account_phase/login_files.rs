//! The files of a user that a dialogue of the account phase reads and writes: opened once, read anew where it counts.

use std::net::IpAddr;

use twofactor_core::account::Account;
use twofactor_core::policy::rhost_address;
use twofactor_store::attempt::{AttemptFailure, LoginAttempt};
use twofactor_store::fleet_relay;
use twofactor_store::{FactorStore, PolicyFile};

use crate::login_service;
use crate::module_arguments::ModuleArguments;
use crate::transaction::PamTransaction;

/// Policy and store of a login, with the account that holds the user's record, the service and the address.
pub(super) struct LoginFiles {
    file: PolicyFile,
    store: FactorStore,
    holder: Account,
    service: String,
    address: Option<IpAddr>,
}

impl LoginFiles {
    /// Opens them for a user.
    pub(super) fn open(
        transaction: &dyn PamTransaction,
        arguments: &ModuleArguments,
        account: &Account,
    ) -> Result<Self, AttemptFailure> {
        let store = FactorStore::open_for_login(&arguments.state, &arguments.policy)?;
        let store = fleet_relay::relayed(store, &arguments.policy);
        let rhost = transaction
            .rhost()
            .and_then(|rhost| String::from_utf8(rhost).ok());
        Ok(Self {
            file: PolicyFile::new(&arguments.policy),
            holder: store.holder(account)?.account,
            store,
            // A service without a readable name follows the policy's default, as in the authentication phase.
            service: login_service::name(transaction).unwrap_or_default(),
            address: rhost.as_deref().and_then(rhost_address),
        })
    }

    /// An attempt by the policy of this moment.
    pub(super) fn attempt(&self) -> Result<LoginAttempt<'_>, AttemptFailure> {
        let loaded = self.file.load()?;
        let attempt =
            LoginAttempt::new(&self.file, loaded, &self.store, &self.holder, &self.service);
        Ok(LoginAttempt {
            address: self.address,
            ..attempt
        })
    }
}

/// True if the policy is switched off, everywhere or for the service of the login.
pub(super) fn are_codes_off(
    transaction: &dyn PamTransaction,
    arguments: &ModuleArguments,
) -> Result<bool, AttemptFailure> {
    let service = login_service::name(transaction).unwrap_or_default();
    let loaded = PolicyFile::new(&arguments.policy).load()?;
    Ok(!loaded.policy.asks_at(&service))
}
