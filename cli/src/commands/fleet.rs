//! `fleet`: the fleet of this host is founded, joined, shown or left.

use std::process::ExitCode;

use serde::Serialize;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::founding;
use twofactor_fleet::host_membership::joining::{self, JoinReport};
use twofactor_fleet::host_membership::membership_error::MembershipError;
use zeroize::Zeroizing;

use super::fleet_access::{local, settings, shown};
use super::{fleet_leaving, fleet_restoration, fleet_status};
use crate::args::{FleetCommand, FleetJoinArgs, FleetRunArgs};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::formatting::{count, plain};
use crate::output::CommandReport;

/// Runs it. The exit code is 1 where a host does not join, and where the store cannot be used.
pub fn run(context: &CommandContext, command: &FleetCommand) -> Result<ExitCode, CommandFailure> {
    match command {
        FleetCommand::Init(args) => init(context, args).map(|()| ExitCode::SUCCESS),
        FleetCommand::Join(args) => join(context, args),
        FleetCommand::Status => fleet_status::run(context),
        FleetCommand::Leave(args) => {
            fleet_leaving::leave(context, args).map(|()| ExitCode::SUCCESS)
        }
        FleetCommand::AfterRestore(args) => fleet_restoration::after_restore(context, args),
        FleetCommand::RotateKey(args) => {
            fleet_restoration::rotate_key(context, args).map(|()| ExitCode::SUCCESS)
        }
    }
}

const fn run_of(dry_run: bool) -> MembershipRun {
    if dry_run {
        MembershipRun::DryRun
    } else {
        MembershipRun::Apply
    }
}

fn init(context: &CommandContext, args: &FleetRunArgs) -> Result<(), CommandFailure> {
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    let planned = founding::found(local, &settings, MembershipRun::DryRun, &|_, _| ())?;
    let mut done = planned;
    if !args.dry_run {
        context.terminal.confirm(&format!(
            "Found a fleet with {} of this host?",
            count(done.users as u64, "user")
        ))?;
        done = founding::found(
            local,
            &settings,
            MembershipRun::Apply,
            &shown("Brought to the fleet"),
        )?;
    }
    context.write(&FoundingReport {
        host: (!args.dry_run).then_some(done.host.as_str()),
        users: done.users,
        key_file: settings.key_file.display().to_string(),
        dry_run: args.dry_run,
    })
}

/// Report of `fleet init`.
#[derive(Serialize)]
struct FoundingReport<'a> {
    /// `null` after a dry run.
    host: Option<&'a str>,
    users: usize,
    key_file: String,
    dry_run: bool,
}

impl CommandReport for FoundingReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let users = count(self.users as u64, "user");
        Zeroizing::new(match self.host {
            None => format!(
                "A fleet would be founded with {users} of this host. Nothing was changed.\n"
            ),
            Some(host) => format!(
                "The fleet is founded, with {users} of this host, which is {host} in it.\nFor each other host: copy {} there by a safe \
                 way, as a file that only root can read; then: twofactor fleet join FILE\nKeep a copy apart from the backups of the store.\nOnce all hosts joined, on each: twofactor policy set fleet.enabled true\n",
                plain(&self.key_file)
            ),
        })
    }
}

