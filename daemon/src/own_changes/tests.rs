//! Changes of a user with a token, on real files.

use std::fs;

use super::*;
use crate::calling_process::CallingProcess;
use twofactor_core::account::Account;
use twofactor_store::change_tickets::TicketStore;
use twofactor_store::testing::{ScratchStore, alice, enroll_devices, phone, record_of, token};
use twofactor_store::{FactorStore, PolicyFile};

/// The audit session in which alice has logged in.
const SESSION: u32 = 7;

/// A machine on which alice may change her devices.
struct ChangeMachine {
    _scratch: ScratchStore,
    file: PolicyFile,
    store: FactorStore,
    tickets: TicketStore,
    alice: Account,
    memory: ConnectionMemory,
    /// Counter of the next code.
    counter: u64,
}

impl ChangeMachine {
    fn with(devices: &[Device]) -> Self {
        let scratch = ScratchStore::new();
        let (file, store) = (PolicyFile::new(&scratch.policy()), scratch.store());
        fs::write(file.path(), "enabled = true\n").unwrap();
        enroll_devices(&store, &alice(), devices);
        let tickets = TicketStore::at(&scratch.path().join("tickets"));
        tickets.issue(alice().uid, SESSION).unwrap();
        Self {
            _scratch: scratch,
            file,
            store,
            tickets,
            alice: alice(),
            memory: ConnectionMemory::default(),
            counter: 0,
        }
    }

    fn calls(&mut self, call: &ChangeCall) -> Result<ChangeReply, ChangeDenial> {
        let holder = self.store.holder(&self.alice).unwrap();
        let claimant = ProofContext {
            file: &self.file,
            loaded: self.file.load().unwrap(),
            store: &self.store,
            tickets: &self.tickets,
            account: &self.alice,
            login: "alice",
            record: holder.record.clone(),
            caller: CallingProcess {
                uid: self.alice.uid,
                pid: 0,
                session: Some(SESSION),
                terminal: None,
            },
            service: "twofactord",
        };
        change(&claimant, call, &mut self.memory)
    }

    /// The reply to a call that is told one.
    fn told(&mut self, call: &ChangeCall) -> ChangeReply {
        match self.calls(call) {
            Ok(reply) => reply,
            Err(ChangeDenial::Told(reply)) => *reply,
            Err(ChangeDenial::Parameter(name)) => panic!("{name}"),
            Err(_) => panic!("failed"),
        }
    }

    /// The next code of the token.
    fn code(&mut self) -> Option<String> {
        self.counter += 1;
        Some(token().code(self.counter - 1).reveal().to_string())
    }

    /// Begins another device, and gives the code that it shows.
    fn begins(&mut self, device: &str) -> String {
        let call = NewDeviceCall {
            device: Some(device.to_owned()),
            kind: Some(DeviceKind::Hotp),
            code: self.code(),
            ..new_device()
        };
        let reply = self.told(&ChangeCall::Begin(call));
        assert_eq!(reply.result, ChangeResult::Pending);
        let pending = self.memory.pending.as_ref().unwrap();
        pending.device.device().code(0).reveal().to_string()
    }

    fn confirms(&mut self, code: &str) -> ChangeReply {
        self.told(&ChangeCall::Confirm(code_call(Some(code.to_owned()))))
    }

    fn unsets(&mut self, device: Option<&str>, all: Option<&[&str]>) -> ChangeResult {
        let call = removal(device, all, self.code());
        self.told(&ChangeCall::Unset(call)).result
    }
}

fn new_device() -> NewDeviceCall {
    NewDeviceCall {
        user: "alice".to_owned(),
        device: None,
        kind: None,
        algorithm: None,
        digits: None,
        interval: None,
        code: None,
    }
}

fn code_call(code: Option<String>) -> CodeCall {
    CodeCall {
        user: "alice".to_owned(),
        code,
    }
}

fn removal(device: Option<&str>, all: Option<&[&str]>, code: Option<String>) -> RemovalCall {
    let all = all.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    RemovalCall {
        user: "alice".to_owned(),
        device: device.map(str::to_owned),
        all,
        code,
    }
}

