//! The store of a fleet, met by a connection of doctor's own: whether it can be used, its clock, and the policies of the other hosts.

use std::path::Path;
use std::time::Duration;

use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host::fleet_view::MemberView;
use twofactor_fleet::mirror::host_heartbeat::{BeatFiles, report_of};

use super::doctor_finding::DoctorFinding;
use super::fleet_members;

/// Longest time that the store may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Seconds by which clocks may differ.
const CLOCKS: u64 = 15;

/// Faults of the store as this host finds it.
pub fn check(settings: &Path, (policy, state): (&Path, &Path)) -> Vec<DoctorFinding> {
    let subject = settings.display().to_string();
    let host = match FleetHost::open(settings, state) {
        Ok(host) => host,
        Err(error) => {
            let otherwise = "twofactor fleet status says more";
            return vec![DoctorFinding::of(
                "fleet-settings",
                subject,
                error.into(),
                otherwise,
            )];
        }
    };
    let asked = fleet_members::check(host.gateway(), settings);
    let members = match host.members(&WorkDeadline::after(PATIENCE)) {
        Ok(members) => members,
        Err(reason) => {
            let cause = format!("{reason}, so logins with a code follow fleet.on_outage");
            let fix = "docs/fleet.md lists what makes an outage; twofactor fleet status asks again";
            let unusable = DoctorFinding::problem("fleet-store", subject, cause, fix);
            return std::iter::once(unusable).chain(asked).collect();
        }
    };
    let files = BeatFiles {
        state: state.to_owned(),
        policy: policy.to_owned(),
    };
    let own = report_of(&files).ok().map(|report| report.policy);
    let clock = clocks(host.gateway().clock_ahead(), &subject);
    let found = asked.into_iter().chain(clock);
    found.chain(policies(&members, own)).collect()
}

/// Codes depend on the time; certificates and lock-outs as well.
fn clocks(ahead: Option<i64>, subject: &str) -> Option<DoctorFinding> {
    let seconds = ahead?.unsigned_abs();
    (seconds > CLOCKS).then(|| {
        let cause =
            format!("the clock of this host and that of the store differ by {seconds} seconds");
        DoctorFinding::problem(
            "fleet-clock",
            subject,
            cause,
            "set up NTP on both; see: timedatectl",
        )
    })
}

/// The laxest policy of a fleet sets the limits for all.
fn policies(members: &[MemberView], own: Option<u64>) -> Option<DoctorFinding> {
    let own = own?;
    let is_other = |it: &&MemberView| {
        let said = it.entry.as_ref();
        !it.is_this && said.is_some_and(|entry| entry.policy != own)
    };
    let others = members.iter().filter(is_other);
    let ids: Vec<&str> = others.map(|it| it.id.as_str()).collect();
    (!ids.is_empty()).then(|| {
        let cause = format!(
            "the policy differs from that of {}; the laxest one sets the limits for all",
            ids.join(", ")
        );
        let fix =
            "compare twofactor policy show on both; a change reaches the fleet within a minute";
        DoctorFinding::warning("fleet-policy", "fleet", cause, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_fleet::sealed_values::fleet_entry::HostBeat;
    use twofactor_fleet::sealed_values::host_entry::{HostEntry, HostMembership};

    fn member(id: &str, is_this: bool, policy: u64) -> MemberView {
        MemberView {
            id: id.to_owned(),
            is_this,
            entry: Some(HostEntry {
                beat: HostBeat {
                    count: 1,
                    run: [0; 8],
                },
                membership: HostMembership::Member,
                policy,
                time: 0,
                version: String::new(),
            }),
        }
    }

    #[test]
    fn policies_that_differ_are_named() {
        let later = MemberView {
            entry: None,
            ..member("d", false, 2)
        };
        let members = [
            member("a", true, 1),
            member("b", false, 2),
            member("c", false, 1),
            later,
        ];
        let found = policies(&members, Some(1)).unwrap();
        assert!(found.cause.contains("that of b;"), "{}", found.cause);
        assert!(
            policies(&members[..1], Some(7)).is_none(),
            "its own last beat is no other host"
        );
        assert!(policies(&members, None).is_none());
    }

    #[test]
    fn clocks_that_differ_are_found() {
        for (ahead, is_found) in [
            (Some(15), false),
            (Some(16), true),
            (Some(-16), true),
            (None, false),
        ] {
            assert_eq!(clocks(ahead, "f").is_some(), is_found, "{ahead:?}");
        }
    }
}