fn join(context: &CommandContext, args: &FleetJoinArgs) -> Result<ExitCode, CommandFailure> {
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    let run = run_of(args.dry_run);
    let mut report = joining::join(
        local,
        &settings,
        &args.file,
        MembershipRun::DryRun,
        &|_, _| (),
    )
    .map_err(not_joined)?;
    if run == MembershipRun::Apply && report.conflicts.is_empty() {
        context.terminal.confirm(&format!(
            "Join the fleet, bring {} and get {}?",
            count(report.brought as u64, "user"),
            report.fetched
        ))?;
        report = joining::join(
            local,
            &settings,
            &args.file,
            run,
            &shown("Brought to the fleet"),
        )?;
    }
    let is_refused = !report.conflicts.is_empty();
    context.write(&JoiningReport::new(&report, args.dry_run))?;
    Ok(if is_refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The failure of a host that does not join. Where the store has no fleet yet, another host comes first.
fn not_joined(error: MembershipError) -> CommandFailure {
    let is_missing = matches!(error, MembershipError::Outage(OutageReason::NoFleet));
    let failure = CommandFailure::from(error);
    if is_missing {
        failure.next("Look whether the endpoints are those of the fleet's store. If there is none yet, on the first host: twofactor fleet init")
    } else {
        failure
    }
}

/// A user, and a sentence.
#[derive(Serialize)]
struct UserReason<'a> {
    user: &'a str,
    reason: &'a str,
}

/// Report of `fleet join`.
#[derive(Serialize)]
struct JoiningReport<'a> {
    /// `null` where the host did not join.
    host: Option<&'a str>,
    brought: usize,
    same: usize,
    fetched: usize,
    conflicts: Vec<UserReason<'a>>,
    failed: Vec<UserReason<'a>>,
    dry_run: bool,
}

impl<'a> JoiningReport<'a> {
    fn new(report: &'a JoinReport, dry_run: bool) -> Self {
        let reasons = |list: &'a [(String, String)]| {
            let reason = |(user, reason): &'a (String, String)| UserReason { user, reason };
            list.iter().map(reason).collect()
        };
        Self {
            host: (!report.host.is_empty()).then_some(report.host.as_str()),
            brought: report.brought,
            same: report.same,
            fetched: report.fetched,
            conflicts: reasons(&report.conflicts),
            failed: reasons(&report.failed),
            dry_run,
        }
    }
}

impl CommandReport for JoiningReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let mut text = String::new();
        for UserReason { user, reason } in &self.conflicts {
            text.push_str(&format!("{}: {reason}\n", plain(user)));
        }
        if !self.conflicts.is_empty() {
            text.push_str(&format!(
                "The host did not join, and nothing was changed: {} differ. For each: keep the record of the fleet, by twofactor unset \
                 on this host, or this one, by twofactor unset on a host of the fleet; then join again.\n",
                count(self.conflicts.len() as u64, "record")
            ));
            return Zeroizing::new(text);
        }
        for UserReason { user, reason } in &self.failed {
            text.push_str(&format!(
                "{}: not put in place here: {reason}\n",
                plain(user)
            ));
        }
        if !self.failed.is_empty() {
            text.push_str(
                "twofactord tries these users again each minute. What keeps them away: twofactor fleet status, and twofactor doctor\n",
            );
        }
        let users = format!(
            "{} brought, {} the same, {} from the fleet",
            self.brought, self.same, self.fetched
        );
        text.push_str(&match self.host {
            Some(host) => format!("This host is {host} in the fleet. Users: {users}.\n"),
            None => format!("The host would join. Users: {users}. Nothing was changed.\n"),
        });
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_who_are_not_put_in_place_get_a_next_step() {
        let mut report = JoinReport {
            host: "web2-0a".to_owned(),
            ..JoinReport::default()
        };
        let text = |report: &JoinReport| JoiningReport::new(report, false).text();
        assert!(!text(&report).contains("again"));
        report.failed = vec![("alice".to_owned(), "no".to_owned())];
        let told = text(&report);
        let begin = "alice: not put in place here: no\ntwofactord tries these users again";
        assert!(told.starts_with(begin), "{}", *told);
    }

    #[test]
    fn a_store_without_a_fleet_gets_a_next_step() {
        let none = || MembershipError::from(OutageReason::NoFleet);
        for (failure, step) in [
            (CommandFailure::from(none()), "fleet leave --without-store"),
            (not_joined(none()), "fleet init"),
        ] {
            let next = failure.next.unwrap_or_default();
            assert!(next.ends_with(step), "{next}");
        }
        let other = not_joined(OutageReason::OtherFleet.into());
        assert_eq!(other.next, None);
    }
}
