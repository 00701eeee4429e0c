//! The source of a verdict in a fleet: the store that all hosts share, through the service of the fleet; this host's files during an outage.

use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{AnswerForm, CodeAcceptance, FailureCounter, ThrottleStatus};
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, PreCheck};

use super::verdict_source::VerdictSource;

/// The fleet, and the files of this host.
pub struct FleetVerdictSource<'a> {
    files: LoginAttempt<'a>,
    name: &'a str,
    outage: Option<String>,
}

impl<'a> FleetVerdictSource<'a> {
    /// The source of the verdicts on a user's codes; `name` is the login name.
    pub const fn new(files: LoginAttempt<'a>, name: &'a str) -> Self {
        Self {
            files,
            name,
            outage: None,
        }
    }
}

impl VerdictSource for FleetVerdictSource<'_> {
    fn policy(&self) -> &Policy {
        self.files.policy()
    }

    fn has_policy_of_now(&self) -> Result<bool, AttemptFailure> {
        self.files.has_policy_of_now()
    }

    /// Grace is that of the host. A lock-out is that of all hosts, which the attempt tells: this host's file may not know of its end.
    fn before(&self) -> Result<PreCheck, AttemptFailure> {
        Ok(match self.files.before()? {
            PreCheck::Throttle(_) => PreCheck::Throttle(ThrottleStatus::Open),
            grace => grace,
        })
    }

    fn attempt(&mut self, input: &[u8], form: AnswerForm) -> Result<AttemptResult, AttemptFailure> {
        self.outage = None;
        let answer = (input, form);
        let judged = self
            .files
            .fleet_attempt(self.name, answer, FailureCounter::Logins)?;
        self.outage = judged.outage;
        Ok(judged.result)
    }

    fn has_recovery_codes(&self) -> bool {
        self.files.has_recovery_codes()
    }

    /// A code that this host judged alone may be used up in the fleet: no change that counts on all hosts follows from it.
    fn recovery_login(&self, accepted: &CodeAcceptance) -> Option<RecoveryLogin> {
        match self.outage {
            Some(_) => None,
            None => self.files.recovery_login(accepted),
        }
    }

    fn changes_to_tell(&self) -> Vec<RecentChange> {
        self.files.changes_to_tell()
    }

    fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure> {
        self.files.password_len(input)
    }

    fn outage(&self) -> Option<&str> {
        self.outage.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use twofactor_core::account::Account;
    use twofactor_core::record::UserRecord;
    use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin, ChangeWord};
    use twofactor_core::recovery::{PlainCode, RecoverySet};
    use twofactor_core::verify::CodeOutcome;
    use twofactor_store::testing::{ScratchStore, alice, fresh, record_of, token};
    use twofactor_store::{FactorStore, PolicyFile};

    use super::super::LoginContext;
    use super::*;
    use crate::module_arguments::FileChoice;
    use crate::return_codes::AuthResult;
    use crate::tests::stage::{ENROLLED, StagedTransaction};
    use crate::transaction::{LogPriority, MessageMode};

    /// A machine in a fleet, on which alice has a token and recovery codes, and was told of no change yet.
    struct SourceMachine {
        _scratch: ScratchStore,
        file: PolicyFile,
        store: FactorStore,
        alice: Account,
        codes: Vec<PlainCode>,
    }

    impl SourceMachine {
        fn new() -> Self {
            let scratch = ScratchStore::new();
            let (file, store) = (PolicyFile::new(&scratch.policy()), scratch.store());
            let policy = "enabled = true\ngrace = 600\ntries = 7\n[fleet]\nenabled = true\n";
            fs::write(file.path(), policy).unwrap();
            let (record, codes) = record(&alice());
            let mut locked = store.lock_for_change(&alice()).unwrap();
            locked.replace_record(&record, &[fresh(&token())]).unwrap();
            drop(locked);
            Self {
                _scratch: scratch,
                file,
                store,
                alice: alice(),
                codes,
            }
        }

        fn source(&self) -> FleetVerdictSource<'_> {
            let loaded = self.file.load().unwrap();
            let mut files = LoginAttempt::new(&self.file, loaded, &self.store, &self.alice, "sshd");
            files.address = Some([192, 0, 2, 7].into());
            FleetVerdictSource::new(files, "alice")
        }

        /// A source after what was typed, which this host has judged.
        fn after(&self, typed: &str) -> (FleetVerdictSource<'_>, AttemptResult) {
            let mut source = self.source();
            let result = source.files.attempt(typed.as_bytes(), AnswerForm::Code);
            (source, result.unwrap())
        }
    }

    fn record(account: &Account) -> (UserRecord, Vec<PlainCode>) {
        let (set, codes) = RecoverySet::generate(1).unwrap();
        let mut record = record_of(account, &[token()]);
        record.recovery = Some(set);
        record.note(RecentChange {
            // Told for as long as there are clocks.
            time: u64::MAX / 2,
            kind: ChangeWord::ALL[0],
            device: None,
            origin: ChangeOrigin {
                channel: ChangeChannel::Command,
                uid: 0,
                terminal: None,
                address: None,
            },
        });
        (record, codes)
    }

    #[test]
    fn grace_is_that_of_the_host_and_a_lockout_is_not() {
        let machine = SourceMachine::new();
        for _ in 0..6 {
            machine.after("no code");
        }
        let (source, _) = machine.after("no code");
        let locked = source.files.before().unwrap();
        assert!(matches!(
            locked,
            PreCheck::Throttle(ThrottleStatus::LockedFor(_))
        ));
        assert_eq!(
            source.before().unwrap(),
            PreCheck::Throttle(ThrottleStatus::Open)
        );
        let machine = SourceMachine::new();
        let (source, _) = machine.after(&token().code(0).reveal());
        assert!(matches!(source.before().unwrap(), PreCheck::Grace(_)));
    }

    #[test]
    fn what_this_host_knows_is_told() {
        let machine = SourceMachine::new();
        let (source, _) = machine.after("no code");
        assert!(source.has_recovery_codes());
        assert!(!machine.source().has_recovery_codes());
        assert_eq!(source.changes_to_tell().len(), 1);
        assert_eq!(source.policy().tries, 7);
        assert_eq!(source.password_len(b"hunter2123456").unwrap(), 13);
        assert!(source.has_policy_of_now().unwrap());
        fs::write(machine.file.path(), "enabled = true\n").unwrap();
        assert!(!source.has_policy_of_now().unwrap());
    }

    #[test]
    fn a_code_judged_alone_changes_no_device() {
        let machine = SourceMachine::new();
        let (mut source, result) = machine.after(&machine.codes[0].grouped());
        let AttemptResult::Compared(CodeOutcome::Accepted(accepted)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(source.outage(), None);
        assert!(source.recovery_login(&accepted).is_some());
        source.outage = Some("no route".to_owned());
        assert_eq!(source.outage(), Some("no route"));
        assert_eq!(source.recovery_login(&accepted), None);
    }

    /// With a ticket its user could make changes that count on all hosts.
    #[test]
    fn a_code_judged_alone_claims_no_ticket() {
        for (outage, is_claimed) in [(None, true), (Some(String::new()), false)] {
            let machine = SourceMachine::new();
            let (mut source, result) = machine.after(&token().code(0).reveal());
            let AttemptResult::Compared(CodeOutcome::Accepted(accepted)) = result else {
                panic!("{result:?}");
            };
            source.outage = outage;
            let mut stage = StagedTransaction::new("enabled = true\n");
            stage.arguments.files = FileChoice::Daemons;
            let arguments = stage.arguments.clone();
            let login = LoginContext {
                user: ENROLLED.into(),
                rhost: Vec::new(),
                arguments: &arguments,
                messages: MessageMode::Unwanted,
                uniform: false,
            };
            let account = Some(&machine.alice);
            let ending = login.accepted(&mut stage, &source, account, &accepted, b"");
            assert!(matches!(ending, Ok(AuthResult::Verified)));
            assert_eq!(stage.claimed.is_some(), is_claimed);
        }
    }

    #[test]
    fn a_code_that_was_left_to_the_files_is_logged() {
        let stage = StagedTransaction::new("enabled = true\n");
        let login = LoginContext {
            user: ENROLLED.into(),
            rhost: Vec::new(),
            arguments: &stage.arguments,
            messages: MessageMode::Unwanted,
            uniform: false,
        };
        login.log_outage(&stage, None);
        assert_eq!(stage.logged(), []);
        login.log_outage(&stage, Some("no route"));
        let (priority, line) = stage.line();
        assert_eq!(priority, LogPriority::Warning);
        assert!(line.contains("no route"), "{line}");
    }

    /// These are not the files of the service.
    #[test]
    fn files_elsewhere_are_judged_by_no_service() {
        let machine = SourceMachine::new();
        let (mut source, _) = machine.after("no code");
        source.outage = Some("of the code before".to_owned());
        let judged = source.attempt(token().code(0).reveal().as_bytes(), AnswerForm::Code);
        assert!(matches!(judged, Err(AttemptFailure::Daemon(_))));
        assert_eq!(source.outage(), None);
    }
}
