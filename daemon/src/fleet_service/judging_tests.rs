//! Codes of a user on real files, judged with a store in memory.

use std::collections::VecDeque;
use std::fs;
use std::sync::Mutex;

use twofactor_core::state::{DaemonFailures, UserState};
use twofactor_fleet::etcd::gateway_fault::GatewayFault;
use twofactor_protocol::fleet_attempt_call::FleetAttemptCall;
use twofactor_protocol::fleet_change_call::{FleetChangeAnswer, FleetChangeCall};
use twofactor_protocol::service::FleetChangeParameters;
use twofactor_store::attempt::{AttemptResult, SharedCode, SharedEpoch, SharedVerdict};
use twofactor_store::testing::{ScratchStore, enroll_devices, token};

use super::*;

const FLEET: &str = "enabled = true\n[fleet]\nenabled = true\n";

/// A store that fails as often as it is told, and then judges.
struct ScriptedStore {
    outages: Mutex<VecDeque<OutageReason>>,
    /// The end of bringing a record here, after a pause.
    mirrored: (Result<(), OutageReason>, Duration),
    state: Mutex<UserState>,
    /// The calls that it got.
    asked: Mutex<Vec<&'static str>>,
}

impl FleetStoreLink for ScriptedStore {
    fn settle(
        &self,
        user: &str,
        code: &mut SharedCode<'_>,
        _: &WorkDeadline,
    ) -> Result<SharedEnd<OutageReason>, AttemptFailure> {
        assert_eq!(user, "root");
        self.asked.lock().unwrap().push("settle");
        if let Some(reason) = self.outages.lock().unwrap().pop_front() {
            return Ok(SharedEnd::Outage(reason));
        }
        let mut state = self.state.lock().unwrap();
        Ok(SharedEnd::Judged(
            match code.decide(&state, 0, SharedEpoch::Current)? {
                SharedVerdict::Unchanged(result) => result,
                SharedVerdict::Compared(outcome, next) => {
                    *state = *next;
                    AttemptResult::Compared(outcome)
                }
            },
        ))
    }

    fn mirror(&self, _: &FactorStore, user: &str, _: &WorkDeadline) -> Result<(), OutageReason> {
        assert_eq!(user, "root");
        self.asked.lock().unwrap().push("mirror");
        thread::sleep(self.mirrored.1);
        self.mirrored.0.clone()
    }

    fn change(&self, call: &FleetChangeParameters, _: CallingProcess, _: &StoreBreaker) -> Vec<u8> {
        assert_eq!(call.user, "root");
        self.asked.lock().unwrap().push("change");
        reply::message(FleetChangeAnswer::Committed.parameters())
    }
}

/// A host whose user root has a token.
struct FleetMachine {
    scratch: ScratchStore,
    fleet: Arc<ScriptedStore>,
    breaker: Arc<StoreBreaker>,
    service: FleetService,
}

impl FleetMachine {
    fn new(policy: &str, outages: &[OutageReason], mirrored: Result<(), OutageReason>) -> Self {
        Self::slow(policy, outages, (mirrored, Duration::ZERO))
    }

    fn slow(
        policy: &str,
        outages: &[OutageReason],
        mirrored: (Result<(), OutageReason>, Duration),
    ) -> Self {
        let scratch = ScratchStore::new();
        fs::write(scratch.policy(), policy).unwrap();
        let store = scratch.store();
        let root = accounts::by_name("root").unwrap().unwrap();
        enroll_devices(&store, &root, &[token()]);
        let fleet = Arc::new(ScriptedStore {
            outages: Mutex::new(outages.iter().cloned().collect()),
            mirrored,
            state: Mutex::new(store.snapshot(&root).unwrap().unwrap().state),
            asked: Mutex::default(),
        });
        let breaker = Arc::new(StoreBreaker::default());
        breaker.try_to_close(|| true);
        let files = (&*scratch.policy(), &*scratch.top());
        let service = FleetService::new(files, Arc::clone(&fleet) as _, Arc::clone(&breaker));
        Self {
            scratch,
            fleet,
            breaker,
            service,
        }
    }

    /// The answer to what was typed as a whole.
    fn typed(
        &self,
        user: &str,
        typed: (&str, CodeLayout),
        purpose: CodePurpose,
    ) -> Result<FleetAnswer, ServiceError> {
        let reply = self.reply(&attempt(user, typed, purpose));
        FleetAnswer::read(&reply).map_err(|error| match error {
            reply::ReplyError::Service(error) => error,
            other => panic!("{other}"),
        })
    }

    /// The reply to a message of root's.
    fn reply(&self, message: &[u8]) -> Vec<u8> {
        let CallResponse::Reply(reply) = self.response(message, 0) else {
            panic!("closed");
        };
        reply.strip_suffix(b"\0").unwrap().to_vec()
    }

