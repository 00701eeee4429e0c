//! `fleet status`: the fleet as this host sees it now.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host::fleet_view::{DamageKind, DamagedUser, FleetView};
use twofactor_fleet::host_files::host_settings;
use twofactor_fleet::mirror::host_heartbeat::{BeatFiles, report_of};
use twofactor_store::FactorStore;
use zeroize::Zeroizing;

use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::formatting::{count, plain, utc};
use crate::output::CommandReport;
use crate::suggested_command;

/// Longest time for the whole answer.
const STATUS_TIME: Duration = Duration::from_secs(40);

/// Runs it.
pub fn run(context: &CommandContext) -> Result<ExitCode, CommandFailure> {
    let store = context.existing_store()?;
    let settings = host_settings::beside(context.policy_path());
    let host = FleetHost::open(&settings, context.state_path())?;
    let seen = view(&host, &store);
    let own_policy = report_of(&BeatFiles {
        state: context.state_path().to_owned(),
        policy: context.policy_path().to_owned(),
    })?
    .policy;
    let report = FleetStatusReport {
        host: host.host_id(),
        problem: seen.as_ref().err().map(ToString::to_string),
        view: seen
            .as_ref()
            .ok()
            .map(|view| ViewReport::new(view, own_policy)),
    };
    let is_usable = report.problem.is_none();
    context.write(&report)?;
    Ok(if is_usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn view(host: &FleetHost, store: &FactorStore) -> Result<FleetView, OutageReason> {
    let time = WorkDeadline::after(STATUS_TIME);
    let lock = host.directory().lock();
    let lock = lock.map_err(|error| OutageReason::HostFiles(error.to_string()))?;
    host.settle(&lock, &time)?;
    drop(lock);
    host.view(store, &time)
}

/// Report of `fleet status`.
#[derive(Serialize)]
struct FleetStatusReport<'a> {
    /// Id of this host.
    host: &'a str,
    /// Reason why the store cannot be used; `null` where it can.
    problem: Option<String>,
    #[serde(flatten)]
    view: Option<ViewReport<'a>>,
}

#[derive(Serialize)]
struct ViewReport<'a> {
    users: usize,
    /// Users whose record is not on this host yet.
    behind: &'a [String],
    /// Users with something in the store that no host can use.
    damaged: Vec<&'a str>,
    #[serde(skip)]
    kinds: &'a [DamagedUser],
    hosts: Vec<MemberReport<'a>>,
}

#[derive(Serialize)]
struct MemberReport<'a> {
    host: &'a str,
    this: bool,
    #[serde(flatten)]
    said: SaidReport<'a>,
}

/// A host's last report; each `null` where it is damaged, or a later version said it, in a format that this one does not read.
#[derive(Serialize, Default)]
struct SaidReport<'a> {
    version: Option<&'a str>,
    beats: Option<u64>,
    last_beat: Option<String>,
    same_policy: Option<bool>,
}

impl<'a> ViewReport<'a> {
    fn new(view: &'a FleetView, own_policy: u64) -> Self {
        let members = view.hosts.iter().map(|member| MemberReport {
            host: &member.id,
            this: member.is_this,
            said: member
                .entry
                .as_ref()
                .map_or_else(SaidReport::default, |entry| SaidReport {
                    version: Some(&entry.version),
                    beats: Some(entry.beat.count),
                    last_beat: Some(utc(entry.time)),
                    same_policy: Some(member.is_this || entry.policy == own_policy),
                }),
        });
        Self {
            users: view.users,
            behind: &view.behind,
            damaged: view.damaged.iter().map(|it| it.user.as_str()).collect(),
            kinds: &view.damaged,
            hosts: members.collect(),
        }
    }
}

impl SaidReport<'_> {
    fn text(&self) -> String {
        let (Some(version), Some(last)) = (self.version, &self.last_beat) else {
            return "what it says cannot be read: it is damaged, or a later version wrote it"
                .to_owned();
        };
        let policy = if self.same_policy == Some(false) {
            ", another policy than here"
        } else {
            ""
        };
        format!("version {}, last beat {last}{policy}", plain(version))
    }
}

/// Advice on users whose values in the store no host can use.
fn damaged_text(damaged: &[DamagedUser]) -> String {
    let mut text = format!(
        "{} with damaged values in the store:\n",
        count(damaged.len() as u64, "user")
    );
    for DamagedUser { user, kind } in damaged {
        text.push_str(&format!("  {}: {}\n", plain(user), advice(user, *kind)));
    }
    text
}

/// Advice on one such user.
fn advice(user: &str, kind: DamageKind) -> String {
    let user = suggested_command::operand(user);
    let anew = format!("twofactor unset {user}, then twofactor enroll {user}");
    let outage = format!(
        "logins with a code follow fleet.on_outage: {anew}. Until then, on a host that needs it: twofactor bypass --this-host {user}"
    );
    match kind {
        DamageKind::Record(_) => format!(
            "the record alone. On the host with the newest copy, twofactor bypass {user} writes it anew; the others refuse that. If there is none: {anew}"
        ),
        DamageKind::RecordAfterRestoration => {
            format!("no host knows whose copy of the record is the newest; {outage}")
        }
        DamageKind::State | DamageKind::Both => outage,
    }
}

impl CommandReport for FleetStatusReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let mut text = format!("This host: {}\n", plain(self.host));
        if let Some(problem) = &self.problem {
            text.push_str(&format!("The fleet cannot be used: {problem}\n"));
        }
        if let Some(view) = &self.view {
            text.push_str(&format!("Users: {}\n", view.users));
            if !view.behind.is_empty() {
                text.push_str(&format!(
                    "{} not on this host yet: twofactord brings them within a minute\n",
                    count(view.behind.len() as u64, "change")
                ));
            }
            if !view.kinds.is_empty() {
                text.push_str(&damaged_text(view.kinds));
            }
            text.push_str(&format!("{}:\n", count(view.hosts.len() as u64, "host")));
            for member in &view.hosts {
                text.push_str(&format!(
                    "  {}  {}\n",
                    plain(member.host),
                    member.said.text()
                ));
            }
        }
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command is one that is not refused there.
    #[test]
    fn each_kind_of_damage_has_its_own_advice() {
        let record = advice("alice", DamageKind::Record(7));
        assert!(record.contains("twofactor bypass alice writes"), "{record}");
        for kind in [
            DamageKind::RecordAfterRestoration,
            DamageKind::State,
            DamageKind::Both,
        ] {
            let state = advice("alice", kind);
            assert!(state.contains("bypass --this-host alice"), "{state}");
        }
        for kind in [DamageKind::Record(7), DamageKind::State] {
            let anew = "twofactor unset alice, then twofactor enroll alice";
            assert!(advice("alice", kind).contains(anew));
        }
        assert!(!record.contains("--this-host"), "{record}");
    }
}
