//! `fleet after-restore` and `fleet rotate-key`: the store was restored from a backup, or the key of the fleet is replaced.

use std::process::ExitCode;

use serde::Serialize;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::key_rotation;
use twofactor_fleet::restored_store::store_restoration::{self, RestorationReport, UNKNOWN_HOSTS};
use zeroize::Zeroizing;

use super::fleet_access::{local, settings, shown};
use crate::args::{FleetRestoreArgs, FleetRunArgs};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::formatting::{count, plain};
use crate::output::CommandReport;

/// Runs `fleet after-restore`. The exit code is 1 while hosts are missing.
pub fn after_restore(
    context: &CommandContext,
    args: &FleetRestoreArgs,
) -> Result<ExitCode, CommandFailure> {
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    let window = context.policy_or_default()?.window;
    let run = |run, told| {
        store_restoration::after_restore(local, &settings, &args.without, (run, window), told)
    };
    let mut done = run(MembershipRun::DryRun, &|_, _| ())?;
    if !args.dry_run {
        context.terminal.confirm(
            "Was a backup of the store restored, and is a new epoch of the fleet to begin?",
        )?;
        done = run(MembershipRun::Apply, &shown("Users brought back"))?;
    }
    let is_missing = !args.dry_run && !done.waiting.is_empty();
    context.write(&AfterRestoreReport::new(&done, args.dry_run))?;
    Ok(if is_missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A user, and a sentence.
#[derive(Serialize)]
struct FailedUser<'a> {
    user: &'a str,
    reason: &'a str,
}

/// Report of `fleet after-restore`.
#[derive(Serialize)]
struct AfterRestoreReport<'a> {
    epoch: u64,
    waiting: &'a [String],
    users: usize,
    failed: Vec<FailedUser<'a>>,
    dry_run: bool,
}

impl<'a> AfterRestoreReport<'a> {
    fn new(report: &'a RestorationReport, dry_run: bool) -> Self {
        let failed = report.failed.iter();
        Self {
            epoch: report.epoch,
            waiting: &report.waiting,
            users: report.restored,
            failed: failed
                .map(|(user, reason)| FailedUser { user, reason })
                .collect(),
            dry_run,
        }
    }
}

impl AfterRestoreReport<'_> {
    /// The way on without hosts that are waited for.
    fn leaving_out(&self) -> String {
        let mut text = String::new();
        if self.waiting.iter().any(|host| host != UNKNOWN_HOSTS) {
            text.push_str("For one that is lost: twofactor fleet after-restore --without HOST\n");
        }
        if self.waiting.iter().any(|host| host == UNKNOWN_HOSTS) {
            text.push_str(&format!(
                "{UNKNOWN_HOSTS} stands for hosts that joined after the backup was made, and bring what they know as well. Where there is \
                 none, or they are lost: twofactor fleet after-restore --without {UNKNOWN_HOSTS}\n"
            ));
        }
        text
    }
}

impl CommandReport for AfterRestoreReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let mut text = String::new();
        for FailedUser { user, reason } in &self.failed {
            text.push_str(&format!("{}: {reason}\n", plain(user)));
        }
        for host in self.waiting {
            text.push_str(&format!("Missing: {}\n", plain(host)));
        }
        text.push_str(&match (self.dry_run, self.waiting.is_empty()) {
            (true, _) => format!("Epoch {} would begin. Nothing was changed.\n", self.epoch),
            (false, true) => format!(
                "Epoch {} began, with {}. Codes of apps work again in some minutes.\n{}",
                self.epoch,
                count(self.users as u64, "user"),
                if self.failed.is_empty() {
                    ""
                } else {
                    "The users above were left as they are: for their logins there is an outage while their values in the store cannot be read.\n"
                }
            ),
            (false, false) => format!(
                "Epoch {} begins once these hosts brought what they know, which twofactord does within a minute; then call this again.\n",
                self.epoch
            ),
        });
        if !self.dry_run {
            text.push_str(&self.leaving_out());
        }
        Zeroizing::new(text)
    }
}

/// Runs `fleet rotate-key`.
pub fn rotate_key(context: &CommandContext, args: &FleetRunArgs) -> Result<(), CommandFailure> {
    let store = context.existing_store()?;
    let settings = settings(context)?;
    let local = local(context, &store)?;
    let mut done = key_rotation::rotate(local, &settings, MembershipRun::DryRun, &|_, _| ())?;
    if !args.dry_run {
        context.terminal.confirm(
            "Replace the key? The other hosts are cut off until they joined with the new file.",
        )?;
        let told = shown("Sealed anew");
        done = key_rotation::rotate(local, &settings, MembershipRun::Apply, &told)?;
    }
    context.write(&KeyRotationReport {
        values: done.values,
        damaged: done.damaged,
        key_file: settings.key_file.display().to_string(),
        dry_run: args.dry_run,
    })
}

/// Report of `fleet rotate-key`.
#[derive(Serialize)]
struct KeyRotationReport {
    values: usize,
    /// Names in the store of values that open with neither key.
    damaged: Vec<String>,
    key_file: String,
    dry_run: bool,
}

impl CommandReport for KeyRotationReport {
    fn text(&self) -> Zeroizing<String> {
        let mut text = String::new();
        for name in &self.damaged {
            text.push_str(&format!(
                "{}: left as it is, since it opens with neither key\n",
                plain(name)
            ));
        }
        let sealed = self.values.saturating_sub(self.damaged.len());
        let values = count(sealed as u64, "value");
        text.push_str(&if self.dry_run {
            format!("{values} of the store would be sealed anew. Nothing was changed.\n")
        } else {
            format!(
                "{values} of the store are sealed with the new key in {}.\nCopy it to each other host; there: twofactor fleet join \
                 FILE\n",
                plain(&self.key_file)
            )
        });
        if !self.damaged.is_empty() {
            text.push_str("What to do about damaged values: twofactor fleet status\n");
        }
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_missing_host_gets_its_next_step() {
        let lost = "For one that is lost:";
        let unknown = "--without unknown";
        for (waiting, told) in [
            (&[][..], [false, false]),
            (&["web2-0a"], [true, false]),
            (&["unknown"], [false, true]),
            (&["web2-0a", "unknown"], [true, true]),
        ] {
            let report = RestorationReport {
                epoch: 2,
                waiting: waiting.iter().map(ToString::to_string).collect(),
                restored: 0,
                failed: Vec::new(),
            };
            let text = AfterRestoreReport::new(&report, false).text();
            assert_eq!(
                [lost, unknown].map(|it| text.contains(it)),
                told,
                "{}",
                *text
            );
        }
    }
}
