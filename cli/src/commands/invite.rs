//! `invite`: a one-time code with which a user may enroll at login.

use serde::Serialize;
use twofactor_core::policy::EnrollAtLogin;
use twofactor_store::operations;
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::OneTimeCodeArgs;
use crate::audit;
use crate::context::Context;
use crate::error::Failure;
use crate::formatting::{span, utc};
use crate::output::Report;

/// Runs it.
pub fn run(context: &Context, args: &OneTimeCodeArgs) -> Result<(), Failure> {
    let account = context.account(&args.user)?;
    let policy = context.policy_or_default()?;
    let store = context.existing_store()?;
    let account = context.holder_of(&store, &account)?.account;
    let factor = audit::factor(&store, &account);
    let expires = clock::now()?.saturating_add(args.duration);
    let code = if args.duration == 0 {
        operations::withdraw_invitation(&factor)?;
        None
    } else {
        Some(operations::invite(&factor, expires)?)
    };
    let until = code.as_ref().map(|_| utc(expires));
    let code = code.map(|code| code.grouped());
    context.write(&InvitationReport {
        user: &account.name,
        code: code.as_ref().map(|code| code.as_str()),
        expires: until,
        asked_for: policy.enabled
            && policy.enroll_needs_invite
            && policy.enroll_at_login != EnrollAtLogin::Off,
        duration: args.duration,
    })
}

/// Report of `invite`; `null` where an invitation was withdrawn.
#[derive(Serialize)]
struct InvitationReport<'a> {
    user: &'a str,
    code: Option<&'a str>,
    expires: Option<String>,
    /// True if the policy makes an enrollment at login ask for it.
    asked_for: bool,
    #[serde(skip)]
    duration: u64,
}

impl Report for InvitationReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let (Some(code), Some(expires), user) = (self.code, &self.expires, self.user) else {
            return Zeroizing::new(format!("{} has no invitation any more.\n", self.user));
        };
        let span = span(self.duration);
        let not_asked = if self.asked_for {
            ""
        } else {
            "The policy does not ask for it yet. To make it: twofactor policy set enroll_needs_invite true, and\n\
                 twofactor policy set enroll_at_login offer\n"
        };
        Zeroizing::new(format!(
            "Enrollment code of {user}: {code}\n\
             With it {user} may set up a device at login, once, within {span} (until {expires}).\n\
             Hand it over in person or by telephone.\n{not_asked}"
        ))
    }
}
