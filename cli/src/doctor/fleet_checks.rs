//! The host's part in a fleet: what makes every login an outage, and what an outage leaves.

use std::path::Path;

use twofactor_core::policy::{OutageRule, Policy};
use twofactor_protocol::fleet::FLEET_SOCKET;
use twofactor_store::fleet_contact::FleetContact;

use super::daemon_check::DaemonPresence;
use super::finding::DoctorFinding;

/// Seconds without contact with the store after which that is found: five beats.
const SILENCE: u64 = 300;

/// The fleet as this host's files and the service show it.
struct FleetFacts {
    service: DaemonPresence,
    /// When the store was met last; `None` where it never was.
    met: Option<u64>,
    /// Seconds since 1970-01-01 UTC.
    now: u64,
}

/// What is wrong with the host's part in a fleet; nothing where the policy has none.
pub fn check(policy: Option<&Policy>, state: &Path, now: u64) -> Vec<DoctorFinding> {
    let Some(policy) = policy.filter(|policy| policy.enabled && policy.fleet.enabled) else {
        return Vec::new();
    };
    let contact = match FleetContact::read(state) {
        Ok(contact) => contact,
        Err(error) => {
            let fix =
                "See who changed it; twofactord makes it anew within a minute once it is removed";
            let cause = format!("the note of the last contact with the store: {error}");
            let subject = state.display().to_string();
            return vec![DoctorFinding::problem("fleet-contact", subject, cause, fix)];
        }
    };
    let facts = FleetFacts {
        service: DaemonPresence::look_at(Path::new(FLEET_SOCKET)),
        met: contact.map(|contact| contact.met),
        now,
    };
    [reachable(&facts), endless(policy), shut(policy)]
        .into_iter()
        .flatten()
        .collect()
}

/// A service that does not run, or a store that was not met for a while: one of them, the first cause.
fn reachable(facts: &FleetFacts) -> Option<DoctorFinding> {
    if facts.service == DaemonPresence::Missing {
        return Some(DoctorFinding::problem(
            "fleet-service",
            FLEET_SOCKET,
            "the service of the fleet does not run, so each login with a code is one of an outage",
            "systemctl enable --now twofactord-fleet.socket twofactord-fleet.service",
        ));
    }
    let log = "See why: journalctl -u twofactord-fleet.service";
    match facts.met {
        None => Some(DoctorFinding::problem(
            "fleet-contact",
            FLEET_SOCKET,
            "this host has not met the store of its fleet yet, so that in an outage all codes are refused but those of local_services",
            log,
        )),
        Some(met) if facts.now.saturating_sub(met) > SILENCE => Some(DoctorFinding::problem(
            "fleet-contact",
            FLEET_SOCKET,
            format!(
                "this host met the store of its fleet {} minutes ago the last time, so each login with a code is one of an outage",
                facts.now.saturating_sub(met) / 60
            ),
            log,
        )),
        Some(_) => None,
    }
}

/// An outage without an end.
fn endless(policy: &Policy) -> Option<DoctorFinding> {
    let is_endless =
        policy.fleet.on_outage == OutageRule::Local && policy.fleet.outage_local_for == 0;
    is_endless.then(|| {
        DoctorFinding::warning(
            "fleet-outage-endless",
            "outage_local_for",
            "a host that is cut off accepts devices for ever that were removed elsewhere",
            "twofactor policy set fleet.outage_local_for 86400",
        )
    })
}

/// No way in without the store. A key of ssh may be one, which this cannot see.
fn shut(policy: &Policy) -> Option<DoctorFinding> {
    let fleet = &policy.fleet;
    let is_shut = fleet.on_outage == OutageRule::Deny
        && fleet.local_services.is_empty()
        && policy.exempt.is_empty();
    is_shut.then(|| {
        DoctorFinding::problem(
            "fleet-deny",
            "on_outage",
            "in an outage no login with a code is left: on_outage is \"deny\", local_services is empty, and no user is exempt",
            "twofactor policy edit, and name the console: local_services = [\"login\"]",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::policy;

    fn of(text: &str) -> Policy {
        policy::parse(&format!("enabled = true\n[fleet]\nenabled = true\n{text}")).unwrap()
    }

    fn check_of(finding: Option<DoctorFinding>) -> Option<&'static str> {
        finding.map(|finding| finding.check)
    }

    #[test]
    fn an_outage_without_an_end_or_a_way_in_is_found() {
        assert_eq!(check_of(endless(&of(""))), None);
        let without_end = "outage_local_for = 0\n";
        assert_eq!(
            check_of(endless(&of(without_end))),
            Some("fleet-outage-endless")
        );
        let denied = "on_outage = \"deny\"\noutage_local_for = 0\n";
        assert_eq!(check_of(endless(&of(denied))), None);
        assert_eq!(check_of(shut(&of(denied))), None, "the console is left");
        let shut_in = format!("{denied}local_services = []\n");
        assert_eq!(check_of(shut(&of(&shut_in))), Some("fleet-deny"));
        let exempt = format!("{shut_in}[[exempt]]\nusers = [\"root\"]\n");
        assert_eq!(check_of(shut(&of(&exempt))), None);
    }

    #[test]
    fn a_store_that_is_not_met_is_found() {
        let facts = |service, met| FleetFacts {
            service,
            met,
            now: 1_000,
        };
        let missing = facts(DaemonPresence::Missing, None);
        assert_eq!(check_of(reachable(&missing)), Some("fleet-service"));
        for (met, found) in [
            (None, Some("fleet-contact")),
            (Some(699), Some("fleet-contact")),
            (Some(700), None),
            // The clock was set back; the check of the clock tells.
            (Some(2_000), None),
        ] {
            let facts = facts(DaemonPresence::Listening, met);
            assert_eq!(check_of(reachable(&facts)), found, "{met:?}");
        }
    }
}
