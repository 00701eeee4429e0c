//! Whole attempts on real files, with a clock that the test sets.

mod attempt;
mod charged_answer;
mod counts;
mod daemon;
mod failures;
mod first_format;
mod fleet;
mod flushes;
mod grace_period;
mod meanwhile;
mod outage;
mod proven_absence;
mod refusals;
mod removal;
mod session_role;
mod shared;

use std::cell::Cell;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use super::*;
use crate::files::tests::error_at;
use crate::files::{FileFault, LockedFactor};
use crate::testing::{ScratchStore, alice, enroll_devices, fresh, phone, record_of};
use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, RefusedAnswers, StoredState, UserState};
use twofactor_core::verify::{CodeAcceptance, CodeRejection, Credential};

/// The moment at which tests begin: the start of [`STEP`].
const NOW: u64 = STEP * 30;
const STEP: u64 = 54_000_000;
const ON: &str = "enabled = true\n";

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW) };
}

fn clock() -> Result<u64, BeforeEpoch> {
    match TIME.get() {
        0 => Err(BeforeEpoch),
        time => Ok(time),
    }
}

/// A machine on which alice has a phone.
struct AttemptMachine {
    scratch: ScratchStore,
    store: FactorStore,
    file: PolicyFile,
    alice: Account,
}

impl AttemptMachine {
    fn with_policy(policy: &str) -> Self {
        TIME.set(NOW);
        let scratch = ScratchStore::new();
        let machine = Self {
            store: scratch.store(),
            file: PolicyFile::new(&scratch.path().join("policy.toml")),
            scratch,
            alice: alice(),
        };
        enroll_devices(&machine.store, &machine.alice, &[phone()]);
        machine.set_policy(policy);
        machine
    }

    fn set_policy(&self, policy: &str) {
        fs::write(self.file.path(), policy).unwrap();
    }

    fn policy_path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// A login that has found the record before the prompt, if there is one.
    fn session(&self) -> LoginAttempt<'_> {
        let holder = self.store.holder(&self.alice).ok();
        let known = holder.and_then(|holder| holder.into_loaded().1);
        LoginAttempt {
            file: &self.file,
            loaded: self.file.load().unwrap(),
            store: &self.store,
            holder: &self.alice,
            service: "sshd",
            address: Some(IpAddr::from([192, 0, 2, 7])),
            role: SessionRole::Apart,
            clock,
            known: KnownFactor::found(known),
        }
    }

    /// A login of its own with this one code.
    fn types(&self, code: &str) -> AttemptResult {
        self.session()
            .attempt(code.as_bytes(), AnswerForm::Code)
            .unwrap()
    }

    fn before(&self) -> PreCheck {
        self.session().before().unwrap()
    }

    fn stored(&self) -> StoredState {
        self.scratch.stored()
    }

    fn counters(&self) -> (u32, u32, u64) {
        let state = self.stored().state;
        (state.failures, state.unreported, state.last_failure)
    }

    /// Every byte that is kept about alice.
    fn files(&self) -> [Vec<u8>; 2] {
        [self.scratch.record(), self.scratch.state()].map(|path| fs::read(path).unwrap())
    }
}

fn code(step: u64) -> String {
    phone().code(step).reveal().to_string()
}

fn accepted(offset: i64, failures_before: u32) -> AttemptResult {
    let name = "phone".into();
    AttemptResult::Compared(CodeOutcome::Accepted(CodeAcceptance {
        by: Credential::Device { name, offset },
        failures_before,
        password_len: 0,
    }))
}

fn rejected(why: CodeRejection) -> AttemptResult {
    AttemptResult::Compared(CodeOutcome::Rejected(why))
}

fn wrong() -> AttemptResult {
    rejected(CodeRejection::Wrong)
}

fn used() -> AttemptResult {
    let device = "phone".into();
    rejected(CodeRejection::Used { device })
}

fn at(seconds: u64) {
    TIME.set(NOW + seconds);
}
