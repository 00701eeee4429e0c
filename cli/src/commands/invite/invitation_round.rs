//! The invitation of several users: one after the other, and a failure of one is no failure of the others.

use std::collections::BTreeSet;
use std::process::ExitCode;

use twofactor_core::account::Account;
use twofactor_core::policy::Policy;
use twofactor_core::recovery::PlainCode;
use twofactor_store::FactorStore;
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::operations::{
    self, ChangeCause, ChangeError, ChangeSteps, InvitationResult, InvitationTerms,
};
use twofactor_store::sys::passwd_listing;

use super::invitation_report::{InvitationRow, InvitationWord, InvitationsReport, column, line};
use super::invitation_sheets::InvitationSheets;
use super::{NOT_ASKED, asked_for, terms_of};
use crate::args::InviteArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus, for_user};
use crate::command_log;
use crate::formatting::{count, plain};
use crate::import_formats::unlisted_users;
use crate::interrupt;
use crate::output::OutputFormat;
use crate::output_stream::OutputStream;
use crate::roster::{self, AccountLookup};

/// Runs it. The exit code is 1 where a user was not invited for want of an account, or by a failure.
pub fn run(context: &CommandContext, args: &InviteArgs) -> Result<ExitCode, CommandFailure> {
    let policy = context.policy_or_default()?;
    let store = context.existing_store()?;
    let named = NamedUsers::of(args)?;
    let terms = terms_of(args)?;
    let sheets = args.sheets.as_deref();
    let sheets = sheets.map(|path| InvitationSheets::reserve(path, terms.expires));
    interrupt::arm()?;
    let mut round = InvitationRound {
        format: context.format,
        policy: &policy,
        store: &store,
        terms,
        withdraws: args.duration == 0,
        output: CodeOutput {
            format: context.format,
            sheets: sheets.transpose()?,
            column: column(named.names.iter().map(String::as_str)),
        },
        groups: KnownGroups::default(),
        rows: Vec::new(),
        seen: BTreeSet::new(),
    };
    let interrupted = round.run(&named.names)?;
    let report = InvitationsReport {
        asked_for: asked_for(&policy),
        sheets: round
            .output
            .sheets
            .as_ref()
            .and_then(InvitationSheets::path),
        invitations: round.rows,
        unlisted: named.unlisted,
        interrupted,
        advice: NOT_ASKED,
    };
    if let Err(failure) = context.write(&report) {
        warn_of_lost(&report);
        return Err(failure);
    }
    Ok(if report.is_partial() {
        ExitCode::from(ExitStatus::Refused as u8)
    } else {
        ExitCode::SUCCESS
    })
}

/// Says for how many users codes count that nothing shows: those of a JSON report that could not be written.
fn warn_of_lost(report: &InvitationsReport) {
    let rows = report.invitations.iter();
    let lost = rows.filter(|row| row.code.is_some()).count();
    if lost > 0 {
        let users = count(lost as u64, "user");
        // If this cannot be written either, the exit code is all that is left.
        let _ = OutputStream::Stderr.prose(&format!(
            "twofactor: the report of the codes of {users} could not be written whole. For new codes: --replace\n"
        ));
    }
}

/// The users who were named, and the members of the groups.
struct NamedUsers {
    names: Vec<String>,
    /// Directories that list none of their users.
    unlisted: Vec<String>,
}

impl NamedUsers {
    fn of(args: &InviteArgs) -> Result<Self, CommandFailure> {
        let mut names = args.users.clone();
        let mut unlisted = Vec::new();
        if !args.groups.is_empty() {
            let listed = passwd_listing::all()?;
            unlisted = unlisted_users::silent(&listed)?;
            for group in &args.groups {
                let members = roster::group_members(group, &listed)?;
                names.extend(members.ok_or_else(|| {
                    CommandFailure::refused(format!("there is no group {}", plain(group)))
                        .next("To list the groups: getent group")
                })?);
            }
            if names.is_empty() {
                return Err(no_members(&unlisted));
            }
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(Self { names, unlisted })
    }
}

/// The refusal of a group without members. A directory that does not list its users may have some all the same.
fn no_members(unlisted: &[String]) -> CommandFailure {
    let failure = CommandFailure::refused("the group has no members");
    if unlisted.is_empty() {
        return failure;
    }
    failure.next(format!(
        "{} lists none of its users. Name those whose primary group this is: twofactor invite USER...",
        plain(&unlisted.join(", "))
    ))
}

/// The round through all users.
struct InvitationRound<'a> {
    format: OutputFormat,
    policy: &'a Policy,
    store: &'a FactorStore,
    terms: InvitationTerms,
    withdraws: bool,
    output: CodeOutput,
    groups: KnownGroups,
    rows: Vec<InvitationRow>,
    /// The names of the records that had their turn: two names can stand for one user.
    seen: BTreeSet<String>,
}

/// Reason why a user was not invited.
enum InvitationStop {
    /// The user's own; the round goes on.
    User(CommandFailure),
    /// The code cannot be handed over, as of the next users.
    Output(CommandFailure),
}

impl From<ChangeError> for InvitationStop {
    fn from(error: ChangeError) -> Self {
        let user = error.user.clone();
        Self::User(for_user(error, &user))
    }
}

