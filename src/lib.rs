//! The PAM boundary: six entry points, each of which survives a panic, denies on it, and prints nothing.

pub(crate) mod args;
mod codes;
mod dialogue;
mod enrolment;
mod ffi;
mod flow;
mod host;
mod input;
mod log;
mod messages;
mod notice;
mod prompt;
mod report;
mod uniform;

#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use pam::constants::{PamFlag, PamResultCode};
use pam::module::{PamHandle, PamHooks};

use crate::sys::wipe;

use args::{Arguments, BadArgument};
use codes::{Admission, Ending};
use ffi::Application;
use host::{Host, Priority};
use log::Line;

struct Module;

pam::pam_hooks!(Module);

impl PamHooks for Module {
    fn sm_authenticate(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guarded(|| {
            let mut host = Application(handle);
            let ending = match Arguments::parse(&words) {
                Ok(arguments) => flow::authenticate(&mut host, &arguments, flags.into()),
                Err(error) => {
                    complain_of(&host, &error);
                    Ending::BadArguments
                }
            };
            ending.code()
        })
    }

    /// Credentials are none of this module's business, but a stack in which nobody sets any has to succeed.
    fn sm_setcred(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }

    /// Has nothing to say unless the authentication phase of this transaction left an enrolment to it. Logins by key
    /// come here without having passed that phase: they are never asked and never refused.
    fn acct_mgmt(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guarded(|| {
            let mut host = Application(handle);
            let Some(account) = host.marked_unenrolled() else {
                return PamResultCode::PAM_IGNORE;
            };
            let admission = match Arguments::parse(&words) {
                Ok(arguments) => enrolment::run(&mut host, &arguments, flags.into(), &account),
                Err(error) => {
                    complain_of(&host, &error);
                    Admission::Refused
                }
            };
            admission.code()
        })
    }

    /// Never refuses: it has one line to say, or nothing.
    fn sm_open_session(handle: &mut PamHandle, words: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        guarded(|| {
            let mut host = Application(handle);
            match Arguments::parse(&words) {
                Ok(arguments) => notice::show(&mut host, &arguments, flags.into()),
                Err(error) => complain_of(&host, &error),
            }
            PamResultCode::PAM_SUCCESS
        })
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_SUCCESS
    }

    /// Passwords are none of this module's business.
    fn sm_chauthtok(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_IGNORE
    }
}

fn complain_of(host: &dyn Host, error: &BadArgument) {
    let line = Line::default()
        .with("result", &"error")
        .saying("error", error);
    host.log(Priority::Error, line.as_str());
}

/// Runs an entry point. A panic denies, and shows nothing: the default hook would print to the standard error of a
/// program that is not ours, and the payload may hold anything. The hook is that of this library's own copy of the
/// standard library. The stack keeps nothing of what was typed.
fn guarded(entry: impl FnOnce() -> PamResultCode) -> PamResultCode {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let ended = below(entry);
    wipe::stack();
    match ended {
        Ok(code) => code,
        Err(payload) => {
            // Dropping it may panic again.
            std::mem::forget(payload);
            PamResultCode::PAM_ABORT
        }
    }
}

/// Keeps all that an entry point does in frames below its own, where the stack is wiped.
#[inline(never)]
fn below(entry: impl FnOnce() -> PamResultCode) -> std::thread::Result<PamResultCode> {
    catch_unwind(AssertUnwindSafe(entry))
}
