//! Each change on real files: what it makes, each refusal, what came between, and that a failure leaves nothing.

mod audit;
mod bypass_code;
mod enrollment;
mod import;
mod invitation;
mod policy_replacement;
mod relocation;
mod removal;
mod restoration;
mod restore_target;
mod restored_codes;
mod resync;
mod told;
mod unlock;
mod unsure;
mod user_backup;

use std::cell::RefCell;
use std::fs;
use std::sync::LazyLock;

use super::*;
use crate::attempt::AttemptFailure;
use crate::files::{FileFault, StoreError};
use crate::testing::{ScratchStore, alice, device, enroll_devices, phone};
use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::log::audit_line::AuditEvent;
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin};

/// The moment of all changes, in seconds since 1970-01-01 UTC.
const NOW: u64 = 1_234_567_890;

static ALICE: LazyLock<Account> = LazyLock::new(alice);

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A log in memory, of the test that runs in this thread.
struct AuditLines;

impl AuditSink for AuditLines {
    fn origin(&self) -> ChangeOrigin {
        ChangeOrigin {
            channel: ChangeChannel::Command,
            uid: 0,
            terminal: None,
            address: None,
        }
    }

    fn time(&self) -> u64 {
        NOW
    }

    fn changed(&self, event: &AuditEvent<'_>) {
        let line = event.line(0, |seconds| (seconds - NOW).to_string());
        LINES.with_borrow_mut(|lines| lines.push(line.as_str().to_owned()));
    }
}

/// The lines that were logged since the last call, without what all have in common.
fn logged() -> Vec<String> {
    let lines = LINES.take();
    let part = |line: &String| {
        let line = line.strip_prefix("changed user=alice action=").unwrap();
        line.strip_suffix(" by=0").unwrap().to_owned()
    };
    lines.iter().map(part).collect()
}

/// A new invitation until this time, in place of an earlier one.
fn invited(factor: &UserFactor<'_>, expires: u64) -> Result<PlainCode, ChangeError> {
    let terms = InvitationTerms {
        now: NOW,
        expires,
        earlier: EarlierInvitation::Replace,
    };
    match invite(factor, terms)? {
        InvitationResult::Issued(code) => Ok(code),
        _ => panic!("an invitation was kept"),
    }
}

/// A removal by root without a condition.
fn cleared(factor: &UserFactor<'_>, devices: &[CredentialId]) -> Result<(), ChangeError> {
    clear(factor, devices, || Ok(())).map(drop)
}

/// A removal of whatever is kept under alice's name.
fn discarded(store: &FactorStore) -> Result<(), StoreError> {
    let shown = ShownRecord::of(&store.record_named("alice"));
    discard(store, "alice", &shown, &AuditLines).map(drop)
}

fn factor(store: &FactorStore) -> UserFactor<'_> {
    UserFactor {
        store,
        account: &ALICE,
        audit: &AuditLines,
    }
}

fn token() -> Device {
    device("token", 2, OtpKind::Hotp)
}

fn id(number: u64) -> CredentialId {
    CredentialId::from_number(number).unwrap()
}

/// A store in which alice has these devices; no record where there are none.
fn with(devices: &[Device]) -> (ScratchStore, FactorStore) {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    if !devices.is_empty() {
        enroll_devices(&store, &alice(), devices);
    }
    (scratch, store)
}

/// Every byte that is kept about alice; empty where there is nothing.
fn kept(scratch: &ScratchStore) -> [Vec<u8>; 2] {
    [scratch.record(), scratch.state()].map(|path| fs::read(path).unwrap_or_default())
}

const NOTHING: [Vec<u8>; 2] = [Vec::new(), Vec::new()];

fn record(store: &FactorStore) -> UserRecord {
    store.record(&alice()).unwrap().unwrap()
}

fn names(store: &FactorStore) -> Vec<String> {
    let devices = record(store).devices;
    devices
        .iter()
        .map(|device| device.name.to_string())
        .collect()
}

fn refused(cause: ChangeCause) -> ChangeError {
    let user = "alice".to_owned();
    ChangeError { user, cause }
}

/// A caller that refuses, and takes note of the devices that it was shown.
#[derive(Default)]
struct Refusing {
    shown: Option<usize>,
}

/// The answer of [`Refusing`], or of the change itself.
#[derive(Debug, PartialEq)]
enum Denied {
    ByCaller,
    Change(ChangeError),
}

impl From<ChangeError> for Denied {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

impl ChangeSteps for Refusing {
    type Error = Denied;

    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), Denied> {
        self.shown = Some(record.map_or(0, |record| record.devices.len()));
        Err(Denied::ByCaller)
    }
}

/// True if the error is that of a state that cannot be read.
fn is_unusable(error: &ChangeError) -> bool {
    matches!(&error.cause, ChangeCause::Failed(AttemptFailure::Store(error)) if matches!(error.cause, FileFault::State(_)))
}