    fn response(&self, message: &[u8], uid: u32) -> CallResponse {
        let memory = &mut ConnectionMemory::default();
        self.service.response(message, caller(uid), memory)
    }

    /// The answer to the next code of root's token.
    fn next_code(&self) -> Result<FleetAnswer, ServiceError> {
        let code = token().code(0).reveal().to_string();
        self.typed("root", (&code, CodeLayout::Code), CodePurpose::Login)
    }

    fn asked(&self) -> Vec<&'static str> {
        self.fleet.asked.lock().unwrap().clone()
    }
}

/// The message that asks about a code, without its NUL byte.
fn attempt(user: &str, (code, layout): (&str, CodeLayout), purpose: CodePurpose) -> Vec<u8> {
    let call = FleetAttemptCall {
        user,
        code,
        layout,
        purpose,
    };
    call.message().strip_suffix(b"\0").unwrap().to_vec()
}

/// The message that removes what root has.
fn removal() -> Vec<u8> {
    let call = FleetChangeCall {
        user: "root",
        uid: 0,
        base: Some("00"),
        factor: None,
    };
    call.message().strip_suffix(b"\0").unwrap().to_vec()
}

fn wrong_code() -> Vec<u8> {
    attempt("root", ("000000", CodeLayout::Code), CodePurpose::Login)
}

fn caller(uid: u32) -> CallingProcess {
    CallingProcess {
        uid,
        pid: 0,
        session: None,
        terminal: None,
    }
}

fn is_accepted(answer: &Result<FleetAnswer, ServiceError>) -> bool {
    matches!(answer, Ok(FleetAnswer::Judged(VerifyAnswer::Accepted(_))))
}

fn unreachable_store() -> OutageReason {
    OutageReason::Unreachable(GatewayFault::NotSent("refused".to_owned()))
}

#[test]
fn a_right_code_is_accepted_once() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    assert!(is_accepted(&machine.next_code()));
    let again = machine.next_code();
    assert!(
        matches!(again, Ok(FleetAnswer::Judged(VerifyAnswer::Used(_)))),
        "{again:?}"
    );
    assert_eq!(machine.asked(), ["settle", "settle"]);
}

#[test]
fn a_code_is_found_after_the_password() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    let code = format!("hunter2{}", token().code(0).reveal().as_str());
    let typed = |layout| machine.typed("root", (&code, layout), CodePurpose::Login);
    assert!(!is_accepted(&typed(CodeLayout::Code)));
    assert!(is_accepted(&typed(CodeLayout::AfterPassword)));
}

#[test]
fn wrong_codes_count_by_their_purpose() {
    for (purpose, logins, daemon) in [
        (CodePurpose::Login, 1, false),
        (CodePurpose::Program, 0, true),
    ] {
        let machine = FleetMachine::new(FLEET, &[], Ok(()));
        let answer = machine.typed("root", ("000000", CodeLayout::Code), purpose);
        assert_eq!(answer, Ok(FleetAnswer::Judged(VerifyAnswer::Wrong)));
        let state = machine.fleet.state.lock().unwrap().clone();
        assert_eq!(state.failures, logins);
        assert_eq!(state.daemon != DaemonFailures::NONE, daemon);
    }
}

#[test]
fn the_store_is_asked_of_users_with_a_device_only() {
    let unenrolled = Ok(FleetAnswer::Judged(VerifyAnswer::Unenrolled));
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    for user in ["daemon", "no-such-user"] {
        let typed = ("000000", CodeLayout::Code);
        let answer = machine.typed(user, typed, CodePurpose::Login);
        assert_eq!(answer, unenrolled, "{user}");
    }
    assert!(machine.asked().is_empty());
    let machine = FleetMachine::new("enabled = true\n", &[], Ok(()));
    assert_eq!(machine.next_code(), Err(ServiceError::Unavailable));
    assert!(machine.asked().is_empty());
}

#[test]
fn an_open_breaker_is_an_outage_at_once() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    machine.breaker.note(&unreachable_store());
    assert_eq!(machine.next_code(), Ok(FleetAnswer::Outage));
    assert!(machine.asked().is_empty());
}

#[test]
fn an_outage_but_of_one_user_opens_the_breaker() {
    for (reason, opens) in [(unreachable_store(), true), (OutageReason::NoState, false)] {
        let machine = FleetMachine::new(FLEET, &[reason], Ok(()));
        assert_eq!(machine.next_code(), Ok(FleetAnswer::Outage));
        assert_eq!(machine.breaker.is_open(), opens);
        assert_eq!(machine.asked(), ["settle"]);
    }
}