#[test]
fn a_new_device_waits_for_its_code_ten_minutes() {
    let mut machine = ChangeMachine::with(&[token()]);
    let before = clock::since_boot();
    let code = machine.begins("tablet");
    let end = machine.memory.pending.as_ref().unwrap().end;
    let limits = before + 600..=clock::since_boot() + 600;
    assert!(limits.contains(&end));
    let stored = machine.confirms(&code);
    assert_eq!(stored.result, ChangeResult::Stored);
    assert!(machine.memory.pending.is_none());
}

#[test]
fn a_device_waits_for_as_long_as_tries_are_left() {
    let mut machine = ChangeMachine::with(&[token()]);
    machine.begins("tablet");
    for left in (0..5).rev() {
        let wrong = machine.confirms("no code");
        assert_eq!(wrong.result, ChangeResult::Wrong);
        assert_eq!(wrong.tries_left, Some(left));
        assert_eq!(machine.memory.pending.is_some(), left > 0);
    }
    let gone = machine.confirms("no code").result;
    assert_eq!(gone, ChangeResult::NothingPending);
}

#[test]
fn the_last_device_goes_with_all_of_them() {
    let mut machine = ChangeMachine::with(&[token(), phone()]);
    assert_eq!(machine.unsets(Some("phone"), None), ChangeResult::Removed);
    let last = machine.unsets(Some("token"), None);
    assert_eq!(last, ChangeResult::LastDevice);
    // The code for the last one was not looked at.
    machine.counter -= 1;
    let seen = machine.unsets(None, Some(&["token", "phone"]));
    assert_eq!(seen, ChangeResult::Changed);
    machine.counter -= 1;
    assert_eq!(
        machine.unsets(None, Some(&["token"])),
        ChangeResult::Removed
    );
}

#[test]
fn new_recovery_codes_are_ten() {
    let mut machine = ChangeMachine::with(&[token()]);
    let call = code_call(machine.code());
    let reply = machine.told(&ChangeCall::NewRecoveryCodes(call));
    assert_eq!(reply.result, ChangeResult::Replaced);
    let codes = reply.recovery_codes.unwrap();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 19), "{codes:?}");
    assert_eq!(listed(&[]), None);
}

#[test]
fn a_word_of_the_log_is_no_name_of_a_device() {
    assert_eq!(new_name("tablet").ok().unwrap().as_str(), "tablet");
    for name in ["bypass", "all", "recovery-code", "", "a\nb"] {
        let refused = new_name(name);
        assert!(matches!(refused, Err(ChangeDenial::Parameter("device"))));
    }
}

#[test]
fn a_device_without_a_name_is_the_only_one() {
    let one = record_of(&alice(), &[token()]);
    let two = record_of(&alice(), &[token(), phone()]);
    let name = |record: &UserRecord, device| {
        let found = chosen(record, device).ok();
        found.map(|device| device.name.to_string())
    };
    assert_eq!(name(&one, None).as_deref(), Some("token"));
    assert_eq!(name(&two, None), None);
    assert_eq!(name(&two, Some("phone")).as_deref(), Some("phone"));
    assert_eq!(name(&two, Some("tablet")), None);
}

#[test]
fn a_new_device_is_as_the_policy_says_or_the_call() {
    let defaults = twofactor_core::policy::Policy::default().new_devices;
    let (kind, plain) = settings(defaults, &new_device()).ok().unwrap();
    assert!(matches!(kind, OtpKind::Totp { .. }));
    assert_eq!(plain.digits, defaults.digits);
    assert_eq!(plain.algorithm, defaults.algorithm);
    let call = NewDeviceCall {
        kind: Some(DeviceKind::Hotp),
        algorithm: Some(HashAlgorithm::Sha512),
        digits: Some(8),
        ..new_device()
    };
    let (kind, chosen) = settings(defaults, &call).ok().unwrap();
    assert_eq!(kind, OtpKind::Hotp);
    assert_eq!(chosen.algorithm, Algorithm::Sha512);
    assert_eq!(Some(chosen.digits), Digits::new(8));
    for (digits, interval, name) in [(Some(5), None, "digits"), (None, Some(4), "interval")] {
        let call = NewDeviceCall {
            digits,
            interval,
            ..new_device()
        };
        let refused = settings(defaults, &call);
        assert!(matches!(refused, Err(ChangeDenial::Parameter(it)) if it == name));
    }
}
