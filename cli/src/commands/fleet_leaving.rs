//! `fleet leave`: this host leaves the fleet, or another one that is lost is taken out.

use serde::Serialize;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::leaving;
use twofactor_store::fleet_contact::FleetContact;
use zeroize::Zeroizing;

use super::fleet_access::{local, settings};
use crate::args::FleetLeaveArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::formatting::{plain, utc};
use crate::output::CommandReport;

/// Runs it.
pub fn leave(context: &CommandContext, args: &FleetLeaveArgs) -> Result<(), CommandFailure> {
    if let Some(host) = &args.host {
        return remove_host(context, host, args.dry_run);
    }
    if context.policy_or_default()?.fleet.enabled {
        return Err(CommandFailure::refused(
            "the policy has the fleet enabled: logins with a code would be refused",
        )
        .of_kind(FailureKind::Fleet)
        .next(
            "To let the files of this host judge codes: twofactor policy set fleet.enabled false",
        ));
    }
    if args.without_store {
        return leave_without_store(context, args.dry_run);
    }
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    leaving::leave(local, &settings, MembershipRun::DryRun)?;
    if !args.dry_run {
        context.terminal.confirm(
            "Leave the fleet? A code that was used on another host can be used here from then on.",
        )?;
        leaving::leave(local, &settings, MembershipRun::Apply)?;
    }
    let key_file = settings.key_file.display().to_string();
    context.write(&LeavingReport {
        way: LeavingWay::WithStore,
        host: None,
        key_file: Some(key_file),
        dry_run: args.dry_run,
    })
}

fn leave_without_store(context: &CommandContext, dry_run: bool) -> Result<(), CommandFailure> {
    let host = leaving::leave_without_store(context.state_path(), MembershipRun::DryRun)?;
    if !dry_run {
        let since = match FleetContact::read(context.state_path()) {
            Ok(Some(contact)) => format!("Its records are those of {}", utc(contact.mirrored)),
            Ok(None) => "It is not known to have the records of the fleet".to_owned(),
            Err(error) => format!("It is not known when it got the records of the fleet ({error})"),
        };
        context.terminal.confirm(&format!(
            "Leave the fleet without its store? {since}: devices that were removed since work here, and who enrolled since has none."
        ))?;
        leaving::leave_without_store(context.state_path(), MembershipRun::Apply)?;
    }
    context.write(&LeavingReport {
        way: LeavingWay::WithoutStore,
        host: Some(&host),
        key_file: None,
        dry_run,
    })
}

fn remove_host(context: &CommandContext, host: &str, dry_run: bool) -> Result<(), CommandFailure> {
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    leaving::remove_host(local, &settings, host, MembershipRun::DryRun)?;
    if !dry_run {
        context.terminal.confirm(&format!(
            "Take {} out of the fleet? If it still runs, logins with a code on it follow fleet.on_outage from then on.",
            plain(host)
        ))?;
        leaving::remove_host(local, &settings, host, MembershipRun::Apply)?;
    }
    context.write(&LeavingReport {
        way: LeavingWay::OtherHost,
        host: Some(host),
        key_file: None,
        dry_run,
    })
}

/// Way in which a host leaves.
#[derive(Clone, Copy)]
enum LeavingWay {
    WithStore,
    WithoutStore,
    OtherHost,
}

/// Report of `fleet leave`.
#[derive(Serialize)]
struct LeavingReport<'a> {
    #[serde(skip)]
    way: LeavingWay,
    /// Its id, where the fleet goes on counting it or another host took it out.
    host: Option<&'a str>,
    /// The file with the key, where this host left.
    key_file: Option<String>,
    dry_run: bool,
}

impl CommandReport for LeavingReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let host = plain(self.host.unwrap_or_default());
        let key_file = plain(self.key_file.as_deref().unwrap_or_default());
        Zeroizing::new(match (self.way, self.dry_run) {
            (LeavingWay::WithStore | LeavingWay::WithoutStore, true) => {
                "This host would leave the fleet, with all its users. Nothing was changed.\n"
                    .to_owned()
            }
            (LeavingWay::WithStore, false) => format!(
                "This host left the fleet; its users stay enrolled here.\nRemove its user in etcd, and {key_file}.\n"
            ),
            (LeavingWay::WithoutStore, false) => format!(
                "This host left the fleet, which goes on counting it; its users stay enrolled here.\nWhen the store is there again, on \
                 another host: twofactor fleet leave --host {host}\n"
            ),
            (LeavingWay::OtherHost, true) => {
                format!("{host} would be taken out of the fleet. Nothing was changed.\n")
            }
            (LeavingWay::OtherHost, false) => format!(
                "{host} is no host of the fleet any more.\nRemove its user in etcd. It had the seeds of all users: after a theft, \
                 twofactor fleet rotate-key and renew every device.\n"
            ),
        })
    }
}
