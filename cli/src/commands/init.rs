//! `init`: marks the state directory, so that another one, or none, is never taken for it.

use serde::Serialize;
use twofactor_core::log::event::CommandEvent;
use twofactor_store::{MarkDisagreement, MarkResult, directory_mark};
use zeroize::Zeroizing;

use crate::args::InitArgs;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::command_log;
use crate::doctor::DoctorFinding;
use crate::doctor::record_owners;
use crate::formatting::count;
use crate::output::CommandReport;

/// Runs it.
pub fn run(context: &CommandContext, args: &InitArgs) -> Result<(), CommandFailure> {
    let disagreement = if args.force {
        MarkDisagreement::Settle
    } else {
        MarkDisagreement::Refuse
    };
    let (store, found) = context.initialize(disagreement)?;
    let indexed = store.complete_index()?;
    let mark = match found {
        MarkResult::Already => "already",
        MarkResult::Marked => "marked",
        MarkResult::Noted => "noted",
    };
    let directory = context.state_path().display().to_string();
    if found != MarkResult::Already || indexed > 0 {
        command_log::log(
            CommandEvent::Init,
            None,
            &[("directory", &directory), ("mark", mark)],
        );
    }
    context.write(&InitReport {
        directory,
        id_file: directory_mark::id_file(context.policy_path())
            .display()
            .to_string(),
        mark,
        indexed,
        users: store.users()?.len(),
        findings: record_owners::check(&store),
    })
}

/// Report of `init`.
#[derive(Serialize)]
struct InitReport {
    directory: String,
    /// Path at which the id of the directory is noted.
    id_file: String,
    /// `marked`: a new id was made; `noted`: the id of the directory was noted; `already`: both had the same.
    mark: &'static str,
    /// Records that were missing in the index of user ids.
    indexed: usize,
    /// Records there are.
    users: usize,
    /// Findings on users whose files contradict each other.
    findings: Vec<DoctorFinding>,
}

impl CommandReport for InitReport {
    fn text(&self) -> Zeroizing<String> {
        let Self {
            directory, id_file, ..
        } = self;
        let mut text = match self.mark {
            "marked" => format!("Marked: {directory}; its id is noted in {id_file}.\n"),
            "noted" => format!("Noted: the id of {directory} in {id_file}.\n"),
            _ => format!("{directory} is marked, and noted in {id_file}.\n"),
        };
        text.push_str(&format!(
            "It holds what is kept about {}.\n",
            count(self.users as u64, "user")
        ));
        if self.indexed > 0 {
            text.push_str(&format!(
                "Added to the index of user ids: {}.\n",
                count(self.indexed as u64, "user")
            ));
        }
        for finding in &self.findings {
            text.push_str(&format!("{}\n    {}\n", finding.cause, finding.fix));
        }
        Zeroizing::new(text)
    }
}
