//! The answer to a message: a function of the message, the caller and the content of the files.

use twofactor_core::account::Account;
use twofactor_core::verify::AnswerForm;
use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::reply::{self, ServiceError};
use twofactor_protocol::service::{ServiceCall, ServiceInfo};
use twofactor_protocol::verify_call::CodeLayout;

use crate::calling_process::CallingProcess;
use crate::connection_memory::ConnectionMemory;
use crate::factor_access::{AskedAccount, FactorAccess};

/// The uid that the kernel reports for one that is not mapped here (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65534;

/// A service of messages.
pub trait MessageService: Send + Sync {
    /// Answers one message, given without its NUL byte.
    fn response(
        &self,
        message: &[u8],
        caller: CallingProcess,
        memory: &mut ConnectionMemory,
    ) -> CallResponse;

    /// True if a message is dropped because its sender `has_left` before it was begun.
    fn is_dropped(
        &self,
        message: &[u8],
        caller: CallingProcess,
        has_left: &dyn Fn() -> bool,
    ) -> bool {
        let _ = (message, caller, has_left);
        false
    }

    /// An empty buffer for its calls.
    fn buffer(&self) -> MessageBuffer {
        MessageBuffer::default()
    }
}

impl<F: FactorAccess + Send + Sync> MessageService for F {
    fn response(
        &self,
        message: &[u8],
        caller: CallingProcess,
        memory: &mut ConnectionMemory,
    ) -> CallResponse {
        response(message, caller, self, memory)
    }
}

/// Result of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResponse {
    /// Sends this reply.
    Reply(Vec<u8>),
    /// Closes the connection.
    Close,
}

/// Answers one message, given without its NUL byte.
pub fn response(
    message: &[u8],
    caller: CallingProcess,
    factors: &dyn FactorAccess,
    memory: &mut ConnectionMemory,
) -> CallResponse {
    let call = match ServiceCall::read(message) {
        Ok(call) => call,
        Err(error) => {
            return error
                .message()
                .map_or(CallResponse::Close, CallResponse::Reply);
        }
    };
    let answered = match call {
        ServiceCall::Introspection(call) => Ok(call.reply(ServiceInfo {
            version: twofactor_core::VERSION,
            interface: twofactor_protocol::INTERFACE,
        })),
        ServiceCall::Status { user } => own_account(&user, caller, factors)
            .and_then(|account| Ok(factors.status(&account, caller)?.message())),
        ServiceCall::Gate { user } => asked_account(&user, caller, factors).and_then(|asked| {
            let answer = factors.gate(&asked, caller)?;
            Ok(reply::message(answer.parameters()))
        }),
        ServiceCall::Verify { user, code, layout } => asked_account(&user, caller, factors)
            .and_then(|asked| {
                let form = match layout {
                    CodeLayout::Code => AnswerForm::Code,
                    CodeLayout::AfterPassword => AnswerForm::PasswordThenCode,
                };
                let answer = factors.verify(&asked, caller, &code, form)?;
                Ok(reply::message(answer.parameters()))
            }),
        ServiceCall::Change(call) => own_account(call.user(), caller, factors)
            .and_then(|account| factors.change(&account, caller, &call, memory)),
    };
    CallResponse::Reply(answered.unwrap_or_else(ServiceError::message))
}

/// The account of a name, if it is the caller's. All other names get one answer, and root has no further right. A program that
/// runs as another user learns nothing about other users, and cannot be made to use its rights for its clients.
fn own_account(
    user: &str,
    caller: CallingProcess,
    factors: &dyn FactorAccess,
) -> Result<Account, ServiceError> {
    let account = factors.account(user, caller)?;
    match account {
        Some(account) if is_own(&account, caller) => Ok(account),
        _ => Err(foreign(user, caller, factors)),
    }
}

