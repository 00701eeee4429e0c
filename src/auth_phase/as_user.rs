//! Programs that run as a user, such as screen lockers: the daemon is asked, and never a file of root's.

use std::path::Path;

use twofactor_core::account::Account;
use twofactor_core::policy::decision::{AskedLogin, PolicyDecision};
use twofactor_protocol::SOCKET;
use twofactor_protocol::reply::{ReplyError, ServiceError};
use twofactor_store::attempt::AttemptFailure;
use twofactor_store::daemon_client::{DaemonClient, DaemonFault};
use twofactor_store::sys::{accounts, process};
use twofactor_store::{FactorStore, LoadedPolicy};

use super::daemon_verdict_source::DaemonVerdictSource;
use super::uniform_timing::UniformTiming;
use super::{AuthAbort, LoginContext};
use crate::module_arguments::FileChoice;
use crate::return_codes::AuthResult;
use crate::transaction::PamTransaction;

/// Source from which a login reads about devices, and has codes judged.
pub(super) enum FactorSource {
    /// In the files.
    Files(FactorStore),
    /// From the daemon, since this process runs as a user.
    Daemon(u32),
}

impl LoginContext<'_> {
    /// The files for root and the daemon for all others; neither takes the place of the other where it does not work. A program that
    /// was started as root, and gave up its uid but not CAP_DAC_OVERRIDE, opens the files as root does.
    pub(super) fn source(&self) -> Result<FactorSource, AttemptFailure> {
        if let Some(uid) = process::ordinary_uid_at_start() {
            return Ok(FactorSource::Daemon(uid));
        }
        match FactorStore::open_for_login(&self.arguments.state, &self.arguments.policy) {
            Ok(store) => Ok(FactorSource::Files(store)),
            // Asked only here, so that a login of root's costs no system call more.
            Err(error) => match process::ordinary_uid() {
                Some(uid) => Ok(FactorSource::Daemon(uid)),
                None => Err(error.into()),
            },
        }
    }

    /// A program that runs as `uid`. It is told of the account that is its own, and of no other, unless the policy names its
    /// account. A web server that could tell who has no device would let those users in.
    pub(super) fn through_daemon(
        &self,
        transaction: &mut dyn PamTransaction,
        (loaded, asked): (&LoadedPolicy, AskedLogin<'_>),
        account: Option<&Account>,
        uid: u32,
        timing: UniformTiming,
    ) -> Result<AuthResult, AuthAbort> {
        let policy = &loaded.policy;
        let name = account.map_or("", |account| &account.name);
        let client = DaemonClient::new(Path::new(SOCKET), name);
        let is_own = account.is_some_and(|account| account.uid == uid);
        let verifiers = &policy.self_service.verifiers;
        // The daemon decides by the same list. Who is no user has nothing that could be asked about.
        let may_ask =
            is_own || (account.is_some() && accounts::named_with_uid(verifiers, uid)?.is_some());
        if !may_ask {
            let foreign = ReplyError::Service(ServiceError::NotYours);
            return Err(AttemptFailure::from(client.error(foreign)).into());
        }
        // The daemon's answer holds for its own files.
        if self.arguments.files != FileChoice::Daemons {
            return Err(AttemptFailure::from(client.fault(DaemonFault::OtherFiles)).into());
        }
        if let Some(mut source) = DaemonVerdictSource::of_enrolled(policy, &client)? {
            return self.ask(transaction, &mut source, timing, account);
        }
        // Here no device can be given out: who may have one is let in, and who must have one is not.
        let decide = |transaction: &dyn PamTransaction| {
            let requirement = self.requirement(transaction, loaded, account);
            match asked.without_device(requirement) {
                // That another user has no device is never the reason to let that user in.
                _ if !is_own => PolicyDecision::DeviceRequired,
                PolicyDecision::EnrollmentOffered => PolicyDecision::NotRequired,
                PolicyDecision::EnrollmentRequired => PolicyDecision::DeviceRequired,
                other => other,
            }
        };
        let is_enrolled = |_| Ok(DaemonVerdictSource::of_enrolled(policy, &client)?.is_some());
        self.unenrolled(
            transaction,
            loaded,
            &decide,
            &is_enrolled,
            (account, timing),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tests::stage::{ENROLLED, NEWCOMER, StagedTransaction};
    use crate::transaction::MessageMode;
    use std::time::Duration;
    use twofactor_core::policy::PolicyTime;
    use twofactor_core::policy::decision::{LoginRequest, decide};
    use twofactor_store::PolicyFile;

    /// The daemon's answer about this user to a program that runs as `uid`, at arguments that name no file of the daemon's.
    fn told(user: &str, uid: u32, policy: &str) -> String {
        let mut stage = StagedTransaction::new(policy);
        let login = LoginContext {
            user: user.into(),
            rhost: Vec::new(),
            arguments: &stage.arguments.clone(),
            messages: MessageMode::Wanted,
            uniform: false,
        };
        let loaded = PolicyFile::new(&stage.arguments.policy).load().unwrap();
        let time = PolicyTime {
            now: None,
            changed: 0,
        };
        let timing = UniformTiming::of(&loaded.policy, time, Duration::ZERO);
        let account = accounts::by_name(user).unwrap();
        let request = LoginRequest {
            account: account.as_ref(),
            service: "login",
            address: None,
        };
        let asked = decide(&loaded.policy, &request, &mut |_| false).unwrap();
        match login.through_daemon(&mut stage, (&loaded, asked), account.as_ref(), uid, timing) {
            Err(AuthAbort::Failed(failure)) => failure.to_string(),
            _ => panic!("a verdict"),
        }
    }

    #[test]
    fn a_program_asks_about_its_own_user_or_as_a_verifier() {
        let on = "enabled = true\n";
        let verifier = "enabled = true\n[self_service]\nverifiers = [\"daemon\"]\n";
        let daemon = accounts::by_name(NEWCOMER).unwrap().unwrap().uid;
        for (user, uid, policy, may_ask) in [
            (ENROLLED, 0, on, true),
            (NEWCOMER, daemon, on, true),
            (ENROLLED, daemon, on, false),
            (NEWCOMER, 4_000_000, on, false),
            (ENROLLED, daemon, verifier, true),
            (ENROLLED, 4_000_000, verifier, false),
            ("no-user-of-that-name", daemon, verifier, false),
        ] {
            let told = told(user, uid, policy);
            assert_eq!(
                told.contains("serves other files"),
                may_ask,
                "{user}, {uid}: {told}"
            );
            assert_eq!(told.contains("the user is not the one"), !may_ask, "{told}");
        }
    }
}