#[test]
fn a_newer_record_comes_before_the_code_is_judged() {
    let older = [OutageReason::OlderRecord];
    let machine = FleetMachine::new(FLEET, &older, Ok(()));
    assert!(is_accepted(&machine.next_code()));
    assert_eq!(machine.asked(), ["settle", "mirror", "settle"]);
}

/// This host would judge by the record that is known to be old.
#[test]
fn a_record_that_stays_old_is_no_outage() {
    let older = [OutageReason::OlderRecord];
    let machine = FleetMachine::new(FLEET, &older, Err(unreachable_store()));
    assert_eq!(machine.next_code(), Err(ServiceError::Unavailable));
    assert_eq!(machine.asked(), ["settle", "mirror"]);
    let twice = [OutageReason::OlderRecord, unreachable_store()];
    let machine = FleetMachine::new(FLEET, &twice, Ok(()));
    assert_eq!(machine.next_code(), Err(ServiceError::Unavailable));
    assert_eq!(machine.asked(), ["settle", "mirror", "settle"]);
}

/// More than half of the three seconds goes by, by which a first try would be too late.
#[test]
fn a_slow_record_leaves_time_for_the_second_try() {
    let (older, pause) = ([OutageReason::OlderRecord], Duration::from_millis(1450));
    let machine = FleetMachine::slow(FLEET, &older, (Ok(()), pause));
    assert!(is_accepted(&machine.next_code()));
}

#[test]
fn a_code_that_waited_too_long_is_one_of_too_many() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    // As long as a second code of the user waits for its turn.
    let guard = machine.service.mutexes.take(0, Duration::ZERO).unwrap();
    let answer = thread::scope(|scope| {
        let waiting = scope.spawn(|| machine.next_code());
        thread::sleep(Duration::from_millis(2200));
        drop(guard);
        waiting.join().unwrap()
    });
    assert_eq!(answer, Err(ServiceError::Busy));
    assert!(machine.asked().is_empty());
    assert!(!machine.breaker.is_open());
}

#[test]
fn files_that_cannot_be_used_give_no_answer() {
    let machine = FleetMachine::new("enabled = maybe\n", &[], Ok(()));
    assert_eq!(machine.next_code(), Err(ServiceError::Unavailable));
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    fs::write(
        machine.scratch.record().with_file_name("root.toml"),
        "damaged",
    )
    .unwrap();
    assert_eq!(machine.next_code(), Err(ServiceError::Unavailable));
    assert!(machine.asked().is_empty());
}

#[test]
fn a_code_of_a_device_proves_a_change() {
    for purpose in [CodePurpose::Proof, CodePurpose::DeviceProof] {
        let machine = FleetMachine::new(FLEET, &[], Ok(()));
        let code = token().code(0).reveal().to_string();
        let answer = machine.typed("root", (&code, CodeLayout::Code), purpose);
        assert!(is_accepted(&answer), "{answer:?}");
    }
}

#[test]
fn a_change_is_the_stores() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    let answer = FleetChangeAnswer::read(&machine.reply(&removal()));
    assert_eq!(answer, Ok(FleetChangeAnswer::Committed));
    assert_eq!(machine.asked(), ["change"]);
}

#[test]
fn only_root_is_answered() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    for message in [wrong_code(), removal()] {
        assert_eq!(machine.response(&message, 1000), CallResponse::Close);
    }
    assert!(machine.asked().is_empty());
}

#[test]
fn what_is_no_call_is_told_or_ends_the_connection() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    assert_eq!(machine.response(b"{", 0), CallResponse::Close);
    let unknown = machine.reply(b"{\"method\":\"io.twofactor.fleet.None\"}");
    assert!(
        String::from_utf8(unknown)
            .unwrap()
            .contains("MethodNotFound")
    );
    let info = machine.reply(b"{\"method\":\"org.varlink.service.GetInfo\"}");
    assert!(String::from_utf8(info).unwrap().contains(FLEET_INTERFACE));
}

#[test]
fn calls_of_programs_that_have_gone_are_dropped() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    let is_dropped = |message: &[u8], has_left: bool| {
        let left = || has_left;
        machine.service.is_dropped(message, caller(0), &left)
    };
    for message in [wrong_code(), removal()] {
        assert!(is_dropped(&message, true));
        assert!(!is_dropped(&message, false));
    }
    // It changes nothing.
    let info = b"{\"method\":\"org.varlink.service.GetInfo\"}";
    assert!(!is_dropped(info, true));
}

#[test]
fn a_call_may_carry_a_record() {
    let machine = FleetMachine::new(FLEET, &[], Ok(()));
    let longest = MessageBuffer::of_changes().room();
    assert_eq!(machine.service.buffer().room(), longest);
}
