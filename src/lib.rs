//! The PAM module: six entry points, each of which survives a panic, denies on it, and prints nothing.
#![deny(unsafe_code)]
#![allow(
    missing_docs,
    reason = "the exported functions are made by a macro; pam_sm_authenticate(3) and its sisters describe them"
)]

mod account_phase;
mod answer_source;
mod auth_phase;
mod code_log_lines;
mod code_prompt;
mod factor_change_text;
mod libpam;
mod line_break;
mod login_dialogue;
mod login_notice;
mod login_origin;
mod login_service;
mod login_text;
mod module_arguments;
mod notice_delivery;
mod recovery_claim;
mod return_codes;
mod session_grace_claim;
mod session_phase;
mod ticket_claim;
mod ticket_issue;
mod transaction;
mod unenrolled_mark;
mod unwind_guard;

#[cfg(test)]
mod tests;

use std::ffi::CStr;

use pam::constants::{PamFlag, PamResultCode};
use pam::module::{PamHandle, PamHooks};

use twofactor_store::sys::wipe;

use libpam::LibpamTransaction;
use module_arguments::{AUTH_FAIL, ModuleArgumentError, ModuleArguments};
use return_codes::{AccountResult, AuthResult};
use transaction::{LogPriority, MessageMode, PamTransaction};
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use unwind_guard::{guarded, unrefusing};

/// Wipes the memory that the module and the libraries in it free.
#[global_allocator]
static HEAP: wipe::WipingAllocator = wipe::WipingAllocator;

struct TwofactorModule;

pam::pam_hooks!(TwofactorModule);

impl PamHooks for TwofactorModule {
    fn sm_authenticate(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guarded(|| {
            let mut transaction = LibpamTransaction(handle);
            let ending = match ModuleArguments::parse(&words) {
                _ if words == [AUTH_FAIL] => auth_phase::wrong_password::refuse(&mut transaction),
                Ok(arguments) => {
                    auth_phase::authenticate(&mut transaction, &arguments, flags.into())
                }
                Err(error) => {
                    complain_of(&transaction, &error);
                    AuthResult::BadArguments
                }
            };
            ending.code()
        })
    }

    /// Credentials are none of this module's business, but a stack in which no module sets any has to succeed.
    fn sm_setcred(handle: &mut PamHandle, _: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        unrefusing(|| notice_delivery::show(&mut LibpamTransaction(handle), flags.into()));
        PamResultCode::PAM_SUCCESS
    }

    /// Has nothing to say unless the authentication phase of this transaction left an enrollment to it. Logins by key
    /// come here without having passed that phase: they are never asked and never refused.
    fn acct_mgmt(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guarded(|| {
            let mut transaction = LibpamTransaction(handle);
            let marks = transaction.unenrolled_marks();
            if marks.is_empty() {
                offer_new_device(&mut transaction, &words, flags.into());
                ticket_issue::issue(&mut transaction);
                return PamResultCode::PAM_IGNORE;
            }
            let admission = match ModuleArguments::parse(&words) {
                Ok(arguments) => {
                    account_phase::run(&mut transaction, &arguments, flags.into(), &marks)
                }
                Err(error) => {
                    complain_of(&transaction, &error);
                    AccountResult::Refused
                }
            };
            if admission == AccountResult::Open {
                ticket_issue::issue(&mut transaction);
            }
            admission.code()
        })
    }

    /// Never refuses.
    fn sm_open_session(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        unrefusing(|| {
            let mut transaction = LibpamTransaction(handle);
            ticket_issue::issue(&mut transaction);
            match ModuleArguments::parse(&words) {
                Ok(arguments) => session_phase::open(&mut transaction, &arguments, flags.into()),
                Err(error) => complain_of(&transaction, &error),
            }
        });
        PamResultCode::PAM_SUCCESS
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }

    /// Passwords are none of this module's business.
    fn sm_chauthtok(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_IGNORE
    }
}

/// Offers a new device after a login with a recovery or bypass code, once. The code was right: neither an error nor a panic in here
/// refuses the login.
fn offer_new_device(
    transaction: &mut LibpamTransaction<'_>,
    words: &[&CStr],
    messages: MessageMode,
) {
    let Some(claim) = transaction.recovery_claim() else {
        return;
    };
    unrefusing(|| {
        transaction.claim_recovery(None);
        match ModuleArguments::parse(words) {
            Ok(arguments) => {
                account_phase::new_device::offer(transaction, &arguments, messages, claim)
            }
            Err(error) => complain_of(transaction, &error),
        }
    });
}

fn complain_of(transaction: &dyn PamTransaction, error: &ModuleArgumentError) {
    let line = LogLine::default()
        .result(LoginEvent::Error)
        .saying("error", error);
    transaction.log(LogPriority::Error, line.as_str());
}
