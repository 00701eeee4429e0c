//! `bypass`: a one-time code for a user whose devices are out of reach.

use serde::Serialize;
use twofactor_core::recovery::CodeScope;
use twofactor_core::verify::ThrottleStatus;
use twofactor_store::operations;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::BypassArgs;
use crate::audit;
use crate::context::Context;
use crate::error::Failure;
use crate::formatting::{Moment, span};
use crate::output::Report;
use crate::shell;

/// Runs it.
pub fn run(context: &Context, args: &BypassArgs) -> Result<(), Failure> {
    let (account, store, _) = context.enrolled(&args.user)?;
    let throttle = context.policy_or_default()?.throttle;
    let now = clock::now()?;
    let expires = now.saturating_add(args.duration);
    let factor = audit::factor(&store, &account);
    let scope = if args.new_device {
        CodeScope::NewDevice
    } else {
        CodeScope::Login
    };
    let issued = if args.duration == 0 {
        operations::withdraw_bypass(&factor)?;
        None
    } else {
        Some(operations::issue_bypass(
            &factor, scope, &throttle, expires, now,
        )?)
    };
    let until = issued.as_ref().map(|_| Moment(expires));
    let locked_out = issued
        .as_ref()
        .is_some_and(|issued| issued.gate != ThrottleStatus::Open);
    let code = issued.map(|issued| issued.code.grouped());
    context.write(&BypassReport {
        user: &account.name,
        code: code.as_ref().map(|code| code.as_str()),
        expires: until,
        new_device: args.new_device && args.duration > 0,
        locked_out,
        duration: args.duration,
    })
}

/// Report of `bypass`; `null` where a code was withdrawn.
#[derive(Serialize)]
struct BypassReport<'a> {
    user: &'a str,
    code: Option<&'a str>,
    expires: Option<Moment>,
    /// The login with it offers to set up a new device.
    new_device: bool,
    /// No code is looked at before `twofactor unlock`, or before the lock-out ends.
    locked_out: bool,
    #[serde(skip)]
    duration: u64,
}

impl Report for BypassReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let (Some(code), Some(expires), user) = (self.code, &self.expires, self.user) else {
            return Zeroizing::new(format!("{} has no bypass code any more.\n", self.user));
        };
        let (span, expires) = (span(self.duration), expires.with_zone());
        let unlock = if self.locked_out {
            let unlock = shell::twofactor("unlock", &[user], &[]);
            format!("{user} is locked out; for the code to work: {unlock}\n")
        } else {
            String::new()
        };
        let device = if self.new_device {
            "A login with it offers to set up a new device.\n"
        } else {
            ""
        };
        Zeroizing::new(format!(
            "Bypass code of {user}: {code}\n\
             It works once, instead of a code, for {span} (until {expires}).\n{device}\
             Hand it over in person or by telephone.\n{unlock}"
        ))
    }
}