/// The caller's own account, or the account of any name if the policy lets the caller have codes of others judged. The check is
/// the same for all names.
fn asked_account(
    user: &str,
    caller: CallingProcess,
    factors: &dyn FactorAccess,
) -> Result<AskedAccount, ServiceError> {
    let account = factors.account(user, caller)?;
    let own = account.as_ref().filter(|own| is_own(own, caller));
    if let Some(own) = own {
        return Ok(AskedAccount {
            account: own.clone(),
            verifier: None,
        });
    }
    let verifier = match caller.uid {
        0 | OVERFLOW_UID => None,
        _ => factors.verifier(user, caller)?,
    };
    match (account, verifier) {
        (Some(account), Some(verifier)) => Ok(AskedAccount {
            account,
            verifier: Some(verifier),
        }),
        _ => Err(foreign(user, caller, factors)),
    }
}

const fn is_own(account: &Account, caller: CallingProcess) -> bool {
    account.uid == caller.uid && caller.uid != OVERFLOW_UID
}

fn foreign(user: &str, caller: CallingProcess, factors: &dyn FactorAccess) -> ServiceError {
    factors.note_foreign(user, caller);
    ServiceError::NotYours
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::factor_access::FactorUnavailable;
    use twofactor_protocol::gate_call::{self, GateAnswer};
    use twofactor_protocol::service::{ChangeCall, RemovalCall, StatusReply};
    use twofactor_protocol::verify_call::{self, VerifyAnswer};

    /// alice has uid 1000, bob 1001, nobody 65534; root has 0. Everything about them works.
    #[derive(Default)]
    struct Recorder {
        calls: RefCell<Vec<String>>,
    }

    impl Recorder {
        fn note(&self, call: &str, account: &Account) {
            self.calls
                .borrow_mut()
                .push(format!("{call} {}", account.name));
        }
    }

    impl FactorAccess for Recorder {
        fn account(
            &self,
            user: &str,
            _: CallingProcess,
        ) -> Result<Option<Account>, FactorUnavailable> {
            let uid = match user {
                "alice" | "ALICE" => 1000,
                "bob" => 1001,
                "nobody" => 65534,
                "root" => 0,
                "broken" => return Err(FactorUnavailable),
                _ => return Ok(None),
            };
            let name = user.to_lowercase();
            Ok(Some(Account {
                name,
                uid,
                gid: uid,
            }))
        }

        fn status(
            &self,
            account: &Account,
            _: CallingProcess,
        ) -> Result<StatusReply, FactorUnavailable> {
            self.note("status", account);
            Err(FactorUnavailable)
        }

        fn gate(
            &self,
            asked: &AskedAccount,
            _: CallingProcess,
        ) -> Result<GateAnswer, FactorUnavailable> {
            self.note(&by("gate", asked), &asked.account);
            Ok(GateAnswer::Ask)
        }

        fn verify(
            &self,
            asked: &AskedAccount,
            _: CallingProcess,
            code: &str,
            form: AnswerForm,
        ) -> Result<VerifyAnswer, ServiceError> {
            let call = by(&format!("verify {code} {form:?}"), asked);
            self.note(&call, &asked.account);
            Ok(VerifyAnswer::Wrong)
        }

        fn change(
            &self,
            account: &Account,
            _: CallingProcess,
            _: &ChangeCall,
            _: &mut ConnectionMemory,
        ) -> Result<Vec<u8>, ServiceError> {
            self.note("change", account);
            Err(ServiceError::NotAllowed)
        }

        fn verifier(
            &self,
            _: &str,
            caller: CallingProcess,
        ) -> Result<Option<String>, FactorUnavailable> {
            match caller.uid {
                70 => Ok(Some("postgres".to_owned())),
                71 => Err(FactorUnavailable),
                // Of these it must not be asked.
                0 | 65534 => Ok(Some("root".to_owned())),
                _ => Ok(None),
            }
        }

        fn note_foreign(&self, user: &str, _: CallingProcess) {
            self.calls.borrow_mut().push(format!("foreign {user}"));
        }
    }

    fn by(call: &str, asked: &AskedAccount) -> String {
        match &asked.verifier {
            Some(verifier) => format!("{verifier}: {call}"),
            None => call.to_owned(),
        }
    }

    fn ask(message: &[u8], uid: u32) -> (CallResponse, Vec<String>) {
        let recorder = Recorder::default();
        let message = message.strip_suffix(b"\0").unwrap();
        let caller = CallingProcess {
            uid,
            pid: 7,
            session: None,
            terminal: None,
        };
        let response = response(message, caller, &recorder, &mut ConnectionMemory::default());
        (response, recorder.calls.into_inner())
    }

    fn not_yours() -> CallResponse {
        CallResponse::Reply(ServiceError::NotYours.message())
    }

    #[test]
    fn users_are_answered_about_themselves() {
        let (response, calls) = ask(&gate_call::request("ALICE"), 1000);
        assert_eq!(
            response,
            CallResponse::Reply(reply::message(GateAnswer::Ask.parameters()))
        );
        assert_eq!(calls, ["gate alice"]);
        let request = verify_call::request("alice", "pw123456", CodeLayout::AfterPassword);
        let (response, calls) = ask(&request, 1000);
        assert_eq!(
            response,
            CallResponse::Reply(reply::message(VerifyAnswer::Wrong.parameters()))
        );
        assert_eq!(calls, ["verify pw123456 PasswordThenCode alice"]);
    }

    #[test]
    fn all_others_get_the_same_bytes_and_nothing_is_done() {
        for user in ["alice", "bob", "none", "", "nobody", "a\nb", "root"] {
            for uid in [33, 1002, 65534, 100_000] {
                let unset = RemovalCall {
                    user: user.to_owned(),
                    device: None,
                    all: None,
                    code: None,
                };
                for request in [
                    gate_call::request(user),
                    verify_call::request(user, "123456", CodeLayout::Code),
                    ChangeCall::Unset(unset).message(),
                ] {
                    let (response, calls) = ask(&request, uid);
                    assert_eq!(response, not_yours(), "{user} {uid}");
                    assert_eq!(calls, [format!("foreign {user}")]);
                }
            }
        }
    }

    #[test]
    fn a_verifier_has_codes_judged_and_nothing_else() {
        let (response, calls) = ask(&gate_call::request("alice"), 70);
        let ask_for_code = reply::message(GateAnswer::Ask.parameters());
        assert_eq!(response, CallResponse::Reply(ask_for_code));
        assert_eq!(calls, ["postgres: gate alice"]);
        let verify = verify_call::request("bob", "123456", CodeLayout::Code);
        assert_eq!(ask(&verify, 70).1, ["postgres: verify 123456 Code bob"]);
        // A name without an account is as foreign to it as to others.
        assert_eq!(ask(&gate_call::request("none"), 70).0, not_yours());
        let status = b"{\"method\":\"io.twofactor.Status\",\"parameters\":{\"user\":\"alice\"}}\0";
        assert_eq!(ask(status, 70).0, not_yours());
        let unset = RemovalCall {
            user: "alice".to_owned(),
            device: None,
            all: None,
            code: None,
        };
        assert_eq!(ask(&ChangeCall::Unset(unset).message(), 70).0, not_yours());
        // What cannot be looked up proves nothing, of whatever name.
        let unavailable = CallResponse::Reply(ServiceError::Unavailable.message());
        for user in ["alice", "none"] {
            assert_eq!(ask(&gate_call::request(user), 71).0, unavailable);
        }
    }

    #[test]
    fn root_has_no_further_right() {
        for user in ["alice", "none"] {
            assert_eq!(ask(&gate_call::request(user), 0).0, not_yours());
        }
        assert_eq!(ask(&gate_call::request("root"), 0).1, ["gate root"]);
    }

    #[test]
    fn what_cannot_be_looked_up_is_unavailable() {
        let unavailable = CallResponse::Reply(ServiceError::Unavailable.message());
        assert_eq!(ask(&gate_call::request("broken"), 1000).0, unavailable);
        let status = b"{\"method\":\"io.twofactor.Status\",\"parameters\":{\"user\":\"alice\"}}\0";
        assert_eq!(ask(status, 1000).0, unavailable);
    }

    #[test]
    fn what_is_no_call_ends_the_connection() {
        assert_eq!(ask(b"hello\0", 1000).0, CallResponse::Close);
        assert_eq!(ask(b"\0", 1000).0, CallResponse::Close);
        let CallResponse::Reply(reply) = ask(b"{\"method\":\"io.twofactor.Enroll\"}\0", 1000).0
        else {
            panic!("closed");
        };
        assert!(String::from_utf8(reply).unwrap().contains("MethodNotFound"));
    }
}
