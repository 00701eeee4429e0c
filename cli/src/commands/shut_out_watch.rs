//! The risks that stored devices bring: one that never gave a right code may take the place of the only one that did.

use twofactor_core::account::Account;
use twofactor_store::FactorStore;

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::impact::affected_users::ListedUsers;
use crate::impact::{NewRisk, PolicyView, RiskViews};
use crate::roster::{AccountRole, AdministratorGroups};

/// The risks of the policy before devices are stored.
///
/// Another command may store something between the two looks. A risk that it made is told here as well. One that it ended is
/// none any more. A risk of both together is told by the command that looks last. So no lock is needed.
pub struct ShutOutWatch<'a> {
    context: &'a CommandContext,
    store: &'a FactorStore,
    before: RiskViews,
}

impl<'a> ShutOutWatch<'a> {
    /// Looks at all users. Where they cannot be listed, no risk is known, so that each that is there after counts as new.
    pub fn begin(context: &'a CommandContext, store: &'a FactorStore) -> Self {
        Self {
            context,
            store,
            before: risks(context, store).unwrap_or_default(),
        }
    }

    /// Before a device is stored beside those that a user has. It takes the place of none, so that it can shut out only an
    /// administrator who is not asked for a code yet; of other users nothing is looked at.
    pub fn of_one_more(
        context: &'a CommandContext,
        store: &'a FactorStore,
        account: &Account,
    ) -> Option<Self> {
        let role = AdministratorGroups::look_up().role(account);
        (role == AccountRole::Administrator).then(|| Self::begin(context, store))
    }

    /// A warning for each risk that came since.
    pub fn warnings(&self) -> Vec<String> {
        let after = match risks(self.context, self.store) {
            Ok(after) => after,
            Err(failure) => {
                return vec![format!(
                    "it cannot be told whether an administrator can still log in: {}",
                    failure.what
                )];
            }
        };
        let told = |risk: NewRisk<'_>| {
            format!(
                "{}. Keep a root shell open, and try a device: twofactor verify USER",
                risk.once_stored()
            )
        };
        let new = after.new_since(&self.before).into_iter();
        new.map(told).collect()
    }
}

fn risks(context: &CommandContext, store: &FactorStore) -> Result<RiskViews, CommandFailure> {
    // Without a policy that can be used, all users are refused whatever is stored.
    let Ok(loaded) = context.policy.load() else {
        return Ok(RiskViews::default());
    };
    let policy = loaded.policy;
    if !policy.enabled {
        return Ok(RiskViews::default());
    }
    let listed = ListedUsers::read(store)?;
    let (people, _) = listed.under(&policy, context.policy_time());
    Ok(RiskViews::of(PolicyView {
        policy: &policy,
        people: &people,
    }))
}
