//! The guard of the entry points: no panic unwinds into the application, and each denies.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use pam::constants::PamResultCode;
use twofactor_store::sys::wipe;

/// Runs an entry point. A panic denies, and shows nothing: the default hook would print to the standard error of a
/// program that is not ours, and the payload may hold anything. The hook is that of this library's own copy of the
/// standard library. The stack keeps nothing of what was typed.
pub fn guarded(entry: impl FnOnce() -> PamResultCode) -> PamResultCode {
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

/// Runs what no login depends on: logins by key come here, too, and a panic refuses none of them.
pub fn unrefusing(entry: impl FnOnce()) {
    let _ = guarded(|| {
        entry();
        PamResultCode::PAM_SUCCESS
    });
}

/// Keeps all that an entry point does in frames below its own, where the stack is wiped.
#[inline(never)]
fn below(entry: impl FnOnce() -> PamResultCode) -> std::thread::Result<PamResultCode> {
    catch_unwind(AssertUnwindSafe(entry))
}
