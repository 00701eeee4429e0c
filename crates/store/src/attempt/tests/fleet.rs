//! Codes that the service of the fleet judges, and what follows where it gives no verdict.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::fleet_attempt::{are_of_service, proved};
use super::*;
use crate::daemon_client::DaemonFault;
use crate::fleet_client::FleetClient;
use twofactor_core::recovery::RecoverySet;
use twofactor_core::verify::FailureCounter;
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_protocol::fleet_attempt_call::{CodePurpose, FleetAnswer};
use twofactor_protocol::reply::{self, ReplyError, ServiceError};
use twofactor_protocol::verify_call::{AcceptedCode, CodeOrigin, VerifyAnswer};

const FLEET: &str = "enabled = true\ngrace = 600\n[fleet]\nenabled = true\n";

impl AttemptMachine {
    /// A client of a service that gives one reply, or ends without any.
    fn served(&self, reply: Option<Vec<u8>>) -> FleetClient {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = self.scratch.path().join(format!("fleet{number}"));
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = Vec::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_until(0, &mut call).unwrap();
            if let Some(reply) = reply {
                stream.write_all(&reply).unwrap();
            }
        });
        self.unserved().listening_at(&socket)
    }

    fn unserved(&self) -> FleetClient {
        let policy = self.file.load().unwrap().policy;
        let client = FleetClient::new(&policy.fleet, "alice", CodePurpose::Login);
        client.listening_at(&self.scratch.path().join("nothing"))
    }

    /// A client of a service that answers.
    fn answered(&self, answer: VerifyAnswer) -> FleetClient {
        self.served(Some(reply::message(
            FleetAnswer::Judged(answer).parameters(),
        )))
    }
}

/// Accepted after so many bytes of what was sent.
fn accepted_after(password_length: u64) -> VerifyAnswer {
    VerifyAnswer::Accepted(AcceptedCode {
        by: CodeOrigin::Device("phone".into()),
        password_length,
        failures_before: 0,
    })
}

fn attempt(
    session: &mut LoginAttempt<'_>,
    client: &FleetClient,
    counter: FailureCounter,
) -> Result<FleetResult, AttemptFailure> {
    session.attempt_through(client, (code(STEP).as_bytes(), AnswerForm::Code), counter)
}

#[test]
fn only_the_service_of_these_files_is_asked() {
    let (state, policy) = (Path::new(STATE_DIR), Path::new(POLICY_FILE));
    let other = Path::new("/srv/other");
    assert!(are_of_service(state, policy));
    assert!(!are_of_service(state, other));
    assert!(!are_of_service(other, policy));
    let machine = AttemptMachine::with_policy(FLEET);
    let mut session = machine.session();
    let typed = (code(STEP), AnswerForm::Code);
    let typed = (typed.0.as_bytes(), typed.1);
    let judged = session.fleet_attempt("alice", typed, FailureCounter::Logins);
    let proof = session.fleet_proof("alice", typed.0, ProofCodes::All);
    for refused in [judged.map(|it| it.result), proof] {
        let is_fault = matches!(
            refused,
            Err(AttemptFailure::Daemon(ref error)) if error.cause == DaemonFault::OtherFiles
        );
        assert!(is_fault, "{refused:?}");
    }
}

#[test]
fn grace_begins_after_an_accepted_login_alone() {
    for (answer, counter, grace) in [
        (accepted_after(0), FailureCounter::Logins, Some(600)),
        (accepted_after(0), FailureCounter::Daemon, None),
        (VerifyAnswer::Wrong, FailureCounter::Logins, None),
    ] {
        let machine = AttemptMachine::with_policy(FLEET);
        let client = machine.answered(answer);
        let judged = attempt(&mut machine.session(), &client, counter).unwrap();
        assert_eq!(judged.outage, None);
        let expected = grace.map_or(PreCheck::Throttle(ThrottleStatus::Open), PreCheck::Grace);
        assert_eq!(
            machine.before(),
            expected,
            "{:?} {counter:?}",
            judged.result
        );
    }
}

