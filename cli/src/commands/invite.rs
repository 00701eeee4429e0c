//! `invite`: one-time codes with which users may enroll at login.

mod invitation_report;
mod invitation_round;
mod invitation_sheets;

use std::process::ExitCode;

use serde::Serialize;
use twofactor_core::policy::{EnrollAtLogin, Policy};
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::login_decision;
use twofactor_store::operations::{self, EarlierInvitation, InvitationTerms};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::InviteArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::formatting::{ReportedTime, plain, span};
use crate::output::CommandReport;
use crate::suggested_command;
use invitation_report::{InvitationRow, InvitationWord};

/// The step that makes the policy ask for invitations.
const NOT_ASKED: &str = "The policy does not ask for it yet. To make it: twofactor policy set enroll_needs_invite true, and\n\
                         twofactor policy set enroll_at_login offer\n";

/// Runs it. The exit code is 1 where one of several users could not be invited.
pub fn run(context: &CommandContext, args: &InviteArgs) -> Result<ExitCode, CommandFailure> {
    if args.duration == 0 && args.sheets.is_some() {
        return Err(CommandFailure::usage("--for 0 makes no codes for --sheets"));
    }
    if args.duration == 0 && args.replace {
        return Err(CommandFailure::usage(
            "--for 0 withdraws, and makes nothing that would --replace",
        ));
    }
    match args.users.as_slice() {
        [user] if args.groups.is_empty() && args.sheets.is_none() => {
            one(context, user, args)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => invitation_round::run(context, args),
    }
}

/// The conditions of new invitations.
fn terms_of(args: &InviteArgs) -> Result<InvitationTerms, CommandFailure> {
    let now = clock::now()?;
    Ok(InvitationTerms {
        now,
        expires: now.saturating_add(args.duration),
        earlier: if args.replace {
            EarlierInvitation::Replace
        } else {
            EarlierInvitation::Keep
        },
    })
}

fn one(context: &CommandContext, user: &str, args: &InviteArgs) -> Result<(), CommandFailure> {
    let login = context.account(user)?;
    let policy = context.policy_or_default()?;
    let store = context.existing_store()?;
    let holder = if args.duration == 0 {
        context.holder_for_change(&store, &login)
    } else {
        context.holder_of(&store, &login)
    };
    let account = holder?.account;
    let factor = command_log::factor(&store, &account);
    let terms = terms_of(args)?;
    let mut row = InvitationRow::new(&account.name, InvitationWord::Withdrawn);
    if args.duration == 0 {
        operations::withdraw_invitation(&factor)?;
    } else {
        if login_decision::is_exempt_everywhere(&policy, &login, &mut KnownGroups::default()) {
            return Err(exempt(&login.name));
        }
        let result = operations::invite(&factor, terms)?;
        row.enter(result, terms.expires);
    }
    let code = row.code.clone();
    let until = row.expires;
    context.write(&InvitationReport {
        user: &account.name,
        code: code.as_ref().map(|code| code.as_str()),
        expires: until,
        asked_for: asked_for(&policy),
        invitations: [row],
        duration: args.duration,
    })
}

/// The refusal of a user who is exempt; of several users such a one is skipped.
fn exempt(user: &str) -> CommandFailure {
    CommandFailure::refused(format!(
        "{} is exempt by the policy, and was not invited",
        plain(user)
    ))
    .next(format!(
        "To see what a login asks: {}",
        suggested_command::twofactor("doctor", &[], &[("--user", user)])
    ))
}

/// True if the policy makes an enrollment at login ask for an invitation.
fn asked_for(policy: &Policy) -> bool {
    policy.enabled && policy.enroll_needs_invite && policy.enroll_at_login != EnrollAtLogin::Off
}

/// Report of `invite` of one user; no code where an invitation was withdrawn, or an earlier one was kept.
#[derive(Serialize)]
struct InvitationReport<'a> {
    user: &'a str,
    code: Option<&'a str>,
    expires: Option<ReportedTime>,
    /// True if the policy makes an enrollment at login ask for it.
    asked_for: bool,
    /// The invitation in a list, as for several users.
    invitations: [InvitationRow; 1],
    #[serde(skip)]
    duration: u64,
}

impl CommandReport for InvitationReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let user = self.user;
        let (code, expires) = match (self.code, &self.expires) {
            (Some(code), Some(expires)) => (code, expires.with_zone()),
            (None, Some(expires)) => {
                let expires = expires.with_zone();
                return Zeroizing::new(format!(
                    "{user} is invited already, until {expires}. The code that was handed out goes on working.\n\
                     For a new one: {}\n",
                    suggested_command::other("twofactor invite --replace", user)
                ));
            }
            (_, None) => return Zeroizing::new(format!("{user} has no invitation any more.\n")),
        };
        let span = span(self.duration);
        let not_asked = if self.asked_for { "" } else { NOT_ASKED };
        Zeroizing::new(format!(
            "Enrollment code of {user}: {code}\n\
             With it {user} may set up a device at login, once, within {span} (until {expires}).\n\
             Hand it over in person or by telephone.\n{not_asked}"
        ))
    }
}
