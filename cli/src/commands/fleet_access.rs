//! This host's part in a fleet, for the commands that change it: settings, what its fleet sees of it, and progress.

use std::cell::RefCell;

use twofactor_fleet::host_files::host_settings::{self, HostSettings};
use twofactor_fleet::host_membership::fleet_membership::LocalHost;
use twofactor_fleet::mirror::host_heartbeat::{BeatFiles, report_of};
use twofactor_store::FactorStore;

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::progress::ProgressLine;

/// The settings of this host.
pub fn settings(context: &CommandContext) -> Result<HostSettings, CommandFailure> {
    Ok(HostSettings::load(&host_settings::beside(
        context.policy_path(),
    ))?)
}

/// The host as its fleet sees it.
pub fn local<'a>(
    context: &'a CommandContext,
    store: &'a FactorStore,
) -> Result<LocalHost<'a>, CommandFailure> {
    let files = BeatFiles {
        state: context.state_path().to_owned(),
        policy: context.policy_path().to_owned(),
    };
    Ok(LocalHost {
        store,
        state: context.state_path(),
        report: report_of(&files)?,
    })
}

/// Shows how much is done.
pub fn shown(what: &'static str) -> impl Fn(usize, usize) {
    let line = RefCell::new(None);
    move |_, total| {
        let mut line = line.borrow_mut();
        line.get_or_insert_with(|| ProgressLine::new(what, total))
            .add(1);
    }
}