#[test]
fn a_verdict_of_the_fleet_counts_the_codes_left() {
    let machine = AttemptMachine::with_policy(FLEET);
    let mut record = record_of(&machine.alice, &[phone()]);
    record.recovery = Some(RecoverySet::generate(1).unwrap().0);
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    let mut session = machine.session();
    assert!(!session.has_recovery_codes());
    let client = machine.answered(VerifyAnswer::Wrong);
    let judged = attempt(&mut session, &client, FailureCounter::Logins);
    assert_eq!(judged.unwrap().result, wrong());
    assert!(session.has_recovery_codes());
}

#[test]
fn a_password_ends_where_the_service_says() {
    let typed = format!("correct horse battery{}", code(STEP));
    // The last 19 bytes are sent.
    for (sent_before, password_len) in [(13, Some(21)), (18, Some(26)), (19, None), (99, None)] {
        let machine = AttemptMachine::with_policy(FLEET);
        let client = machine.answered(accepted_after(sent_before));
        let answer = (typed.as_bytes(), AnswerForm::PasswordThenCode);
        let mut session = machine.session();
        let judged = session.attempt_through(&client, answer, FailureCounter::Logins);
        match judged.map(|it| it.result) {
            Ok(AttemptResult::Compared(CodeOutcome::Accepted(accepted))) => {
                assert_eq!(Some(accepted.password_len), password_len);
            }
            Err(AttemptFailure::Daemon(error)) => {
                assert_eq!(error.cause, DaemonFault::Reply(ReplyError::Malformed));
                assert_eq!(password_len, None);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn silence_of_the_service_is_an_outage() {
    let machine = AttemptMachine::with_policy(FLEET);
    let outage = reply::message(FleetAnswer::Outage.parameters());
    for (client, reason) in [
        (machine.served(Some(outage)), ""),
        (machine.served(None), "closed before the answer"),
        (machine.unserved(), "connect"),
    ] {
        let mut session = LoginAttempt {
            service: "login",
            ..machine.session()
        };
        let judged = attempt(&mut session, &client, FailureCounter::Logins).unwrap();
        let outage = judged.outage.unwrap();
        assert_eq!(outage.is_empty(), reason.is_empty(), "{outage}");
        assert!(outage.contains(reason), "{outage}");
        let refused = attempt(&mut machine.session(), &client, FailureCounter::Logins);
        let never = AttemptFailure::Outage(OutageRefusal::NeverMet);
        assert_eq!(refused, Err(never));
    }
    assert_eq!(machine.stored().state.devices[0].next, STEP + 1);
}

/// A service that is busy answers: only the console does without it.
#[test]
fn an_error_of_the_service_is_a_consoles_outage_alone() {
    let machine = AttemptMachine::with_policy(FLEET);
    let busy = || machine.served(Some(ServiceError::Busy.message()));
    let refused = attempt(&mut machine.session(), &busy(), FailureCounter::Logins);
    let fault = DaemonFault::Reply(ReplyError::Service(ServiceError::Busy));
    let is_busy =
        |it: &AttemptFailure| matches!(it, AttemptFailure::Daemon(error) if error.cause == fault);
    assert!(refused.is_err_and(|failure| is_busy(&failure)));
    let mut console = LoginAttempt {
        service: "login",
        ..machine.session()
    };
    let judged = attempt(&mut console, &busy(), FailureCounter::Logins).unwrap();
    assert_eq!(judged.result, accepted(0, 0));
    assert!(judged.outage.is_some_and(|reason| !reason.is_empty()));
}

#[test]
fn no_host_takes_a_proof_by_itself() {
    let machine = AttemptMachine::with_policy(FLEET);
    let typed = code(STEP);
    let proof = |client: &FleetClient| proved(client, typed.as_bytes());
    assert_eq!(
        proof(&machine.answered(accepted_after(0))),
        Ok(accepted(0, 0))
    );
    let outage = reply::message(FleetAnswer::Outage.parameters());
    let refused = AttemptFailure::Outage(OutageRefusal::NoChange);
    assert_eq!(proof(&machine.served(Some(outage))), Err(refused));
    let silent = proof(&machine.unserved());
    assert!(matches!(silent, Err(AttemptFailure::Daemon(_))));
}