impl InvitationRound<'_> {
    /// True if a signal ended it.
    fn run(&mut self, names: &[String]) -> Result<bool, CommandFailure> {
        let accounts = AccountLookup::for_names(names.len());
        let mut interrupted = false;
        for (position, name) in names.iter().enumerate() {
            interrupted = interrupt::check().is_err();
            if interrupted {
                self.give_up(names.get(position..).unwrap_or_default())?;
                break;
            }
            let row = match self.one(&accounts, name) {
                Ok(Some(row)) => row,
                Ok(None) => continue,
                Err(InvitationStop::User(failure)) => failed(name, &failure),
                Err(InvitationStop::Output(failure)) => {
                    self.add(failed(name, &failure))?;
                    self.give_up(names.get(position + 1..).unwrap_or_default())?;
                    break;
                }
            };
            self.add(row)?;
        }
        Ok(interrupted)
    }

    /// One user; `None` where the same user had a turn before.
    fn one(
        &mut self,
        accounts: &AccountLookup,
        name: &str,
    ) -> Result<Option<InvitationRow>, InvitationStop> {
        let user = |failure: CommandFailure| InvitationStop::User(failure);
        let found = accounts.find(name).map_err(|error| user(error.into()))?;
        let Some(login) = found else {
            return Ok(Some(InvitationRow::new(name, InvitationWord::Unknown)));
        };
        let holder = if self.withdraws {
            self.store.holder_for_change(&login)
        } else {
            self.store.holder(&login)
        };
        let kept = holder.map_err(|error| user(for_user(error, &login.name)))?;
        let account = kept.account;
        if !self.seen.insert(account.name.clone()) {
            return Ok(None);
        }
        if self.withdraws {
            return self.withdraw(&account).map(Some);
        }
        let mut delivery = CodeDelivery {
            output: &self.output,
            user: &login.name,
            is_shown: false,
        };
        let result = operations::invite_one_of_many(
            &command_log::factor(self.store, &account),
            (self.policy, &login),
            &mut self.groups,
            self.terms,
            &mut delivery,
        );
        let result = match result {
            Ok(result) => result,
            Err(stop) => return Err(self.output.taken_back(stop, delivery.is_shown)),
        };
        Ok(Some(self.row(&account, result)))
    }

    fn row(&mut self, account: &Account, result: InvitationResult) -> InvitationRow {
        let mut row = InvitationRow::new(&account.name, InvitationWord::Invited);
        row.enter(result, self.terms.expires);
        if let (Some(sheets), Some(_)) = (&mut self.output.sheets, &row.code) {
            sheets.keep_page();
            row.code = None;
        }
        row
    }

    fn withdraw(&self, account: &Account) -> Result<InvitationRow, InvitationStop> {
        let factor = command_log::factor(self.store, account);
        let word = match operations::withdraw_invitation(&factor) {
            Ok(()) => InvitationWord::Withdrawn,
            Err(error) => match error.cause {
                ChangeCause::NotInvited => InvitationWord::NotInvited,
                ChangeCause::AlreadyEnrolled => InvitationWord::AlreadyEnrolled,
                _ => return Err(error.into()),
            },
        };
        Ok(InvitationRow::new(&account.name, word))
    }

    /// Reports the users who have no turn any more.
    fn give_up(&mut self, names: &[String]) -> Result<(), CommandFailure> {
        for name in names {
            self.add(InvitationRow::new(name, InvitationWord::NotTried))?;
        }
        Ok(())
    }

    /// Notes a row, and for people writes it at once. The line with a code was written before the code counted.
    fn add(&mut self, row: InvitationRow) -> Result<(), CommandFailure> {
        if self.format == OutputFormat::Text && row.code.is_none() {
            OutputStream::Stdout.prose(&row.line(self.output.column))?;
        }
        self.rows.push(row);
        Ok(())
    }
}

fn failed(user: &str, failure: &CommandFailure) -> InvitationRow {
    let mut row = InvitationRow::new(user, InvitationWord::Failed);
    row.reason = Some(failure.to_string());
    row.kind = Some(failure.kind.word());
    row
}

/// The place to which codes go.
struct CodeOutput {
    format: OutputFormat,
    sheets: Option<InvitationSheets>,
    column: usize,
}

impl CodeOutput {
    /// Takes back what was handed over of a code that does not count.
    fn taken_back(&self, stop: InvitationStop, is_shown: bool) -> InvitationStop {
        let Some(sheets) = &self.sheets else {
            return match stop {
                InvitationStop::User(mut failure) if is_shown => {
                    failure
                        .what
                        .push_str(" (a code above for this user does not work)");
                    InvitationStop::User(failure)
                }
                stop => stop,
            };
        };
        // With a page of a code that does not work the sheets cannot be used.
        match (stop, sheets.drop_page()) {
            (stop, Ok(())) | (stop @ InvitationStop::Output(_), Err(_)) => stop,
            (InvitationStop::User(_), Err(failure)) => InvitationStop::Output(failure),
        }
    }
}

/// The hand-over of a new code before it counts: no code counts that was not reported.
struct CodeDelivery<'a> {
    output: &'a CodeOutput,
    user: &'a str,
    /// True if a code went to standard output.
    is_shown: bool,
}

impl ChangeSteps for CodeDelivery<'_> {
    type Error = InvitationStop;

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), InvitationStop> {
        for code in codes {
            let handed = match &self.output.sheets {
                Some(sheets) => sheets.add(self.user, code),
                None if self.output.format == OutputFormat::Json => Ok(()),
                None => {
                    let shown = zeroize::Zeroizing::new(line(
                        self.user,
                        &code.grouped(),
                        self.output.column,
                    ));
                    self.is_shown = true;
                    OutputStream::Stdout
                        .text(&shown)
                        .map_err(CommandFailure::from)
                }
            };
            handed.map_err(InvitationStop::Output)?;
        }
        Ok(())
    }
}
