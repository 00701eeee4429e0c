//! `bypass`: a one-time code for a user whose devices are out of reach.

use serde::Serialize;
use twofactor_core::recovery::CodeScope;
use twofactor_core::verify::ThrottleStatus;
use twofactor_store::operations::{self, ChangeCause, ChangeError};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::BypassArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::formatting::{ReportedTime, span};
use crate::output::CommandReport;
use crate::suggested_command;

/// Runs it.
pub fn run(context: &CommandContext, args: &BypassArgs) -> Result<(), CommandFailure> {
    let (account, store, _) = context.enrolled(&args.user)?;
    let store = if args.this_host {
        context.on_this_host(store)?
    } else {
        store
    };
    let throttle = context.policy_or_default()?.throttle;
    let now = clock::now()?;
    let expires = now.saturating_add(args.duration);
    let factor = command_log::factor(&store, &account);
    let scope = match (args.new_device, args.this_host) {
        (true, _) => CodeScope::NewDevice,
        (_, true) => CodeScope::ThisHost,
        _ => CodeScope::Login,
    };
    let issued = if args.duration == 0 {
        operations::withdraw_bypass(&factor).map(|()| None)
    } else {
        operations::issue_bypass(&factor, scope, &throttle, expires, now).map(Some)
    };
    let issued = issued.map_err(|error| unmade(error, args))?;
    let until = issued.as_ref().map(|_| ReportedTime(expires));
    let locked_out = issued
        .as_ref()
        .is_some_and(|issued| issued.gate != ThrottleStatus::Open);
    let code = issued.map(|issued| issued.code.grouped());
    context.write(&BypassReport {
        user: &account.name,
        code: code.as_ref().map(|code| code.as_str()),
        expires: until,
        new_device: args.new_device && args.duration > 0,
        this_host: args.this_host,
        locked_out,
        duration: args.duration,
    })
}

/// The error, with the way to a code for a host that is cut off.
fn unmade(error: ChangeError, args: &BypassArgs) -> CommandFailure {
    let is_cut_off = !args.this_host && !args.new_device && args.duration > 0;
    let is_cut_off = is_cut_off
        && matches!(&error.cause, ChangeCause::Failed(failure) if failure.is_unmade_in_fleet());
    let user = error.user.clone();
    let failure = CommandFailure::from(error);
    if !is_cut_off {
        return failure;
    }
    failure.next(format!(
        "For a code that works on this host alone: twofactor bypass --this-host {}",
        suggested_command::operand(&user)
    ))
}

/// Report of `bypass`; `null` where a code was withdrawn.
#[derive(Serialize)]
struct BypassReport<'a> {
    user: &'a str,
    code: Option<&'a str>,
    expires: Option<ReportedTime>,
    /// The login with it offers to set up a new device.
    new_device: bool,
    /// The code works on this host alone.
    this_host: bool,
    /// No code is looked at before `twofactor unlock`, or before the lock-out ends.
    locked_out: bool,
    #[serde(skip)]
    duration: u64,
}

impl CommandReport for BypassReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let (Some(code), Some(expires), user) = (self.code, &self.expires, self.user) else {
            return Zeroizing::new(format!("{} has no bypass code any more.\n", self.user));
        };
        let (span, expires) = (span(self.duration), expires.with_zone());
        let unlock = if self.locked_out {
            let unlock = suggested_command::twofactor("unlock", &[user], &[]);
            format!("{user} is locked out; for the code to work: {unlock}\n")
        } else {
            String::new()
        };
        let device = if self.new_device {
            "A login with it offers to set up a new device.\n"
        } else if self.this_host {
            "It works on this host alone, until this host meets the store of its fleet again.\n"
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
